#!/usr/bin/env bash
# tap-salesforce 2.8.1: a date without a time, such as the day on which a deal closes, is an instant in UTC.
#
# Guess: Salesforce's type `date` is declared as a date, or as a text, and "2026-11-02" stays as it is.
# Seen: `date` and `datetime` have the same schema, date-time; the row's "2026-11-02" is written as midnight UTC. Amounts (`currency`) are
#   plain numbers and go through a float.
# Why it matters: read as an instant in the company's own zone, every deal of the Americas closed a day earlier, and on the first of a month
#   in the month before. What knows the field's type must take the day from the text; the catalogue no longer tells.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tap-salesforce==2.8.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from datetime import datetime
from zoneinfo import ZoneInfo

from singer import transform
from tap_salesforce.salesforce import field_to_property_schema

schemas = {kind: field_to_property_schema({"name": "CloseDate", "type": kind}, {})[0] for kind in ("date", "datetime")}
print("same schema:", schemas["date"] == schemas["datetime"])
written = transform("2026-11-01", schemas["date"])
there = datetime.fromisoformat(written).astimezone(ZoneInfo("America/New_York"))
print("2026-11-01 ->", written, "-> in New York", there.date())
PY
cat >"$folder/expected" <<'TXT'
same schema: True
2026-11-01 -> 2026-11-01T00:00:00.000000Z -> in New York 2026-10-31
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
