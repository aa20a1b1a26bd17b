"""What reports are worth when rates and registrations change: as much at once as a checkpoint takes, and nothing for nothing."""

from decimal import Decimal

import msgspec
import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import CAMPAIGNS_OWN
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import Report
from metrics.records.events import Campaign
from metrics.values.errors import Rejection
from metrics.values.time import DAY, HOUR
from streams import topics
from streams.messages.bundle_check import read_bundle
from streams.messages.partials import Bundle, ReportPartial
from streams.stages.merge import report_worth
from streams.stages.merge import stage as merge_stage
from streams.state.codec import decode_as, encode, kind_of
from tests.laws.machine import INTAKE, MERGE, Machine

T0 = 1_794_960_000_000
USD = {"currency": "USD"}


def machine_of(*reports):
    """One partition that has read and published reports of a campaign whose cost basis is reports."""
    machine = Machine(1, CampaignRegistry("EUR"), models=(), rollups=())
    machine.campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    produce(machine, *reports)
    machine.settle()
    return machine


def produce(machine, *reports):
    for report in reports:
        number = len(machine.sources[topics.REPORTS, 0])
        start = report.get("period_start", T0 + number * HOUR)
        value = {"report_id": f"r{number}", "source": "s", "campaign_id": "c", "clicks": 1, "spend": "10"}
        value |= {"period_start": start, "period_end": start + HOUR, "reported_at": start + HOUR, **report}
        machine.produce(topics.REPORTS, "c", value, T0 + 99 * DAY)


def total(machine):
    machine.settle()
    reading = machine.last()["c", "total", None]
    return reading["sums"]["spend_micros"], reading["has_uncertain_amounts"]


def uncertain(machine):
    return machine.merge(0).report_worth.uncertain


def test_a_report_without_a_rate_counts_its_clicks_and_is_worth_0_and_marked_until_the_rate_comes():
    machine = machine_of(USD)
    reading = machine.last()["c", "total", None]
    assert (reading["sums"]["clicks"], reading["kpis"]["cpc"]) == (1, 0.0)
    assert (total(machine), uncertain(machine)) == ((0, True), 1)
    assert machine.letters == []
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    assert (total(machine), uncertain(machine)) == ((5_000_000, False), 0)
    machine.campaign_registry.set_rate("USD", 0, None)
    assert (total(machine), uncertain(machine)) == ((0, True), 1)


def test_windows_of_reports_that_are_worth_something_else_are_corrected():
    machine = machine_of(*[USD] * 3)
    machine.campaign_registry.set_rate("USD", T0 + HOUR, Decimal("0.5"))
    machine.settle()
    hours = {key[2]: each for key, each in machine.last().items() if key[1] == "1h"}
    assert [
        (hours[at]["sums"]["spend_micros"], hours[at]["has_uncertain_amounts"]) for at in sorted(hours)
    ] == [
        (0, True),
        (5_000_000, False),
        (5_000_000, False),
    ]


@pytest.mark.parametrize(
    ("module", "limit", "most"),
    # a report of an hour counts in its hour, its day and the total
    [(report_worth, "_MOST_LOOKED_AT", 3), (merge_stage, "_MOST_MARKED", 9)],
)
def test_so_much_is_valued_anew_with_one_checkpoint_and_all_in_the_end(monkeypatch, module, limit, most):
    monkeypatch.setattr(module, limit, most)
    machine = machine_of(*[USD] * 10)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.tick()
    assert uncertain(machine) == 7
    machine.open(MERGE, 0)  # a successor finds them all
    assert (total(machine), uncertain(machine)) == ((50_000_000, False), 0)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        # a rate that begins with the third hour is about the reports of it and later
        (lambda registry: registry.set_rate("USD", T0 + 2 * HOUR, Decimal(2)), 2),
        # a rate that is known already
        (lambda registry: registry.set_rate("USD", 0, Decimal("0.5")), 0),
        # a rate of a currency in which no report came
        (lambda registry: registry.set_rate("GBP", 0, Decimal(2)), 0),
        # a campaign that is paid in the currency of the reports
        (lambda registry: registry.register("c", Campaign("c", channel="tv", cost_basis="reports")), 0),
        (lambda registry: registry.register("c", Campaign("c", currency="USD", cost_basis="reports")), 4),
    ],
)
def test_a_change_looks_at_the_reports_that_it_may_be_about(monkeypatch, change, count):
    machine = machine_of(*[USD] * 4)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.settle()
    looked_at, valued_anew = [], report_worth.valued_anew
    monkeypatch.setattr(
        report_worth, "valued_anew", lambda *args: looked_at.append(args) or valued_anew(*args)
    )
    change(machine.campaign_registry)
    machine.settle()
    assert len(looked_at) == count


def test_a_rate_whose_withdrawal_is_gone_from_the_log_too_is_withdrawn():
    machine = machine_of(USD)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    assert total(machine) == (5_000_000, False)
    machine.campaign_registry = CampaignRegistry("EUR")
    machine.campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    for stage in (INTAKE, MERGE):
        machine.open(stage, 0)
    assert total(machine) == (0, True)


