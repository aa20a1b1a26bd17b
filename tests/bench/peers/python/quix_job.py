"""Clicks and micros by campaign and minute on Quix Streams, exactly once.

Run by a Python that has Quix Streams: ``quix_job.py BROKER SOURCE TARGET FORM FOLDER``.
"""

import sys

import orjson
from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Count, Sum

BROKER, SOURCE, TARGET, _, FOLDER = sys.argv[1:]
HOUR_MS = 3_600_000


def taken(value):
    """What the job takes of a click."""
    click = orjson.loads(value)
    whole, _, cents = click["cost"].partition(".")
    return {"campaign_id": click["campaign_id"], "micros": int(whole) * 1_000_000 + int(cents) * 10_000}


def named(value, campaign, *_):
    """What is written of a window."""
    return {"window": f"{campaign}|{value['start']}", "clicks": value["clicks"], "micros": value["micros"]}


app = Application(
    broker_address=BROKER,
    consumer_group=f"{TARGET}-quix",
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once",
    commit_interval=1.0,
    state_dir=FOLDER,
    loglevel="WARNING",
)
clicks = app.topic(
    SOURCE,
    value_deserializer="bytes",
    timestamp_extractor=lambda value, *_: orjson.loads(value)["occurred_at"],
)
sums = app.topic(TARGET, value_serializer="json")
windows = (
    app.dataframe(clicks)
    .apply(taken)
    .group_by("campaign_id")
    .tumbling_window(60_000, grace_ms=HOUR_MS)
    .agg(clicks=Count(), micros=Sum("micros"))
    .current()
)
windows.apply(named, metadata=True).to_topic(sums, key=lambda value: value["window"])

if __name__ == "__main__":
    app.run()
