"""A state is read back as it was written, by its format; what is of no use any more leaves a part at a time."""

from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from metrics.attribution.models import AttributionRules
from metrics.budget.state import CampaignState
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.errors import StateError
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from streams.stages.budget.stage import BudgetHeader
from streams.stages.intake.stage import IntakeStage
from streams.stages.kinds import KINDS
from streams.state import store as store_module
from streams.state.codec import decode_as, encode, kind_of, state_key
from streams.state.store import FORMAT, HEADER_KEY, StateStore, epoch_of
from tests.bench.bench_controller import NOW, board_of, records
from tests.laws.facts import T0
from tests.laws.machine import INTAKE, MERGE, Machine

#: Where each stage's header of format 1 had the common fields.
COMMON = ("epoch", "sequence", "confirmed", "partitions", "birth")


def header_of(entries):
    return msgspec.msgpack.decode(dict(entries)[HEADER_KEY])


def as_format_1(store, entries):
    """The same state as it was written before its headers had a number."""
    header, places = header_of(entries), store.stage.format_1
    rest = iter(header["stage"])
    common = {place: header[name] for name, place in zip(COMMON, places, strict=True) if place is not None}
    size = len(common) + len(header["stage"])
    older = [common[place] if place in common else next(rest) for place in range(size)]
    return {**dict(entries), HEADER_KEY: encode(older)}


def decision():
    """A word of an operator as it lies on its topic."""
    word = {"decision_id": "d", "campaign_id": "c-0", "verb": "set_budget", "budget": 900}
    return SimpleNamespace(
        offset=0, key=None, value=msgspec.json.encode(word | {"occurred_at": format_instant(NOW)})
    )


def busy_machine(partitions=2, **options):
    """A pipeline that has seen something of everything."""
    machine = Machine(partitions, models=("linear", "markov"), trusts_keys=False, **options)
    machine.campaign_registry.register("c", Campaign("c", channel="search", other_cost=Decimal(1)))
    for p in range(partitions):
        machine.merge(p).refresh("c")
    for n in range(4):
        at = T0 + n * MINUTE
        common = {"event_id": f"e{n}", "occurred_at": at, "campaign_id": "c", "visitor_id": "v"}
        machine.produce_to(n % partitions, topics.CLICKS, None, {**common, "cost": "1"}, at)
        machine.produce(topics.IMPRESSIONS, "v", {**common, "cost": "1", "currency": "USD"}, at)
        machine.produce(topics.LEADS, "v", {**common, "lead_id": f"l{n}"}, at)
        order = {**common, "order_id": f"o{n}", "revenue": "9", "customer_id": "k"}
        machine.produce_to(n % partitions, topics.ORDERS, "other", order, at)
        machine.produce(topics.CLICKS, "v", b"{", at)
        done = {"event_id": f"e{n}", "occurred_at": at, "customer_id": "k"}
        machine.produce(topics.SURVEYS, "k", {**done, "score": n}, at)
        machine.produce(topics.TICKETS, "k", {**done, "ticket_id": f"t{n}"}, at)
        machine.produce(topics.SUBSCRIPTIONS, "k", {**done, "subscription_id": "s", "term": "P1M"}, at)
        machine.produce(topics.REFERRALS, "k", {**done, "referrer_id": f"k{n}"}, at)
        machine.produce(topics.ACTIVATIONS, "k", done, at)
        report = {
            "report_id": f"r{n}",
            "source": "s",
            "campaign_id": "c",
            "period_start": T0 - HOUR,
            "spend": "1",
        }
        machine.produce(topics.REPORTS, "c", {**report, "period_end": T0 + n * HOUR + 1, "clicks": n}, at)
    return machine


#: By how cohorts go: the kinds that only accounts of the other have.
OTHER_COHORTS = {
    "month": {"wa", "wc", "wt", "ws", "wr", "w", "wm"},
    "week": {"ka", "kc", "kt", "ks", "kr", "k", "km"},
}