def test_reports_that_name_no_currency_follow_the_registrations_of_their_campaign():
    machine = machine_of({}, {})
    registry = machine.campaign_registry
    registry.set_rate("USD", 0, Decimal("0.5"))
    assert total(machine) == (20_000_000, False)
    basis = {"cost_basis": "reports"}
    registry.set_records(
        "c", [Campaign("c", **basis), Campaign("c", currency="USD", valid_from=T0 + HOUR, **basis)]
    )
    assert total(machine) == (15_000_000, False)
    machine.open(MERGE, 0)
    registry.set_records("c", [Campaign("c", currency="USD", **basis)])
    assert total(machine) == (10_000_000, False)
    registry.set_records("c", [Campaign("c", currency="EUR", **basis)])
    assert total(machine) == (20_000_000, False)


def test_earlier_versions_of_a_report_are_valued_too():
    """Half a day said 6 dollars, the whole day 10: the first half keeps its 6."""
    day = {**USD, "period_start": T0, "period_end": T0 + DAY}
    machine = machine_of(
        {**day, "spend": "6", "reported_at": T0 + DAY // 2},
        {**day, "spend": "10", "reported_at": T0 + 2 * DAY},
    )
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.settle()
    machine.open(MERGE, 0)
    history = machine.merge(0).merged_windows["c"].report_history
    assert history.share(T0, T0 + DAY // 2, short_only=False).spend_micros == 3_000_000
    assert history.share(T0, T0 + DAY, short_only=False).spend_micros == 5_000_000


def test_a_report_that_is_replaced_by_one_in_the_reporting_currency_depends_on_no_rate():
    machine = machine_of({**USD, "period_start": T0})
    produce(machine, {"currency": "EUR", "period_start": T0, "reported_at": T0 + 2 * HOUR})
    assert (total(machine), uncertain(machine)) == ((10_000_000, False), 0)
    machine.open(MERGE, 0)
    assert total(machine) == (10_000_000, False)
    assert "rs" not in {
        kind_of(key) for key, value in machine.changelogs[MERGE, 0].items() if value is not None
    }


def test_a_report_that_was_sent_and_not_confirmed_keeps_its_currency():
    machine = Machine(1, CampaignRegistry("EUR"), models=(), rollups=())
    machine.campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    produce(machine, USD)
    machine.read(topics.REPORTS, 0, 1)
    machine.checkpoint(INTAKE, 0, crash=0)
    machine.settle()
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    assert total(machine) == (5_000_000, False)


def test_builds_of_before_read_reports_with_what_they_are_worth():
    """Records and bundles have the shape that those builds know; what is new is a record beside, or stands behind."""

    class Before(msgspec.Struct, array_like=True):
        source: int
        epoch: int
        sequence: int
        blocks: list[object]
        reports: list[ReportPartial]

    report = Report("s", None, 0, HOUR, (1, 2, 0), 0, 0, 5, 0)
    bundle = Bundle(0, 1, 1, [], [("c", report)], spent={0: ReportedSpend("USD", 10)}, omitted={0: 1})
    assert decode_as(Before, encode(bundle)).reports == [("c", report)]
    hour = {"period_start": T0}
    machine = machine_of(USD | hour, {"spend": None, "clicks": 9, "reported_at": T0 + 2 * HOUR} | hour)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.settle()
    kept = {kind_of(key): value for key, value in machine.changelogs[MERGE, 0].items() if value}
    stored = decode_as(tuple[int, Report, list[object]], kept["r"])[1]
    assert (stored.clicks, stored.spend_micros) == (9, 5_000_000)


def test_spend_that_a_later_report_leaves_out_follows_rates_and_registrations_after_a_restart():
    hour = {"period_start": T0}
    machine = machine_of(hour, {"spend": None, "clicks": 9, "reported_at": T0 + 2 * HOUR} | hour)
    registry = machine.campaign_registry
    registry.set_records("c", [Campaign("c", currency="USD", cost_basis="reports")])
    assert (total(machine), uncertain(machine)) == ((0, True), 1)
    machine.open(MERGE, 0)
    registry.set_rate("USD", 0, Decimal("0.5"))
    assert (total(machine), uncertain(machine)) == ((5_000_000, False), 0)
    machine.open(MERGE, 0)
    assert total(machine) == (5_000_000, False)
    produce(machine, {"spend": "8", "clicks": None, "currency": "EUR", "reported_at": T0 + 3 * HOUR} | hour)
    machine.settle()
    assert machine.last()["c", "total", None]["sums"]["clicks"] == 9
    assert total(machine) == (8_000_000, False)


@pytest.mark.parametrize(
    "spent",
    [{1: ReportedSpend("USD", 1)}, {0: ReportedSpend("usd", 1)}, {0: ReportedSpend(CAMPAIGNS_OWN, -1)}],
)
def test_spend_that_is_none_is_refused(spent):
    report = Report("s", None, 0, HOUR, (1, 2, 0), 0, 0, 5, 0)
    with pytest.raises(Rejection, match="spend is of no report"):
        read_bundle(encode(Bundle(0, 1, 1, [], [("c", report)], spent=spent)), 1, set())


@pytest.mark.parametrize("omitted", [{1: 1}, {0: 8}, {0: -1}])
def test_figures_that_are_none_are_refused(omitted):
    report = Report("s", None, 0, HOUR, (1, 2, 0), 0, 0, 5, 0)
    with pytest.raises(Rejection, match="no such figures"):
        read_bundle(encode(Bundle(0, 1, 1, [], [("c", report)], omitted=omitted)), 1, set())
