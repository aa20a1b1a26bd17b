"""Small changelogs of each format, as released builds wrote them, are read and gone on with.

`changelogs/format-N.json` was written by a build of that format: two partitions that have seen something of every topic, with two
models; keys and values in base64, and what the build published last of the whole history. `changelogs/board-N.json` is the board's.
"""

import json
from base64 import b64decode
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from metrics.attribution.conversion_credit import Conversion
from metrics.attribution.identity_graph import Person
from metrics.attribution.rule_versions import RuleHistory
from metrics.budget.policy import parse
from metrics.customers.accounts import CustomerAccount
from metrics.customers.referrals import ReferralEntry
from metrics.customers.subscriptions import Begun, SubscriptionEntry
from metrics.customers.tickets import TicketEntry
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.leads import LeadEntry
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.evidence import ledger
from metrics.kernels import refunds
from metrics.records.events import Campaign
from metrics.records.kpi_reading import KnownSpend, MatchedSums
from metrics.values.money import MICROS
from metrics.values.time import DAY, format_instant
from streams import topics
from streams.stages.budget.stage import BudgetStage
from streams.stages.intake.repartition import Home
from streams.state.codec import decode_as
from streams.state.store import FORMAT, HEADER_KEY, StateStore
from tests.laws.machine import INTAKE, MERGE, Machine, Record
from tests.metrics.budget.test_holds import START, reading
from tests.streams.state.test_store import header_of

#: Entries of tables: a build before leaves out what stands behind the fields that it knows.
KEPT = (
    *(OrderEntry, LeadEntry, FirstOrder, Home, Person, Conversion, RuleHistory),
    *(CustomerAccount, Begun, SubscriptionEntry, TicketEntry, ReferralEntry),
)
FILES = sorted((Path(__file__).parent / "changelogs").glob("format-*.json"))
AT = 1_794_960_000_000


def machine_of(found):
    """A pipeline of today on the state of then; logs hold nothing where records were read."""
    machine = Machine(2, now=AT + 700_000, models=("linear", "markov"), trusts_keys=False)
    machine.campaign_registry.register("c", Campaign("c", channel="search"))
    machine.changelogs = {
        (stage, p): {b64decode(key): b64decode(value) for key, value in found["changelogs"][f"{stage}-{p}"]}
        for stage in (INTAKE, MERGE)
        for p in range(2)
    }
    for p in range(2):
        for topic, end in found["offsets"][str(p)].items():
            machine.sources[topic, p].extend(Record(n, 0, None, None) for n in range(end))
        machine.partials[p].extend(Record(n, 0, None, None) for n in range(found["partials"][str(p)]))
    for p in range(2):
        machine.open(INTAKE, p)
        machine.open(MERGE, p)
    return machine


def test_there_is_a_changelog_of_each_format():
    assert [path.stem for path in FILES] == [f"format-{number}" for number in range(1, FORMAT + 1)]


