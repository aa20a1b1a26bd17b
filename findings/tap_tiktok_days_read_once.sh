#!/usr/bin/env bash
# tap-tiktok-ads 1.2.1: a second run on a day reads nothing of that day, and a day that has ended is read once more at most.
#
# Guess: run every quarter of an hour, the tap brings the day's spend as it grows; and like the taps of other platforms it reads some days back,
#   since platforms restate cost for days and conversions for weeks.
# Seen: the state is the newest day that was read. While that is today, nothing is asked for. On the next day the tap goes on at that day, and
#   leaves every day before it. A setting for an attribution window does not exist.
# Why it matters: spend of a day stands where the day's first run found it until the next morning, so a cap or an alert on today's spend sees a
#   part of it; conversions that TikTok credits later to days before are never read. Set the state back by the attribution window before
#   each run, or use a connector that has such a setting.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tap-tiktok-ads==1.2.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from tap_tiktok_ads.streams import AdInsights

state = {"bookmarks": {"ad_insights": {"7": "2026-11-02T00:00:00.000000Z"}}}
for when in ("2026-11-02T23:45:00Z", "2026-11-03T00:15:00Z"):
    config = {"start_date": "2026-10-01T00:00:00Z", "end_date": when, "accounts": ["7"]}
    batches = AdInsights(None, config, state).get_date_batches("ad_insights", "7")
    print(when, "asks for:", [f"{each['start_date'].date()} to {each['end_date'].date()}" for each in batches])
PY
cat >"$folder/expected" <<'TXT'
2026-11-02T23:45:00Z asks for: []
2026-11-03T00:15:00Z asks for: ['2026-11-02 to 2026-11-03']
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
