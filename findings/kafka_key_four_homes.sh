#!/usr/bin/env bash
# Kafka clients, each by its partitioner for keys: one key has four homes on four partitions.
#
# Guess: records of one key come on one partition of a topic, whichever client wrote them.
# Seen: of 1 000 keys on 4 partitions, franz-go, kafkajs 2 and kafka-python put every one where Apache Kafka's own client does (murmur2). librdkafka
#   (confluent-kafka, kcat and most others that wrap it) puts a quarter there, which is chance: its default is CRC-32, and the same partition
#   as kafka-go's CRC32Balancer. sarama puts a quarter there too: FNV-1a, the same as kafka-go's Hash. kafkajs 1.16 agrees with none of them,
#   nor with itself in version 2.
# Why it matters: a site's collector in Go, a shop in JavaScript and a CRM's connector in Python write clicks and orders of one visitor to different
#   partitions of topics with equal partition counts; joins by partition silently miss most of them, and an upgrade of kafkajs moves every key. Set
#   partitioner=murmur2_random (librdkafka), Murmur2Balancer (kafka-go), a partitioner of one's own (sarama).
set -euo pipefail
command -v go >/dev/null && command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check kafka-python==3.0.12 confluent-kafka==2.16.1 || exit 2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix js kafkajs@2.2.4 kafkajs-1@npm:kafkajs@1.16.0 >/dev/null) || exit 2
mkdir "$folder/go"
cat >"$folder/go/go.mod" <<'TXT'
module homes

go 1.25
TXT
cat >"$folder/go/main.go" <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	homes := map[string][]int32{}
	put := func(client string, partition int) { homes[client] = append(homes[client], int32(partition)) }
	fnv, franz := sarama.NewHashPartitioner("t"), kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for i := 0; i < 1000; i++ {
		key := []byte(fmt.Sprintf("visitor-%d", i))
		partition, err := fnv.Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, 4)
		if err != nil {
			panic(err)
		}
		put("sarama", int(partition))
		put("franz-go", franz.Partition(&kgo.Record{Key: key}, 4))
		put("kafka-go Hash", (&kafka.Hash{}).Balance(kafka.Message{Key: key}, 0, 1, 2, 3))
		put("kafka-go CRC32Balancer", kafka.CRC32Balancer{}.Balance(kafka.Message{Key: key}, 0, 1, 2, 3))
		put("kafka-go Murmur2Balancer", kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, 0, 1, 2, 3))
	}
	json.NewEncoder(os.Stdout).Encode(homes)
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
(cd "$folder/go" && go get github.com/IBM/sarama@v1.61.1 github.com/segmentio/kafka-go@v0.4.51 github.com/twmb/franz-go@v1.22.3 2>/dev/null && go build -o homes .) || exit 2
"$folder/go/homes" >"$folder/go.json"
cat >"$folder/js/homes.js" <<'JS'
const homes = {}
const partitionMetadata = [0, 1, 2, 3].map((partitionId) => ({ partitionId, leader: 1 }))
for (const [client, name] of [["kafkajs 1.16", "kafkajs-1"], ["kafkajs 2.2", "kafkajs"]]) {
  const choose = require(name).Partitioners.DefaultPartitioner()
  homes[client] = Array.from({ length: 1000 }, (_, i) => choose({ topic: "t", partitionMetadata, message: { key: `visitor-${i}` } }))
}
console.log(JSON.stringify(homes))
JS
node "$folder/js/homes.js" >"$folder/js.json"
"$folder/venv/bin/python" - "$folder" >"$folder/seen" 2>/dev/null <<'PY'
import json
import sys
from pathlib import Path

from confluent_kafka import Producer
from kafka.partitioner.default import murmur2

homes = {}
for name in ("go.json", "js.json"):
    homes |= json.loads((Path(sys.argv[1]) / name).read_text())
keys = [b"visitor-%d" % i for i in range(1000)]
homes["kafka-python"] = java = [(murmur2(key) & 0x7FFFFFFF) % 4 for key in keys]
for client, chosen in (("librdkafka", {}), ("librdkafka with murmur2_random", {"partitioner": "murmur2_random"})):
    producer, came = Producer({"bootstrap.servers": "x:1", "test.mock.num.brokers": 1, **chosen}), {}
    for key in keys:
        producer.produce("t", b"", key, on_delivery=lambda _, record: came.__setitem__(record.key(), record.partition()))
    producer.flush(30)
    homes[client] = [came[key] for key in keys]
clients, named = sorted(homes), []
for client in clients:
    same = sum(a == b for a, b in zip(homes[client], java, strict=True))
    alike = [other for other in clients if other != client and homes[other] == homes[client]]
    print(f"{client}: {'all' if same == 1000 else 'a quarter' if 200 < same < 300 else same} as Apache Kafka; every key as: {', '.join(alike) or 'no other'}")
PY
cat >"$folder/expected" <<'TXT'
franz-go: all as Apache Kafka; every key as: kafka-go Murmur2Balancer, kafka-python, kafkajs 2.2, librdkafka with murmur2_random
kafka-go CRC32Balancer: a quarter as Apache Kafka; every key as: librdkafka
kafka-go Hash: a quarter as Apache Kafka; every key as: sarama
kafka-go Murmur2Balancer: all as Apache Kafka; every key as: franz-go, kafka-python, kafkajs 2.2, librdkafka with murmur2_random
kafka-python: all as Apache Kafka; every key as: franz-go, kafka-go Murmur2Balancer, kafkajs 2.2, librdkafka with murmur2_random
kafkajs 1.16: a quarter as Apache Kafka; every key as: no other
kafkajs 2.2: all as Apache Kafka; every key as: franz-go, kafka-go Murmur2Balancer, kafka-python, librdkafka with murmur2_random
librdkafka: a quarter as Apache Kafka; every key as: kafka-go CRC32Balancer
librdkafka with murmur2_random: all as Apache Kafka; every key as: franz-go, kafka-go Murmur2Balancer, kafka-python, kafkajs 2.2
sarama: a quarter as Apache Kafka; every key as: kafka-go Hash
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
