"""Rates: the latest with valid_from ≤ event time, rounded once, nothing converted anew."""

from decimal import Decimal

import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.currency import ExchangeRates
from metrics.values.errors import Reason, Rejection


# rates  0.9@1000 ──────── 0.8@2000
@pytest.mark.parametrize(("at", "micros"), [(1_000, 9_000_000), (1_999, 9_000_000), (2_000, 8_000_000)])
def test_the_latest_rate_that_is_valid_then_counts(at, micros):
    rates = ExchangeRates("EUR")
    rates.set("USD", 2_000, Decimal("0.8"))
    rates.set("USD", 1_000, Decimal("0.9"))
    assert rates.micros(Decimal(10), "USD", at) == micros


def test_without_a_valid_rate_the_currency_is_unknown():
    rates = ExchangeRates("EUR")
    rates.set("USD", 1_000, Decimal("0.9"))
    for currency, at in (("USD", 999), ("XXX", 5_000), ("", 5_000)):
        with pytest.raises(Rejection) as refused:
            rates.micros(Decimal(1), currency, at)
        assert refused.value.reason is Reason.UNKNOWN_CURRENCY


def test_a_withdrawn_rate_counts_no_more():
    rates = ExchangeRates("EUR")
    rates.set("USD", 1_000, Decimal("0.9"))
    rates.set("USD", 2_000, Decimal("0.8"))
    rates.set("USD", 2_000, None)
    assert (rates.micros(Decimal(10), "USD", 3_000), len(rates)) == (9_000_000, 1)


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


def test_money_of_a_campaign_waits_for_its_rate():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register(
        "c", Campaign("c", currency="USD", budget=Decimal(10), other_cost=Decimal(5), starts_at=1_500)
    )
    assert (campaign_registry.facts("c").budget_micros, campaign_registry.facts("c").other_cost_micros) == (
        None,
        0,
    )
    campaign_registry.set_rate("USD", 1_000, Decimal("0.9"))
    assert (campaign_registry.facts("c").budget_micros, campaign_registry.facts("c").other_cost_micros) == (
        9_000_000,
        4_500_000,
    )
    assert (
        campaign_registry.currency_of("c"),
        campaign_registry.currency_of("unknown"),
        campaign_registry.currency_of(None),
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
