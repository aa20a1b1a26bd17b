#!/usr/bin/env bash
# bytewax 0.21.1: what is late is judged per key, and by the key's newest event, not by whether its window is still open.
#
# Guess: a worker has one event-time clock, as in Kafka Streams and Flink, and an event is late when its window has closed.
# Seen: every key has a clock of its own. Without a wait, an event of minute 29 after one of minute 30 is late though its window ends
#   at minute 60 and is open; an event of minute 1 of another key is in time after the first key has reached minute 61.
# Why it matters: two pipelines over the same records disagree on every out-of-order record. What
#   roistream's `GRACE` takes in wants a `wait_for_system_duration` of the window's length and the grace here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check bytewax==0.21.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as windowing
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS = [("spring", 30), ("spring", 29), ("spring", 61), ("summer", 1)]


def run(wait):
    windows, late = [], []
    flow = Dataflow("clicks")
    clicks = op.input("clicks", flow, TestingSource(EVENTS))
    counted = windowing.collect_window(
        "by_hour",
        clicks,
        windowing.EventClock(lambda minute: MIDNIGHT + timedelta(minutes=minute), wait),
        windowing.TumblingWindower(align_to=MIDNIGHT, length=timedelta(hours=1)),
    )
    op.output("windows", counted.down, TestingSink(windows))
    op.output("late", counted.late, TestingSink(late))
    run_main(flow)
    return sorted(windows), sorted(late)


for wait in (timedelta(0), timedelta(hours=2)):
    windows, late = run(wait)
    print("waiting", wait, "windows", windows, "late", late)
PY
cat >"$folder/expected" <<'TXT'
waiting 0:00:00 windows [('spring', (0, [30])), ('spring', (1, [61])), ('summer', (0, [1]))] late [('spring', (0, 29))]
waiting 2:00:00 windows [('spring', (0, [29, 30])), ('spring', (1, [61])), ('summer', (0, [1]))] late []
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
