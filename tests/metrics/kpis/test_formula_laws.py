"""Laws of the KPIs: exact against fractions, null exactly without a denominator, additive first."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from metrics.kpis.catalogue import KPIS
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import Sums
from metrics.values.time import DAY

COUNTS = ("leads", "mqls", "sqls", "orders", "new_customers", "cancelled_orders")
COST_FIGURES = ("impressions", "clicks", "spend_micros")
MONEY = ("other_cost_micros", "revenue_micros", "refunds_micros", "cost_of_goods_micros")

whole = st.integers(0, 5) | st.integers(0, 10**12)
micros = st.integers(0, 5) | st.integers(0, 10**18)
fractional = (st.integers(0, 10) | st.integers(0, 10**13)).map(lambda millionths: millionths / 10**6)


def sums(count=whole, cost=None):
    cost = st.none() | micros if cost is None else cost
    fields = {
        **dict.fromkeys(COUNTS, count),
        **dict.fromkeys(COST_FIGURES, cost),
        **dict.fromkeys(MONEY, micros),
    }
    return st.builds(Sums, **fields)


any_sums = sums() | sums(whole | fractional)
maybe_micros = st.none() | micros
inputs = st.builds(
    KpiInputs,
    sums=any_sums,
    total=any_sums,
    baseline_micros_per_day=maybe_micros,
    baseline_length_ms=st.none() | st.integers(0, 400 * DAY),
    cohort_mqls=st.none() | whole,
    cohort_sqls=st.none() | whole,
    distinct_customers=st.none() | whole,
)


def exact(value):
    """A figure of the record as the fraction it is written as; None stays None."""
    return None if value is None else Fraction(str(value))


class Missing(Exception):
    """A figure the formula needs is not known."""


def oracle(given_inputs):
    """The formulas of the docs, term by term, in fractions."""

    def needed(value):
        if value is None:
            raise Missing
        return exact(value)

    def money(value):
        return needed(value) / 10**6

    def margin_per_customer():
        total = given_inputs.total
        margin = money(total.revenue_micros) - money(total.refunds_micros) - money(total.cost_of_goods_micros)
        return margin / needed(total.new_customers)

    window, total = given_inputs.sums, given_inputs.total
    spend = lambda: money(window.spend_micros)  # noqa: E731
    net = lambda: money(window.revenue_micros) - money(window.refunds_micros)  # noqa: E731
    cost = lambda: spend() + money(window.other_cost_micros)  # noqa: E731
    leads, customers = needed(window.leads), needed(window.new_customers)
    usual = lambda: (  # noqa: E731
        money(given_inputs.baseline_micros_per_day) * needed(given_inputs.baseline_length_ms) / DAY
    )

    def conversion_rate():
        m = margin_per_customer()
        cost_of_lead = spend() / leads
        # No margin: the rate that would just pay is infinite, and the rate reached is none of it.
        return (customers / leads) / (cost_of_lead / m) - 1 if m else -1 + 0 / cost_of_lead

    formulas = {
        "ctr": lambda: needed(window.clicks) / needed(window.impressions),
        "cpc": lambda: spend() / needed(window.clicks),
        "cpm": lambda: 1000 * spend() / needed(window.impressions),
        "cpl": lambda: spend() / leads,
        "cost_per_mql": lambda: spend() / needed(window.mqls),
        "cost_per_sql": lambda: spend() / needed(window.sqls),
        "lead_rate": lambda: leads / needed(window.clicks),
        "mql_to_sql": lambda: needed(given_inputs.cohort_sqls) / needed(given_inputs.cohort_mqls),
        "customer_rate": lambda: customers / leads,
        "cpa": lambda: spend() / needed(window.orders),
        "cac": lambda: spend() / customers,
        "cac_full": lambda: cost() / customers,
        "aov": lambda: net() / (needed(window.orders) - needed(window.cancelled_orders)),
        "revenue_per_customer": lambda: net() / needed(given_inputs.distinct_customers),
        "roas": lambda: net() / spend(),
        "roi_net_profit": lambda: (net() - money(window.cost_of_goods_micros) - cost()) / cost(),
        "roi_incremental": lambda: (net() - usual() - cost()) / cost(),
        "roi_lead_value": lambda: (
            needed(total.new_customers) / needed(total.leads) * margin_per_customer() / (spend() / leads) - 1
        ),
        "roi_conversion_rate": conversion_rate,
    }
    return {key: attempt(formula) for key, formula in formulas.items()}


def attempt(formula):
    try:
        return float(round(formula(), 6))  # fractions round half to even
    except (ZeroDivisionError, Missing):
        return None


@given(inputs)
def test_every_kpi_is_the_formula_of_the_docs_rounded_once(given_inputs):
    assert compute(given_inputs) == oracle(given_inputs)


@given(inputs)
def test_the_record_holds_every_kpi_in_the_order_of_the_catalogue(given_inputs):
    assert list(compute(given_inputs)) == [kpi.id for kpi in KPIS]


@given(any_sums)
def test_on_total_the_last_two_methods_coincide(total):
    figures = compute(KpiInputs(sums=total, total=total))
    assert figures["roi_lead_value"] == figures["roi_conversion_rate"]


@given(sums(cost=micros), st.integers(2, 50))
def test_a_campaign_twice_as_large_has_the_same_ratios(window, times):
    larger = Sums(**{name: getattr(window, name) * times for name in Sums.__struct_fields__})
    one, many = (compute(KpiInputs(sums=each, total=each)) for each in (window, larger))
    assert one == many


@given(any_sums, any_sums)
def test_whole_credit_written_as_a_float_changes_nothing(window, total):
    def as_floats(each):
        return Sums(**{
            name: float(getattr(each, name)) if name in COUNTS else getattr(each, name)
            for name in Sums.__struct_fields__
        })  # fmt: skip

    assert compute(KpiInputs(sums=window, total=total)) == compute(
        KpiInputs(sums=as_floats(window), total=as_floats(total))
    )
