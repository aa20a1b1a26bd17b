"""What counters and the ledger show is what the last confirmed checkpoint holds, so that a crash cannot take it back."""

from types import SimpleNamespace

import msgspec
import pytest

from streams import topics
from streams.runtime.partition_tasks import PartitionTasks
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.sinks.metrics_snapshot import MetricsSnapshots
from tests.bench.bench_controller import NOW, controller_of
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine

T = 1_794_990_000_000


def shown(machine: Machine, board=None):
    """What the worker that holds the machine's only partition shows."""
    holding = PartitionTasks(machine.stages[INTAKE, 0], machine.stages[MERGE, 0], (), 0, {}, board)
    processor = SimpleNamespace(
        held={0: holding},
        campaign_registry=machine.campaign_registry,
        board=board,
        is_ready=True,
        recovering=[],
    )
    return MetricsSnapshots(Settings(), processor, Telemetry("test"), None, lambda: machine.now).snapshot()


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
    click(machine, 0)
    machine.settle()
    click(machine, 1)
    machine.read(topics.CLICKS, 0, 1)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    before = clicks(shown(machine))
    assert before == 1, "the second click is not stored yet"
    machine.checkpoint(MERGE, 0, crash)
    assert clicks(shown(machine)) >= before
    machine.settle()
    assert clicks(shown(machine)) == 2


def test_a_campaign_first_heard_of_counts_from_zero_so_that_its_first_increase_is_seen():
    machine = Machine(1)
    click(machine, 0)
    machine.read(topics.CLICKS, 0, 1)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    assert clicks(shown(machine)) == 0
    machine.checkpoint(MERGE, 0)
    assert clicks(shown(machine)) == 1


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, BEFORE_CONFIRM])
def test_the_ledger_never_falls_when_its_owner_dies(crash):
    machine = Machine(1)
    click(machine, 0)
    machine.settle()
    click(machine, 1)
    machine.read(topics.CLICKS, 0, 1)
    before = ledger(shown(machine))
    assert before[topics.CLICKS] == 1
    machine.checkpoint(INTAKE, 0, crash)
    assert ledger(shown(machine))[topics.CLICKS] >= 1
    machine.settle()
    assert ledger(shown(machine))[topics.CLICKS] == 2


def test_what_is_not_stored_yet_is_accounted_for_all_the_same():
    machine = Machine(1)
    click(machine, 0)
    machine.read(topics.CLICKS, 0, 1)
    assert [row.unaccounted for row in shown(machine).pipeline.ledger if row.unaccounted] == []


def test_actions_count_and_the_board_moves_when_they_are_stored():
    machine = Machine(1)
    board = controller_of(1)
    board.confirm(board.checkpoint(NOW).sequence)
    word = {"decision_id": "d", "campaign_id": "c-0", "verb": "pause", "occurred_at": NOW}
    board.controller.take(
        topics.BUDGET_DECISIONS, 0, [SimpleNamespace(offset=0, value=msgspec.json.encode(word))]
    )
    made = board.checkpoint(NOW)
    assert len(made.outputs) == 1
    before = shown(machine, board).board
    assert before.actions == {}
    assert [(card.column, sum(card.actions.values())) for card in before.cards] == [("backlog", 0)]
    board.confirm(made.sequence)
    after = shown(machine, board).board
    assert after.actions == {("pause", "enforce"): 1}
    assert [(card.column, sum(card.actions.values())) for card in after.cards] == [("hold", 1)]
