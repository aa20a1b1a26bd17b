#!/usr/bin/env bash
# lifetimes 0.11.3 (pandas 3.1.1): with `freq="W"` purchases one day apart are a repeat purchase a week later, and purchases six days
# apart are none.
#
# Guess: weeks are counted from each customer's first purchase, so `freq="W"` is `freq="D"` with days divided by seven.
# Seen: purchases are put into calendar weeks first. Sunday and Monday are two weeks, with a recency of 1; Monday and the Sunday after it are one,
#   with a frequency of 0. By the day, with `freq_multiplier=7`, both customers bought again, after 0.14 and 0.86 weeks.
# Why it matters: frequency and recency are all that BG/NBD sees, so parameters fitted on the one summary say nothing about the other. Published
#   values, such as those of Fader, Hardie and Lee for CDNOW, are by the day, in weeks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check lifetimes==0.11.3 pandas==3.1.1 \
  numpy==2.4.6 scipy==1.17.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import pandas
from lifetimes.utils import summary_data_from_transaction_data

BOUGHT = [("one day", "2026-01-04"), ("one day", "2026-01-05"), ("six days", "2026-01-05"), ("six days", "2026-01-11")]
table = pandas.DataFrame(BOUGHT, columns=["customer", "day"])
for options in ({"freq": "W"}, {"freq": "D", "freq_multiplier": 7}):
    summary = summary_data_from_transaction_data(table, "customer", "day", observation_period_end="2026-02-01", **options)
    for customer, row in summary.iterrows():
        print(options["freq"], customer, f"apart: frequency {row['frequency']:.0f}, recency {row['recency']:.2f} weeks")
PY
cat >"$folder/expected" <<'TXT'
W one day apart: frequency 1, recency 1.00 weeks
W six days apart: frequency 0, recency 0.00 weeks
D one day apart: frequency 1, recency 0.14 weeks
D six days apart: frequency 1, recency 0.86 weeks
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
