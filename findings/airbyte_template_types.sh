#!/usr/bin/env bash
# airbyte-cdk 7.39.1: a text that a low-code connector copies from one field to another is read as a Python literal.
#
# Guess: `{{ record['utm_campaign'] }}` in AddFields copies a text as a text; at most "12345" becomes a number.
# Seen: whatever Python accepts as a literal changes its type and value: "2026_11" is 202611, "1e3" is 1000.0, "0x10" is 16,
#   "1,5" is a tuple, "True" a boolean; "2026-11" and "007" stay. `value_type: string` keeps all.
# Why it matters: campaign names, UTM values and ids decide what money belongs to. Only some of a column change, so joins
#   lose the rest silently. Look for AddFields without value_type in a connector's manifest, and compare ids as they came.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check airbyte-cdk==7.39.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
from airbyte_cdk.sources.declarative.transformations.add_fields import AddedFieldDefinition, AddFields


def copied(text, kind):
    record = {"utm_campaign": text}
    field = AddedFieldDefinition(
        path=["campaign"], value="{{ record['utm_campaign'] }}", value_type=kind, parameters={}
    )
    AddFields(fields=[field], parameters={}).transform(record, config={})
    return record["campaign"]


for text in ("spring", "2026-11", "007", "2026_11", "1e3", "0x10", "1,5", "True"):
    print(repr(text), "->", repr(copied(text, None)), "| with value_type string:", repr(copied(text, str)))
PY
cat >"$folder/expected" <<'TXT'
'spring' -> 'spring' | with value_type string: 'spring'
'2026-11' -> '2026-11' | with value_type string: '2026-11'
'007' -> '007' | with value_type string: '007'
'2026_11' -> 202611 | with value_type string: '2026_11'
'1e3' -> 1000.0 | with value_type string: '1e3'
'0x10' -> 16 | with value_type string: '0x10'
'1,5' -> (1, 5) | with value_type string: '1,5'
'True' -> True | with value_type string: 'True'
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
