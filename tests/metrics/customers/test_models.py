"""The models of customers against what their papers publish, and against slow, independent computations."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from metrics.customers import contracts, purchasing, spending
from metrics.customers.fitting import FitError
from metrics.customers.purchasing import Buying, PurchasingModel
from metrics.customers.spending import SpendingModel
from tests.support import cdnow

pytestmark = pytest.mark.slow
#: As published for the sample of CDNOW, times in weeks.
PUBLISHED = PurchasingModel(0.243, 4.414, 0.793, 2.426)
PUBLISHED_SPENDING = SpendingModel(6.25, 3.74, 15.44)


def one(x, recency, age):
    return Buying(np.array([x]), np.array([float(recency)]), np.array([float(age)]))


@pytest.fixture(scope="module")
def observed(shared):
    """The sample up to the end of calibration: repeat purchases, times in weeks, mean of repeat purchases."""
    rows = []
    for days in cdnow.spent_by_day(shared, cdnow.sample()).values():
        first, *later = sorted(day for day in days if day <= cdnow.CALIBRATION_END)
        last = later[-1] if later else first
        mean = float(sum(days[day] for day in later)) / len(later) if later else 0.0
        rows.append((len(later), (last - first).days / 7, (cdnow.CALIBRATION_END - first).days / 7, mean))
    columns = np.array(rows)
    return Buying(columns[:, 0].astype(np.int64), columns[:, 1], columns[:, 2]), columns[:, 3]


def test_purchases_of_cdnow_give_the_published_parameters(observed):
    buying, _ = observed
    assert len(buying) == 2357
    found = purchasing.fit(buying)
    model = found.model
    assert (round(model.r, 3), round(model.alpha, 3), round(model.a, 3), round(model.b, 3)) == (
        (0.243, 4.414, 0.793, 2.426)
    )
    assert round(found.estimate.log_likelihood, 1) == -9582.4


def test_spending_of_cdnow_gives_the_published_parameters(observed):
    buying, mean = observed
    model = spending.fit(buying.frequency, mean).model
    assert (round(model.p, 2), round(model.q, 2), round(model.v, 2)) == (6.25, 3.74, 15.44)


def test_a_customer_of_the_paper_is_expected_to_buy_as_published():
    assert PUBLISHED.expected_purchases(one(2, 30.43, 38.86), 39.0)[0] == pytest.approx(1.226, abs=5e-4)


#: Of 1 000 customers of two kinds so many were left after each year; the paper's Table 1, and its estimates.
CONTRACTS = {
    "regular": ((1000, 631, 468, 382, 326, 289, 262, 241), (0.704, 1.182), -1680.3),
    "high end": ((1000, 869, 743, 653, 593, 551, 517, 491), (0.668, 3.806), -1611.2),
}


def fit_of_a_cohort(active):
    """As the paper has its customers: all began together, and the last are still there."""
    ended = [before - after for before, after in pairwise(active)]
    return contracts.fit(ended, [0] * len(ended) + [active[-1]])


@pytest.mark.parametrize("kind", CONTRACTS)
def test_contracts_give_the_published_parameters(kind):
    active, parameters, log_likelihood = CONTRACTS[kind]
    found = fit_of_a_cohort(active)
    assert (round(found.model.alpha, 3), round(found.model.beta, 3)) == parameters
    assert round(found.estimate.log_likelihood, 1) == log_likelihood


def test_contracts_are_projected_onto_years_that_the_fit_has_not_seen():
    model = fit_of_a_cohort(CONTRACTS["high end"][0]).model
    seen_later = {8: 0.468, 9: 0.445, 10: 0.427, 11: 0.409, 12: 0.394}  # the same table
    for year, share in seen_later.items():
        assert model.survival(year) == pytest.approx(share, abs=0.02)


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.integers(1, 20))
def test_survival_is_the_product_of_retention_rates(alpha, beta, terms):
    model = contracts.ContractModel(alpha, beta)
    product = np.prod([(beta + term) / (alpha + beta + term) for term in range(terms)])  # equation 8
    assert model.survival(terms) == pytest.approx(product, rel=1e-9)


def over_customers(model, function):
    """The mean of a function of rate and probability to leave over gamma and beta, by Gauss's quadrature."""
    rates, of_rate = special.roots_genlaguerre(80, model.r - 1)
    leaving, of_leaving = special.roots_jacobi(80, model.b - 1, model.a - 1)
    values = function(rates[:, None] / model.alpha, (1 + leaving[None, :]) / 2)
    return of_rate @ values @ of_leaving / (of_rate.sum() * of_leaving.sum())


