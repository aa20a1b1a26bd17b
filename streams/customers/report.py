"""What ``roistream customers`` says: one structure, for people as tables and for programs as JSON."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from metrics.customers.accounts import CustomerAccount, customer_hash
from metrics.customers.calendar import CohortPeriod, CustomerCalendar
from metrics.customers.cohort_sums import CohortSums
from metrics.customers.cohorts import (
    CustomerCohort,
    CustomerMonth,
    Naming,
    Spend,
    all_together,
    by_campaign,
    cohort_name,
    spend_by_cohort,
)
from metrics.customers.cohorts import cohorts as cohorts_of
from metrics.customers.cohorts import months as months_of
from metrics.customers.composing import in_months
from metrics.customers.contracts import ContractFit, fits, forecast, history
from metrics.customers.customer_events import CustomerEventCounts
from metrics.customers.engagement import Kind
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, engagement_reading, month_engagement
from metrics.customers.fitting import FitError
from metrics.customers.histories import CustomerBase, CustomerHistory, MoneyChange
from metrics.customers.lifetime_value import DAYS_OF_A_WEEK, ValueModel, fitted, margin_ratio, repeat_buying
from metrics.values.errors import RoistreamError
from metrics.values.money import MICROS
from metrics.values.time import DAY, format_instant
from streams import catalogues

_WEEKS_OF_A_MONTH = 365.25 / 12 / DAYS_OF_A_WEEK
_DECIMALS = 6
#: How often an interval is to hold what comes.
COVERAGE = 0.8
NO_MARGIN = "Customers have brought no margin, so none can be expected."


class Expectation(msgspec.Struct, frozen=True):
    """Margin of the months that come, per customer of a cohort, in currency units, and the lifetime value with it.

    Attributes:
        to_come: expected margin of the horizon.
        clv: margin so far and ``to_come``.
        clv_low: lower end of the interval of ``clv``.
        clv_high: upper end.
        clv_to_cac: ``clv`` / CAC; None where the spend is unknown or 0.
        clv_to_cac_low: the same of ``clv_low``.
        clv_to_cac_high: the same of ``clv_high``.
    """

    to_come: float
    clv: float
    clv_low: float
    clv_high: float
    clv_to_cac: float | None
    clv_to_cac_low: float | None
    clv_to_cac_high: float | None


class ContractExpectation(msgspec.Struct, frozen=True):
    """What contracts of a cohort's customers pay, per customer of the cohort, in currency units.

    Attributes:
        running: contracts that have not ended.
        valued: those of them whose amount is known and whose length of terms has a model; the others bring nothing here.
        to_come: expected amounts of the renewals of the horizon.
        clv: amounts of terms that were started or renewed, and ``to_come``.
        clv_low: lower end of the interval of ``clv``.
        clv_high: upper end.
    """

    running: int
    valued: int
    to_come: float
    clv: float
    clv_low: float
    clv_high: float


class Engagement(msgspec.Struct, frozen=True):
    """What customers of a cohort do beside ordering, and the way of all of them from the first order on.

    Attributes:
        customers: of the cohort.
        activated: those of them who reached the step that the site calls activated.
        repeaters: those who ordered twice or more.
        referrers: those who brought somebody.
        kpis: by id, docs/customers.md.
        contracts: what contracts are expected to pay; None where none of the files' contracts has a model.
    """

    customers: int
    activated: int
    repeaters: int
    referrers: int
    kpis: dict[str, float | None]
    contracts: ContractExpectation | None = None


class CohortRow(msgspec.Struct, frozen=True):
    """One cohort; docs/customers.md has every figure."""

    cohort: str
    customers: int
    repeat_rate: float | None
    orders: int
    average_basket: float | None
    revenue_micros: int
    refunds_micros: int
    cost_of_goods_micros: int
    margin_micros: int
    clv_historic: float | None
    retention: list[float | None]
    active: list[int]
    eligible: list[int]
    margin_by_month_micros: list[int]
    spend_micros: int | None
    cac: float | None
    clv_to_cac: float | None
    payback_months: float | None
    expected: Expectation | None
    engagement: Engagement | None = None


class MonthRow(msgspec.Struct, frozen=True):
    """One calendar month."""

    month: str
    customers: int
    new_customers: int
    orders: int
    revenue_micros: int
    refunds_micros: int
    arpu: float | None
    average_basket: float | None
    retention_rate: float | None
    retention_rate_period: float | None
    churn_rate: float | None
    engagement: dict[str, float | None] | None = None


class FittedModel(msgspec.Struct, frozen=True):
    """The models behind the expectations; times in weeks, money in currency units.

    Attributes:
        r: of BG/NBD, with ``alpha``, ``a`` and ``b``.
        p: of gamma-gamma, with ``q`` and ``v``.
        margin_ratio: the share of revenue that is kept as margin.
        coverage: how often the intervals are to hold what comes.
        horizon_months: how far ahead.
        draws: of the simulation of the intervals.
        seed: of its randomness.
    """

    r: float
    alpha: float
    a: float
    b: float
    p: float
    q: float
    v: float
    margin_ratio: float
    coverage: float
    horizon_months: float
    draws: int
    seed: int


class FittedContracts(msgspec.Struct, frozen=True):
    """The shifted beta-geometric model of contracts whose terms have one length.

    Attributes:
        term: the length, ISO 8601.
        alpha: of the model, with ``beta``; None where none could be fitted.
        missing: why there is none.
        horizon_months: how far ahead renewals are expected.
    """

    term: str
    alpha: float | None
    beta: float | None
    missing: str | None
    horizon_months: float


class LeftOut(msgspec.Struct, frozen=True):
    """What is in no cohort, in micros and counts.

    Attributes:
        known_before: customers whose first order says that they are no new ones.
        known_before_margin_micros: their margin.
        of_nobody_margin_micros: orders and refunds that name nobody.
        without_order_margin_micros: refunds of customers without an order here.
        spend_without_customers_micros: spend of cohorts that acquired nobody; None without spend.
        duplicates: records that were there before.
        edits: later versions of an order, which replaced the earlier.
        conflicts: orders under an id that is another customer's.
        waiting: cancellations of orders that are not here.
        refused: records that a worker would refuse, too.
        without_customer: persons who answered, asked for or held something, and have no order here.
        of_campaigns: answers that name a campaign and no customer; they count where the campaign is a cohort, and in all together.
    """

    known_before: int
    known_before_margin_micros: int
    of_nobody_margin_micros: int
    without_order_margin_micros: int
    spend_without_customers_micros: int | None
    duplicates: int
    edits: int
    conflicts: int
    waiting: int
    refused: int
    without_customer: int = 0
    of_campaigns: int = 0


class CustomerReport(msgspec.Struct, frozen=True):
    """Everything that is said.

    Attributes:
        until: up to when the orders are complete, exclusive.
        whole: all cohorts as one.
        period: what cohorts, ``retention`` and ``months`` go by; where it is ``week``, every month is a week of ISO 8601, but for
            ``payback_months``, ``mrr`` and ``contract_arpu``.
        model: None where none could be fitted; ``model_missing`` says why.
        contract_models: of contracts, one for each length of terms.
    """

    currency: str
    timezone: str
    until: str
    by: str
    whole: CohortRow
    cohorts: list[CohortRow]
    months: list[MonthRow]
    left_out: LeftOut
    model: FittedModel | None
    model_missing: str | None
    period: CohortPeriod
    contract_models: list[FittedContracts]


class Asked(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        by: the name of what cohorts are by.
        naming: the same as a function.
        calendar: whose months or weeks.
        until: exclusive, epoch milliseconds.
        horizon_months: how far ahead expectations reach.
        seed: of the simulation.
        draws: of the simulation.
    """

    by: str
    naming: Naming
    calendar: CustomerCalendar
    until: int
    horizon_months: float
    seed: int
    draws: int


