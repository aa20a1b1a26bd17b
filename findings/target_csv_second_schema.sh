#!/usr/bin/env bash
# meltanolabs-target-csv 0.5.0 (singer-sdk 0.54.9): a stream whose schema is told a second time, with a column more, begins its file anew.
#
# Guess: records of the first schema stay in their columns, the new column is empty for them; or the load fails.
# Seen: the file is opened anew with the second schema's names. Records that were written before are gone, those that still waited are written
#   below the new names in the old order: 10.5 of spend are impressions, 100 clicks are spend. The state is that of the last record, exit code 0.
# Why it matters: a tap tells its schema anew when an account has a new column, and the run after it does not read these days again. Where files of
#   this target are replayed, compare their sums with the platform's after each new column, and read the days anew from the tap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check meltanolabs-target-csv==0.5.0 singer-sdk==0.54.9 || exit 2
cat >"$folder/messages" <<'TXT'
{"type": "SCHEMA", "stream": "reports", "schema": {"type": "object", "properties": {"day": {"type": "string"}, "spend": {"type": "number"}, "clicks": {"type": "integer"}}}, "key_properties": ["day"]}
{"type": "RECORD", "stream": "reports", "record": {"day": "2026-11-01", "spend": 10.5, "clicks": 100}}
{"type": "STATE", "value": {"reports": "2026-11-01"}}
{"type": "SCHEMA", "stream": "reports", "schema": {"type": "object", "properties": {"day": {"type": "string"}, "impressions": {"type": "integer"}, "spend": {"type": "number"}, "clicks": {"type": "integer"}}}, "key_properties": ["day"]}
{"type": "RECORD", "stream": "reports", "record": {"day": "2026-11-02", "impressions": 900, "spend": 12.5, "clicks": 120}}
{"type": "STATE", "value": {"reports": "2026-11-02"}}
TXT
: >"$folder/seen"
# The first batch ends with the run, the second with each record.
for batches in '' ', "batch_size_rows": 1'; do
  echo "{\"output_path\": \"$folder/out\"$batches}" >"$folder/config.json"
  echo "state $("$folder/venv/bin/target-csv" --config "$folder/config.json" <"$folder/messages" 2>/dev/null | tail -n 1)" >>"$folder/seen"
  cat "$folder"/out/* >>"$folder/seen"
  rm -r "$folder/out"
done
cat >"$folder/expected" <<'TXT'
state {"reports": "2026-11-02"}
day,impressions,spend,clicks
2026-11-01,10.5,100
2026-11-02,900,12.5,120
state {"reports": "2026-11-02"}
day,impressions,spend,clicks
2026-11-02,900,12.5,120
TXT
tr -d '\r' <"$folder/seen" | diff -u "$folder/expected" - || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
