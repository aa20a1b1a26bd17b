"""What roistream says to itself is read back as it was said, whatever the size of the numbers."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.orders import FirstOrder, ForeignAmounts, OrderEntry, Placement, Refund
from metrics.entities.reports import Report
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS
from metrics.values.time import DAY
from metrics.windows.panes import Panes, horizon
from metrics.windows.watermark import PartitionStatus
from streams.messages.pane_blocks import blocks, pack, unpack
from streams.messages.partials import Bundle, bundles, decode_bundle
from streams.state.codec import decode_as, encode, partition_of, read_key, state_key
from streams.state.keyed_table import KeyedTable
from streams.state.pane_table import PackedNames, entries
from streams.transport.checkpoint_writer import MAX_BATCH_BYTES


def singles(block):
    return [
        (campaign, block.resolution, block.start, tally)
        for campaign, tally in zip(block.campaigns, unpack(block).as_list(), strict=True)
    ]


sums = st.integers(-(10**24), 10**24)


@given(sums, sums, st.none() | st.integers(-(2**60), 2**60))
def test_bundles_are_read_back_exactly(spend, revenue, watermark):
    report = Report("s", None, 0, 1, (-(1 << 62), 0, 0), 0, 0, abs(spend), 0)
    panes = [("c", 3, 0, Tally(spend_micros=spend, revenue_micros=revenue))]
    said = Bundle(1, 2, 3, pack(panes), [("c", report)], PartitionStatus(watermark, is_idle=True))
    heard = decode_bundle(encode(said))
    assert heard == said
    assert [partial for block in heard.blocks for partial in singles(block)] == panes


@given(st.dictionaries(st.integers(0, 9), sums))
def test_state_is_read_back_exactly(parts):
    value = (7, {source: Tally(spend_micros=spend) for source, spend in parts.items()})
    assert decode_as(tuple[int, dict[int, Tally]], encode(value)) == value


def test_an_order_with_what_a_build_of_before_does_not_know_is_read_by_it():
    """Placements, refunds and edits of an entry have the shape that they always had; what is new stands behind them."""

    class Before(msgspec.Struct, array_like=True):
        placed: Placement | None = None
        refunds: tuple[Refund, ...] = ()

    abroad = ForeignAmounts("USD", 2, 0, is_certain=True)
    placed, given = Placement(5, "e", "c", 1, 0, None), Refund(6, "c", 1)
    entry = OrderEntry(placed, (given,), placed_in=abroad, refunds_in=("",))
    assert decode_as(OrderEntry, encode(entry)) == entry
    assert decode_as(Before, encode(entry)) == Before(placed, (given,))
    assert decode_as(OrderEntry, encode(Before(placed, (given,)))) == OrderEntry(placed, (given,))


def test_keys_are_read_back():
    assert read_key(state_key("r", "c|é", "s", None, -5)) == ["r", "c|é", "s", None, -5]


def test_a_damaged_value_is_an_error_and_no_guess():
    with pytest.raises(msgspec.MsgspecError):
        decode_as(Tally, b"\xc1{")
    with pytest.raises(msgspec.MsgspecError):
        decode_as(Tally, b"\x93\x01")


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 9_000])
def test_bundles_hold_every_partial_once_and_stay_small(count):
    panes = Panes()
    panes.fold(
        [Contribution(f"{n:05}" + 123 * "😀", 0, Tally(*[n] * len(FIELDS))) for n in range(count)],
        horizon(None),
    )
    changes, routes = panes.take_changes(), np.arange(count, dtype=np.int32) % 2
    found = []
    for target in range(2):
        for bundle in bundles(0, 1, 1, blocks(panes.names, routes, changes, target), []):
            assert len(encode(bundle)) < MAX_BATCH_BYTES
            found += [partial for block in bundle.blocks for partial in singles(block)]
    assert sorted(found) == sorted((*key, tally) for key, tally in panes.tallies.items())


@given(st.lists(st.tuples(st.text(max_size=300), *[st.integers(-(2**62), 2**62)] * 3), max_size=9), sums)
def test_entries_of_panes_are_what_one_by_one_encoding_gives(rows, huge):
    panes = Panes()
    kept = {name: Tally(clicks=a, leads=b, default_spend_micros=c) for name, a, b, c in rows} | {
        "é" * 40: Tally(leads=huge)
    }
    for resolution, start in ((1, -(2**40)), (3, 0), (0, 2**40)):
        panes.mark(resolution, start, panes.restore(resolution, start, list(kept.items())))
    names, found = PackedNames(panes.names), {}
    for change in panes.take_changes():
        for key, value in entries(names, change, 77):
            assert value is not None
            found[key] = decode_as(tuple[int, Tally], value)
    assert found == {
        state_key("p", name, resolution, start): (77, tally)
        for (name, resolution, start), tally in panes.tallies.items()
    }


def test_partitions_are_those_of_kafkas_default_partitioner():
    # murmur2 as in Kafka's own tests: "21" is -973932308, "foobar" is -790332482
    assert partition_of("21", 1 << 31) == -973932308 & 0x7FFFFFFF
    assert partition_of("foobar", 1 << 31) == -790332482 & 0x7FFFFFFF


ORDER = OrderEntry(Placement(5 * DAY, "e", "c", 10**23, 0, is_new_customer=None), (Refund(0, None, 1),))


def test_an_entry_comes_back_from_the_table_and_from_its_changelog():
    table = KeyedTable("o", OrderEntry)
    table.put("id", ORDER)
    ((key, packed),) = table.take_changes(1)
    other = KeyedTable("o", OrderEntry)
    assert packed is not None
    other.restore([(key, packed)], 0)
    assert other.get("id") == table.get("id") == ORDER
    assert (table.weight, table.take_changes(2)) == (0, [])


def test_entries_expire_by_their_latest_day_and_leave_tombstones():
    table = KeyedTable("c", FirstOrder)
    for name, latest in (("old", DAY), ("moved", DAY), ("new", 9 * DAY)):
        table.put(name, FirstOrder(0, "o", "c", is_flagged=False, latest=latest))
    table.put("moved", FirstOrder(0, "o", "c", is_flagged=False, latest=8 * DAY))
    table.take_changes(1)
    assert list(table.expire(2 * DAY - 1)) == []
    assert len(list(table.expire(2 * DAY))) == 1
    assert table.take_changes(1) == [(state_key("c", "old"), None)]
    assert (len(table), table.get("old"), table.get("moved") is not None) == (2, None, True)