MODEL = PurchasingModel(1.3, 4.0, 1.6, 2.4)


def alive_by_chance(rate, leaving, x, age):
    return rate**x * np.exp(-rate * age) * (1 - leaving) ** x


def left_by_chance(rate, leaving, x, recency):
    return (
        rate**x * np.exp(-rate * recency) * leaving * (1 - leaving) ** (x - 1) if x else 0.0 * rate * leaving
    )


@pytest.mark.parametrize("customer", [(0, 0.0, 12.0), (1, 3.0, 12.0), (4, 10.0, 12.0)])
def test_likelihood_life_and_purchases_are_integrals_over_customers(customer):
    x, recency, age = customer
    alive = over_customers(MODEL, lambda rate, leaving: alive_by_chance(rate, leaving, x, age))
    left = over_customers(MODEL, lambda rate, leaving: left_by_chance(rate, leaving, x, recency))
    to_come = over_customers(
        MODEL,
        lambda rate, leaving: (
            alive_by_chance(rate, leaving, x, age) * -np.expm1(-rate * leaving * 20.0) / leaving
        ),
    )
    customers = one(*customer)
    assert np.exp(MODEL.log_likelihood(customers)[0]) == pytest.approx(alive + left, rel=1e-6)
    assert MODEL.probability_alive(customers)[0] == pytest.approx(alive / (alive + left), rel=1e-6)
    assert MODEL.expected_purchases(customers, 20.0)[0] == pytest.approx(to_come / (alive + left), rel=1e-6)


@given(
    st.floats(0.05, 5),
    st.floats(0.5, 50),
    st.floats(0.05, 5).filter(lambda a: abs(a - 1) > 0.01),
    st.floats(0.05, 50),
    st.integers(0, 2_000),
    st.floats(0, 1),
    st.floats(1, 500),
    st.floats(0.1, 500),
)
def test_nobody_is_alive_above_one_or_buys_less_than_never(r, alpha, a, b, x, share, age, duration):
    model = PurchasingModel(r, alpha, a, b)
    customer = one(x, share * age if x else 0, age)
    alive = model.probability_alive(customer)[0]
    expected = model.expected_purchases(customer, duration)[0]
    assert 0 <= alive <= 1
    assert -1e-6 <= expected <= (r + x) / (alpha + age) * duration * (1 + 1e-6)
    assert model.expected_purchases(customer, duration * 2)[0] >= expected - 1e-6


@pytest.mark.parametrize("x", [98, 99, 150, 900])
def test_whole_parameters_are_computed_as_their_neighbours(x):
    """SciPy gives inf for 2F1(1, 1; 101; 0.905): its difference of parameters is whole."""
    whole, beside = PurchasingModel(1, 1, 2, 1), PurchasingModel(1, 1, 2 + 1e-7, 1)
    frequent = one(x, 0.99, 1.0)
    expected = beside.expected_purchases(frequent, 19.0)
    assert whole.expected_purchases(frequent, 19.0) == pytest.approx(expected, rel=1e-5)


def test_simulated_purchases_come_as_often_as_expected():
    rng = np.random.default_rng(3)
    customers = Buying(
        np.repeat([0, 2, 7], 40_000),
        np.repeat([0, 20.0, 30.0], 40_000),
        np.repeat([39.0, 39.0, 32.0], 40_000),
    )
    simulated = MODEL.simulated_purchases(customers, 26.0, rng).reshape(3, -1)
    expected = MODEL.expected_purchases(customers, 26.0).reshape(3, -1)[:, 0]
    assert simulated.mean(axis=1) == pytest.approx(expected, rel=0.03)


