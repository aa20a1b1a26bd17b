#!/usr/bin/env bash
# dlt 1.31.0 with duckdb 2.0.1: an amount with cents that comes after a whole one is not in its column, nor in its column's sum.
#
# Guess: a column of numbers whose first value was 12 takes 12.5 as well, or the load fails; the order of rows does not matter.
# Seen: the first value makes `spend` a whole number. 12.5 goes into a column of its own, `spend__v_double`, with NULL in `spend`, and the load succeeds.
#   Of 12, 12.5 and 13 the sum is 25; with 12.5 first it is 37.5. So it is when the cents come in a later run, and when a platform writes "12.50" as a
#   text (`spend__v_text`). Said as a type in `columns`, spend is 37.5; with `schema_contract={"data_type": "freeze"}` the load fails.
# Why it matters: spend looks lower, and return on it higher, where an account's first amount was round, and NULL looks like a day without spend. Which
#   accounts it hits depends on what they happened to spend first. Say the type of every figure.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dlt==1.31.0 duckdb==2.0.1 || exit 2
FOLDER=$folder RUNTIME__DLTHUB_TELEMETRY=false RUNTIME__LOG_LEVEL=CRITICAL "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import os

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

FOLDER = os.environ["FOLDER"]


def loaded(name, *runs, **how):
    """What is in the table after each run wrote its days' spend."""
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(f"{FOLDER}/{name}.duckdb"), dataset_name="ads", pipelines_dir=f"{FOLDER}/{name}")
    for run in runs:
        try:
            pipeline.run([{"campaign": "spring", "spend": spend} for spend in run], table_name="days", **how)
        except PipelineStepFailed as error:
            return type(error).__name__
    with pipeline.sql_client() as client:
        columns = [row[0] for row in client.execute_sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'days' ORDER BY 1")]
        figures = [column for column in columns if column.startswith("spend")]
        rows = client.execute_sql(f"SELECT {', '.join(figures)} FROM days ORDER BY rowid")
        return f"sum {client.execute_sql('SELECT sum(spend) FROM days')[0][0]}, {figures} {rows}"


print("whole first:", loaded("whole", [12, 12.5, 13]))
print("cents first:", loaded("cents", [12.5, 12, 13]))
print("cents in the next run:", loaded("next", [12, 13], [12.5]))
print("a text:", loaded("text", [12, "12.50", 13]))
print("with its type:", loaded("typed", [12, 12.5, 13], columns={"spend": {"data_type": "double"}}))
print("frozen:", loaded("frozen", [12, 13], [12.5], schema_contract={"data_type": "freeze"}))
PY
cat >"$folder/expected" <<'TXT'
whole first: sum 25, ['spend', 'spend__v_double'] [(12, None), (None, 12.5), (13, None)]
cents first: sum 37.5, ['spend'] [(12.5,), (12.0,), (13.0,)]
cents in the next run: sum 25, ['spend', 'spend__v_double'] [(12, None), (13, None), (None, 12.5)]
a text: sum 25, ['spend', 'spend__v_text'] [(12, None), (None, '12.50'), (13, None)]
with its type: sum 37.5, ['spend'] [(12.0,), (12.5,), (13.0,)]
frozen: PipelineStepFailed
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
