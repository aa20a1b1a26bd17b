#!/usr/bin/env bash
# faust-streaming 0.15.3: a record's Decimal field makes of the number 10.1 the 49 digits of a float, and its flag of "false" true.
#
# Guess: a Record with `coerce=True` and a Decimal field is how money is read exactly; a bool field knows the text "false"; an int field refuses 12.9.
# Seen: JSON's 10.1 is a float first and then Decimal("10.0999999999999996447…"), and is sent on so, as a text; "10.1" as a text is exact.
#   "false" is true, 12.9 is 12. A tumbling window of a minute is labelled (0.0, 59.9): an event at 59.95 is in it and outside of its label.
# Why it matters: sums are off in their last digits and never compare equal; readers of the topic must cope with 49 digits. Money in JSON is
#   to be a text or an integer of micros, decoded by a decoder that never makes a float.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check faust-streaming==0.15.3 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from decimal import Decimal

import faust
from faust.windows import TumblingWindow


class Click(faust.Record, coerce=True):
    cost: Decimal
    is_test: bool = False
    count: int = 0


for text in ('{"cost": 10.1}', '{"cost": "10.1"}', '{"cost": "1", "is_test": "false", "count": 12.9}'):
    click = Click.loads(text, serializer="json")
    print(text, "->", click.cost, click.is_test, click.count)
print("window of 59.95:", *TumblingWindow(60.0).ranges(59.95))
PY
cat >"$folder/expected" <<'TXT'
{"cost": 10.1} -> 10.0999999999999996447286321199499070644378662109375 False 0
{"cost": "10.1"} -> 10.1 False 0
{"cost": "1", "is_test": "false", "count": 12.9} -> 1 True 12
window of 59.95: (0.0, 59.9)
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
