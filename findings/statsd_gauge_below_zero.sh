#!/usr/bin/env bash
# statsd_exporter 0.31.0 with datadog 0.56.0, aiodogstatsd 0.16.0.post0, hot-shots 17.1.1 and node-statsd 0.1.1: a gauge of -0.5 that is
# sent three times is -1.5.
#
# Guess: a gauge is what was sent last; below zero as above.
# Seen: a value with a sign is a change of the gauge in StatsD's format, and statsd_exporter takes it as one. Clients of Datadog's format, in which it is
#   the value itself, send "-0.5" as it is, and so does node-statsd: each sending takes half off again. 0.5 is 0.5. Only statsd 4.0.1 sends 0 first,
#   then the change, so that a scrape between the two sees 0.
# Why it matters: a return on investment of -50 % falls without end while nothing changes, and rises again at the first gain; an alert on losses
#   fires on a figure that nobody computed. Let Prometheus scrape such gauges from the program, or shift them above zero.
set -euo pipefail
command -v go >/dev/null && command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
exporter=
trap '[ -z "$exporter" ] || { kill "$exporter"; wait "$exporter" 2>/dev/null || true; }; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check statsd==4.0.1 datadog==0.56.0 aiodogstatsd==0.16.0.post0 || exit 2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix js hot-shots@17.1.1 node-statsd@0.1.1 >/dev/null) || exit 2
(cd "$folder" && GOTOOLCHAIN=local GOBIN=$folder go install github.com/prometheus/statsd_exporter@v0.31.0 2>/dev/null) || exit 2
read -r web port < <(python3 -c '
import socket
web, statsd = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
statsd.bind(("127.0.0.1", 0))
print(web.getsockname()[1], statsd.getsockname()[1])')
"$folder/statsd_exporter" --web.listen-address="127.0.0.1:$web" --statsd.listen-udp="127.0.0.1:$port" --statsd.listen-tcp= --log.level=error \
  2>"$folder/exporter.log" &
exporter=$!
cat >"$folder/js/send.js" <<'JS'
const port = Number(process.env.PORT)
const clients = { hot_shots: require("hot-shots"), node_statsd: require("node-statsd") }
for (const [name, Client] of Object.entries(clients)) {
  const client = new Client({ host: "127.0.0.1", port })
  for (let i = 0; i < 3; i++) for (const [sign, roi] of [["loss", -0.5], ["gain", 0.5]]) client.gauge(`roi_${sign}_${name}`, roi)
}
setTimeout(() => process.exit(), 500)
JS
cat >"$folder/send.py" <<'PY'
import asyncio
import os
import subprocess
import time
from urllib.error import URLError
from urllib.request import urlopen

import aiodogstatsd
import statsd
from datadog.dogstatsd import DogStatsd

PORT, PAGE = int(os.environ["PORT"]), f"http://127.0.0.1:{os.environ['WEB']}/metrics"
SENT = [("loss", -0.5), ("gain", 0.5)] * 3


def page():
    with urlopen(PAGE) as answer:
        return sorted(line for line in answer.read().decode().splitlines() if line.startswith("roi_"))


async def with_aiodogstatsd():
    async with aiodogstatsd.Client(host="127.0.0.1", port=PORT) as client:
        for sign, roi in SENT:
            client.gauge(f"roi_{sign}_aiodogstatsd", value=roi)


end = time.monotonic() + 60
while True:
    try:
        page()
        break
    except URLError:
        if time.monotonic() > end:
            raise
        time.sleep(0.2)
first, second = statsd.StatsClient("127.0.0.1", PORT), DogStatsd(host="127.0.0.1", port=PORT, disable_telemetry=True)
for sign, roi in SENT:
    first.gauge(f"roi_{sign}_statsd", roi)
    second.gauge(f"roi_{sign}_datadog", roi)
    second.flush()
asyncio.run(with_aiodogstatsd())
subprocess.run(["node", os.environ["SEND_JS"]], check=True)
time.sleep(2)
print(*page(), sep="\n")
PY
PORT=$port WEB=$web SEND_JS=$folder/js/send.js "$folder/venv/bin/python" -W ignore "$folder/send.py" >"$folder/seen" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
cat >"$folder/expected" <<'TXT'
roi_gain_aiodogstatsd 0.5
roi_gain_datadog 0.5
roi_gain_hot_shots 0.5
roi_gain_node_statsd 0.5
roi_gain_statsd 0.5
roi_loss_aiodogstatsd -1.5
roi_loss_datadog -1.5
roi_loss_hot_shots -1.5
roi_loss_node_statsd -1.5
roi_loss_statsd -0.5
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
