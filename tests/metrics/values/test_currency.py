"""Rates: the latest that holds at the start of the minute of an event time, rounded once."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.currency import ExchangeRates
from metrics.values.errors import Reason, Rejection


# minutes      1 ──────── 2 ──────── 3 ──────── 4
# rates        0.9@1:00   0.8@2:00.001 (from 2:00 on)    0.7@3:30, 0.6@3:59 (the later one, from 3:00 on)
@pytest.mark.parametrize(
    ("at", "micros"),
    [
        (60_000, 9_000_000),
        (119_999, 9_000_000),
        (120_000, 8_000_000),
        (179_999, 8_000_000),
        (180_000, 6_000_000),
    ],
)
def test_the_latest_rate_that_holds_at_the_start_of_the_minute_counts(at, micros):
    rates = ExchangeRates("EUR")
    for valid_from, rate in ((239_000, "0.6"), (120_001, "0.8"), (210_000, "0.7"), (60_000, "0.9")):
        rates.set("USD", valid_from, Decimal(rate))
    assert rates.changes_of("USD") == [60_000, 120_000, 180_000, 180_000]
    assert rates.micros(Decimal(10), "USD", at) == micros


def test_without_a_valid_rate_the_currency_is_unknown():
    rates = ExchangeRates("EUR")
    rates.set("USD", 60_000, Decimal("0.9"))
    for currency, at in (("USD", 59_999), ("XXX", 500_000), ("", 500_000)):
        with pytest.raises(Rejection) as refused:
            rates.micros(Decimal(1), currency, at)
        assert refused.value.reason is Reason.UNKNOWN_CURRENCY


def test_a_withdrawn_rate_counts_no_more():
    rates = ExchangeRates("EUR")
    rates.set("USD", 60_000, Decimal("0.9"))
    rates.set("USD", 120_000, Decimal("0.8"))
    rates.set("USD", 120_000, None)
    assert (rates.micros(Decimal(10), "USD", 180_000), len(rates)) == (9_000_000, 1)


@pytest.mark.parametrize("amount", ["-1", "NaN", "1e400", "0.0000001"])
def test_a_wrong_amount_is_an_invalid_field_in_any_currency(amount):
    for currency in ("EUR", "XXX"):
        with pytest.raises(Rejection) as refused:
            ExchangeRates("EUR").micros(Decimal(amount), currency, 0)
        assert refused.value.reason is Reason.INVALID_FIELD


def test_conversion_rounds_half_to_even_once():
    rates = ExchangeRates("EUR")
    rates.set("USD", 0, Decimal("0.5"))
    assert [rates.micros(Decimal(n) / 1_000_000, "USD", 0) for n in (1, 3, 5)] == [0, 2, 2]


@given(st.decimals("0.000000000001", "1000000000000", allow_nan=False), st.integers(0, 10**18))
def test_twelve_decimals_of_a_rate_count_and_the_worth_is_rounded_as_pythons_round_does(rate, micros):
    rates = ExchangeRates("EUR")
    rates.set("USD", 0, rate)
    parts = round(Fraction(rate) * 10**12)
    assert rates.parts("USD", 0) == parts
    exact = round(Fraction(parts, 10**12) * micros)
    assert rates.worth(micros, "USD", 0) == (exact if exact < 10**18 else None)


def test_money_of_a_campaign_waits_for_its_rate():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register(
        "c", Campaign("c", currency="USD", budget=Decimal(10), other_cost=Decimal(5), starts_at=90_000)
    )
    assert (campaign_registry.facts("c").budget_micros, campaign_registry.facts("c").other_cost_micros) == (
        None,
        0,
    )
    campaign_registry.set_rate("USD", 60_000, Decimal("0.9"))
    assert (campaign_registry.facts("c").budget_micros, campaign_registry.facts("c").other_cost_micros) == (
        9_000_000,
        4_500_000,
    )
    assert (
        campaign_registry.currency_of("c", 0),
        campaign_registry.currency_of("unknown", 0),
        campaign_registry.currency_of(None, 0),
    ) == (
        "USD",
        "EUR",
        "EUR",
    )


def test_a_wrong_record_leaves_what_was_known_of_the_campaign():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign("c", budget=Decimal(10)))
    with pytest.raises(Rejection):
        campaign_registry.register("c", Campaign("c", budget=Decimal(-1)))
    assert campaign_registry.facts("c").budget_micros == 10_000_000


def test_a_wrong_record_does_not_bring_an_archived_campaign_back():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", None)
    with pytest.raises(Rejection):
        campaign_registry.register("c", Campaign("c", budget=Decimal(-1)))
    assert campaign_registry.archived == {"c"}
    campaign_registry.register("c", Campaign("c"))
    assert campaign_registry.archived == set()