def report(
    base: CustomerBase,
    currency: str,
    refused: int,
    spend: Sequence[Spend] | None,
    asked: Asked,
    say: Callable[[str], None],
    counted: CustomerEventCounts | None = None,
) -> CustomerReport:
    """The figures of all customers.

    Args:
        base: the customers.
        currency: of all money.
        refused: records that were not taken in.
        spend: None where none is known.
        asked: what is asked for.
        say: hears a sentence now and then.
        counted: what customers do beside ordering; None where nothing is known of it.

    Raises:
        RoistreamError: where nobody was acquired before ``until``.
    """
    customers = [history for history in base.customers if history.first.at < asked.until]
    split = _cohorts(customers, asked.naming, spend, asked)
    if not split:
        raise RoistreamError(
            f"No customer was acquired before {format_instant(asked.until)}: the orders name nobody, or only customers known before."
        )
    (whole,) = _cohorts(customers, all_together, spend, asked)
    model, expected = _expectations(customers, split, whole, asked, say)
    engaged = None if counted is None else _Engaged(customers, counted, split, asked, say)
    rows = [
        _row(cohort, each, None if engaged is None else engaged.of(cohort), asked.calendar.period)
        for cohort, each in zip(split, expected[:-1], strict=True)
    ]
    all_of_them = _row(
        whole, expected[-1], None if engaged is None else engaged.of_all(whole), asked.calendar.period
    )
    months = months_of(customers, asked.calendar, asked.until)
    by_month = {} if engaged is None else engaged.months(months)
    without = None
    if spend is not None:
        names = {cohort.name for cohort in split}
        by_cohort = spend_by_cohort(spend, asked.naming, asked.calendar, asked.until)
        without = sum(micros for name, micros in by_cohort.items() if name not in names)
    left_out = LeftOut(
        len(base.known_before),
        _margin(change for history in base.known_before for change in history.money),
        _margin(base.of_nobody),
        _margin(base.without_order),
        without,
        base.duplicates,
        base.edits,
        base.conflicts,
        base.waiting,
        refused,
        0 if engaged is None else engaged.without_customer,
        0 if engaged is None else engaged.of_campaigns,
    )
    return CustomerReport(
        currency,
        asked.calendar.zone.key,
        format_instant(asked.until),
        asked.by,
        all_of_them,
        rows,
        [_month_row(month, by_month.get(month.name)) for month in months],
        left_out,
        None if isinstance(model, str) else model,
        model if isinstance(model, str) else None,
        asked.calendar.period,
        [] if engaged is None else engaged.contract_models,
    )


