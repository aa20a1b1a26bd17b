#!/usr/bin/env bash
# twitter-ads 11.0.0, airbyte-cdk 7.39.1: a time with an offset is written as local time, with a Z behind it.
#
# Guess: a datetime that knows its offset is converted to UTC before "Z" is written.
# Seen: X's own SDK formats the clock's face and appends Z: midnight in Tokyo becomes midnight UTC, nine hours later. A cursor of
#   airbyte-cdk that reads "…+0900" and keeps its state as "…Z" does the same: the state is nine hours ahead of the record.
# Why it matters: reports asked of X cover other hours than meant; an incremental sync passes over the records of the
#   hours between, once and for good. Give these libraries times in UTC.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/x" && "${PYTHON:-python3}" -m venv "$folder/airbyte" || exit 2
"$folder/x/bin/python" -m pip install --quiet --disable-pip-version-check twitter-ads==11.0.0 || exit 2
"$folder/airbyte/bin/python" -m pip install --quiet --disable-pip-version-check airbyte-cdk==7.39.1 || exit 2
"$folder/x/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
from datetime import datetime, timedelta, timezone

from twitter_ads.enum import GRANULARITY
from twitter_ads.utils import format_time, to_time

tokyo = datetime(2026, 11, 2, tzinfo=timezone(timedelta(hours=9)))
print("twitter-ads:", tokyo.isoformat(), "->", format_time(tokyo), "by the hour", to_time(tokyo, GRANULARITY.HOUR))
PY
"$folder/airbyte/bin/python" -W ignore - >>"$folder/seen" 2>/dev/null <<'PY'
from airbyte_cdk.sources.streams.concurrent.state_converters.datetime_stream_state_converter import (
    CustomFormatConcurrentStreamStateConverter,
)

converter = CustomFormatConcurrentStreamStateConverter(
    datetime_format="%Y-%m-%dT%H:%M:%SZ", input_datetime_formats=["%Y-%m-%dT%H:%M:%S%z"]
)
record = "2026-11-02T09:00:00+0900"
print("airbyte-cdk:", record, "-> state", converter.output_format(converter.parse_timestamp(record)))
PY
cat >"$folder/expected" <<'TXT'
twitter-ads: 2026-11-02T00:00:00+09:00 -> 2026-11-02T00:00:00Z by the hour 2026-11-02T00:00:00Z
airbyte-cdk: 2026-11-02T09:00:00+0900 -> state 2026-11-02T09:00:00Z
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
