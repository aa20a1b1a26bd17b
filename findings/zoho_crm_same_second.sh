#!/usr/bin/env bash
# airbyte-source-zoho-crm 0.3.6: a record that was changed in the second at which a run stopped reading is never read.
#
# Guess: the next run asks for what was changed since the newest record that the run before had seen, so that at most a record comes twice.
# Seen: it asks for what was changed since one second later, and Zoho's times are whole seconds. A record of that same second which the
#   run before did not get, because it was saved after the page was read or lay on a later page of a run that was killed, is older than that.
# Why it matters: imports and workflows of a CRM save hundreds of records in one second. A deal that is missing is revenue that is missing, and
#   no run ever asks for it again. Set the state back by some minutes before a run; who knows records by their ids loses nothing by it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check airbyte-source-zoho-crm==0.3.6 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from source_zoho_crm.streams import IncrementalZohoCrmStream


class Deals(IncrementalZohoCrmStream):
    url_base = "https://www.zohoapis.example"


stream = Deals(None, {})
stream.state = {"Modified_Time": "2026-11-02T10:00:00+00:00"}
print("the newest record seen:", stream.state["Modified_Time"])
print("the next run asks for changes since:", stream.request_headers(stream.state)["If-Modified-Since"])
PY
cat >"$folder/expected" <<'TXT'
the newest record seen: 2026-11-02T10:00:00+00:00
the next run asks for changes since: 2026-11-02T10:00:01+00:00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