def _margin(money: Iterable[MoneyChange]) -> int:
    return sum(change.margin for change in money)


def _cohorts(
    customers: Sequence[CustomerHistory], naming: Naming, spend: Sequence[Spend] | None, asked: Asked
) -> list[CustomerCohort]:
    by_cohort = None if spend is None else spend_by_cohort(spend, naming, asked.calendar, asked.until)
    return cohorts_of(customers, naming, asked.calendar, asked.until, by_cohort)


def _expectations(
    customers: Sequence[CustomerHistory],
    split: Sequence[CustomerCohort],
    whole: CustomerCohort,
    asked: Asked,
    say: Callable[[str], None],
) -> tuple[FittedModel | str, list[Expectation | None]]:
    """The model or why there is none, and what each cohort is expected to bring; the last is that of all together."""
    buyers = [history for history in customers if any(order.at < asked.until for order in history.purchases)]
    nothing: list[Expectation | None] = [None] * (len(split) + 1)
    kept = margin_ratio(change for history in buyers for change in history.money if change.at < asked.until)
    if kept is None or kept <= 0:
        return NO_MARGIN, nothing
    numbers = {cohort.name: number for number, cohort in enumerate(split)}
    groups = np.array(
        [numbers[cohort_name(history, asked.naming, asked.calendar)] for history in buyers], np.int64
    )
    repeats = repeat_buying(buyers, asked.calendar.zone, asked.until)
    try:
        say(catalogues.t("fitting the models"))
        model = fitted(repeats, kept)
    except FitError as error:
        return str(error), nothing
    forecast = model.forecast(
        repeats,
        groups,
        len(split),
        asked.horizon_months * _WEEKS_OF_A_MONTH,
        np.random.default_rng(asked.seed),
        coverage=COVERAGE,
        draws=asked.draws,
        progress=_said_draws(asked, say),
    )
    expected = [
        _expectation(cohort, *sums)
        for cohort, *sums in zip(
            (*split, whole),
            forecast.group_expected.tolist(),
            forecast.group_low.tolist(),
            forecast.group_high.tolist(),
            strict=True,
        )
    ]
    return _fitted_model(model, asked), [*expected]


