#!/usr/bin/env bash
# quixstreams 3.28.1 on Apache Kafka 3.9.1: the last window of a key that falls silent never comes out, however far the partition goes on.
#
# Guess: a window closes when event time of its partition has passed its end, as in Kafka Streams; so the next records of other keys close it.
# Seen: `final()` closes a key's windows only by later records of the same key. "spring" had one click in hour 0, and none after; "summer" goes on
#   to hour 2, and no window of "spring" is ever emitted. With `closing_strategy="partition"` it is, though not before its partition goes on.
# Why it matters: a campaign that is paused or over is the one whose last hour is looked at. Its final figure is missing, and nothing says so. (roistream
#   closes by watermark, and by `IDLE_AFTER` where a partition is silent.)
# Needs Java and Maven; a broker of its own on loopback, for some 30 seconds.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java and Maven are needed." >&2; exit 2; }
folder=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || { kill -KILL "$broker"; wait "$broker" 2>/dev/null || true; }; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check quixstreams==3.28.1 confluent-kafka==2.12.2 || exit 2
cat >"$folder/pom.xml" <<'XML'
<project><modelVersion>4.0.0</modelVersion><groupId>findings</groupId><artifactId>broker</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
XML
mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >"$folder/maven.log" || exit 2
read -r port controller < <(python3 -c '
import socket
each = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in each))')
cat >"$folder/server.properties" <<TXT
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$folder/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
TXT
run() { java -Xmx400m -XX:TieredStopAtLevel=1 -cp "$folder/libs/*" "$@"; }
run kafka.tools.StorageTool format --cluster-id=4L6g3nShT-eMCtK--X86sw --config "$folder/server.properties" >/dev/null
java -Xmx400m -XX:TieredStopAtLevel=1 -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
broker=$!
BROKER=127.0.0.1:$port STATE=$folder/state "$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
import os

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from quixstreams import Application

HOUR, START = 3_600_000, 1_793_498_400_000  # 2026-11-01T02:00:00Z in ms
CLICKS = [("spring", 0), ("summer", 0), ("summer", 1), ("summer", 2)]  # campaign, hour
broker = os.environ["BROKER"]
admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
admin.list_topics(timeout=60)
for strategy in ("key", "partition"):
    admin.create_topics([NewTopic(strategy, 1, 1)])[strategy].result()
    producer = Producer({"bootstrap.servers": broker})
    for campaign, hour in CLICKS:
        producer.produce(strategy, key=campaign, value=b"{}", timestamp=START + hour * HOUR + 1000)
        producer.flush(30)
    app = Application(
        broker_address=broker, consumer_group=strategy, auto_offset_reset="earliest", use_changelog_topics=False,
        state_dir=f"{os.environ['STATE']}-{strategy}", loglevel="ERROR",
    )
    found = []
    windows = app.dataframe(app.topic(strategy, value_deserializer="json", key_deserializer="str")).tumbling_window(HOUR).count()
    # `final()` alone is closing_strategy="key".
    final = windows.final() if strategy == "key" else windows.final(closing_strategy="partition")
    final.update(lambda value, key, *_: found.append((key, (value["start"] - START) // HOUR)), metadata=True)
    app.run(count=len(CLICKS), timeout=60)
    print(f"closed by {strategy}:", *sorted(found))
PY
cat >"$folder/expected" <<'TXT'
closed by key: ('summer', 0) ('summer', 1)
closed by partition: ('spring', 0) ('summer', 0) ('summer', 1)
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
