"""What workers say to each other, nearly right: a stage takes it in whole or refuses it whole, and can be stored and read back."""

import functools
import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from tests.fuzz.mutation import packed_record
from tests.laws.machine import INTAKE, MERGE, Machine
from tests.support.examples import examples

NOW = 1_795_000_000_000


def traffic() -> Machine:
    """Two partitions whose clicks, orders and reports have crossed to each other."""
    machine = Machine(partitions=2)
    for number in range(12):
        visitor, campaign = f"v{number}", f"c{number % 4}"
        at = machine.now - 60_000 * number
        click = {
            "event_id": f"e{number}",
            "occurred_at": at,
            "campaign_id": campaign,
            "visitor_id": visitor,
            "cost": "1",
        }
        order = {
            "event_id": f"o{number}",
            "occurred_at": at + 1_000,
            "order_id": f"o{number}",
            "visitor_id": visitor,
            "revenue": 9,
        }
        report = {"report_id": f"r{number}", "source": "s", "campaign_id": campaign, "period_start": NOW - 7_200_000,
                  "period_end": NOW - 3_600_000 * (number % 2), "spend": 4, "clicks": 3}  # fmt: skip
        machine.produce_to(number % 2, topics.CLICKS, f"k{number}", click)
        machine.produce_to(1 - number % 2, topics.ORDERS, f"k{number}", order)
        machine.produce(topics.REPORTS, campaign, report)
    machine.settle()
    return machine


@functools.cache
def said() -> tuple[list[bytes], list[bytes]]:
    """Bundles and messages of real stages."""
    machine = traffic()
    bundles = [record.value for log in machine.partials for record in log]
    messages = [record.value for p in range(2) for record in machine.sources[topics.REKEYED, p]]
    assert bundles
    assert messages
    return bundles, messages


@examples(0.5)
@given(st.integers(0, 1 << 40), st.booleans())
def test_messages_between_stages_are_taken_in_or_refused_and_end_nothing(seed, is_bundle):
    dice = random.Random(seed)
    machine = Machine(partitions=2)
    known = said()[0 if is_bundle else 1]
    for raw in (*known, *(packed_record(dice.choice(known), dice) for _ in range(30))):
        if is_bundle:
            machine.partials[1].write(raw, machine.now)
        else:
            machine.produce_to(1, topics.REKEYED, None, raw)
    click = {"event_id": "last", "occurred_at": machine.now, "campaign_id": "last", "cost": "1"}
    machine.produce_to(1, topics.CLICKS, "k", click)
    machine.now += 1_000
    for _ in range(4):
        for stage, p in ((INTAKE, 1), (MERGE, 1), (INTAKE, 0), (MERGE, 0)):
            if stage == INTAKE:
                machine.read(topics.REKEYED, p, 1_000)
                machine.read(topics.CLICKS, p, 1_000)
            else:
                machine.follow(p, 1_000_000)
            machine.checkpoint(stage, p)
    for stage, p in machine.stages:
        machine.open(stage, p)
    dead = {(letter["topic"], letter["offset"]) for letter in machine.letters}
    assert all(letter["detail"] for letter in machine.letters)
    assert len(dead) == len({msgspec.json.encode(letter) for letter in machine.letters}), "each is said once"


def test_what_is_no_bundle_is_a_dead_letter_and_the_next_bundle_counts():
    machine = traffic()
    for raw in (b"", None, b"\x00", b"\xc1{", b"hello"):
        machine.partials[0].write(raw, machine.now)
    click = {"event_id": "x", "occurred_at": machine.now, "campaign_id": "c0", "cost": "1"}
    before = machine.last()["c0", "total", None]["sums"]["clicks"]
    machine.produce_to(0, topics.CLICKS, "k", click)
    machine.settle()
    assert machine.last()["c0", "total", None]["sums"]["clicks"] == before + 1
    assert [letter["topic"] for letter in machine.letters] == [topics.PARTIALS] * 5
