"""Registries are keyed by meaning, and of each key only the newest record counts: compaction changes nothing."""

from collections import Counter
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.values.errors import StateError
from streams import topics
from streams.runtime.registry import Registry
from streams.settings import Settings

HOUR = 3_600_000
SPELLINGS = {
    0: ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00", 0),
    HOUR: ("1970-01-01T01:00:00Z", "1970-01-01T01:00:00.000Z", HOUR),
}


def record(offset, topic, key, value):
    encoded = None if value is None else msgspec.json.encode(value)
    return SimpleNamespace(topic=topic, partition=0, offset=offset, key=key.encode(), value=encoded)


def read(*topics_of_records):
    """The registry after logs, each a topic and pairs of key and value, in the order of their offsets."""
    heard = []
    registry = Registry(Settings(), CampaignRegistry("EUR"), heard.append)
    for topic, log in topics_of_records:
        records = [record(offset, topic, *pair) for offset, pair in enumerate(log) if pair is not None]
        for each in records:
            registry._take({TopicPartition(topic, 0): [each]})
    return registry.campaign_registry, heard


def test_records_that_come_again_end_the_worker_since_the_log_has_lost_its_newest_ones():
    """A client whose offset lies behind the end reads from the start: an older rate of a key would count again."""
    registry = Registry(Settings(topic_prefix="x-"), CampaignRegistry("EUR"), lambda _: None)
    log = [record(offset, "x-fx-rates", f"USD|{offset}", rate(offset + 1, offset)) for offset in range(3)]
    registry._take({TopicPartition("x-fx-rates", 0): log})
    with pytest.raises(StateError, match=r"^x-fx-rates ends at 0, and was followed up to 3: .*--accept"):
        registry._take({TopicPartition("x-fx-rates", 0): log[:2]})
    assert registry.campaign_registry.rates.worth(100, "USD", 2) == 300, "what was known stays"


def test_how_far_a_registry_was_read_is_told_before_what_it_says():
    heard = []
    registry = Registry(
        *(Settings(topic_prefix="x-"), CampaignRegistry("EUR"), heard.append),
        on_read=lambda topic, offset: heard.append((topic, offset)),
    )
    registry._take({TopicPartition("x-campaigns", 0): [record(4, "x-campaigns", "c", {"campaign_id": "c"})]})
    assert heard == [(topics.CAMPAIGNS, 5), "c"]


def rates(*log):
    found, _ = read((topics.FX_RATES, log))
    return [found.rates.worth(100, "USD", at) for at in (0, HOUR)]


def rate(value, valid_from=0, currency="USD"):
    return {"currency": currency, "rate": value, "valid_from": valid_from}


def test_two_spellings_of_one_instant_are_one_rate_and_the_later_record_counts():
    zulu, shifted, millis = SPELLINGS[0]
    assert rates((f"USD|{zulu}", rate(2, zulu)), (f"USD|{shifted}", rate(3, shifted))) == [300, 300]
    assert rates((f"USD|{shifted}", rate(3, millis)), (f"USD|{zulu}", rate(2, shifted))) == [200, 200]


@pytest.mark.parametrize("spelling", SPELLINGS[0])
def test_a_tombstone_removes_what_its_key_names_however_that_is_spelt(spelling):
    set_then_removed = ("USD|0", rate(2)), (f"USD|{spelling}", None)
    assert rates(*set_then_removed) == [None, None]
    assert rates(*set_then_removed, ("USD|0", rate(3))) == [300, 300]


def test_a_key_that_says_nothing_removes_its_own_record_only():
    assert rates(("a", rate(2)), ("b", rate(3)), ("b", None)) == [200, 200]
    assert rates(("a", rate(2)), ("b", rate(3)), ("a", None)) == [300, 300]
    assert rates(("a", rate(2)), ("a", rate(3, HOUR))) == [None, 300], "the record of the key was replaced"


def campaigns(*log):
    found, heard = read((topics.CAMPAIGNS, log))
    return [found.currency_of("c", at) for at in (0, HOUR)], found.archived, Counter(heard)


def test_records_of_one_campaign_stand_beside_each_other_under_keys_with_their_instant():
    first, second = {"campaign_id": "c", "currency": "USD"}, {"campaign_id": "c", "valid_from": HOUR}
    assert campaigns(("c", first), (f"c|{HOUR}", second)) == (["USD", "EUR"], set(), {"c": 2})
    assert campaigns(("c", first), (f"c|{HOUR}", second), (SPELLED, None))[:2] == (["USD", "USD"], set())
    assert campaigns(("c", first), ("c", second))[0] == ["EUR", "EUR"], "one key has one record"


SPELLED = f"c|{SPELLINGS[HOUR][1]}"


def test_a_tombstone_of_the_id_archives_the_campaign_with_all_of_its_records():
    first, second = {"campaign_id": "c", "currency": "USD"}, {"campaign_id": "c", "valid_from": HOUR}
    log = [("c", first), (f"c|{HOUR}", second), ("c", None)]
    assert campaigns(*log)[1] == {"c"}
    # Of the key of the tombstone the newest record alone counts, as if compaction had removed the tombstone.
    assert campaigns(*log, ("c", first))[:2] == (["USD", "EUR"], set())


KEYS = st.sampled_from(
    ["USD|0", *(f"USD|{text}" for text in SPELLINGS[0]), f"USD|{HOUR}", SPELLINGS[HOUR][0], "a", "b"]
)
VALUES = st.one_of(
    st.none(),
    st.builds(rate, st.integers(1, 5), st.sampled_from([*SPELLINGS[0], *SPELLINGS[HOUR]])),
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=12), st.data())
def test_a_compacted_log_says_what_the_whole_log_says(log, data):
    """Any record may be gone of whose key a later one is there; tombstones stay (``delete.retention.ms``)."""
    replaced = [any(later == key for later, _ in log[place + 1 :]) for place, (key, _) in enumerate(log)]
    compacted = [
        None if gone and data.draw(st.booleans()) else pair for pair, gone in zip(log, replaced, strict=True)
    ]
    assert rates(*compacted) == rates(*log)


def test_a_rate_of_more_than_twelve_decimals_counts_with_twelve():
    found, _ = read((topics.FX_RATES, [("USD|0", rate("0.1234567890125"))]))
    assert found.rates.worth(10**12, "USD", 0) == 123456789012
    assert Decimal(found.rates.parts("USD", 0)) / 10**12 == Decimal("0.123456789012")
