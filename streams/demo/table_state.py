"""What the live table knows: latest readings per campaign, facts of the pipeline. Pure; knows no broker."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metrics.records.events import NO_CAMPAIGN
from streams import catalogues
from streams.demo.campaign_profiles import CampaignProfile
from streams.demo.story import StoryLine
from streams.demo.world import RATES, DemoWorld
from streams.stages.intake.ledger import LedgerCounts

#: The windows the table reads; of ``1h`` it keeps the newest.
TOTAL, HOURLY = "total", "1h"
_TREND_LENGTH = 24
Reading = Mapping[str, Any]


@dataclass(frozen=True)
class KnownCampaign:
    """What is known of a campaign beforehand; amounts in the reporting currency.

    ``true_cpl`` is what the world draws from, so that figures can be compared with the truth.
    """

    campaign_id: str
    name: str
    channel: str
    target_cpl: float | None = None
    true_cpl: float | None = None


@dataclass
class CampaignRow:
    """One campaign: its facts, its latest readings, the course of its CPL."""

    facts: KnownCampaign
    readings: dict[str, Reading] = field(default_factory=dict)
    trend: deque[float] = field(default_factory=lambda: deque(maxlen=_TREND_LENGTH))
    changed_ms: int | None = None

    def sums(self, name: str) -> float | None:
        """A sum of ``total``; None before the first reading, or where the reading has none."""
        reading = self.readings.get(TOTAL)
        return None if reading is None else reading["sums"].get(name)

    def kpi(self, name: str, window: str = TOTAL) -> float | None:
        """A KPI of a window, None where it is undefined or not there yet."""
        reading = self.readings.get(window)
        return None if reading is None else reading["kpis"].get(name)

    @property
    def has_figures(self) -> bool:
        """Whether CPL and ROI are both known."""
        return self.kpi("cpl") is not None and self.kpi("roi_net_profit") is not None


def facts(world: DemoWorld) -> list[KnownCampaign]:
    """The table's rows for a world: its campaigns, and the conversions that name none.

    Targets are in the campaign's currency; figures come in the reporting one, so targets are converted.
    """
    rates = {currency: float(newest) for currency, (_, newest) in RATES.items()}

    def row(profile: CampaignProfile) -> KnownCampaign:
        rate = rates.get(profile.currency, 1.0)
        target, truth = profile.target_cpl * rate, profile.expected_cpl * rate
        return KnownCampaign(
            profile.campaign_id, profile.name, profile.channel, target or None, truth or None
        )

    return [*map(row, world.profiles), KnownCampaign(NO_CAMPAIGN, catalogues.t("no campaign named"), "")]


class TableState:
    """All rows, and the facts of header and footer."""

    def __init__(self, campaigns: Iterable[KnownCampaign], links: Mapping[str, str] | None = None) -> None:
        self.rows = {facts.campaign_id: CampaignRow(facts) for facts in campaigns}
        self.links = dict(links or {})
        #: Over all topic-partitions, as the worker last said.
        self.ledger = LedgerCounts()
        self.sent = self.sent_broken = self.sent_twice = self.sent_late = 0
        #: Records of sources that earlier runs of a kept world sent.
        self.sent_before = 0
        self.corrections = self.published = self.behind_ms = 0
        self.now_ms = 0
        #: What happened so far, the newest last, and the campaigns that it has changed.
        self.story: list[StoryLine] = []
        self.touched: frozenset[str] = frozenset()
        #: False on a broker of the user's: its ledger may hold more than this demo sent.
        self.has_own_ledger = True
        self.currency = "EUR"
        self.phase = "starting"

    @property
    def names(self) -> dict[str, str]:
        """Names of the campaigns, by id."""
        return {name: row.facts.name for name, row in self.rows.items() if name != NO_CAMPAIGN}

    def offer(self, reading: Reading, now_ms: int) -> bool:
        """Take a ``campaign-kpi/1`` record; True when the table shows something new.

        The newest window wins, and of one window the highest revision; the order of arrival does
        not matter, and a repeated record changes nothing.
        """
        window = reading.get("window")
        row = self.rows.get(str(reading.get("campaign_id")))
        if reading.get("model") != "declared":
            return False
        self.published += 1
        self.corrections += reading.get("stage") == "correction"
        if row is None or window not in {TOTAL, HOURLY}:
            return False
        known = row.readings.get(window)
        if known is not None and _rank(known) >= _rank(reading):
            return False
        row.readings[window] = reading
        self.currency = reading["currency"]
        row.changed_ms = now_ms
        cpl = reading["kpis"].get("cpl")
        if window == TOTAL and cpl is not None:
            row.trend.append(cpl)
        return True

    @property
    def campaigns_with_figures(self) -> int:
        """Campaigns whose CPL and ROI are both known."""
        return sum(row.has_figures for row in self.rows.values())

    def sum_of(self, name: str) -> float:
        """A sum over all campaigns."""
        return sum(row.sums(name) or 0 for row in self.rows.values())


def _rank(reading: Reading) -> tuple[str, int]:
    """Order of the readings of one campaign and window; RFC 3339 instants sort as text."""
    return (reading.get("window_start") or "", reading["revision"])
