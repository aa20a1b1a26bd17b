#!/usr/bin/env bash
# xlsx2csv 0.8.6 (openpyxl 3.1.5 writes the sheet): a rate of 1.08435 shown as 1.08 is 1.08, a cost of 0.125 is 0.12, a share of 4.05 % is "4%".
#
# Guess: a CSV has the figures that the sheet holds; or those that it shows, as when Excel itself saves a CSV.
# Seen: it depends on the format. Cells shown as 0.00, 0.000 and percentages are rounded to what is shown, and halves to the even or lower digit (0.125 and
#   2.675 in 0.00 are 0.12 and 2.67, where Excel shows 0.13 and 2.68). Cells shown as 0, #,##0.00 or in a currency keep all their digits.
#   `--ignore-formats float` keeps them; `--ignore-formats percentage` gives 0.0405.
# Why it matters: rates of exchange and costs per click have more decimals than sheets show. All euros of a month are converted at 1.08, 0.4 % too low, and
#   the sum differs from the sheet's own, since a person widened or narrowed a column's decimals.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check xlsx2csv==0.8.6 openpyxl==3.1.5 || exit 2
cd "$folder"
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
from openpyxl import Workbook
from xlsx2csv import Xlsx2csv

FIGURES = [1.08435, 0.125, 2.675, 1234.5678, 0.0405]


def written(look, **options):
    book = Workbook()
    book.active.append(FIGURES)
    for cell in book.active[1]:
        cell.number_format = look
    book.save("costs.xlsx")
    Xlsx2csv("costs.xlsx", **options).convert("costs.csv")
    with open("costs.csv") as file:
        return file.read().strip()


for look in ("General", "0.00", "0.000", "0%", "0.00%", "0", "#,##0.00", "#,##0.00 €"):
    print(look, "->", written(look))
print("0.00, formats ignored ->", written("0.00", ignore_formats=["float"]))
print("0%, formats ignored ->", written("0%", ignore_formats=["percentage"]))
PY
cat >"$folder/expected" <<'TXT'
General -> 1.08435,0.125,2.675,1234.5678,0.0405
0.00 -> 1.08,0.12,2.67,1234.57,0.04
0.000 -> 1.084,0.125,2.675,1234.568,0.041
0% -> 108%,13%,268%,123457%,4%
0.00% -> 108.44%,12.50%,267.50%,123456.78%,4.05%
0 -> 1.08435,0.125,2.675,1234.5678,0.0405
#,##0.00 -> 1.08435,0.125,2.675,1234.5678,0.0405
#,##0.00 € -> 1.08435,0.125,2.675,1234.5678,0.0405
0.00, formats ignored -> 1.08435,0.125,2.675,1234.5678,0.0405
0%, formats ignored -> 1.08435,0.125,2.675,1234.5678,0.0405
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
