#!/usr/bin/env bash
# dbt-core 1.11.16 with dbt-sqlite 1.10.0 (agate 1.9.1): `dbt seed` makes 1250 of "12,50", 250 of "250%", one currency of two, and 202611 of "2026_11".
#
# Guess: a column of a seed is a number only if each of its texts is one, and a text with a comma, a percent sign or a currency's sign stays a text.
# Seen: commas, percent signs and signs of currencies are taken out before the number is read. A goal of "12,50" per order is 1250 and a return of "250%"
#   is 250, both integers; "€5.00" and "$7.50" are 5.0 and 7.5 of one column; the month "2026_11" is 202611 and the code "007" is 7. The run
#   succeeds. Only what is named in `column_types` is left as it was written.
# Why it matters: goals, budgets and rates of exchange come into a warehouse as seeds, kept by hand in spreadsheets of countries with decimal
#   commas. A goal that is a hundred times too high is never missed, so nothing is ever alerted. Name every column in `column_types`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dbt-core==1.11.16 dbt-adapters==1.16.7 dbt-common==1.39.0 \
  dbt-sqlite==1.10.0 agate==1.9.1 || exit 2
mkdir "$folder/seeds"
cat >"$folder/dbt_project.yml" <<'YML'
name: goals
version: "1.0.0"
profile: goals
seeds:
  goals:
    named:
      +column_types: {cost_per_order: text, return: text, budget: text, month: text, code: text}
YML
cat >"$folder/profiles.yml" <<YML
goals:
  target: here
  outputs:
    here: {type: sqlite, threads: 1, database: database, schema: main, schemas_and_paths: {main: "$folder/goals.db"}, schema_directory: "$folder"}
YML
cat >"$folder/seeds/guessed.csv" <<'CSV'
campaign,cost_per_order,return,budget,month,code
spring,"12,50",250%,€5.00,2026_11,007
summer,"9,90",300%,$7.50,2026_12,012
CSV
cp "$folder/seeds/guessed.csv" "$folder/seeds/named.csv"
DO_NOT_TRACK=1 "$folder/venv/bin/dbt" --quiet seed --project-dir "$folder" --profiles-dir "$folder" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 2; }
"$folder/venv/bin/python" - "$folder/goals.db" >"$folder/seen" <<'PY'
import sqlite3
import sys

warehouse = sqlite3.connect(sys.argv[1])
for seed in ("guessed", "named"):
    for row in warehouse.execute(f"SELECT * FROM {seed}"):
        print(seed, *map(repr, row))
PY
cat >"$folder/expected" <<'TXT'
guessed 'spring' 1250 250 5.0 202611 7
guessed 'summer' 990 300 7.5 202612 12
named 'spring' '12,50' '250%' '€5.00' '2026_11' '007'
named 'summer' '9,90' '300%' '$7.50' '2026_12' '012'
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
