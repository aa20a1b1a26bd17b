"""Registered campaigns, resolved: times in milliseconds, money in micros of the reporting currency."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec.structs import asdict

from metrics.records.events import Campaign, Instant
from metrics.records.validation import instant
from metrics.values.currency import ExchangeRates, effective_from
from metrics.values.errors import Reason, Rejection
from metrics.values.intervals import Interval
from metrics.values.money import to_micros
from metrics.values.time import MINUTE, floor_to

_LATEST = 1 << 62
#: Before every instant.
_EVER = -(1 << 62)


#: Targets that are amounts; the others are ratios.
_MONEY_TARGETS = ("cpl", "cpa", "cac")
#: The target that customers are judged by, and not the sums of the campaign.
CLV_TO_CAC: Literal["clv_to_cac"] = "clv_to_cac"


class CampaignFacts(NamedTuple):
    """What readings need to know of a campaign.

    ``targets_micros`` are in millionths: of the reporting currency where the target is money, of 1 where
    it is a ratio. ``worth_target_micros`` is the CLV : CAC that is wanted, in millionths of 1.
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
    worth_target_micros: int | None = None

    @property
    def all_targets_micros(self) -> dict[str, int]:
        """Targets by name, that of customers with them."""
        worth = self.worth_target_micros
        return dict(self.targets_micros) | ({} if worth is None else {CLV_TO_CAC: worth})


class CampaignRegistry:
    """Campaigns and rates as registered now.

    A campaign may have several records, each valid from an instant on. Currency and cost basis hold by event time; everything else
    is what the newest record says.
    """

    def __init__(self, reporting_currency: str) -> None:
        self.rates = ExchangeRates(reporting_currency)
        #: By campaign, what its newest record says.
        self.campaigns: dict[str, CampaignFacts] = {}
        #: Campaigns that were withdrawn; their facts still count, but they are no longer shown.
        self.archived: set[str] = set()
        self._withdrawn: dict[str, CampaignFacts] = {}
        #: Campaigns that are paid in another currency than that of the reports, now or at some time.
        self.foreign: set[str] = set()
        #: By campaign, the records in order of the minute from which they hold. Those of archived campaigns stay: what their money
        #: is worth does not change.
        self._versions: dict[str, list[CampaignVersion]] = {}
        #: Counts the changes.
        self.revision = 0
        #: By campaign and by currency, the revision of the latest change, the newest last.
        self._campaigns_changed: dict[str, int] = {}
        self._currencies_changed: dict[str, int] = {}

    def register(self, campaign_id: str, record: Campaign | None) -> None:
        """Take in the only record of a campaign; None archives it.

        Raises:
            Rejection: when a field is wrong; what was known of the campaign stays.
        """
        self.set_records(campaign_id, [] if record is None else [record])

    def set_records(self, campaign_id: str, records: Sequence[Campaign]) -> None:
        """Take in all records of a campaign; where there is none the campaign is archived.

        Raises:
            Rejection: when a field is wrong; what was known of the campaign stays.
        """
        if not records:
            known = self.campaigns.pop(campaign_id, None)
            if known is not None:
                self._withdrawn[campaign_id] = known
            self.archived.add(campaign_id)
            return
        versions = sorted(map(version_of, records), key=lambda each: each.valid_from)
        newest = resolve(versions[-1].record, self.rates)
        for version in versions[:-1]:
            resolve(version.record, self.rates)
        self._versions[campaign_id] = versions
        self._note(self._campaigns_changed, campaign_id)
        self.campaigns[campaign_id] = newest
        is_foreign = any(each.record.currency not in (None, self.rates.reporting) for each in versions)
        (self.foreign.add if is_foreign else self.foreign.discard)(campaign_id)
        self.archived.discard(campaign_id)
        self._withdrawn.pop(campaign_id, None)

    def set_rate(self, currency: str, valid_from: int, rate: Decimal | None) -> list[str]:
        """Take in a rate; return the campaigns in that currency, whose money is resolved anew."""
        self.rates.set(currency, valid_from, rate)
        self._note(self._currencies_changed, currency)
        touched = [
            campaign_id
            for campaign_id, versions in self._versions.items()
            if any(each.record.currency == currency for each in versions)
        ]
        for campaign_id in touched:
            self._note(self._campaigns_changed, campaign_id)
            if campaign_id in self.campaigns:
                self.campaigns[campaign_id] = resolve(self._versions[campaign_id][-1].record, self.rates)
        return touched

    def facts(self, campaign_id: str) -> CampaignFacts:
        """What is known of a campaign, or was when it was archived; an unregistered one has the defaults."""
        return (
            self.campaigns.get(campaign_id) or self._withdrawn.get(campaign_id) or CampaignFacts(campaign_id)
        )

    def facts_of_window(self, campaign_id: str, span: Interval | None) -> CampaignFacts:
        """The same with the cost basis that holds at the start of a window; before the first record it is ``events``.

        The whole history has the basis of the newest record.
        """
        facts = self.facts(campaign_id)
        if facts.registered is None or span is None:
            return facts
        start, _ = span
        version = self._version_at(campaign_id, start)
        is_reported = version is not None and version.record.cost_basis == "reports"
        return facts if is_reported == facts.is_reported else facts._replace(is_reported=is_reported)

    def currency_of(self, campaign_id: str | None, at: int) -> str:
        """The currency of amounts of an instant that name none."""
        return self.registered_currency(campaign_id, at) or self.rates.reporting

    def registered_currency(self, campaign_id: str | None, at: int) -> str | None:
        """The same; None where no record of the campaign is known at all."""
        if campaign_id is None or campaign_id not in self._versions:
            return None
        version = self._version_at(campaign_id, at)
        return (version.record.currency if version else None) or self.rates.reporting

    def currencies_of(self, campaign_id: str) -> list[tuple[int, str]]:
        """The instants from which a campaign is paid in another currency than before, with that; first, it is the reporting one."""
        found: list[tuple[int, str]] = []
        paid_in = self.rates.reporting
        for version in self._versions.get(campaign_id, ()):
            currency = version.record.currency or self.rates.reporting
            if currency != paid_in:
                found.append((version.since, currency))
                paid_in = currency
        return found

    def currency_changes(self, campaign_id: str) -> list[int]:
        """The instants at which the worth of amounts that name no currency may change."""
        versions = self._versions.get(campaign_id, ())
        rates = {at for each in versions for at in self.rates.changes_of(each.record.currency or "")}
        return sorted(rates | {each.since for each in versions})

    def bases(self, campaign_id: str) -> tuple[tuple[int, bool], ...]:
        """Each instant from which a cost basis of a campaign holds, and whether that is reports."""
        versions = self._versions.get(campaign_id, ())
        return tuple((each.since, each.record.cost_basis == "reports") for each in versions)

    def changed_since(self, revision: int) -> tuple[set[str], set[str]]:
        """Campaigns whose records, or the worth of whose money, have changed since a revision, and currencies whose rates have."""
        return _since(self._campaigns_changed, revision), _since(self._currencies_changed, revision)

    def _note(self, changed: dict[str, int], name: str) -> None:
        self.revision += 1
        changed.pop(name, None)
        changed[name] = self.revision

    def _version_at(self, campaign_id: str, at: int) -> "CampaignVersion | None":
        versions = self._versions[campaign_id]
        index = bisect_right(versions, floor_to(at, MINUTE), key=lambda each: each.since)
        return versions[index - 1] if index else None


