"""KPIs of what customers do beside ordering, read from the counts of a cohort or of a calendar month."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from metrics.customers.calendar import MONTHS_OF, CohortPeriod, month_name
from metrics.customers.customer_figure import CustomerFigure
from metrics.customers.engagement import (
    FIRST_RESPONSE,
    RESOLUTION,
    TIMES_APART,
    ContractMonth,
    Kind,
    RunningContracts,
    contract_months,
)
from metrics.customers.quantile_sketch import quantile
from metrics.customers.satisfaction import (
    ScoreInterval,
    net_promoter_interval,
    net_promoter_score,
    share_interval,
)
from metrics.values.money import MICROS, ratio

_PLACES = 6
_MS_PER_S = 1_000


class EngagementReading(NamedTuple):
    """Counts of a cohort, or of a month.

    Attributes:
        customers: of the cohort; of a month those who ordered in it.
        counts: by kind, all months together.
        persons: customers with any, by kind of ``OF_PERSONS``.
        ended: as ``counts``, of months that are over: terms and contracts that end later have not ended yet.
        at_start: contracts that ran when the month began; None of a cohort.
        months_of_one: how many months the month is, by which counts go: less than one where it is a week.
        running: contracts when the month ended, of a cohort the newest month that is over.
    """

    customers: int
    counts: Mapping[int, int]
    persons: Mapping[int, int]
    ended: Mapping[int, int]
    at_start: int | None = None
    running: RunningContracts = RunningContracts()
    months_of_one: float = 1.0

    def number(self, kind: Kind) -> int:
        """How many of a kind."""
        return self.counts.get(kind, 0)

    @property
    def groups(self) -> tuple[int, int, int]:
        """Promoters, passives, detractors."""
        return self.number(Kind.PROMOTERS), self.number(Kind.PASSIVES), self.number(Kind.DETRACTORS)

    def time(self, base: int, share: float) -> float | None:
        """The time in seconds below which a share of times lies; None where there is none."""
        buckets = {
            kind - base: number for kind, number in self.counts.items() if base <= kind < base + TIMES_APART
        }
        found = quantile(buckets, share)
        return None if found is None else round(found / _MS_PER_S, _PLACES)


def engagement_reading(
    customers: int,
    counts: Mapping[int, Mapping[int, int]],
    persons: Mapping[int, int],
    over: int,
    period: CohortPeriod = "month",
) -> EngagementReading:
    """The counts of a cohort, to be read.

    Args:
        customers: of the cohort.
        counts: by calendar month and kind.
        persons: customers with any, by kind of ``OF_PERSONS``.
        over: the first calendar month that is not over.
        period: what counts go by, where it is no month.
    """
    total: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    for month, each in counts.items():
        total.update(each)
        if month < over:
            ended.update(each)
    contracts = contract_months(counts, over)
    running = contracts[-1].at_end if contracts else RunningContracts()
    return EngagementReading(
        customers, total, persons, ended, running=running, months_of_one=MONTHS_OF[period]
    )


def month_engagement(
    months: Mapping[str, int],
    counts: Mapping[int, Mapping[int, int]],
    over: int,
    name: Callable[[int], str] = month_name,
) -> dict[str, dict[str, float | None]]:
    """The KPIs of calendar months that are over, by month and id.

    Args:
        months: as ``YYYY-MM``, each with how many customers ordered in it.
        counts: by calendar month and kind, from the first month on.
        over: the first calendar month that is not over.
        name: of a month; of weeks they are made alike.
    """
    named = {name(month): each for month, each in counts.items()}
    contracts = {each.name: each for each in contract_months(counts, over, name)}
    none = ContractMonth("", 0, 0, 0, RunningContracts())
    found = {}
    for month, customers in months.items():
        mine = named.get(month, {})
        running = contracts.get(month, none)
        reading = EngagementReading(customers, mine, {}, mine, running.at_start, running.at_end)
        found[month] = {kpi: figure.read(reading) for kpi, figure in MONTH_ENGAGEMENT.items()}
    return found


def _end(interval: ScoreInterval | None, which: int) -> float | None:
    return None if interval is None else round(interval[which], _PLACES)


def _nps_end(which: int) -> Callable[[EngagementReading], float | None]:
    return lambda reading: _end(net_promoter_interval(*reading.groups), which)


def _csat_end(which: int) -> Callable[[EngagementReading], float | None]:
    def read(reading: EngagementReading) -> float | None:
        return _end(share_interval(reading.number(Kind.SATISFIED), reading.number(Kind.RATINGS)), which)

    return read


def _time(base: int, share: float) -> Callable[[EngagementReading], float | None]:
    return lambda reading: reading.time(base, share)


def _monthly(reading: EngagementReading) -> float | None:
    """Of contracts that have all ended 0; None before the first amount."""
    return ratio(reading.running.monthly, MICROS) if reading.running.billed else None


def _of_contract(reading: EngagementReading) -> float | None:
    return ratio(reading.running.monthly, reading.running.valued * MICROS)


def _of_life(reading: EngagementReading, churn: float | None) -> float | None:
    """What a contract brings that a share of all leaves in every month."""
    each = _of_contract(reading)
    return None if each is None or not churn else round(each * reading.months_of_one / churn, _PLACES)


def _life(reading: EngagementReading) -> float | None:
    running = reading.running
    return _of_life(reading, running.ended / running.months if running.months else None)


def _life_end(which: int) -> Callable[[EngagementReading], float | None]:
    def read(reading: EngagementReading) -> float | None:
        running = reading.running
        ends = share_interval(running.ended, running.months)
        return None if ends is None or not running.ended else _of_life(reading, ends[which])

    return read


_NO_CONTRACT = "no contract with an amount ran then"
_NO_END = "no contract with an amount ran then, or none has ended yet in a month after that in which it began"
_NO_ANSWER, _NO_RATING = "nobody answered", "nobody rated"
_NO_RESPONSE, _NO_RESOLUTION = "no ticket has a response", "no ticket is resolved"

#: KPIs of answers, tickets and contracts: of a cohort and of a calendar month, by id.
SERVICE_FIGURES: dict[str, CustomerFigure] = {
    "nps": CustomerFigure(
        "Net promoter score",
        "(promoters − detractors) / answers",
        "−1 to 1",
        _NO_ANSWER,
        lambda reading: net_promoter_score(*reading.groups),
    ),
    "nps_low": CustomerFigure(
        "Net promoter score, low end", "score interval of 95 % of nps", "−1 to 1", _NO_ANSWER, _nps_end(0)
    ),
    "nps_high": CustomerFigure(
        "Net promoter score, high end", "score interval of 95 % of nps", "−1 to 1", _NO_ANSWER, _nps_end(1)
    ),
    "csat": CustomerFigure(
        "Customer satisfaction",
        "satisfied / ratings",
        "ratio",
        _NO_RATING,
        lambda reading: ratio(reading.number(Kind.SATISFIED), reading.number(Kind.RATINGS)),
    ),
    "csat_low": CustomerFigure(
        "Customer satisfaction, low end", "Wilson interval of 95 % of csat", "ratio", _NO_RATING, _csat_end(0)
    ),
    "csat_high": CustomerFigure(
        "Customer satisfaction, high end",
        "Wilson interval of 95 % of csat",
        "ratio",
        _NO_RATING,
        _csat_end(1),
    ),
    "first_response_p50": CustomerFigure(
        "First response time, median",
        "median of (first response − opening) of tickets with a response",
        "seconds",
        _NO_RESPONSE,
        _time(FIRST_RESPONSE, 0.5),
    ),
    "first_response_p90": CustomerFigure(
        "First response time, 90th percentile",
        "90th percentile of (first response − opening) of tickets with a response",
        "seconds",
        _NO_RESPONSE,
        _time(FIRST_RESPONSE, 0.9),
    ),
    "resolution_p50": CustomerFigure(
        "Resolution time, median",
        "median of (resolution − opening) of resolved tickets",
        "seconds",
        _NO_RESOLUTION,
        _time(RESOLUTION, 0.5),
    ),
    "resolution_p90": CustomerFigure(
        "Resolution time, 90th percentile",
        "90th percentile of (resolution − opening) of resolved tickets",
        "seconds",
        _NO_RESOLUTION,
        _time(RESOLUTION, 0.9),
    ),
    "resolution_rate": CustomerFigure(
        "Resolution rate",
        "resolved tickets / opened tickets",
        "ratio",
        "no ticket was opened",
        lambda reading: ratio(reading.number(Kind.RESOLVED), reading.number(Kind.TICKETS)),
    ),
    "renewal_rate": CustomerFigure(
        "Renewal rate",
        "renewed terms / terms of contracts that have ended",
        "ratio",
        "no term has ended",
        lambda reading: ratio(reading.ended.get(Kind.RENEWALS, 0), reading.ended.get(Kind.TERMS, 0)),
    ),
    "mrr": CustomerFigure(
        "Monthly recurring revenue",
        "amounts in a month of the contracts that ran when the month ended, of a cohort the newest that is over",
        "currency",
        "no amount was known until then",
        _monthly,
    ),
    "contract_arpu": CustomerFigure(
        "Average revenue per contract",
        "mrr / contracts with an amount that ran then",
        "currency",
        _NO_CONTRACT,
        _of_contract,
    ),
}
#: KPIs of a cohort alone: of its customers, whenever.
COHORT_ENGAGEMENT: dict[str, CustomerFigure] = {
    **SERVICE_FIGURES,
    "activation_rate": CustomerFigure(
        "Activation rate",
        "activated customers / customers",
        "ratio",
        "customers = 0",
        lambda reading: ratio(reading.persons.get(Kind.ACTIVATIONS, 0), reading.customers),
    ),
    "referral_rate": CustomerFigure(
        "Referral rate",
        "customers who brought somebody / customers",
        "ratio",
        "customers = 0",
        lambda reading: ratio(reading.persons.get(Kind.REFERRALS, 0), reading.customers),
    ),
    "contract_clv_historic": CustomerFigure(
        "Historical lifetime value in contracts",
        "amounts of terms that were started or renewed / customers",
        "currency",
        "customers = 0, or no amount is known",
        lambda reading: (
            ratio(reading.number(Kind.BILLED), reading.customers * MICROS)
            if reading.number(Kind.BILLED)
            else None
        ),
    ),
    "contract_clv": CustomerFigure(
        "Lifetime value of a contract",
        "contract_arpu / (contracts that ended / contracts at the start of a month, over all months)",
        "currency",
        _NO_END,
        _life,
    ),
    "contract_clv_low": CustomerFigure(
        "Lifetime value of a contract, low end",
        "contract_clv by the high end of the Wilson interval of 95 % of what it divides by",
        "currency",
        _NO_END,
        _life_end(1),
    ),
    "contract_clv_high": CustomerFigure(
        "Lifetime value of a contract, high end",
        "contract_clv by the low end of the Wilson interval of 95 % of what it divides by",
        "currency",
        _NO_END,
        _life_end(0),
    ),
    "k_factor": CustomerFigure(
        "Viral coefficient K",
        "persons brought / customers",
        "persons for each customer",
        "customers = 0",
        lambda reading: ratio(reading.number(Kind.REFERRALS), reading.customers),
    ),
}
#: A KPI of a calendar month alone; of all customers of a campaign that of the newest month that is over is shown.
CHURN = "contract_churn_rate"
#: KPIs of a calendar month.
MONTH_ENGAGEMENT: dict[str, CustomerFigure] = {
    **SERVICE_FIGURES,
    CHURN: CustomerFigure(
        "Churn of contracts",
        "contracts at the start of the month that ended in it / contracts at its start",
        "ratio",
        "no contract ran when the month began",
        lambda reading: ratio(reading.ended.get(Kind.ENDED, 0), reading.at_start or 0),
    ),
}
