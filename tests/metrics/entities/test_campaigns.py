"""What is registered of a campaign, resolved: targets in the reporting currency, or unknown."""

from decimal import Decimal

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, Targets

TARGETS = Targets(cpl=Decimal(10), cac=Decimal("40.5"), roas=Decimal(3), roi=Decimal("0.25"))


def test_targets_of_money_are_converted_and_ratios_are_not():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.set_rate("USD", 0, Decimal("0.9"))
    campaign_registry.register("c-1", Campaign("c-1", currency="USD", targets=TARGETS))
    assert campaign_registry.facts("c-1").targets_micros == {
        "cpl": 9_000_000, "cac": 36_450_000, "roas": 3_000_000, "roi": 250_000
    }  # fmt: skip


def test_a_target_without_a_rate_is_unknown_until_the_rate_comes():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c-1", Campaign("c-1", currency="USD", targets=TARGETS))
    assert set(campaign_registry.facts("c-1").targets_micros) == {"roas", "roi"}
    campaign_registry.set_rate("USD", 0, Decimal(1))
    assert set(campaign_registry.facts("c-1").targets_micros) == {"cpl", "cac", "roas", "roi"}


def test_a_target_that_is_not_named_is_none():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c-1", Campaign("c-1", targets=Targets(roi=Decimal(0))))
    campaign_registry.register("c-2", Campaign("c-2"))
    assert campaign_registry.facts("c-1").targets_micros == {"roi": 0}
    assert campaign_registry.facts("c-2").targets_micros == {}


def test_a_campaign_is_foreign_while_it_is_paid_in_another_currency():
    campaign_registry = CampaignRegistry("EUR")
    for currency, are_foreign in (("USD", {"c-1"}), ("EUR", set()), ("USD", {"c-1"}), (None, set())):
        campaign_registry.register("c-1", Campaign("c-1", currency=currency))
        assert campaign_registry.foreign == are_foreign
    campaign_registry.register("c-1", Campaign("c-1", currency="USD"))
    campaign_registry.register("c-1", None)
    assert campaign_registry.foreign == set()
    assert campaign_registry.currency_of("c-1") == "EUR"
