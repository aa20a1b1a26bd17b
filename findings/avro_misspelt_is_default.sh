#!/usr/bin/env bash
# confluent-kafka 2.16.1 with fastavro 1.13.1: a misspelt field is written as its default, 12.9 conversions as 12, and "false" as true.
#
# Guess: a serializer that has the schema refuses a field that the schema does not have, a fraction in a long, and a text in a boolean, as avro 1.12.2,
#   the other Python library, does.
# Seen: Confluent's AvroSerializer writes {"campaign": "spring", "spent": 12.5} as a spend of 0, the default of `spend`. 12.9 in a long is 12,
#   whether float or Decimal, and the text "false" is true in a boolean. Only a text in a long is an error.
# Why it matters: "there is a registry, so no wrong record can be written" is not so. A renamed column of a report becomes days without spend, and
#   conversions that a platform divides among campaigns (0.4 here, 0.6 there) sum up to none. fastavro's `strict` and `strict_allow_default`
#   would find the first, but the serializer has no way to ask for them. Compare names with the schema's before a record is sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "confluent-kafka[avro,schemaregistry]==2.16.1" fastavro==1.13.1 avro==1.12.2 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" 2>"$folder/errors" <<'PY' || { cat "$folder/errors" >&2; exit 2; }
import io
import json
from decimal import Decimal

import avro.io
import avro.schema
import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = json.dumps({
    "type": "record",
    "name": "Cost",
    "fields": [
        {"name": "campaign", "type": "string"},
        {"name": "spend", "type": "double", "default": 0},
        {"name": "conversions", "type": "long", "default": 0},
        {"name": "final", "type": "boolean", "default": False},
    ],
})
COST = {"campaign": "spring", "spend": 12.5, "conversions": 3, "final": False}
ROWS = {
    "misspelt": {"campaign": "spring", "spent": 12.5, "conversions": 3, "final": False},
    "fraction": COST | {"conversions": 12.9},
    "Decimal": COST | {"conversions": Decimal("12.9")},
    '"false"': COST | {"final": "false"},
    '"12"': COST | {"conversions": "12"},
}
registry = SchemaRegistryClient.new_client({"url": "mock://findings"})
write, read = AvroSerializer(registry, SCHEMA), AvroDeserializer(registry, SCHEMA)
topic = SerializationContext("costs", MessageField.VALUE)
for name, row in ROWS.items():
    try:
        found = ", ".join(f"{field} {value}" for field, value in read(write(row, topic), topic).items() if field != "campaign")
    except Exception as error:
        found = type(error).__name__
    try:
        avro.io.DatumWriter(avro.schema.parse(SCHEMA)).write(row, avro.io.BinaryEncoder(io.BytesIO()))
        other = "written"
    except Exception as error:
        other = type(error).__name__
    print(f"{name}: {found}; avro: {other}")
try:
    fastavro.schemaless_writer(io.BytesIO(), fastavro.parse_schema(json.loads(SCHEMA)), ROWS["misspelt"], strict_allow_default=True)
except ValueError as error:
    print("strict_allow_default:", type(error).__name__)
PY
cat >"$folder/expected" <<'TXT'
misspelt: spend 0.0, conversions 3, final False; avro: AvroTypeException
fraction: spend 12.5, conversions 12, final False; avro: AvroTypeException
Decimal: spend 12.5, conversions 12, final False; avro: AvroTypeException
"false": spend 12.5, conversions 3, final True; avro: AvroTypeException
"12": TypeError; avro: AvroTypeException
strict_allow_default: ValueError
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
