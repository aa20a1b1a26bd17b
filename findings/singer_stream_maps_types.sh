#!/usr/bin/env bash
# singer-sdk 0.54.9: the type of a field that a stream map computes is guessed from how its expression begins.
#
# Guess: `spend: int(cost_micros) / 1000000` is declared as a number, and a comparison as a boolean.
# Seen: what begins with `int(` is declared as an integer, whatever follows, and the record holds 12.5; an expression that begins with
#   none of some eight words is declared as a text, and the record holds 37.5 or true.
# Why it matters: the target makes its columns by the declaration. A spend of 12.5 reaches a column of whole numbers, where it is cut, or
#   the load fails with the first campaign that has cents. Begin with `float(` what has decimals: `float(int(cost_micros) / 1000000)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check singer-sdk==0.54.9 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import json
import logging

from singer_sdk.mapper import PluginMapper

expressions = {
    "spend": "int(cost_micros) / 1000000",
    "spend_as_float": "float(int(cost_micros) / 1000000)",
    "revenue": "orders * 12.5",
    "is_brand": "'brand' in name",
    "is_three": "float(orders) == 3",
}
mapper = PluginMapper({"stream_maps": {"campaigns": expressions}}, logging.getLogger("mapper"))
fields = {"id": "string", "cost_micros": "integer", "orders": "integer", "name": "string"}
schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}
mapper.register_raw_stream_schema("campaigns", schema, ["id"])
(stream,) = mapper.stream_maps["campaigns"]
record = stream.transform({"id": "007", "cost_micros": 12500000, "orders": 3, "name": "brand fr"})
for name, expression in expressions.items():
    declared = stream.transformed_schema["properties"][name]["type"][0]
    print(f"{expression}: declared {declared}, sent {json.dumps(record[name])}")
PY
cat >"$folder/expected" <<'TXT'
int(cost_micros) / 1000000: declared integer, sent 12.5
float(int(cost_micros) / 1000000): declared number, sent 12.5
orders * 12.5: declared string, sent 37.5
'brand' in name: declared string, sent true
float(orders) == 3: declared number, sent true
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
