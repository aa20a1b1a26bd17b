"""Clicks and micros by campaign and minute on Bytewax: what changed is sent each second; at least once.

Run by a Python that has Bytewax: ``bytewax_job.py BROKER SOURCE TARGET FORM FOLDER``.
"""

import sys
from datetime import UTC, datetime, timedelta

import bytewax.connectors.kafka.operators as kafka
import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

BROKER, SOURCE, TARGET, _, FOLDER = sys.argv[1:]
MINUTE_MS = 60_000


class Sums(StatefulBatchLogic):
    """Clicks and micros of one campaign by minute."""

    def __init__(self, kept):
        self.minutes = kept or {}
        self.changed = set()
        self.next_at = None

    def on_batch(self, values):
        """Add clicks; nothing goes on before the second is over."""
        for at, cost in values:
            minute = at - at % MINUTE_MS
            clicks, micros = self.minutes.get(minute, (0, 0))
            self.minutes[minute] = clicks + 1, micros + cost
            self.changed.add(minute)
        if self.next_at is None:
            self.next_at = datetime.now(UTC) + timedelta(seconds=1)
        return (), False

    def on_notify(self):
        """Send what changed."""
        sent = [(minute, *self.minutes[minute]) for minute in self.changed]
        self.changed.clear()
        self.next_at = None
        return sent, False

    def notify_at(self):
        """When the next second is over, if anything changed."""
        return self.next_at

    def snapshot(self):
        """Sums to keep."""
        return dict(self.minutes)


def click(message):
    """Campaign, and the instant and micros of a click."""
    value = orjson.loads(message.value)
    whole, _, cents = value["cost"].partition(".")
    return value["campaign_id"], (value["occurred_at"], int(whole) * 1_000_000 + int(cents) * 10_000)


def record(item):
    """What is written of a window."""
    campaign, (minute, clicks, micros) = item
    return KafkaSinkMessage(f"{campaign}|{minute}".encode(), f"{clicks},{micros}".encode())


flow = Dataflow("clicks")
read = kafka.input("read", flow, brokers=[BROKER], topics=[SOURCE], batch_size=10_000)
keyed = op.map("click", read.oks, click)
sums = op.stateful_batch("sums", keyed, Sums)
kafka.output("write", op.map("record", sums, record), brokers=[BROKER], topic=TARGET)

if __name__ == "__main__":
    init_db_dir(FOLDER, 1)
    cluster_main(flow, [], 0, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(FOLDER))