def test_what_is_kept_and_grows_is_another_format():
    """A build before could not read it, or would leave a part out while the sums keep it: the format goes up with these numbers."""
    assert (FORMAT, ledger.SIZE, refunds.SIZE) == (6, 351, 61)
    assert {each.__name__: len(each.__struct_fields__) for each in KEPT} == {
        "OrderEntry": 10, "LeadEntry": 2, "FirstOrder": 7, "Home": 4, "Person": 2, "Conversion": 9, "RuleHistory": 4,
        "CustomerAccount": 5, "Begun": 4, "SubscriptionEntry": 4, "TicketEntry": 4, "ReferralEntry": 2,
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_state_of_a_released_format_is_read_and_goes_on_to_the_same_figures(path):
    found = json.loads(path.read_text())
    machine = machine_of(found)
    for p in range(2):
        assert machine.intake(p).offsets == found["offsets"][str(p)]
        for stage in (INTAKE, MERGE):
            assert header_of(machine.changelogs[stage, p].items())["format"] == FORMAT
    ((campaign, window, revision, sums),) = found["totals"]
    again = {"event_id": "e0", "occurred_at": AT, "campaign_id": "c", "visitor_id": "v", "cost": "1"}
    machine.produce_to(0, topics.CLICKS, None, again, AT)
    click = {"event_id": "new", "occurred_at": AT + 1, "campaign_id": "c", "visitor_id": "v"}
    machine.produce(topics.CLICKS, "v", {**click, "cost": "2"}, AT)
    machine.settle()
    last = machine.last()[campaign, window, None]
    assert last["revision"] > revision
    assert {name: value for name, value in last["sums"].items() if value} == {
        **sums,
        # One person with orders on both partitions: counted by each of them then, once now.
        "new_customers": 1,
        "clicks": sums["clicks"] + 1,
        "spend_micros": sums["spend_micros"] + 2_000_000,
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_state_that_was_gone_on_with_is_whole_and_read_again(path):
    machine = machine_of(json.loads(path.read_text()))
    for (stage, p), log in machine.changelogs.items():
        again = Machine(2, models=("linear", "markov"), trusts_keys=False).stages[stage, p]
        StateStore(again.stage, 0)
        again.restore(log.items())
        assert header_of([(HEADER_KEY, log[HEADER_KEY])])["records"] == sum(
            value is not None for key, value in log.items() if key != HEADER_KEY
        )


BOARDS = sorted((Path(__file__).parent / "changelogs").glob("board-*.json"))


def board_of(path):
    """The board as a build of that format wrote it: a campaign with daily reports half a day late, and one that is judged by money."""
    registry, start = CampaignRegistry("EUR"), START
    for name, targets, basis in (("leads", {"cpl": "20"}, "reports"), ("money", {"roas": "3"}, "events")):
        record = {"campaign_id": name, "targets": targets, "starts_at": start, "cost_basis": basis}
        registry.register(name, msgspec.convert(record | {"budget": "9000"}, Campaign, strict=False))
    store = StateStore(BudgetStage(parse({}), "observe", "EUR", registry, 1, lambda: NOW), NOW)
    store.restore([(b64decode(key), b64decode(value)) for key, value in json.loads(path.read_text())])
    store.take_over()
    store.stage.is_live = True
    return store


#: After what was read for these boards.
NOW = START + 6 * DAY


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_of_a_released_format_goes_on_with_its_evidence(path):
    store = board_of(path)
    before = {name: dict(state.ledgers) for name, state in store.stage.board.campaigns.items()}
    assert {name: list(ledgers) for name, ledgers in before.items()} == {"leads": ["cpl"], "money": ["roas"]}
    leads, money = (reading(name, NOW, 1_200) for name in ("leads", "money"))
    until, day = format_instant(NOW), format_instant(NOW - DAY)
    known = KnownSpend(until=until, since=day, spend_micros=0, total_micros=1_200 * MICROS, is_by_hour=False)
    leads = replace(
        leads, known_spend=known, matched_sums=MatchedSums(until=until, sums=replace(leads.sums, leads=60))
    )
    money = replace(
        money, sums=replace(money.sums, orders=60, revenue_micros=3_600 * MICROS, refunds_micros=6 * MICROS)
    )
    offset = store.stage.offsets[topics.CAMPAIGN_KPIS, 0]
    records = [
        Record(offset + place, NOW, None, msgspec.json.encode(each))
        for place, each in enumerate((leads, money))
    ]
    store.stage.take(topics.CAMPAIGN_KPIS, 0, records)
    written = dict(store.checkpoint(NOW).entries)
    assert decode_as(dict, written[HEADER_KEY])["format"] == FORMAT
    for name, target in (("leads", "cpl"), ("money", "roas")):
        state = store.stage.board.campaigns[name]
        assert state.ledgers[target].at >= before[name][target].at
        assert len(np.frombuffer(state.ledgers[target].numbers)) == ledger.SIZE
        assert state.evidence[target].verdict == "inconclusive"
        # 10 results a day at 20 each, or 3 times what was spent.
        assert state.evidence[target].probability_bad < 0.5
    assert store.stage.board.campaigns["leads"].ledgers["cpl"].results == 60


def test_there_are_boards_of_before_and_after_their_rows_changed():
    assert [path.stem for path in BOARDS] == ["board-3", "board-5"]