@pytest.mark.parametrize("cohorts", ["month", "week"])
def test_the_kinds_that_are_listed_are_those_that_tables_have_and_that_are_written(cohorts):
    machine = busy_machine(customer_cohorts=cohorts, customer_models=("linear",))
    written = {INTAKE: set(), MERGE: set()}
    inner = machine.checkpoint

    def checkpoint(stage, p, crash=None):
        inner(stage, p, crash)
        written[stage] |= {kind_of(key) for key in machine.changelogs.get((stage, p), {})}

    machine.checkpoint = checkpoint
    machine.settle()
    late = {"event_id": "late", "occurred_at": T0 + 40 * 24 * HOUR, "campaign_id": "c", "visitor_id": "v"}
    for topic in topics.EVENT_SOURCES:
        value = late | {"lead_id": "late", "order_id": "late", "revenue": "1"}
        for p in range(2):
            machine.produce_to(p, topic, None, {**value, "event_id": f"{p}"}, late["occurred_at"])
    machine.settle()
    board = board_of(1)
    board.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0, window="1h"))
    written["controller"] = {kind_of(key) for key, _ in board.checkpoint(NOW).entries}
    stores = {INTAKE: machine.stages[INTAKE, 0], MERGE: machine.stages[MERGE, 0], "controller": board}
    for changelog, listed in KINDS.items():
        kinds = [kind for kind in listed if kind not in OTHER_COHORTS[cohorts]]
        # Cohorts of the other period are read too, where a state holds some, to be taken back.
        forgotten = {"k", "w", "km", "wm"} - {*kinds} if changelog == MERGE else set()
        assert sorted(table.kind for table in stores[changelog].stage.tables) == sorted([*kinds, *forgotten])
        assert written[changelog] == {*kinds, "@"}


def test_a_header_says_its_format_and_its_epoch():
    machine = busy_machine()
    machine.settle()
    for (stage, p), log in machine.changelogs.items():
        header = header_of(log.items())
        assert header["format"] == FORMAT
        assert header["epoch"] == epoch_of(list(log.items())) == machine.stages[stage, p].epoch


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_a_state_of_format_1_is_read_and_goes_on_as_one_of_today(stage):
    machine = busy_machine()
    machine.settle()
    log = machine.changelogs[stage, 0]
    older = as_format_1(machine.stages[stage, 0], log.items())
    assert epoch_of(list(older.items())) == machine.stages[stage, 0].epoch
    found = []
    for entries in (log, older):
        machine.changelogs[stage, 0] = dict(entries)
        machine.open(stage, 0)
        found.append({key: value for key, value in machine.changelogs[stage, 0].items() if value is not None})
    assert found[0] == found[1]


def test_a_board_of_format_1_is_read_and_goes_on_as_one_of_today():
    board = board_of(2)
    board.stage.take(topics.CAMPAIGN_KPIS, 0, records([0, 1], NOW, 0))
    entries = board.checkpoint(NOW).entries
    found = []
    for kept in (dict(entries), as_format_1(board, entries)):
        again = board_of(2)
        again.restore(kept.items())
        again.take_over()
        found.append(again.checkpoint(NOW))
    assert found[0].entries == found[1].entries
    assert found[0].outputs == found[1].outputs == []


def test_actions_that_a_build_without_transactions_may_not_have_sent_are_sent_once():
    board = board_of(1)
    board.stage.take(topics.BUDGET_DECISIONS, 0, [decision()])
    made = board.checkpoint(NOW)
    (sent,) = made.outputs
    header = header_of(made.entries)
    place = BudgetHeader.__struct_fields__.index("unsent")
    assert header["stage"][place] == []
    header["stage"][place] = [msgspec.json.decode(sent.value)]
    older = {**dict(made.entries), HEADER_KEY: encode(header)}
    older |= as_format_1(board, older.items())
    again = board_of(1)
    again.restore(older.items())
    again.take_over()
    following = again.checkpoint(NOW)
    assert following.outputs == [sent]
    assert again.checkpoint(NOW).outputs == []
    later = board_of(1)
    later.restore([*older.items(), *following.entries])
    later.take_over()
    assert later.checkpoint(NOW).outputs == []