def test_simulated_spend_is_what_is_expected():
    rng = np.random.default_rng(4)
    purchases, mean = np.repeat([0, 1, 9], 60_000), np.repeat([0.0, 80.0, 20.0], 60_000)
    wanted = np.full(len(purchases), 2)
    simulated = PUBLISHED_SPENDING.simulated_spend(purchases, mean, wanted, rng).reshape(3, -1)
    expected = PUBLISHED_SPENDING.expected_spend(purchases, mean).reshape(3, -1)[:, 0]
    assert simulated.mean(axis=1) == pytest.approx(2 * expected, rel=0.03)
    assert expected[0] == pytest.approx(PUBLISHED_SPENDING.mean)


def simulated_shop(rng, customers=4_000, weeks=52.0):
    """Histories of customers by the story that the model tells, purchase by purchase."""
    rows = []
    for rate, leaving in zip(
        rng.gamma(MODEL.r, 1 / MODEL.alpha, customers), rng.beta(MODEL.a, MODEL.b, customers), strict=True
    ):
        at, last, x = 0.0, 0.0, 0
        while True:
            at += rng.exponential(1 / rate)
            if at > weeks:
                break
            last, x = at, x + 1
            if rng.random() < leaving:
                break
        rows.append((x, last, weeks))
    columns = np.array(rows)
    return Buying(columns[:, 0].astype(np.int64), columns[:, 1], columns[:, 2])


def test_a_fit_finds_the_model_that_made_the_purchases_within_its_own_errors():
    found = purchasing.fit(simulated_shop(np.random.default_rng(5)))
    errors = np.sqrt(np.diag(found.estimate.log_covariance))
    true = np.array([MODEL.r, MODEL.alpha, MODEL.a, MODEL.b])
    assert np.all(np.abs(np.log(found.estimate.values / true)) < 3 * errors)


def test_the_unit_of_time_and_of_money_changes_nothing_but_their_parameters():
    shop = simulated_shop(np.random.default_rng(6), customers=800)
    weeks, days = (
        purchasing.fit(Buying(shop.frequency, shop.recency * unit, shop.age * unit)) for unit in (1, 7)
    )
    assert days.estimate.values == pytest.approx(weeks.estimate.values * [1, 7, 1, 1], rel=1e-4)
    assert days.estimate.log_likelihood == pytest.approx(
        weeks.estimate.log_likelihood - shop.frequency.sum() * np.log(7), rel=1e-6
    )
    purchases, mean = np.arange(1, 400) % 7 + 1, np.random.default_rng(7).gamma(3, 9, 399)
    units, cents = (spending.fit(purchases, mean * unit) for unit in (1, 100))
    assert cents.estimate.values == pytest.approx(units.estimate.values * [1, 1, 100], rel=1e-3)


def test_too_few_customers_are_said_and_not_fitted():
    shop = Buying(np.array([1] * 9 + [0] * 500), np.array([2.0] * 9 + [0.0] * 500), np.full(509, 30.0))
    with pytest.raises(FitError, match="10 customers who came back; there are 9"):
        purchasing.fit(shop)
    with pytest.raises(FitError, match="came back and paid; there are 9"):
        spending.fit(np.ones(9, np.int64), np.full(9, 5.0))
    for ended, running in (([9], [0, 0, 500]), ([10], [3, 500])):
        with pytest.raises(FitError, match="10 contracts that have ended"):
            contracts.fit(ended, running)


def test_data_that_say_nothing_of_leaving_give_an_error_and_no_figure():
    """Customers who all buy in the same rhythm until the end: how they would leave cannot be seen."""
    shop = Buying(np.full(300, 12), np.full(300, 50.0), np.full(300, 51.0))
    with pytest.raises(FitError, match="cannot be fitted"):
        purchasing.fit(shop)


def test_counts_of_contracts_below_0_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        contracts.fit([5, -1], [3])