def _since(changed: dict[str, int], revision: int) -> set[str]:
    return set(takewhile(lambda name: changed[name] > revision, reversed(changed)))


class CampaignVersion(NamedTuple):
    """A record of a campaign, and the instant from which it is valid; it holds from the start of that minute on."""

    valid_from: int
    record: Campaign

    @property
    def since(self) -> int:
        """The start of the minute."""
        return effective_from(self.valid_from)


def version_of(record: Campaign) -> CampaignVersion:
    """A record with the instant from which it holds.

    Raises:
        Rejection: when ``valid_from`` is no instant.
    """
    valid_from = _optional(record.valid_from, "valid_from")
    return CampaignVersion(_EVER if valid_from is None else valid_from, record)


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
        worth_target_micros=_worth_target(record),
    )


def _targets(record: Campaign, money: Callable[[Decimal | None, str], int | None]) -> dict[str, int]:
    """Targets that are named and known; a null target is none."""
    named = {} if record.targets is None else asdict(record.targets)
    resolved = {
        name: money(value, f"targets.{name}") if name in _MONEY_TARGETS else _micros(value, f"targets.{name}")
        for name, value in named.items()
        if value is not None and name != CLV_TO_CAC
    }
    return {name: micros for name, micros in resolved.items() if micros is not None}


def _worth_target(record: Campaign) -> int | None:
    """CLV : CAC that is wanted, above 0."""
    wanted = None if record.targets is None else record.targets.clv_to_cac
    if wanted is None:
        return None
    micros = _micros(wanted, f"targets.{CLV_TO_CAC}")
    if micros <= 0:
        raise Rejection(
            Reason.INVALID_FIELD,
            f"targets.{CLV_TO_CAC}: {wanted} is no ratio to reach; give one above 0, such as 1: customers bring what they cost",
        )
    return micros


def _optional(value: Instant | None, name: str) -> int | None:
    return None if value is None else instant(value, name)


def _micros(amount: Decimal, name: str) -> int:
    try:
        return to_micros(amount)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"{name}: {error}") from error
