"""What is registered of a campaign, resolved: targets in the reporting currency, or unknown."""

from decimal import Decimal

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, Targets

TARGETS = Targets(cpl=Decimal(10), cac=Decimal("40.5"), roas=Decimal(3), roi=Decimal("0.25"))


def test_targets_of_money_are_converted_and_ratios_are_not():
    book = CampaignRegistry("EUR")
    book.set_rate("USD", 0, Decimal("0.9"))
    book.register("c-1", Campaign("c-1", currency="USD", targets=TARGETS))
    assert book.facts("c-1").targets_micros == {
        "cpl": 9_000_000, "cac": 36_450_000, "roas": 3_000_000, "roi": 250_000
    }  # fmt: skip


def test_a_target_without_a_rate_is_unknown_until_the_rate_comes():
    book = CampaignRegistry("EUR")
    book.register("c-1", Campaign("c-1", currency="USD", targets=TARGETS))
    assert set(book.facts("c-1").targets_micros) == {"roas", "roi"}
    book.set_rate("USD", 0, Decimal(1))
    assert set(book.facts("c-1").targets_micros) == {"cpl", "cac", "roas", "roi"}


def test_a_target_that_is_not_named_is_none():
    book = CampaignRegistry("EUR")
    book.register("c-1", Campaign("c-1", targets=Targets(roi=Decimal(0))))
    book.register("c-2", Campaign("c-2"))
    assert book.facts("c-1").targets_micros == {"roi": 0}
    assert book.facts("c-2").targets_micros == {}


def test_a_campaign_is_foreign_while_it_is_paid_in_another_currency():
    book = CampaignRegistry("EUR")
    for currency, are_foreign in (("USD", {"c-1"}), ("EUR", set()), ("USD", {"c-1"}), (None, set())):
        book.register("c-1", Campaign("c-1", currency=currency))
        assert book.foreign == are_foreign
    book.register("c-1", Campaign("c-1", currency="USD"))
    book.register("c-1", None)
    assert book.foreign == set()
    assert book.currency_of("c-1") == "EUR"
