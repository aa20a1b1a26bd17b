#!/usr/bin/env bash
# csvkit 2.0.1 (agate 1.9.1): conversions of 0 and 1 are false and true, "12,50" is 1250, and "4%" is 4.
#
# Guess: 0 and 1 are numbers; a comma between quotes is a decimal comma, or the column stays a text.
# Seen: a column with nothing but 0 and 1 is one of truths, in csvjson, csvstat (which then gives no sum), csvsort and csvsql (BOOLEAN). The next day,
#   with a 2 in it, it is a number. Commas, percent signs and signs of currencies are taken out before a number is read: "12,50" and "9,90" sum up
#   to 2240. `--no-inference` keeps every text.
# Why it matters: small campaigns have 0 or 1 conversions on most days, so the type of their column depends on the day, and who reads the JSON takes
#   `false` for "no figure". Give `--no-inference`, and types where the figures are used.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check csvkit==2.0.1 agate==1.9.1 || exit 2
PATH=$folder/venv/bin:$PATH
printf 'campaign,conversions,spend,rate\nspring,0,"12,50",4%%\nsummer,1,"9,90",5%%\n' >"$folder/monday.csv"
printf 'campaign,conversions,spend,rate\nspring,2,"12,50",4%%\nsummer,1,"9,90",5%%\n' >"$folder/tuesday.csv"
{
  for day in monday tuesday; do
    csvjson "$folder/$day.csv"
    echo
    csvsql --dialect postgresql "$folder/$day.csv" | grep -o 'conversions [A-Z]*'
    echo "sums of conversions: $(csvstat --columns conversions --sum "$folder/$day.csv")"
  done
  csvjson --no-inference "$folder/monday.csv"
  echo
} >"$folder/seen" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
cat >"$folder/expected" <<'TXT'
[{"campaign": "spring", "conversions": false, "spend": 1250.0, "rate": 4.0}, {"campaign": "summer", "conversions": true, "spend": 990.0, "rate": 5.0}]
conversions BOOLEAN
sums of conversions: None
[{"campaign": "spring", "conversions": 2.0, "spend": 1250.0, "rate": 4.0}, {"campaign": "summer", "conversions": 1.0, "spend": 990.0, "rate": 5.0}]
conversions DECIMAL
sums of conversions: 3
[{"campaign": "spring", "conversions": "0", "spend": "12,50", "rate": "4%"}, {"campaign": "summer", "conversions": "1", "spend": "9,90", "rate": "5%"}]
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
