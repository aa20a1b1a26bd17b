#!/usr/bin/env bash
# Amounts as Avro's decimal of two places, by Apache's library for Python (avro 1.12.2), fastavro 1.13.1, and Go's hamba/avro 2.31.0 and goavro 2.15.0.
#
# Guess: a number goes in and the same number comes out, or the library refuses what has more places than the schema.
# Seen: avro writes the digits of a Decimal and not its worth: 12.3 comes out as 1.23, 100 that is written 1E+2 as 0.01. Both libraries for
#   Go round down what has more places, towards minus infinity: 12.349 is 12.34 and -12.349 is -12.35, 0.009 is 0. Only fastavro gives each
#   number back, or refuses it; avro too refuses too many places.
# Why it matters: Decimal("12.3") is what JSON, CSV and databases give for an amount of 12.30, so some orders are a tenth and no error says so; a refund that mirrors
#   an order does not add up to 0 with it. Quantize each amount to the schema's places first (amount.quantize(Decimal("0.01"))), in Go by a rule of one's own.
set -euo pipefail
command -v go >/dev/null || exit 2
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check avro==1.12.2 fastavro==1.13.1 || exit 2
mkdir "$folder/go"
cat >"$folder/go/go.mod" <<'TXT'
module amounts

go 1.25
TXT
cat >"$folder/schema.json" <<'JSON'
{"type": "record", "name": "Order", "fields": [
  {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}]}
JSON
cat >"$folder/go/main.go" <<'GO'
package main

import (
	"fmt"
	"math/big"
	"os"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	schema := avro.MustParse(string(text))
	codec, err := goavro.NewCodec(string(text))
	if err != nil {
		panic(err)
	}
	for _, amount := range os.Args[2:] {
		number, _ := new(big.Rat).SetString(amount)
		order := map[string]any{"amount": number}
		said := map[string]any{}
		written, err := avro.Marshal(schema, order)
		if err == nil {
			err = avro.Unmarshal(schema, written, &said)
		}
		if err != nil {
			panic(err)
		}
		written, err = codec.BinaryFromNative(nil, order)
		if err != nil {
			panic(err)
		}
		again, _, err := codec.NativeFromBinary(written)
		if err != nil {
			panic(err)
		}
		fmt.Println(said["amount"].(*big.Rat).FloatString(2), again.(map[string]any)["amount"].(*big.Rat).FloatString(2))
	}
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
(cd "$folder/go" && go get github.com/hamba/avro/v2@v2.31.0 github.com/linkedin/goavro/v2@v2.15.0 2>/dev/null && go build -o amounts .) || exit 2
amounts=(12.30 12.3 100.00 1E+2 -12.3 12.349 -12.349 0.009)
"$folder/go/amounts" "$folder/schema.json" "${amounts[@]}" >"$folder/go.txt"
"$folder/venv/bin/python" -W ignore - "$folder" "${amounts[@]}" >"$folder/seen" <<'PY'
import json
import sys
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import avro.io
import avro.schema
import fastavro

folder = Path(sys.argv[1])
text = (folder / "schema.json").read_text()
apache, fast = avro.schema.parse(text), fastavro.parse_schema(json.loads(text))


def of_apache(order):
    written = BytesIO()
    avro.io.DatumWriter(apache).write(order, avro.io.BinaryEncoder(written))
    return avro.io.DatumReader(apache).read(avro.io.BinaryDecoder(BytesIO(written.getvalue())))


def of_fastavro(order):
    written = BytesIO()
    fastavro.schemaless_writer(written, fast, order)
    return fastavro.schemaless_reader(BytesIO(written.getvalue()), fast)


def said(library, amount):
    try:
        return library({"amount": Decimal(amount)})["amount"]
    except (ValueError, avro.errors.AvroException):
        return "refused"


for amount, go in zip(sys.argv[2:], (folder / "go.txt").read_text().splitlines(), strict=True):
    hamba, goavro = go.split()
    print(f"{amount}: avro {said(of_apache, amount)}, fastavro {said(of_fastavro, amount)}, hamba/avro {hamba}, goavro {goavro}")
PY
cat >"$folder/expected" <<'TXT'
12.30: avro 12.30, fastavro 12.30, hamba/avro 12.30, goavro 12.30
12.3: avro 1.23, fastavro 12.30, hamba/avro 12.30, goavro 12.30
100.00: avro 100.00, fastavro 100.00, hamba/avro 100.00, goavro 100.00
1E+2: avro 0.01, fastavro 100.00, hamba/avro 100.00, goavro 100.00
-12.3: avro -1.23, fastavro -12.30, hamba/avro -12.30, goavro -12.30
12.349: avro refused, fastavro refused, hamba/avro 12.34, goavro 12.34
-12.349: avro refused, fastavro refused, hamba/avro -12.35, goavro -12.35
0.009: avro refused, fastavro refused, hamba/avro 0.00, goavro 0.00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
