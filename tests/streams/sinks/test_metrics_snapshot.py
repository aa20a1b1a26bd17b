"""What counters and the ledger show is what the last confirmed checkpoint holds, so that a crash cannot take it back."""

from types import SimpleNamespace

import msgspec
import pytest

from metrics.records.events import Campaign
from metrics.values.time import HOUR, MINUTE
from streams import topics
from streams.runtime.partition_tasks import PartitionTasks
from streams.runtime.progress import Progress
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.sinks.metrics_snapshot import MetricsSnapshots
from streams.state.codec import encode
from tests.bench.bench_controller import NOW, board_of
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine

T = 1_794_990_000_000


class Page:
    """What the worker that holds the machine's only partition shows."""

    def __init__(self, machine: Machine, board=None) -> None:
        self.machine, self.board = machine, board
        self.processor = SimpleNamespace(
            held={},
            campaign_registry=machine.campaign_registry,
            board=board,
            is_ready=True,
            recovering=[],
            progress=Progress(),
        )
        self.source = MetricsSnapshots(
            Settings(), self.processor, Telemetry("test"), None, lambda: machine.now
        )
        machine.sinks.append(self.source)

    def snapshot(self):
        stages = self.machine.stages[INTAKE, 0], self.machine.stages[MERGE, 0]
        self.processor.held[0] = PartitionTasks(*stages, (), 0, {}, self.board)
        return self.source.snapshot()


def click(machine: Machine, number: int) -> None:
    value = {"event_id": f"e-{number}", "occurred_at": T + number, "campaign_id": "c", "cost": 1}
    machine.produce(topics.CLICKS, "v", value)


def clicks(snapshot) -> int:
    (campaign,) = snapshot.campaigns
    return campaign.counters.clicks


def ledger(snapshot):
    return {row.topic: row.applied for row in snapshot.pipeline.ledger}


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, BEFORE_CONFIRM])
def test_counters_never_fall_when_their_owner_dies(crash):
    machine = Machine(1)
    page = Page(machine)
    click(machine, 0)
    machine.settle()
    click(machine, 1)
    machine.read(topics.CLICKS, 0, 1)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    before = clicks(page.snapshot())
    assert before == 1, "the second click is not stored yet"
    machine.checkpoint(MERGE, 0, crash)
    assert clicks(page.snapshot()) >= before
    machine.settle()
    assert clicks(page.snapshot()) == 2


def test_a_campaign_first_heard_of_counts_from_zero_so_that_its_first_increase_is_seen():
    machine = Machine(1)
    page = Page(machine)
    click(machine, 0)
    machine.read(topics.CLICKS, 0, 1)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    assert clicks(page.snapshot()) == 0
    machine.checkpoint(MERGE, 0)
    assert clicks(page.snapshot()) == 1


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, BEFORE_CONFIRM])
def test_the_ledger_never_falls_when_its_owner_dies(crash):
    machine = Machine(1)
    page = Page(machine)
    click(machine, 0)
    machine.settle()
    click(machine, 1)
    machine.read(topics.CLICKS, 0, 1)
    before = ledger(page.snapshot())
    assert before[topics.CLICKS] == 1
    machine.checkpoint(INTAKE, 0, crash)
    assert ledger(page.snapshot())[topics.CLICKS] >= 1
    machine.settle()
    assert ledger(page.snapshot())[topics.CLICKS] == 2


def test_what_is_not_stored_yet_is_accounted_for_all_the_same():
    machine = Machine(1)
    page = Page(machine)
    click(machine, 0)
    machine.read(topics.CLICKS, 0, 1)
    assert [row.unaccounted for row in page.snapshot().pipeline.ledger if row.unaccounted] == []


def test_actions_count_and_the_board_moves_when_they_are_stored():
    board = board_of(1)
    page = Page(Machine(1), board)

    def confirm(checkpoint):
        board.confirm(checkpoint.sequence)
        page.source.confirmed(checkpoint)

    confirm(board.checkpoint(NOW))
    word = {"decision_id": "d", "campaign_id": "c-0", "verb": "pause", "occurred_at": NOW}
    board.stage.take(
        topics.BUDGET_DECISIONS, 0, [SimpleNamespace(offset=0, key=None, value=msgspec.json.encode(word))]
    )
    made = board.checkpoint(NOW)
    assert len(made.outputs) == 1
    before = page.snapshot().board
    assert before.actions == {}
    assert [(card.column, sum(card.actions.values())) for card in before.cards] == [("backlog", 0)]
    confirm(made)
    after = page.snapshot().board
    assert after.actions == {("pause", "enforce"): 1}
    assert [(card.column, sum(card.actions.values())) for card in after.cards] == [("hold", 1)]


def test_a_page_changes_nothing_however_many_campaigns_there_are():
    machine = Machine(1)
    page = Page(machine)
    page.source._series._folding.limit = 1
    for number in range(4):
        value = {"event_id": f"e-{number}", "occurred_at": T, "campaign_id": f"c{number}", "cost": number}
        machine.produce(topics.CLICKS, "v", value)
    machine.settle()
    before = encode(state_of(machine))
    for _ in range(3):
        assert page.snapshot().folded.count == 4
    assert encode(state_of(machine)) == before
    assert not machine.stages[MERGE, 0].is_dirty
    page.source.choose_series()
    machine.settle()
    assert [each.campaign_id for each in page.snapshot().campaigns] == ["c3"]


def state_of(machine: Machine):
    """All that merge waits to write or to give out."""
    stage = machine.merge(0)
    return len(stage.rolling_schedule), len(stage.schedule), stage.sequence, machine.stages[MERGE, 0].is_dirty


@pytest.mark.parametrize(("has_lead", "wanted"), [(True, 18_000_000), (False, 30_000_000)])
def test_spend_since_the_last_lead_is_that_of_reports_where_those_count(has_lead, wanted):
    machine, begin = Machine(1), T // HOUR * HOUR
    machine.campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    page = Page(machine)
    for hour in range(3):
        period = {"period_start": begin + hour * HOUR, "period_end": begin + (hour + 1) * HOUR}
        value = {"report_id": f"r{hour}", "source": "ads", "campaign_id": "c", "spend": 10, **period}
        machine.produce(topics.REPORTS, "c", value | {"reported_at": period["period_end"]})
    click(machine, 0)
    if has_lead:
        lead = {"event_id": "l", "lead_id": "l", "campaign_id": "c", "occurred_at": begin + 71 * MINUTE}
        machine.produce(topics.LEADS, "v", lead)
    machine.settle()
    (campaign,) = page.snapshot().campaigns
    assert campaign.spend_since_last_lead_micros == wanted
