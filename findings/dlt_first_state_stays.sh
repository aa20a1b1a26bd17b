#!/usr/bin/env bash
# dlt 1.31.0 with duckdb 2.0.1: of two states of one campaign in one load, `merge` keeps the first, and `upsert` both.
#
# Guess: `write_disposition="merge"` with a primary key leaves one row for each key, and that is the one which came last.
# Seen: a load with ACTIVE, then PAUSED, of campaign 1 leaves ACTIVE. With 500 campaigns in four states, all 500 are in their first. So it is in a later
#   load (LIMITED, then REMOVED): the newer state is thrown away. The strategy `upsert` leaves two rows of one primary key on a first load, so that its budget
#   counts twice in a sum, and goes on with two, also with the hint `dedup_sort`, with which `merge` keeps the newest.
# Why it matters: change logs of ad platforms, webhooks and pages that overlap bring one object several times in a load. A campaign that was paused is shown
#   as active, a deal that was lost as open, until it changes once more, alone in its load.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "dlt[duckdb]==1.31.0" duckdb==2.0.1 || exit 2
RUNTIME__DLTHUB_TELEMETRY=false FOLDER=$folder "$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
import os

import dlt

FOLDER = os.environ["FOLDER"]
CHANGES = [{"id": 1, "changed": 1, "status": "ACTIVE", "budget": 100}, {"id": 1, "changed": 2, "status": "PAUSED", "budget": 100}]
LATER = [{"id": 1, "changed": 3, "status": "LIMITED", "budget": 100}, {"id": 1, "changed": 4, "status": "REMOVED", "budget": 100}]
MANY = [{"id": number % 500, "changed": number // 500, "status": f"state {number // 500}", "budget": 1} for number in range(2000)]
MERGE, UPSERT = "merge", {"disposition": "merge", "strategy": "upsert"}


def loaded(name, loads, disposition, columns=None):
    destination = dlt.destinations.duckdb(f"{FOLDER}/{name}.db")
    pipeline = dlt.pipeline(name, destination=destination, dataset_name="ads", pipelines_dir=FOLDER)
    for load in loads:
        pipeline.run(load, table_name="campaigns", write_disposition=disposition, primary_key="id", columns=columns)
    with pipeline.sql_client() as client:
        counts = client.execute_sql("SELECT status, count(*) FROM campaigns GROUP BY status ORDER BY status")
        print(name, "-", ", ".join(f"{status}: {count}" for status, count in counts))


newest = {"changed": {"dedup_sort": "desc"}}
loaded("merge", [CHANGES], MERGE)
loaded("merge_later", [CHANGES, LATER], MERGE)
loaded("merge_many", [MANY], MERGE)
loaded("merge_newest", [CHANGES, LATER], MERGE, newest)
loaded("upsert", [CHANGES], UPSERT)
loaded("upsert_later", [CHANGES, LATER], UPSERT)
loaded("upsert_newest", [CHANGES, LATER], UPSERT, newest)
PY
cat >"$folder/expected" <<'TXT'
merge - ACTIVE: 1
merge_later - LIMITED: 1
merge_many - state 0: 500
merge_newest - REMOVED: 1
upsert - ACTIVE: 1, PAUSED: 1
upsert_later - REMOVED: 2
upsert_newest - REMOVED: 2
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
