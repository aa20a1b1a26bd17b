"""Each kernel does what its plain meaning in Python does, whatever the bytes."""

import json
from collections import defaultdict
from datetime import UTC, datetime

import msgspec
import numpy as np
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from metrics.entities.ad_columns import CAMPAIGN, CHANNEL, CURRENCY, read_ads
from metrics.kernels import ids
from metrics.kernels.memory import PADDING
from metrics.kernels.sums import group
from metrics.records.partition_keys import KEY_KINDS, KeyRule
from metrics.records.validation import decode, instant
from metrics.values.errors import Rejection
from metrics.values.hashing import VISITOR_SEED, hash_id, partitions_of
from metrics.values.money import to_micros
from streams import topics
from streams.messages.decoding import DECODERS
from streams.messages.source_records import ID_SEEDS, Record, SourceRecords
from streams.state.codec import partition_of
from tests.metrics.records.test_partition_keys import encodings
from tests.streams.messages.test_decoding_laws import GOOD, NASTY, mutated
from tests.support.examples import examples

SHORT_NASTY = [value for value in NASTY if value is None or len(value) < 1_000]
bounded = examples(3)

texts = st.one_of(
    st.text(max_size=6),
    st.text('abcé€😀\\"\u2028', min_size=120, max_size=135),
    st.sampled_from(["", "c-1", "EUR", "direct", "NaN", "é" * 128]),
)
instants = st.one_of(
    st.integers(-10, 10**16),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.from_regex(
        r"(19|20)\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,9})?(Z|z|[+-][0-2]\d:[0-7]\d)",
        fullmatch=True,
    ),
    st.sampled_from(
        ["2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "1970-01-01T00:00:00+00:01", True, None, 1.5]
    ),
)
amounts = st.one_of(
    st.decimals(0, 10**12, places=3, allow_nan=False).map(str),
    st.from_regex(r"-?\d{0,14}\.?\d{0,8}([eE][+-]?\d)?", fullmatch=True),
    st.integers(-5, 10**13),
    st.floats(0, 10, allow_nan=False),
    st.none(),
)
others = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    texts,
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)


def objects():
    fields = {
        "event_id": texts,
        "occurred_at": instants,
        "campaign_id": texts,
        "visitor_id": st.one_of(texts, st.none()),
        "channel": st.one_of(texts, others),
        "ad_id": st.one_of(texts, st.none()),
        "cost": amounts,
        "currency": st.one_of(texts, st.none()),
        "offer": others,
        "segment": others,
        "extra": others,
    }
    usual = {"event_id": st.just("e-1"), "occurred_at": st.just(1), "campaign_id": st.just("c-1")}
    return st.one_of(
        st.fixed_dictionaries(usual, optional={name: of for name, of in fields.items() if name not in usual}),
        st.fixed_dictionaries({}, optional=fields),
    )


