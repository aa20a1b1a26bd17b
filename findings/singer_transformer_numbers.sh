#!/usr/bin/env bash
# singer-python 6.8.0: the Transformer of the classic taps makes numbers of texts that are none, and other numbers.
#
# Guess: with `"type": ["null", "number"]` the text "12,50" is refused, or is 12.5; an integer field refuses 12.9; a field
#   that may be an integer or a string keeps a text; "no" is not true.
# Seen: commas are removed, so "12,50" is 1250.0 and "1.234,56" is 1.23456; 12.9 is cut to 12; underscores are digits'
#   separators, so a campaign named "2026_11" is 202611 where the schema lists integer before string, and "007" is 7;
#   every text but "false" and "" is true; a Decimal goes through a float.
# Why it matters: taps for ad platforms, shops and CRMs run rows through it before they are written, so no later stage
#   can see it: the JSON says 1250.0. Taps of countries with decimal commas, and ids that look like numbers, want a test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check singer-python==6.8.0 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from decimal import Decimal

from singer import transform


def show(kinds, *values):
    for value in values:
        print(*kinds, repr(value), "->", repr(transform(value, {"type": ["null", *kinds]})))


show(["number"], "12.50", "12,50", "1.234,56", Decimal("12345678901234567.89"))
show(["integer"], 12.9, "12,50")
show(["integer", "string"], "2026-11", "2026_11", "007")
show(["boolean"], "false", "no", "0")
PY
cat >"$folder/expected" <<'TXT'
number '12.50' -> 12.5
number '12,50' -> 1250.0
number '1.234,56' -> 1.23456
number Decimal('12345678901234567.89') -> 1.2345678901234568e+16
integer 12.9 -> 12
integer '12,50' -> 1250
integer string '2026-11' -> '2026-11'
integer string '2026_11' -> 202611
integer string '007' -> 7
boolean 'false' -> False
boolean 'no' -> True
boolean '0' -> True
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
