#!/usr/bin/env bash
# tap-linkedin-ads 2.8.0: what costs and values of LinkedIn's reports become.
#
# Guess: an amount keeps its sign and its size, or the tap fails.
# Seen: everything but digits and points is taken out of the text. -12.50 is 12.50; 0E-10 and 1.5E-7, as Java writes small decimals, are 10
#   and 1.57. An amount that is a JSON number is empty.
# Why it matters: an amount that is taken back counts a second time, and a campaign of nearly no cost has one. Compare the sums of a month with Campaign
#   Manager's, and look for amounts below 0 there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tap-linkedin-ads==2.8.0 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
import json

from tap_linkedin_ads.transform import transform_json

for text in ('"12.50"', '"-12.50"', '"0E-10"', '"1.5E-7"', "12.5"):
    page = f'{{"elements": [{{"conversionValueInLocalCurrency": {text}, "costInLocalCurrency": {text}}}]}}'
    (row,) = transform_json(json.loads(page), "ad_analytics_by_campaign")["elements"]
    print(f"{text}: value {row['conversion_value_in_local_currency']}, cost {row['cost_in_local_currency']}")
PY
cat >"$folder/expected" <<'TXT'
"12.50": value 12.50, cost 12.50
"-12.50": value 12.50, cost 12.50
"0E-10": value 10, cost 10
"1.5E-7": value 1.57, cost 1.57
12.5: value None, cost None
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