def _said_draws(asked: Asked, say: Callable[[str], None]) -> Callable[[int], None]:
    draws = catalogues.number(asked.draws)
    return lambda done: say(
        catalogues.t("simulated {done} of {draws} futures", done=catalogues.number(done), draws=draws)
    )


def _expectation(cohort: CustomerCohort, expected: float, low: float, high: float) -> Expectation:
    """Of sums in currency units; what is known so far is added to each."""

    def per_customer(to_come: float) -> float:
        return round((cohort.margin / MICROS + to_come) / cohort.customers, _DECIMALS)

    def to_cac(to_come: float) -> float | None:
        if not cohort.spend:
            return None
        return round((cohort.margin / MICROS + to_come) / (cohort.spend / MICROS), _DECIMALS)

    return Expectation(
        round(expected / cohort.customers, _DECIMALS),
        per_customer(expected),
        per_customer(low),
        per_customer(high),
        to_cac(expected),
        to_cac(low),
        to_cac(high),
    )


def _fitted_model(model: ValueModel, asked: Asked) -> FittedModel:
    buying, spending = model.purchasing.model, model.spending.model
    return FittedModel(
        buying.r,
        buying.alpha,
        buying.a,
        buying.b,
        spending.p,
        spending.q,
        spending.v,
        model.margin_ratio,
        COVERAGE,
        asked.horizon_months,
        asked.draws,
        asked.seed,
    )


def _fitted_contracts(term: str, model: ContractFit | str, horizon_months: float) -> FittedContracts:
    if isinstance(model, str):
        return FittedContracts(term, None, None, model, horizon_months)
    return FittedContracts(term, model.model.alpha, model.model.beta, None, horizon_months)


