"""Readings for people: one line each, or a table of the newest windows. Reads no topic."""

from collections.abc import Callable, Iterable

from rich.table import Table
from rich.text import Text

from metrics.records.kpi_reading import CampaignKpi
from metrics.values.money import MICROS
from streams import catalogues

#: Header, borders and caption of the table take so many lines.
_FRAME = 6
#: What a row names.
HEADINGS = ("campaign", "model", "window", "start", "stage")
COLUMNS = ("spend", "clicks", "leads", "orders", "CPL", "CAC", "ROAS", "ROI")
_STYLES = {"update": "", "final": "green", "correction": "yellow"}

Slot = tuple[str, str, str]


class CurrentReadings:
    """Of each campaign, model and window length, the reading of the latest window.

    At most ``limit`` are kept, those heard from last.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._by_slot: dict[Slot, CampaignKpi] = {}
        self._seen = 0

    def take(self, reading: CampaignKpi) -> None:
        """Take in a reading; one of an earlier window leaves the later one in place."""
        self._seen += 1
        slot = (reading.campaign_id, reading.model, reading.window)
        known = self._by_slot.pop(slot, None)
        is_earlier = known is not None and (reading.window_start or "") < (known.window_start or "")
        self._by_slot[slot] = known if known is not None and is_earlier else reading
        if len(self._by_slot) > self._limit:
            del self._by_slot[next(iter(self._by_slot))]

    def rows(self, limit: int) -> list[CampaignKpi]:
        """The readings heard from last, by campaign, model and window."""
        newest = list(self._by_slot.items())[-limit:]
        return [reading for _, reading in sorted(newest, key=lambda item: item[0])]

    def table(self, height: int) -> Table:
        """The table, cut to a terminal of ``height`` lines."""
        shown = self.rows(max(1, height - _FRAME))
        hidden = len(self._by_slot) - len(shown)
        caption = (
            catalogues.t("{count} readings", count=self._seen)
            if self._seen
            else catalogues.t("waiting for the first reading")
        )
        if hidden:
            caption = catalogues.t(
                "{caption}, {count} more rows; see --campaign, --window", caption=caption, count=hidden
            )
        table = Table(caption=caption)
        for name in HEADINGS:
            table.add_column(catalogues.t(name), no_wrap=True)
        for name in COLUMNS:
            table.add_column(catalogues.t(name), justify="right", no_wrap=True)
        for reading in shown:
            figures = _figures(reading, catalogues.number)
            table.add_row(*map(Text, _names(reading)), *figures, style=_STYLES[reading.stage])
        return table


def line(reading: CampaignKpi) -> str:
    """One reading as one line, alike in every language, for pipes and logs; money in the reading's currency, ratios in units of 1."""
    figures = " ".join(
        f"{name} {text}" for name, text in zip(COLUMNS, _figures(reading, _plain), strict=True)
    )
    return f"{' '.join(_names(reading))} r{reading.revision} {reading.currency} {figures}"


def _names(reading: CampaignKpi) -> Iterable[str]:
    """Ids come from outside: what a terminal would obey instead of showing is replaced."""
    names = (reading.campaign_id, reading.model, reading.window, reading.window_start or "–", reading.stage)
    return ("".join(each if each.isprintable() else "\ufffd" for each in name) for name in names)


def _figures(reading: CampaignKpi, number: Callable[[float, int], str]) -> Iterable[str]:
    sums, kpis = reading.sums, reading.kpis
    spend = None if sums.spend_micros is None else sums.spend_micros / MICROS
    # A count is whole; credit of the models has two places.
    counts = (
        "–" if value is None else number(value, 0 if isinstance(value, int) else 2)
        for value in (sums.clicks, sums.leads, sums.orders)
    )
    shares = (kpis.get(name) for name in ("cpl", "cac", "roas", "roi_net_profit"))
    money, *ratios = ("–" if value is None else number(value, 2) for value in (spend, *shares))
    return money, *counts, *ratios


def _plain(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"
