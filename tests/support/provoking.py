"""Traffic that provokes each alert, and the rules with their minutes as seconds."""

import re
import time
from collections.abc import Iterator
from typing import Any

from metrics.values.time import DAY, MINUTE, SECOND
from streams import topics
from streams.settings import Settings
from tests.support.outside import Outgoing, write

#: 30 minutes of a rule are 10 seconds of the test.
FACTOR = 180
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAST_RANGE_S = 6


def hurried(text: str) -> str:
    """Rules and configuration with short times: ranges by the factor, patience of a second."""
    text = re.sub(r"\[(\d+)([smhd])\]", lambda found: f"[{_shorter(found)}s]", text)
    text = re.sub(r"offset (\d+)([smhd])", lambda found: f"offset {_shorter(found)}s", text)
    text = re.sub(r"(^ *)for: \w+", r"\1for: 1s", text, flags=re.MULTILINE)
    text = re.sub(r"(^ *)keep_firing_for: \w+", r"\1keep_firing_for: 2s", text, flags=re.MULTILINE)
    text = re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \d+s", r"\1: 1s", text)
    text = re.sub(r"(group_wait): \d+s", r"\1: 0s", text)
    return re.sub(r"(group_interval): \d+[sm]", r"\1: 1s", text)


def _shorter(found: re.Match[str]) -> int:
    return max(_LEAST_RANGE_S, int(found[1]) * _SECONDS[found[2]] // FACTOR)


#: Which campaign provokes which alert.
PROVOKERS = {
    "CampaignCostPerLeadOverTarget": "dear",
    "CampaignRoiUnderFloor": "losing",
    "CampaignSpendWithoutLeads": "leadless",
    "CampaignOverspend": "fast",
    "CampaignUnderspend": "slow",
    "CampaignSpendWithoutEvents": "unseen",
    "CampaignEventsWithoutSpend": "unpaid",
}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Provoker:
    """Writes records of one deployment; ids never repeat."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._ids = iter(range(10**9))

    def write(self, records: Iterator[Outgoing] | list[Outgoing]) -> None:
        write(self.settings, records)

    def register(self) -> None:
        """A healthy campaign, and one campaign for each alert."""
        at = now_ms()
        campaigns: dict[str, dict[str, Any]] = {
            "healthy": {"targets": {"cpl": 5, "roi": 0}, "starts_at": at - 2 * DAY},
            "dear": {"targets": {"cpl": 1}},
            "losing": {"targets": {"roi": 0.5}, "starts_at": at - 2 * DAY},
            "leadless": {"targets": {"cpl": 1}},
            "fast": {"budget": 10},
            "slow": {"budget": 100, "starts_at": at - 5 * DAY, "ends_at": at + 5 * DAY},
            "unseen": {"cost_basis": "reports"},
            "unpaid": {"budget": 10},
        }
        self.write(
            [
                (topics.CAMPAIGNS, name.encode(), {"campaign_id": name, "status": "active", **facts})
                for name, facts in campaigns.items()
            ]
        )

    def clicks(
        self, campaign: str, count: int, cost: float | None = None, at: int | None = None
    ) -> list[Outgoing]:
        return [
            self._event(topics.CLICKS, campaign, at, **({} if cost is None else {"cost": cost}))
            for _ in range(count)
        ]

    def leads(self, campaign: str, count: int, at: int | None = None) -> list[Outgoing]:
        return [self._event(topics.LEADS, campaign, at, lead_id=f"l-{next(self._ids)}") for _ in range(count)]

    def orders(
        self, campaign: str, count: int, revenue: float, currency: str = "EUR", at: int | None = None
    ) -> list[Outgoing]:
        own = {"revenue": revenue, "currency": currency}
        return [
            self._event(topics.ORDERS, campaign, at, order_id=f"o-{next(self._ids)}", **own)
            for _ in range(count)
        ]

    def report(self, campaign: str, spend: float) -> list[Outgoing]:
        """The last half hour as the ad platform tells it."""
        at = now_ms()
        record = {
            "report_id": f"r-{next(self._ids)}", "source": "ads", "campaign_id": campaign,
            "period_start": at - 30 * MINUTE, "period_end": at, "spend": spend, "clicks": 40, "impressions": 400,
        }  # fmt: skip
        return [(topics.REPORTS, campaign.encode(), record)]

    def broken(self, count: int) -> list[Outgoing]:
        return [(topics.CLICKS, b"v", b'{"event_id": "cut') for _ in range(count)]

    def _event(self, topic: str, campaign: str, at: int | None, **fields: Any) -> Outgoing:
        number = next(self._ids)
        occurred = now_ms() - SECOND if at is None else at
        record = {
            "event_id": f"e-{number}",
            "occurred_at": occurred,
            "campaign_id": campaign,
            "visitor_id": f"v-{number}",
        }
        return topic, f"v-{number}".encode(), {**record, **fields}

    def conversions(self) -> list[Outgoing]:
        """Sent and seen before the spend: a spend that is seen alone, for a moment, would be one without leads."""
        return [
            *self.leads("healthy", 10), *self.orders("healthy", 12, 20),
            *self.leads("dear", 10),
            *self.orders("losing", 12, 2),
        ]  # fmt: skip

    def spend(self) -> list[Outgoing]:
        """What makes the alerts on campaigns fire, but for ``unpaid``, whose clicks must be seen to grow."""
        return [
            *self.clicks("healthy", 40, 0.5),
            *self.clicks("dear", 100, 0.5),
            *self.clicks("losing", 100, 1),
            *self.clicks("leadless", 40, 0.5),
            *self.clicks("fast", 100, 0.4),
            *self.clicks("slow", 10, 0.1),
            *self.report("unseen", 50),
            *self.clicks("unpaid", 1),
        ]  # fmt: skip

    def sign_of_life(self) -> list[Outgoing]:
        """A click of every campaign that is paid by its events: their tracking works."""
        paid = set(PROVOKERS.values()) - {"unseen", "unpaid"} | {"healthy"}
        return [record for name in paid for record in self.clicks(name, 1, 0.01)]
