#!/usr/bin/env bash
# airbyte-cdk 7.39.1, singer-python 6.8.0: the date 20261102 lies in 1970 for one kit of connectors, and a month without its
# day is, for both, the day of the month on which the program runs.
#
# Guess: "20261102", the form of GA4's date dimension, is 2 November 2026, or an error; "2026-11" is an error or the first.
# Seen: airbyte-cdk's `ab_datetime_parse` takes every text of digits for seconds since 1970, so "20261102" is a morning in August 1970
#   and "2026" is 33 minutes past midnight of 1 January 1970. Both fill up "2026-11" with the day of today: the same row read on
#   two days has two times. singer-python reads "20261102" rightly, and fills up "2026" with today's month as well.
# Why it matters: spend of a month lands on another day with every run, so ids made of the row change and nothing is recognised
#   as seen before; spend of a day lands half a century ago, where it is too late for every window.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/airbyte" && "${PYTHON:-python3}" -m venv "$folder/singer" || exit 2
"$folder/airbyte/bin/python" -m pip install --quiet --disable-pip-version-check \
  airbyte-cdk==7.39.1 python-dateutil==2.9.0.post0 || exit 2
"$folder/singer/bin/python" -m pip install --quiet --disable-pip-version-check \
  singer-python==6.8.0 python-dateutil==2.9.0.post0 || exit 2
"$folder/airbyte/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
from datetime import UTC, datetime

from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

for text in ("2026-11-02", "20261102", "2026"):
    print("airbyte-cdk", text, "->", ab_datetime_parse(text).isoformat())
days = {datetime.now(UTC).day, datetime.now().day}
print("airbyte-cdk 2026-10 has the day of today:", ab_datetime_parse("2026-10").day in days)
PY
"$folder/singer/bin/python" -W ignore - >>"$folder/seen" 2>/dev/null <<'PY'
from datetime import UTC, datetime

from singer.utils import strptime_to_utc

for text in ("2026-11-02", "20261102"):
    print("singer-python", text, "->", strptime_to_utc(text).isoformat())
now = [datetime.now(UTC), datetime.now()]
print("singer-python 2026-10 has the day of today:", strptime_to_utc("2026-10").day in {each.day for each in now})
read = strptime_to_utc("2024")
print("singer-python 2024 is of today's month:", (read.year, read.month) in {(2024, each.month) for each in now})
PY
cat >"$folder/expected" <<'TXT'
airbyte-cdk 2026-11-02 -> 2026-11-02T00:00:00+00:00
airbyte-cdk 20261102 -> 1970-08-23T12:05:02+00:00
airbyte-cdk 2026 -> 1970-01-01T00:33:46+00:00
airbyte-cdk 2026-10 has the day of today: True
singer-python 2026-11-02 -> 2026-11-02T00:00:00+00:00
singer-python 20261102 -> 2026-11-02T00:00:00+00:00
singer-python 2026-10 has the day of today: True
singer-python 2024 is of today's month: True
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
