"""Faust as in its tutorial: a Record, a windowed table, one event at a time; default settings, memory store.

`python -m tests.bench.baselines.tutorial BROKER_URL TOPIC APP_ID EVENTS WARM_UP` counts EVENTS clicks from the start of
the topic and prints one line of JSON; it is ended from outside.
"""

import json
import sys
import time
from datetime import timedelta

import faust

PARTITIONS = 4


class Click(faust.Record, serializer="json"):
    """A click as the tutorial would write it."""

    event_id: str
    occurred_at: int
    campaign_id: str
    visitor_id: str
    cost: str
    channel: str


def make_app(broker: str, topic: str, app_id: str, events: int, warm_up: int) -> faust.App:
    """The tutorial's app, with a clock around its loop."""
    app = faust.App(app_id, broker=broker, store="memory://", topic_partitions=PARTITIONS, web_enabled=False)
    clicks_topic = app.topic(topic, value_type=Click)
    clicks = app.Table("clicks", default=int).tumbling(60, expires=timedelta(hours=1))

    @app.agent(clicks_topic)
    async def count_clicks(stream: faust.Stream[Click]) -> None:
        read, began = 0, 0.0
        async for click in stream:
            clicks[click.campaign_id] += 1
            read += 1
            if read == warm_up:
                began = time.time()
            elif read == events:
                print(
                    json.dumps({"began": began, "ended": time.time(), "events": read - warm_up}), flush=True
                )

    return app


if __name__ == "__main__":
    url, name, identity, last, warm = sys.argv[1:]
    app = make_app(url, name, identity, int(last), int(warm))
    # INFO, as the tutorial's command line has it; the result goes to stdout, the log to stderr.
    faust.Worker(app, loglevel="info", redirect_stdouts=False).execute_from_commandline()
