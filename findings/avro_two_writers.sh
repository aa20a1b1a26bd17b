#!/usr/bin/env bash
# fastavro 1.13.1, avro 1.12.2: of one schema and one value, the two Python libraries write different bytes, and one of them another id.
#
# Guess: a whole number in the union of null, double and long is written as a long by every Avro library; a time without a zone is an
#   error, or UTC.
# Seen: fastavro (which Confluent's serializer uses) takes the double, since it stands first, so an 18-digit campaign id ends in other digits; avro takes
#   the long. A naive time is in the machine's zone for fastavro, and an error for avro.
# Why it matters: campaigns of ad platforms have ids beyond 2^53. Rounded, they belong to no campaign, or to another one; and the hour of an
#   event depends on the zone that a container was started in. Ids are to be texts in a schema, times to have a zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastavro==1.13.1 avro==1.12.2 || exit 2
TZ=America/New_York "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import io
import json
from datetime import datetime

import avro.io
import avro.schema
import fastavro


def by_fastavro(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def by_avro(schema, value):
    out = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(json.dumps(schema))).write(value, avro.io.BinaryEncoder(out))
    return out.getvalue()


def read(schema, data):  # the same reader for both
    return fastavro.schemaless_reader(io.BytesIO(data), schema)


number = ["null", "double", "long"]
instant = {"type": "long", "logicalType": "timestamp-millis"}
for name, schema, value in (("id", number, 120210000000000123), ("noon", instant, datetime(2026, 11, 2, 12))):
    for write in (by_fastavro, by_avro):
        try:
            found = read(schema, write(schema, value))
        except avro.errors.AvroException as error:
            found = type(error).__name__
        print(name, write.__name__, f"{found:.0f}" if isinstance(found, float) else found)
PY
cat >"$folder/expected" <<'TXT'
id by_fastavro 120210000000000128
id by_avro 120210000000000123
noon by_fastavro 2026-11-02 17:00:00+00:00
noon by_avro AvroTypeException
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