def test_a_state_of_a_newer_format_is_refused_with_what_to_do():
    machine = busy_machine()
    machine.settle()
    header = header_of(machine.changelogs[INTAKE, 0].items())
    newer = encode(header | {"format": FORMAT + 1, "stage": "of another shape"})
    with pytest.raises(StateError, match=f"format {FORMAT + 1}.*run the version"):
        StateStore(machine.intake(0), 0).restore([(HEADER_KEY, newer)])


def test_a_board_whose_evidence_is_longer_than_this_version_knows_is_refused_with_what_to_do():
    """A later build keeps more sums for each target; compiled kernels of this one would read past them, or not see them."""
    board = board_of(1)
    board.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 0))
    entries = dict(board.checkpoint(NOW).entries)
    key = next(key for key in entries if kind_of(key) == "c")
    state = decode_as(CampaignState, entries[key])
    assert state.ledgers
    longer = {
        name: msgspec.structs.replace(each, numbers=each.numbers + bytes(8))
        for name, each in state.ledgers.items()
    }
    header = header_of(entries.items())
    del header["records"], header["checksum"]
    entries |= {key: encode(msgspec.structs.replace(state, ledgers=longer)), HEADER_KEY: encode(header)}
    with pytest.raises(
        StateError, match=f"kind c .* none of format {FORMAT} .*another version.*Run the version"
    ):
        board_of(1).restore(entries.items())


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_records_of_another_shape_are_refused_with_what_to_do(stage):
    """Of a build that has changed what a record holds: each kind in turn, and the header."""
    machine = busy_machine()
    machine.settle()
    log = {key: value for key, value in machine.changelogs[stage, 0].items() if value is not None}
    header = header_of(log.items())
    del header["records"], header["checksum"]
    log[HEADER_KEY] = encode(header)
    fresh = machine.stages[stage, 0].stage
    for table in fresh.tables:
        other = log | {key: encode({"of": "another shape"}) for key in log if kind_of(key) == table.kind}
        if other == log:
            continue
        with pytest.raises(StateError, match=f"kind {table.kind} .*another version"):
            StateStore(Machine(2).stages[stage, 0].stage, 0).restore(other.items())
    other = log | {HEADER_KEY: encode(header | {"stage": "of another shape"})}
    with pytest.raises(StateError, match=r"kind @ .*another version"):
        StateStore(fresh, 0).restore(other.items())


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_a_state_of_another_number_of_partitions_is_refused(stage):
    two, three = busy_machine(), busy_machine(3)
    with pytest.raises(StateError, match="made with 2 partitions, ROISTREAM_PARTITIONS says 3"):
        StateStore(three.stages[stage, 0].stage, 0).restore(two.changelogs[stage, 0].items())


def test_what_is_of_no_use_leaves_a_part_at_a_time_and_first_what_gives_it_a_meaning(monkeypatch):
    monkeypatch.setattr(store_module, "_REMOVED_AT_ONCE", 3)
    machine = busy_machine(1)
    machine.settle()
    kept = {key: value for key, value in machine.changelogs[INTAKE, 0].items() if value is not None}
    options = msgspec.structs.replace(machine.intake_options, rules=AttributionRules())
    store = StateStore(IntakeStage(0, options, CampaignRegistry("EUR")), 0)
    store.restore(kept.items())
    store.take_over()
    removed = []
    while store.is_dirty:
        gone = [key for key, value in store.checkpoint(machine.now).entries if value is None]
        assert len(gone) <= 3
        removed += gone
    assert removed[0] == state_key("jm"), "or else models that are on again would take the rest as whole"
    assert {kind_of(key) for key in removed} >= {"jm", "jc", "jt", "jn", "jp", "p"}
    assert not {key for key in kept if kind_of(key).startswith("j")} - set(removed)
