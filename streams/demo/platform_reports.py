"""What the ad platform reports about campaigns that are paid by reports: the hour so far, again and again."""

import random

from metrics.values.time import HOUR, SECOND, floor_to, format_instant
from streams import topics
from streams.demo.campaign_profiles import CampaignProfile
from streams.demo.delivery import Fact

#: Simulated time between two statements of the same hour: while live, and in the history.
LIVE_CADENCE_MS, HISTORY_CADENCE_MS = 5 * SECOND, 60 * SECOND
_SOURCE = "demo-ads"
_MICROS = 1_000_000


class PlatformReporter:
    """One campaign's hourly reports; each statement replaces the earlier ones of its hour.

    A statement covers the hour as far as it has gone, so that nothing is spent in the future. The
    platform counts a few more clicks than the site sees, as platforms do.

    Args:
        profile: the campaign.
        rng: the luck.
        starts_ms: no statement covers what was before; 0 where the world begins.
    """

    def __init__(self, profile: CampaignProfile, rng: random.Random, starts_ms: int) -> None:
        self._starts_ms = starts_ms
        self._profile = profile
        self._rng = rng
        self._hour: int | None = None
        self._clicks = self._impressions = self._spend_micros = 0

    def count(self, at_ms: int) -> list[Fact]:
        """Count a click; the last statement of the hour before, when the click opens a new one."""
        closed = self._turn(at_ms)
        price = self._profile.click_price * self._rng.uniform(0.7, 1.3)
        self._clicks += 1 + (self._rng.random() < 0.03)
        self._impressions += round(self._profile.impressions_per_click)
        self._spend_micros += round(price * _MICROS)
        return closed

    def state(self, at_ms: int) -> list[Fact]:
        """The statements due at ``at_ms``."""
        closed = self._turn(at_ms)
        return [*closed, self._statement(at_ms)] if at_ms > self._period_start() else closed

    def _turn(self, at_ms: int) -> list[Fact]:
        hour, before = floor_to(at_ms, HOUR), self._hour
        if hour == before:
            return []
        closed = [] if before is None else [self._statement(before + HOUR)]
        self._hour, self._clicks, self._impressions, self._spend_micros = hour, 0, 0, 0
        return closed

    def _period_start(self) -> int:
        assert self._hour is not None, "it has turned"
        return max(self._hour, self._starts_ms)

    def _statement(self, at_ms: int) -> Fact:
        assert self._hour is not None, "it has turned"
        campaign_id = self._profile.campaign_id
        record = {
            "report_id": f"r-{campaign_id}-{self._hour // HOUR}-{at_ms - self._hour}",
            "source": _SOURCE,
            "campaign_id": campaign_id,
            "period_start": format_instant(self._period_start()),
            "period_end": format_instant(at_ms),
            "reported_at": format_instant(at_ms),
            "impressions": self._impressions,
            "clicks": self._clicks,
            "spend": f"{self._spend_micros / _MICROS:.6f}",
            "currency": self._profile.currency,
        }
        return Fact(topics.REPORTS, campaign_id, record, at_ms)
