"""A key goes where Kafka's default partitioner puts it."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.key_partitions import choose_partition


@given(key=st.binary(max_size=80) | st.none(), count=st.integers(1, 12), data=st.data())
def test_a_key_goes_where_the_default_partitioner_puts_it(key, count, data):
    partitions = list(range(count))
    available = data.draw(st.lists(st.sampled_from(partitions), unique=True))
    chosen = choose_partition(key, partitions, available)
    if key is None:
        assert chosen in (available or partitions)
    else:
        assert chosen == DefaultPartitioner()(key, partitions, available)
