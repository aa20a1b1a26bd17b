#!/usr/bin/env bash
# gspread 6.2.1: of a Google Sheet in a country of decimal commas, a spend of "12,50" is read as 1250, and "1.234,56" as 1.23456.
#
# Guess: `get_all_records()` makes numbers of cells that are numbers, by the sheet's locale; a text that is no number in Python stays a text.
# Seen: a cell comes as it is shown, and every comma is taken out before int or float is tried. "9,90" is 990, "1.234,56" is 1.23456, and
#   "12,5 %" and "1 234,50" stay texts in the same column. "007" is 7 and a campaign "1e3" is 1000.0; "nan" is a float. The sheet's locale, which the API
#   states, is not looked at. pygsheets 2.0.6, built on the same idea, leaves commas alone but makes 202611 of the campaign "2026_11".
# Why it matters: budgets and costs of smaller platforms are kept in sheets. Whole amounts are right, the others a hundred times too much or, from a
#   thousand on, a thousand times too little; sums look like money. Ask for the unformatted value (`value_render_option`), which is a number already,
#   and for `numericise_ignore=["all"]`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gspread==6.2.1 pygsheets==2.0.6 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
import gspread
from pygsheets.utils import numericise

#: What the API answers for a sheet whose locale is de_DE: the cells as they are shown, and as they are stored.
HEAD = ["campaign", "spend", "share"]
SHOWN = [HEAD, ["2026_11", "300", "40,0%"], ["007", "12,50", "12,5 %"], ["1e3", "9,90", "3"], ["nan", "1.234,56", "0,5"]]
STORED = [HEAD, ["2026_11", 300, 0.4], ["007", 12.5, 0.125], ["1e3", 9.9, 3], ["nan", 1234.56, 0.5]]
SHEET = {"properties": {"locale": "de_DE"}, "sheets": [{"properties": {"sheetId": 0, "title": "costs", "index": 0, "gridProperties": {}}}]}


class Offline(gspread.HTTPClient):
    """Answers like the API."""

    def fetch_sheet_metadata(self, *_, **__):
        return SHEET

    def values_get(self, _id, _range, params=None):
        return {"range": "costs!A1:C5", "majorDimension": "ROWS", "values": STORED if (params or {}).get("valueRenderOption") == "UNFORMATTED_VALUE" else SHOWN}


client = gspread.Client(auth=None, session=object(), http_client=Offline)
sheet = gspread.Spreadsheet(client.http_client, {"id": "1"}).sheet1
for row in sheet.get_all_records():
    print(*map(repr, row.values()))
print("unformatted:")
for row in sheet.get_all_records(value_render_option="UNFORMATTED_VALUE", numericise_ignore=["all"]):
    print(*map(repr, row.values()))
print("pygsheets:", *(repr(numericise(text)) for text in ("2026_11", "007", "12,50")))
PY
cat >"$folder/expected" <<'TXT'
'2026_11' 300 '40,0%'
7 1250 '12,5 %'
1000.0 990 3
nan 1.23456 5
unformatted:
'2026_11' 300 0.4
'007' 12.5 0.125
'1e3' 9.9 3
'nan' 1234.56 0.5
pygsheets: 202611 7 '12,50'
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
