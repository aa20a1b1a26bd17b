#!/usr/bin/env bash
# airbyte-source-marketo 2.1.3, tap-marketo 2.9.4: what the fields of Marketo become in its two connectors.
#
# Guess: a percentage keeps its decimals, a text stays a text, and what a connector cannot read is an error in both.
# Seen: a field of the kind percent is an integer whose decimals are cut: 99.9 is 99, -0.5 is 0. The text "null" is no value in any field, also
#   as somebody's name. "1" and "yes" of a boolean field are false. A percentage of .5, or an amount with grouped thousands, ends the
#   run of the one and is empty in the other.
# Why it matters: discounts and probabilities lose up to a point each. An amount that one connector refuses is missing from sums of the other without
#   a word. Ask for the field by a formula field of the kind text or float, and count the empty amounts of a stream.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
pip() { "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
# The function needs none of the packages that the whole connector needs.
pip --no-deps airbyte-source-marketo==2.1.3 || exit 2
pip tap-marketo==2.9.4 'setuptools<81' || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
import importlib.util
from importlib.metadata import distribution

from tap_marketo.sync import format_value as singer

path = distribution("airbyte-source-marketo").locate_file("source_marketo/utils.py")
spec = importlib.util.spec_from_file_location("marketo_utils", path)
airbyte = importlib.util.module_from_spec(spec)
spec.loader.exec_module(airbyte)


def answer(function, value, kind):
    try:
        return repr(function(value, {"type": [kind, "null"]}))
    except Exception as error:
        return type(error).__name__


# Both connectors declare a percent field of Marketo as an integer, and a currency field as a number.
for field, kind, values in (
    ("percent", "integer", ("99.9", "-0.5", ".5")),
    ("currency", "number", ("12.50", "1,234.50")),
    ("string", "string", ("null", "Null")),
    ("boolean", "boolean", ("true", "1", "yes")),
):
    for value in values:
        print(f"{field} {value}: airbyte {answer(airbyte.format_value, value, kind)}, singer {answer(singer, value, kind)}")
PY
cat >"$folder/expected" <<'TXT'
percent 99.9: airbyte 99, singer 99
percent -0.5: airbyte 0, singer 0
percent .5: airbyte None, singer ValueError
currency 12.50: airbyte 12.5, singer 12.5
currency 1,234.50: airbyte None, singer ValueError
string null: airbyte None, singer None
string Null: airbyte 'Null', singer 'Null'
boolean true: airbyte True, singer True
boolean 1: airbyte False, singer False
boolean yes: airbyte False, singer False
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