class _Engaged:
    """What customers do beside ordering, by cohort."""

    def __init__(
        self,
        customers: Sequence[CustomerHistory],
        counted: CustomerEventCounts,
        split: Sequence[CustomerCohort],
        asked: Asked,
        say: Callable[[str], None],
    ) -> None:
        self._calendar = asked.calendar
        self._over = asked.calendar.of(asked.until)
        self._by: dict[str, CohortSums] = {}
        self._all = CohortSums()
        numbers = {cohort.name: number for number, cohort in enumerate(split)}
        groups: dict[int, int] = {}
        known = counted.of_customers()
        for customer in customers:
            kind, name = customer.customer
            who = customer_hash(name, None) if kind == "customer" else customer_hash(None, name)
            account = CustomerAccount(None, 0, (), known.pop(who, ()))
            cohort = cohort_name(customer, asked.naming, asked.calendar)
            groups[who] = numbers[cohort]
            for sums in (self._by.setdefault(cohort, CohortSums()), self._all):
                sums.add_account(account)
        self.without_customer = len(known)
        self.of_campaigns = 0
        for campaign, counts in counted.of_campaigns().items():
            self._all.add_counts(counts)
            if asked.naming is by_campaign:
                self._by.setdefault(campaign, CohortSums()).add_counts(counts)
            self.of_campaigns += sum(each.number for each in counts)
        self.contract_models: list[FittedContracts] = []
        self._contracts: dict[str | None, ContractExpectation] = {}
        self._expect(counted, groups, split, asked, say)

    def _expect(
        self,
        counted: CustomerEventCounts,
        groups: dict[int, int],
        split: Sequence[CustomerCohort],
        asked: Asked,
        say: Callable[[str], None],
    ) -> None:
        """What contracts are expected to pay, by cohort, None being all together; nothing where no length of terms has a model."""
        zone = asked.calendar.zone
        found = [
            history(entry, groups.get(entry.customer, -1), zone, asked.until) for entry in counted.contracts()
        ]
        histories = [each for each in found if each is not None]
        models = fits(histories)
        self.contract_models = [
            _fitted_contracts(term, model, asked.horizon_months) for term, model in models.items()
        ]
        if not any(isinstance(model, ContractFit) for model in models.values()):
            return
        horizon = round(asked.horizon_months * _WEEKS_OF_A_MONTH * DAYS_OF_A_WEEK * DAY)
        sums = forecast(
            histories,
            models,
            len(split),
            asked.until + horizon,
            zone,
            np.random.default_rng(asked.seed),
            coverage=COVERAGE,
            draws=asked.draws,
            progress=_said_draws(asked, say),
        )
        names = [*(cohort.name for cohort in split), None]
        for name, running, valued, *to_come in zip(names, *sums, strict=True):
            of = self._all if name is None else self._by[name]
            so_far = sum(counts.get(Kind.BILLED, 0) for counts in of.counts.values()) / MICROS
            expected, *ends = to_come
            clv, low, high = (round((so_far + each) / of.customers, _DECIMALS) for each in (expected, *ends))
            to_come_each = round(expected / of.customers, _DECIMALS)
            self._contracts[name] = ContractExpectation(running, valued, to_come_each, clv, low, high)

    def of(self, cohort: CustomerCohort) -> Engagement:
        """Of a cohort."""
        return self._reading(cohort, self._by[cohort.name], self._contracts.get(cohort.name))

    def of_all(self, whole: CustomerCohort) -> Engagement:
        """Of all cohorts together."""
        return self._reading(whole, self._all, self._contracts.get(None))

    def _reading(
        self, cohort: CustomerCohort, sums: CohortSums, contracts: ContractExpectation | None
    ) -> Engagement:
        reading = engagement_reading(
            sums.customers, sums.counts, sums.persons, self._over, self._calendar.period
        )
        return Engagement(
            sums.customers,
            sums.persons.get(Kind.ACTIVATIONS, 0),
            cohort.repeaters,
            sums.persons.get(Kind.REFERRALS, 0),
            {name: figure.read(reading) for name, figure in COHORT_ENGAGEMENT.items()},
            contracts,
        )

    def months(self, months: Sequence[CustomerMonth]) -> dict[str, dict[str, float | None]]:
        """KPIs of calendar months."""
        customers = {each.name: each.customers for each in months}
        return month_engagement(customers, self._all.counts, self._over, self._calendar.name)


def _row(
    cohort: CustomerCohort, expected: Expectation | None, engagement: Engagement | None, period: CohortPeriod
) -> CohortRow:
    return CohortRow(
        cohort.name,
        cohort.customers,
        cohort.repeat_rate,
        cohort.orders,
        cohort.average_basket,
        cohort.revenue,
        cohort.refunds,
        cohort.cost_of_goods,
        cohort.margin,
        cohort.clv_historic,
        cohort.retention,
        cohort.active,
        cohort.eligible,
        cohort.margin_by_month,
        cohort.spend,
        cohort.cac,
        cohort.clv_to_cac,
        in_months(cohort.payback_months, period),
        expected,
        engagement,
    )


def _month_row(month: CustomerMonth, engagement: dict[str, float | None] | None) -> MonthRow:
    return MonthRow(
        month.name,
        month.customers,
        month.new,
        month.orders,
        month.revenue,
        month.refunds,
        month.arpu,
        month.average_basket,
        month.retention_rate,
        month.retention_rate_period,
        month.churn_rate,
        engagement,
    )