@st.composite
def documents(draw):
    """JSON text as people write it: with and without escapes and white space, now and then a key twice."""
    found = draw(objects())
    text = json.dumps(found, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    if draw(st.integers(0, 9)) == 0 and found:
        name = draw(st.sampled_from(sorted(found)))
        text = text.rstrip()[:-1] + f', "{name}": ' + json.dumps(found[name]) + "}"
    return text.encode("utf-8", "surrogatepass")


values = st.one_of(documents(), documents(), mutated, st.sampled_from(SHORT_NASTY), st.binary(max_size=40))


def scanned(topic, found):
    slab = SourceRecords.of([Record(n, 0, None, value) for n, value in enumerate(found)])
    return slab.ads(topic)


def meaning(topic, value):
    """What the whole decoder and the rules make of a record; None when they refuse it."""
    try:
        event = decode(DECODERS[topic], value)
        at = instant(event.occurred_at, "occurred_at")
    except Rejection:
        return None
    try:
        micros = -1 if event.cost is None else to_micros(event.cost)
    except ValueError:
        return None
    return (
        at,
        micros,
        hash_id(event.event_id, ID_SEEDS[topic]),
        0 if event.visitor_id is None else hash_id(event.visitor_id, VISITOR_SEED),
        event.campaign_id,
        event.currency,
        event.channel,
    )


def row_of(ads, row):
    def text(kind):
        code = ads.codes[kind, row]
        return None if code < 0 else ads.texts[kind][code]

    numbers = (int(column[row]) for column in (ads.at, ads.micros, ads.ids, ads.visitors))
    return (*numbers, text(CAMPAIGN), text(CURRENCY), text(CHANNEL))


@bounded
@given(st.sampled_from([topics.CLICKS, topics.IMPRESSIONS]), st.lists(values, max_size=6))
@example(topics.CLICKS, [GOOD[:-1] + b',"offer":5}'])
@example(topics.IMPRESSIONS, [GOOD[:-1] + b',"offer":5}', GOOD[:-1] + b',"cost":null}'])
@example(
    topics.CLICKS,
    [GOOD[:-1] + b',"cost":' + text + b"}" for text in (b"0.5", b'"0.1"', b"01", b"1.0000000", b"-0")],
)
def test_a_plain_record_means_what_the_whole_decoder_says(topic, drawn):
    ads = scanned(topic, drawn)
    for row in np.flatnonzero(ads.plain).tolist():
        assert row_of(ads, row) == meaning(topic, drawn[row])


def test_records_as_they_usually_come_are_plain():
    full = {
        "event_id": "e-1",
        "occurred_at": "2026-11-21T10:00:00.250Z",
        "campaign_id": "été",
        "visitor_id": "v-1",
        "channel": None,
        "ad_id": "a",
        "offer": "x",
        "segment": "s",
        "cost": 0.37,
        "currency": "EUR",
        "page": "/",
    }
    found = [
        msgspec.json.encode(full),
        json.dumps(full, indent=1, ensure_ascii=False).encode(),
        GOOD,
        GOOD[:-1] + b',"cost":"12.345678","extra":-1.5}',
        GOOD[:-1] + b',"cost":0}\n',
    ]
    assert scanned(topics.CLICKS, found).plain.all()
    assert row_of(scanned(topics.CLICKS, found), 1)[0] == 1_795_255_200_250


@bounded
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_texts_are_hashed_as_the_library_does(drawn, seed):
    quoted = b'{"event_id":"' + drawn.hex().encode()[:128] + b'","occurred_at":1,"campaign_id":"c"}'
    starts, sizes = np.zeros(1, dtype=np.int64), np.array([len(quoted)], dtype=np.int64)
    ads = read_ads(quoted + bytes(PADDING), starts, sizes, seed, is_click=True)
    if drawn:
        assert ads.ids.tolist() == [xxhash.xxh64_intdigest(drawn.hex()[:128], seed) | 2]


some_ids = st.sampled_from(
    ["v", "v-1", "campaign-of-some-length-1", "campaign-of-some-length-2", "ü", "e" * 128]
)


@bounded
@given(
    st.lists(
        st.tuples(st.none() | some_ids | st.just(""), some_ids, some_ids, st.none() | some_ids), max_size=9
    ),
    st.booleans(),
    st.integers(1, 1_024),
)
def test_homes_are_the_partitions_of_whom_the_rule_of_keys_names(rows, trusts_keys, partitions):
    rule, records, wanted = KeyRule(partitions, trusts_keys), [], []
    for n, (key, event, campaign, visitor) in enumerate(rows):
        value = {"event_id": event, "occurred_at": n, "campaign_id": campaign, "visitor_id": visitor}
        value |= {"ad_id": "v"} if n % 2 else {}
        raw = json.dumps(value, ensure_ascii=False).encode()
        records.append(Record(n, 0, None if key is None else key.encode(), raw))
        person = rule.person(records[-1].key, visitor, (event, campaign, value.get("ad_id")))
        wanted.append(-1 if visitor is None else partition_of(person.decode(), partitions))
    ads = SourceRecords.of(records).ads(topics.CLICKS, rule)
    assert ads.plain.all()
    assert ads.homes.tolist() == wanted


@bounded
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["v-1", "40", "e-1", "ü", "x" * 70]),
            some_ids,
            st.integers(0, 20),
            st.integers(1, 300),
        ),
        max_size=9,
    ),
    st.integers(1, 64),
)
def test_a_plain_record_with_a_framed_key_has_the_home_and_the_kind_that_the_rule_says(rows, partitions):
    rule, records = KeyRule(partitions), []
    for n, (said, visitor, encoding, schema) in enumerate(rows):
        value = {"event_id": "e-1", "occurred_at": n, "campaign_id": "c-1", "visitor_id": visitor}
        keys = [*encodings(said, schema), *encodings(visitor, schema), (40).to_bytes(8, "big"), b"\0\1v-1"]
        raw = json.dumps(value, ensure_ascii=False).encode()
        records.append(Record(n, 0, keys[encoding % len(keys)], raw))
    ads = SourceRecords.of(records).ads(topics.CLICKS, rule)
    for row in np.flatnonzero(ads.plain).tolist():
        key, visitor = records[row].key, rows[row][1]
        person = rule.person(key, visitor, ("e-1", "c-1"))
        assert ads.homes[row] == partitions_of([person], partitions)[0]
        assert KEY_KINDS[ads.kinds[row]] == rule.kind(key, visitor, ("e-1", "c-1"))


@bounded
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3), st.integers(0, 10)), max_size=50))
def test_groups_hold_the_sums_of_their_rows(rows):
    codes = np.array([row[0] for row in rows], dtype=np.int32)
    periods = np.array([row[1] for row in rows], dtype=np.int64)
    sums = np.array([[1, row[2], -row[2]] for row in rows], dtype=np.int64).reshape(-1, 3).T.copy()
    expected = defaultdict(lambda: [0, 0, 0])
    for code, period, amount in rows:
        found = expected[code, period]
        found[0], found[1], found[2] = found[0] + 1, found[1] + amount, found[2] - amount
    got_codes, got_periods, got = group(codes, periods, sums)
    keys = zip(got_codes.tolist(), got_periods.tolist(), strict=True)
    assert dict(zip(keys, got.T.tolist(), strict=True)) == dict(expected)


@bounded
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60), st.sets(st.integers(0, 30)))
def test_ids_are_admitted_once_and_never_late(drawn, gone):
    slots, held = np.zeros(128, dtype=np.uint64), set()
    # Few different homes, so that probes run into each other.
    hashes = np.array([2 + 4 * n + (n % 5 << 16) for n, _ in drawn], dtype=np.uint64)
    late = np.array([is_late for _, is_late in drawn], dtype=np.bool_)
    verdicts = np.empty(len(drawn), dtype=np.uint8)
    fresh = ids.admit(slots, hashes, late, verdicts)
    expected = []
    for hashed, is_late in zip(hashes.tolist(), late.tolist(), strict=True):
        expected.append(ids.DUPLICATE if hashed in held else ids.LATE if is_late else ids.FRESH)
        if expected[-1] == ids.FRESH:
            held.add(hashed)
    assert (verdicts.tolist(), fresh) == (expected, len(held))
    removed = np.array([2 + 4 * n + (n % 5 << 16) for n in gone], dtype=np.uint64)
    ids.remove(slots, removed)
    assert ids.contains(slots, hashes).tolist() == [
        h in held - set(removed.tolist()) for h in hashes.tolist()
    ]
