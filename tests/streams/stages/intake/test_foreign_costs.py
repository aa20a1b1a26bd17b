"""In which currency a click is paid: its own, else its campaign's, else that of the reports."""

from decimal import Decimal

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.windows.panes import TOTAL
from streams import topics
from streams.messages.source_records import Record
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from tests.laws.machine import INTAKE, Machine

NOW = 1_800_000_000_000
OPTIONS = IntakeOptions(1, 300_000, 86_400_000, 1_000, 86_400_000)


def spent(campaign_registry: CampaignRegistry, *clicks: tuple[str, str | None]) -> dict[str, int]:
    """Millionths that one cost of 10 after the other comes to, by campaign."""
    intake = IntakeStage(0, OPTIONS, campaign_registry)
    records = []
    for offset, (campaign, currency) in enumerate(clicks):
        paid_in = "" if currency is None else f',"currency":"{currency}"'
        text = (
            f'{{"event_id":"{offset}","occurred_at":{NOW},"campaign_id":"{campaign}","cost":"10"{paid_in}}}'
        )
        records.append(Record(offset, NOW, None, text.encode()))
    intake.process(topics.CLICKS, records, NOW)
    return {
        name: tally.spend_micros + tally.default_spend_micros
        for (name, resolution, _), tally in intake.panes.tallies.items()
        if resolution == TOTAL
    }


def test_a_cost_without_a_currency_is_in_that_of_its_campaign():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.set_rate("USD", 0, Decimal("0.9"))
    campaign_registry.register("abroad", Campaign("abroad", currency="USD"))
    campaign_registry.register("home", Campaign("home", currency="EUR"))
    assert spent(campaign_registry, ("abroad", None), ("home", None), ("unknown", None)) == {
        "abroad": 9_000_000, "home": 10_000_000, "unknown": 10_000_000
    }  # fmt: skip


def test_the_currency_of_a_cost_goes_before_that_of_its_campaign():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.set_rate("USD", 0, Decimal("0.9"))
    assert spent(campaign_registry, ("unknown", "USD"), ("home", "EUR")) == {
        "unknown": 9_000_000,
        "home": 10_000_000,
    }
    campaign_registry.register("abroad", Campaign("abroad", currency="USD"))
    assert spent(campaign_registry, ("abroad", "EUR"), ("abroad", None), ("unknown", "USD")) == {
        "abroad": 19_000_000, "unknown": 9_000_000
    }  # fmt: skip


def test_a_cost_follows_a_rate_that_is_withdrawn_and_gone_from_the_log_while_nobody_reads():
    machine = Machine(1, CampaignRegistry("EUR"), models=(), rollups=())
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    at = 1_795_000_000_000
    click = {"event_id": "e", "occurred_at": at, "campaign_id": "c", "cost": "10", "currency": "USD"}
    machine.produce(topics.CLICKS, "v", click, at)
    machine.settle()
    assert total(machine) == (5_000_000, False)
    machine.campaign_registry = CampaignRegistry("EUR")
    machine.open(INTAKE, 0)
    machine.settle()
    assert total(machine) == (0, True)


def total(machine):
    reading = machine.last()["c", "total", None]
    return reading["sums"]["spend_micros"], reading["has_uncertain_amounts"]
