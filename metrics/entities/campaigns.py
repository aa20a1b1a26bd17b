"""Registered campaigns, resolved: times in milliseconds, money in micros of the reporting currency."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import asdict

from metrics.records.events import Campaign, Instant
from metrics.records.validation import instant
from metrics.values.currency import ExchangeRates
from metrics.values.errors import Reason, Rejection
from metrics.values.money import to_micros

_LATEST = 1 << 62


#: Targets that are amounts; the others are ratios.
_MONEY_TARGETS = ("cpl", "cpa", "cac")


class CampaignFacts(NamedTuple):
    """What readings need to know of a campaign.

    ``targets_micros`` are in millionths: of the reporting currency where the target is money, of 1 where
    it is a ratio.
    """

    campaign_id: str
    registered: Campaign | None = None
    channel: str | None = None
    currency: str | None = None
    starts_at: int | None = None
    ends_at: int | None = None
    budget_micros: int | None = None
    other_cost_micros: int = 0
    baseline_micros_per_day: int | None = None
    is_reported: bool = False
    targets_micros: Mapping[str, int] = MappingProxyType({})


class CampaignRegistry:
    """Campaigns and rates as registered now."""

    def __init__(self, reporting_currency: str) -> None:
        self.rates = ExchangeRates(reporting_currency)
        self.campaigns: dict[str, CampaignFacts] = {}
        #: Campaigns that were withdrawn; their facts still count, but they are no longer shown.
        self.archived: set[str] = set()
        #: Campaigns that are paid in another currency than that of the reports.
        self.foreign: set[str] = set()
        self._records: dict[str, Campaign] = {}

    def register(self, campaign_id: str, record: Campaign | None) -> None:
        """Take in a campaign's record; None archives it.

        Raises:
            Rejection: when a field is wrong; what was known of the campaign stays.
        """
        if record is None:
            self.campaigns.pop(campaign_id, None)
            self._records.pop(campaign_id, None)
            self.archived.add(campaign_id)
            self.foreign.discard(campaign_id)
            return
        self.campaigns[campaign_id] = resolve(record, self.rates)
        is_foreign = record.currency not in (None, self.rates.reporting)
        (self.foreign.add if is_foreign else self.foreign.discard)(campaign_id)
        self.archived.discard(campaign_id)
        self._records[campaign_id] = record

    def set_rate(self, currency: str, valid_from: int, rate: Decimal | None) -> list[str]:
        """Take in a rate; return the campaigns in that currency, whose money is resolved anew."""
        self.rates.set(currency, valid_from, rate)
        touched = [name for name, record in self._records.items() if record.currency == currency]
        for campaign_id in touched:
            self.campaigns[campaign_id] = resolve(self._records[campaign_id], self.rates)
        return touched

    def facts(self, campaign_id: str) -> CampaignFacts:
        """What is known of a campaign; an unregistered one has the defaults."""
        return self.campaigns.get(campaign_id) or CampaignFacts(campaign_id)

    def currency_of(self, campaign_id: str | None) -> str:
        """The currency of amounts that name none."""
        known = self.campaigns.get(campaign_id) if campaign_id is not None else None
        return (known.currency if known else None) or self.rates.reporting


def resolve(record: Campaign, rates: ExchangeRates) -> CampaignFacts:
    """Facts of a record; money at the rate valid when the campaign starts, else at the latest.

    Money in a currency without a rate stays unknown until the rate comes, and so does money that a rate makes larger
    than any amount may be: whether a record is taken depends on the record alone, not on what came before it.

    Raises:
        Rejection: ``invalid_field`` when a time or an amount of the record is wrong.
    """
    starts_at = _optional(record.starts_at, "starts_at")
    at = _LATEST if starts_at is None else starts_at
    currency = record.currency or rates.reporting

    def money(amount: Decimal | None, name: str) -> int | None:
        if amount is None:
            return None
        micros = _micros(amount, name)
        try:
            return rates.converted(micros, currency, at)
        except Rejection:
            return None

    return CampaignFacts(
        campaign_id=record.campaign_id,
        registered=record,
        channel=record.channel,
        currency=record.currency,
        starts_at=starts_at,
        ends_at=_optional(record.ends_at, "ends_at"),
        budget_micros=money(record.budget, "budget"),
        other_cost_micros=money(record.other_cost, "other_cost") or 0,
        baseline_micros_per_day=money(record.baseline_revenue_per_day, "baseline_revenue_per_day"),
        is_reported=record.cost_basis == "reports",
        targets_micros=MappingProxyType(_targets(record, money)),
    )


def _targets(record: Campaign, money: Callable[[Decimal | None, str], int | None]) -> dict[str, int]:
    """Targets that are named and known; a null target is none."""
    named = {} if record.targets is None else asdict(record.targets)
    resolved = {
        name: money(value, f"targets.{name}") if name in _MONEY_TARGETS else _micros(value, f"targets.{name}")
        for name, value in named.items()
        if value is not None
    }
    return {name: micros for name, micros in resolved.items() if micros is not None}


def _optional(value: Instant | None, name: str) -> int | None:
    return None if value is None else instant(value, name)


def _micros(amount: Decimal, name: str) -> int:
    try:
        return to_micros(amount)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"{name}: {error}") from error
