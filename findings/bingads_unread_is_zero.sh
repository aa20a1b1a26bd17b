#!/usr/bin/env bash
# bingads 13.0.30.1: the report reader of Microsoft's own SDK gives 0 for every cell that it cannot read.
#
# Guess: `int_value` and `float_value` raise on what is no number, give None for "--" (no value), and know the forms of
#   Microsoft's own reports: percentages and grouped thousands.
# Seen: "--", an empty cell, "4.05%", "1,234" and, as an integer, "1234.50" are all 0, without a word. `value` has the text.
# Why it matters: spend of 1,234.50 becomes 0, and an unknown share looks like a measured 0. Read `value`, and parse it
#   strictly. (tap-bing-ads 2.3.3 has a parser of its own, which knows % and commas, and also turns "--" into 0.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check bingads==13.0.30.1 || exit 2
cat >"$folder/report.csv" <<'CSV'
"Report Name: spend by day"
"Report Time: 11/1/2026,11/2/2026"
"Rows: 2"

"TimePeriod","CampaignId","Impressions","Spend","Ctr","ImpressionSharePercent"
"2026-11-01","7","1234","1234.50","4.05%","--"
"2026-11-02","7","1,234","1,234.50","","81.2%"
CSV
FOLDER=$folder "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import os

from bingads.v13.reporting import ReportFileReader

report = ReportFileReader(os.environ["FOLDER"] + "/report.csv", format="Csv").get_report()
for row in report.report_records:
    for column in ("Impressions", "Spend", "Ctr", "ImpressionSharePercent"):
        print(column, repr(row.value(column)), row.int_value(column), row.float_value(column))
report.close()
PY
cat >"$folder/expected" <<'TXT'
Impressions '1234' 1234 1234.0
Spend '1234.50' 0 1234.5
Ctr '4.05%' 0 0
ImpressionSharePercent '--' 0 0
Impressions '1,234' 0 0
Spend '1,234.50' 0 0
Ctr '' 0 0
ImpressionSharePercent '81.2%' 0 0
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
