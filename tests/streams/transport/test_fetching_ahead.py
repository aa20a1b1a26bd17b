"""The next fetch is asked for before the last one is processed, and nothing of it outlives a rebalance."""

import asyncio
from types import SimpleNamespace

from faust.types import TP

from streams.transport.batch_consumer import BatchConsumer, FetchedBatch

CLICKS = TP("ad-clicks", 0)


class Consumer(BatchConsumer):
    """A consumer whose thread hands out what it is given."""

    should_stop = False
    flow_active = True

    def __init__(self, fetches):
        self.app = SimpleNamespace(consumer_generation_id=1)
        self._buffered_partitions = set()
        self._fetches = list(fetches)
        self.asked = 0

    async def _wait_next_records(self, _timeout):
        self.asked += 1
        if not self._fetches:
            await asyncio.Event().wait()
        return {CLICKS: self._fetches.pop(0)}, {CLICKS}

    async def ends(self):
        return [message.offset + 1 async for _, message in self.getmany(1.0)]

    async def until_read_ahead(self):
        await asyncio.wait([self._ahead], timeout=5)


def fetches(*ends):
    return [FetchedBatch(end - 1, end, ()) for end in ends]


def run(work):
    """What some work with a consumer gives, and no task is left behind."""

    async def within():
        consumer = Consumer(fetches(1, 2, 3))
        try:
            return await work(consumer)
        finally:
            consumer._ahead.cancel()

    return asyncio.run(within())


def test_the_next_fetch_is_on_its_way_while_one_is_processed():
    async def work(consumer):
        found = []
        async for _, message in consumer.getmany(1.0):
            await consumer.until_read_ahead()
            found.append((message.offset, consumer.asked))
        return found

    assert run(work) == [(0, 2)]


def test_every_fetch_comes_once_and_in_order():
    async def work(consumer):
        return [await consumer.ends() for _ in range(3)]

    assert run(work) == [[1], [2], [3]]


def test_what_was_read_before_a_rebalance_is_dropped():
    async def work(consumer):
        first = await consumer.ends()
        await consumer.until_read_ahead()
        consumer.app.consumer_generation_id = 2
        return [first, await consumer.ends(), await consumer.ends()]

    assert run(work) == [[1], [], [3]]


def test_what_comes_while_the_flow_is_stopped_is_dropped():
    async def work(consumer):
        first = await consumer.ends()
        consumer.flow_active = False
        await consumer.until_read_ahead()
        consumer.flow_active = True
        return [first, await consumer.ends(), await consumer.ends()]

    assert run(work) == [[1], [], [3]]


def test_a_fetch_that_was_cancelled_is_asked_for_again():
    async def work(consumer):
        first = await consumer.ends()
        consumer._ahead.cancel()
        await asyncio.gather(consumer._ahead, return_exceptions=True)
        return [first, await consumer.ends()]

    assert run(work) == [[1], [2]]
