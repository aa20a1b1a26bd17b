"""What the comparison with peers says of results, and the picture; no peer is started."""

import re

import pytest

from tests.bench.peers.jobs import PEERS
from tests.bench.peers.picture import picture


@pytest.mark.parametrize(
    ("name", "key", "value", "counted"),
    [
        ("Kafka Streams, tuned", b"c-1|60000", b"3,1500000", (b"c-1|60000", 3, 1_500_000)),
        ("Flink, DataStream", b"c-1|60000", b"3,1500000", (b"c-1|60000", 3, 1_500_000)),
        ("Flink, SQL", b"k", b'{"campaign_id":"c-1","from_ms":0,"clicks":3,"micros":5}', (b"k", 3, 5)),
        ("Quix Streams", b"c-1|0", b'{"window":"c-1|0","clicks":3,"micros":5}', (b"c-1|0", 3, 5)),
        ("Pathway", b"", b'{"campaign_id":"c","minute":0,"clicks":3,"micros":5,"diff":1}', (b"c|0", 3, 5)),
        ("Pathway", b"", b'{"campaign_id":"c","minute":0,"clicks":2,"micros":4,"diff":-1}', None),
    ],
)
def test_a_result_of_each_peer_is_read(name, key, value, counted):
    assert PEERS[name].reader(key, value) == counted


def test_the_picture_has_a_bar_for_each_contender_the_cheapest_first():
    drawn = picture({"a & b": 20.0, "roistream": 2.0, "c": 150.0}, "roistream")
    bars = [float(width) for width in re.findall(r'<rect x="\d+" y="\d+" width="([\d.]+)"', drawn)]
    assert re.findall(r'text-anchor="end"[^>]*>([^<]+)<', drawn) == ["roistream", "a &amp; b", "c"]
    assert len(bars) == 3
    assert bars == sorted(bars)
