#!/usr/bin/env bash
# tiktok-business-api-sdk-official 1.1.3: a time limit of half a second is none, and one of a second is four.
#
# Guess: `_request_timeout=0.5`, "one number, the total request timeout" in its docstring, ends a call after half a second, and 1 after a second.
# Seen: a limit of 0.5 is ignored without a word: an answer that takes 1.5 s is waited for, as one that never comes would be, since there is no other
#   limit. 1 and (0.5, 0.5) are kept, but a reading call is tried four times before it is given up.
# Why it matters: a limit that comes from a setting or from arithmetic is a float, and then a connection that never answers holds up every call behind
#   it; with whole seconds a service waits four times as long as it says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tiktok-business-api-sdk-official==1.1.3 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import business_api_client
import urllib3
from business_api_client.api.campaign_creation_api import CampaignCreationApi

BODY = b'{"code": 0, "message": "OK", "request_id": "1", "data": {"list": []}}'
calls = []


class Platform(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        calls.append(self.path)
        time.sleep(1.5)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)
        except OSError:
            pass  # the caller has gone


platform = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
threading.Thread(target=platform.serve_forever, daemon=True).start()
configuration = business_api_client.Configuration()
configuration.host = f"http://127.0.0.1:{platform.server_port}"
campaigns = CampaignCreationApi(business_api_client.ApiClient(configuration))

logging.disable(logging.CRITICAL)
for limit in (0.5, 1, (0.5, 0.5)):
    before = len(calls)
    try:
        campaigns.campaign_get("1", "token", _request_timeout=limit)
        end = "answered after 1.5 s"
    except urllib3.exceptions.HTTPError as error:
        end = type(error).__name__
    print(f"{limit}: {end}, calls: {len(calls) - before}")
PY
cat >"$folder/expected" <<'TXT'
0.5: answered after 1.5 s, calls: 1
1: MaxRetryError, calls: 4
(0.5, 0.5): MaxRetryError, calls: 4
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
