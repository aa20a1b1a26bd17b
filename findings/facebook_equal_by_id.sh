#!/usr/bin/env bash
# facebook-business 26.0.3: two campaigns of one id are equal, whatever their fields say.
#
# Guess: the SDK's objects are mappings of field names, so == compares the fields, as for any mapping.
# Seen: == compares class and id only. A campaign read back after an update equals the wished one with any budget and
#   any status; as plain dictionaries they differ.
# Why it matters: "confirmed by reading back" that compares SDK objects confirms everything. Compare the fields that were
#   written, one by one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check facebook-business==26.0.3 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from collections.abc import Mapping

from facebook_business.adobjects.campaign import Campaign


def campaign(number, **fields):
    made = Campaign(number)
    for name, value in fields.items():
        made[name] = value
    return made


wished = campaign("23850000000000001", status="PAUSED", daily_budget="1000")
read = campaign("23850000000000001", status="ACTIVE", daily_budget="9000")
print("is a mapping:", isinstance(wished, Mapping))
print("same id, other fields: equal", wished == read)
print("as dictionaries: equal", wished.export_all_data() == read.export_all_data())
print("other id, same fields: equal", wished == campaign("2", status="PAUSED", daily_budget="1000"))
PY
cat >"$folder/expected" <<'TXT'
is a mapping: True
same id, other fields: equal True
as dictionaries: equal False
other id, same fields: equal False
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
