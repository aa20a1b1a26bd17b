#!/usr/bin/env bash
# airbyte-cdk 7.39.1: one record whose cursor lies in the future silences its stream until that day, without an error.
#
# Guess: the state of an incremental stream goes no further than the end of the period that was asked for.
# Seen: the state is the greatest cursor of any record, here 2027-02-01 in a sync that ends on 2026-11-03. The next sync has nothing to ask: no
#   request, no record, the same state, and it ends well. A deal of 2026-11-03 is not read, now or later.
# Why it matters: planned campaigns, deals with a date ahead and clocks that run fast are usual. Leads and orders simply stop. Watch the age of
#   the newest record of each stream, and look at states that are ahead of the clock.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check airbyte-cdk==7.39.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>/dev/null <<'PY'
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer, Type
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

logging.disable(logging.CRITICAL)
deals, requests = [{"id": 1, "updated_at": "2026-11-02T10:00:00Z"}, {"id": 2, "updated_at": "2027-02-01T00:00:00Z"}], []


class Platform(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        requests.append(self.path)
        body = json.dumps({"items": deals}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


platform = HTTPServer(("127.0.0.1", 0), Platform)
threading.Thread(target=platform.serve_forever, daemon=True).start()
FORM = "%Y-%m-%dT%H:%M:%SZ"
MANIFEST = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["deals"]},
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    "streams": [
        {
            "type": "DeclarativeStream",
            "name": "deals",
            "primary_key": ["id"],
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {
                    "type": "HttpRequester",
                    "url_base": f"http://127.0.0.1:{platform.server_port}",
                    "path": "/deals",
                    "http_method": "GET",
                },
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["items"]},
                },
            },
            "incremental_sync": {
                "type": "DatetimeBasedCursor",
                "cursor_field": "updated_at",
                "datetime_format": FORM,
                "start_datetime": {"type": "MinMaxDatetime", "datetime": "2026-11-01T00:00:00Z", "datetime_format": FORM},
                "end_datetime": {"type": "MinMaxDatetime", "datetime": "{{ config['until'] }}", "datetime_format": FORM},
            },
        }
    ],
}
CATALOG = ConfiguredAirbyteCatalogSerializer.load(
    {
        "streams": [
            {
                "stream": {"name": "deals", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
                "sync_mode": "incremental",
                "destination_sync_mode": "append",
            }
        ]
    }
)


def sync(until, state):
    requests.clear()
    config, records, errors = {"until": until}, [], 0
    source = ConcurrentDeclarativeSource(catalog=CATALOG, config=config, state=state, source_config=MANIFEST)
    for message in source.read(logging.getLogger("sync"), config, CATALOG, state):
        if message.type == Type.RECORD:
            records.append(message.record.data["id"])
        elif message.type == Type.STATE:
            state = [message.state]
        elif message.type == Type.TRACE and message.trace.error:
            errors += 1
    at = AirbyteStateMessageSerializer.dump(state[0])["stream"]["stream_state"]["updated_at"]
    print(f"until {until}: {len(requests)} requests, deals {sorted(records)}, {errors} errors, state {at}")
    return state


state = sync("2026-11-03T00:00:00Z", [])
deals.append({"id": 3, "updated_at": "2026-11-03T12:00:00Z"})
sync("2026-11-04T00:00:00Z", state)
PY
cat >"$folder/expected" <<'TXT'
until 2026-11-03T00:00:00Z: 1 requests, deals [1, 2], 0 errors, state 2027-02-01T00:00:00Z
until 2026-11-04T00:00:00Z: 0 requests, deals [], 0 errors, state 2027-02-01T00:00:00Z
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
