"""What is registered of a campaign, resolved: targets in the reporting currency, or unknown."""

from decimal import Decimal

import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, Targets
from metrics.values.errors import Rejection

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
    assert campaign_registry.foreign == {"c-1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpl", "1.0000001"),
        ("cac", "NaN"),
        ("roas", "1e13"),
        ("roi", "-0.1"),
        ("roas", "Infinity"),
        ("roi", "1e-400"),
    ],
)
def test_a_wrong_target_is_refused_by_name_and_what_was_known_stays(name, value):
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign("c", channel="kept", targets=TARGETS))
    with pytest.raises(Rejection, match=f"targets.{name}"):
        campaign_registry.register("c", Campaign("c", targets=Targets(**{name: Decimal(value)})))
    assert campaign_registry.facts("c").channel == "kept"
    campaign_registry.register("c", Campaign("c", targets=Targets(roi=Decimal(0))))
    assert campaign_registry.facts("c").targets_micros == {"roi": 0}


def test_a_rate_that_makes_money_too_large_leaves_it_unknown_in_whatever_order_both_come():
    found = []
    for is_rate_first in (True, False):
        campaign_registry = CampaignRegistry("EUR")
        record = Campaign("c", currency="USD", budget=Decimal(10**11))
        steps = [
            lambda each=campaign_registry: each.set_rate("USD", 0, Decimal(10**6)),
            lambda each=campaign_registry, record=record: each.register("c", record),
        ]
        for step in steps if is_rate_first else reversed(steps):
            step()
        found.append(campaign_registry.facts("c").budget_micros)
    assert found == [None, None]


# valid from    ever ────────── 1:00 ───────────── 4:00.500 (from 4:00 on)
# currency      GBP             USD, by reports    none, by events
def test_currency_and_basis_hold_by_event_time_and_all_else_by_the_newest_record():
    campaign_registry = CampaignRegistry("EUR")
    records = [
        Campaign("c", currency="USD", cost_basis="reports", valid_from=60_000, channel="old"),
        Campaign("c", valid_from=240_500, channel="new"),
        Campaign("c", currency="GBP", channel="oldest"),
    ]
    campaign_registry.set_records("c", records)
    times = (-(10**12), 59_999, 60_000, 239_999, 240_000)
    assert [campaign_registry.currency_of("c", at) for at in times] == ["GBP", "GBP", "USD", "USD", "EUR"]
    facts = [campaign_registry.facts_of_window("c", (at, at + 1)) for at in times]
    assert [each.is_reported for each in facts] == [False, False, True, True, False]
    assert {each.channel for each in facts} == {"new"}
    assert campaign_registry.foreign == {"c"}


def test_before_its_first_record_a_campaign_has_no_currency_of_its_own_and_counts_events():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign("c", currency="USD", cost_basis="reports", valid_from=60_000))
    assert campaign_registry.currency_of("c", 59_999) == "EUR"
    assert not campaign_registry.facts_of_window("c", (0, 60_000)).is_reported
    assert campaign_registry.facts_of_window("c", None).is_reported


def test_what_the_money_of_an_archived_campaign_is_worth_does_not_change():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign("c", currency="USD"))
    campaign_registry.register("c", None)
    assert campaign_registry.currency_of("c", 0) == "USD"
    assert campaign_registry.registered_currency("d", 0) is None
