#!/usr/bin/env bash
# fastexcel 0.21.0 and polars 2.1.0: what a column of a sheet holds is decided by its first rows, and what does not fit is empty.
#
# Guess: a column of a sheet that holds numbers and texts is read as texts, or there is an error.
# Seen: campaigns whose ids are numbers in the first 1 000 rows have no id in row 1 501 where it is "summer-1"; "0017" is 17; a spend of
#   "12,50" is empty. polars looks at 100 rows only, and leaves out a row in which nothing fits: the campaign is not in the frame at
#   all. No error and no warning. With `schema_sample_rows=None` and `infer_schema_length=None` all rows are looked at.
# Why it matters: exports are sorted by date, so new campaigns with names stand at the end. Count what is empty before and after reading.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  fastexcel==0.21.0 polars==2.1.0 openpyxl==3.1.5 pyarrow || exit 2
"$folder/venv/bin/python" - "$folder" >"$folder/seen" <<'PY'
import sys

import fastexcel
import openpyxl
import polars


def sheet(name, numbers):
    book = openpyxl.Workbook()
    rows = book.active
    rows.append(["campaign", "spend"])
    for number in range(numbers):
        rows.append([1000 + number, 12.5])
    rows.append(["summer-1", "12,50"])
    rows.append(["0017", 7.5])
    book.save(name)


for numbers in (999, 1500):
    name = f"{sys.argv[1]}/{numbers}.xlsx"
    sheet(name, numbers)
    print(f"texts in row {numbers + 1}")
    print("  fastexcel:", fastexcel.read_excel(name).load_sheet(0).to_polars().tail(2).rows())
    print("  polars:", polars.read_excel(name).tail(2).rows())
print("all rows looked at")
print("  fastexcel:", fastexcel.read_excel(name).load_sheet(0, schema_sample_rows=None).to_polars().tail(2).rows())
print("  polars:", polars.read_excel(name, infer_schema_length=None).tail(2).rows())
PY
cat >"$folder/expected" <<'TXT'
texts in row 1000
  fastexcel: [('summer-1', '12,50'), ('0017', '7.5')]
  polars: [(1998, 12.5), (17, 7.5)]
texts in row 1501
  fastexcel: [(None, None), (17.0, 7.5)]
  polars: [(2499, 12.5), (17, 7.5)]
all rows looked at
  fastexcel: [('summer-1', '12,50'), ('0017', '7.5')]
  polars: [('summer-1', '12,50'), ('0017', '7.5')]
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
