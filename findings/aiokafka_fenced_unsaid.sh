#!/usr/bin/env bash
# aiokafka 0.14.0 on Apache Kafka 3.9.1: a producer that was fenced between two of its calls is told that it is in no transaction.
#
# Guess: once another producer with the same transactional.id has started, the calls of the first raise ProducerFenced, as the
#   documentation says; or at least a KafkaError.
# Seen: the broker refuses to add a partition to the transaction. Only the future of that one record has ProducerFenced. Whoever has not
#   looked at it, or sends its records first and waits for them last, gets IllegalOperation from `send` and `send_batch`, which is no KafkaError,
#   and AssertionError from `commit_transaction`, `abort_transaction` and `begin_transaction`. `transaction()` lets out the same.
# Why it matters: "another has my place, stop" looks like a fault of one's own program: `except ProducerFenced` is passed by, and a loop that
#   starts again on any other error takes the place back, so that two owners of one partition fence each other in turn.
# Needs Java and Maven; a broker of its own on loopback, for some 20 seconds.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java and Maven are needed." >&2; exit 2; }
folder=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || { kill -KILL "$broker"; wait "$broker" 2>/dev/null || true; }; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check aiokafka==0.14.0 || exit 2
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
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
TXT
run() { java -Xmx400m -XX:TieredStopAtLevel=1 -cp "$folder/libs/*" "$@"; }
run kafka.tools.StorageTool format --cluster-id=4L6g3nShT-eMCtK--X86sw --config "$folder/server.properties" >/dev/null
java -Xmx400m -XX:TieredStopAtLevel=1 -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
broker=$!
BROKER=127.0.0.1:$port "$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
import asyncio
import contextlib
import os
import time

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError

BROKER = os.environ["BROKER"]


async def said(call):
    try:
        await call
    except Exception as error:
        return f"{type(error).__name__}{'' if isinstance(error, KafkaError) else ', no KafkaError'}"
    return "nothing"


async def owner(transactional_id):
    producer = AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=transactional_id)
    await producer.start()
    return producer


async def with_context(producer):
    async with producer.transaction():
        await fenced(producer, "with")
        await producer.send("kpis", b"2", partition=0)


async def fenced(producer, transactional_id):
    """One record is written; then another producer starts, and the next record is refused."""
    await producer.send_and_wait("kpis", b"0", partition=0)
    other = await owner(transactional_id)
    refused = await producer.send("kpis", b"1", partition=1)
    await asyncio.wait([refused])
    await other.stop()
    return refused


async def main():
    end = time.monotonic() + 90
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
        try:
            await admin.start()
            break
        except KafkaConnectionError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(1)
    await admin.create_topics([NewTopic("kpis", 2, 1)])
    await admin.close()

    first = await owner("bare")
    await first.begin_transaction()
    print("the refused record:", await said(await fenced(first, "bare")))
    batch = first.create_batch()
    batch.append(key=None, value=b"3", timestamp=None)
    print("send:", await said(first.send("kpis", b"2", partition=0)))
    print("send_batch:", await said(first.send_batch(batch, "kpis", partition=0)))
    print("commit_transaction:", await said(first.commit_transaction()))
    print("abort_transaction:", await said(first.abort_transaction()))
    print("begin_transaction:", await said(first.begin_transaction()))
    second = await owner("with")
    print("transaction():", await said(with_context(second)))
    for producer in (first, second):
        with contextlib.suppress(KafkaError):
            await producer.stop()


asyncio.run(main())
PY
cat >"$folder/expected" <<'TXT'
the refused record: ProducerFenced
send: IllegalOperation, no KafkaError
send_batch: IllegalOperation, no KafkaError
commit_transaction: AssertionError, no KafkaError
abort_transaction: AssertionError, no KafkaError
begin_transaction: AssertionError, no KafkaError
transaction(): IllegalOperation, no KafkaError
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
