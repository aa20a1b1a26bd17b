# ruff: noqa: INP001 - a script to copy, not a module of a package
"""Read ``campaign-kpis`` and be right: a complete downstream reader in one file.

It needs Python and kafka-python only (``pip install kafka-python``), and shows the three rules of a reader:

1. Read committed records only (``isolation_level="read_committed"``).
2. Each record holds the WHOLE value of its window, never a difference. Never add records up: keep the one
   with the highest ``revision`` per (campaign_id, model, window, window_start). Records may come again;
   revisions only grow and may skip numbers.
3. A window is ``update`` while it is open, then once ``final``. A fact that comes later still makes a
   ``correction``, so whoever booked the final value books the new one instead.

Run it beside ``roistream demo``, with the broker the demo prints:

    python examples/follow_kpis.py --broker localhost:9092
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]


class LatestReadings:
    """Rule 2 as code: the newest record of each window, whatever order and however often they come."""

    def __init__(self) -> None:
        self.by_window: dict[tuple[str, str, str, str | None], Record] = {}

    def take(self, record: Record) -> tuple[bool, Record | None]:
        """Take in one record.

        Returns:
            Whether it is news, and the record that it replaces (None for the first of its window).
        """
        # window_start is null for "total", the whole of the campaign, which is never final.
        key = (record["campaign_id"], record["model"], record["window"], record["window_start"])
        known = self.by_window.get(key)
        if known is not None and record["revision"] <= known["revision"]:
            return False, known  # delivered again, or overtaken: the newer value is here already
        self.by_window[key] = record
        return True, known


def describe(record: Record, replaced: Record | None) -> str | None:
    """A line for a final value or a correction; None for an update, which will change anyway."""
    if record["stage"] == "update":
        return None
    window = f"{record['campaign_id']} {record['model']} {record['window']} {record['window_start']}"
    now = figures(record)
    if record["stage"] == "correction":
        before = figures(replaced) if replaced else "not seen"
        return f"corrected {window}: {now} (was {before})"
    return f"final     {window}: {now}"


def figures(record: Record) -> str:
    """Cost per lead and return of a record; a KPI that is undefined is null, never 0."""
    shown = {"CPL": record["kpis"]["cpl"], "ROI": record["kpis"]["roi_net_profit"]}
    return ", ".join(f"{name} {'undefined' if value is None else value}" for name, value in shown.items())


def lines(values: Iterable[bytes]) -> Iterator[str]:
    """What to print for the values of the topic, in the order they come."""
    latest = LatestReadings()
    for value in values:
        record = json.loads(value)
        if record["schema"] != "campaign-kpi/1":
            continue  # a schema this reader does not know
        is_news, replaced = latest.take(record)
        text = describe(record, replaced) if is_news else None
        if text is not None:
            yield text


def values_of(broker: str, topic: str) -> Iterator[bytes]:
    """Values of the topic from its beginning (it keeps 7 days), then as they come.

    Reading from the beginning rebuilds ``LatestReadings`` at each start. A reader that resumes by group
    offsets must keep the revisions it has booked in its own store, in the same transaction as the values.
    """
    from kafka import KafkaConsumer  # noqa: PLC0415 - the rest of the file runs, and is tested, without it

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",  # rule 1
    )
    try:
        for message in consumer:
            yield message.value
    finally:
        consumer.close()


def main() -> int:
    """Print finals and corrections until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Prints final KPIs of each window, and their corrections.")
    parser.add_argument("--broker", default="localhost:9092", help="host:port (default %(default)s)")
    parser.add_argument("--topic", default="campaign-kpis", help="with its prefix (default %(default)s)")
    arguments = parser.parse_args()
    try:
        for text in lines(values_of(arguments.broker, arguments.topic)):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
