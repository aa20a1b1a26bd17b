#!/usr/bin/env bash
# JSON Schema validators, each on prices of two decimals by `multipleOf: 0.01`.
#
# Guess: 19.99 is a multiple of 0.01, and 12.505 is none, in every validator.
# Seen: jsonschema (Python) and ajv refuse 1 363 of the 10 000 prices from 0.01 to 100.00, among them 0.07, 0.28 and 0.29, since they divide binary
#   numbers; fastjsonschema, jsonschema-rs, jsonschema (Node.js), is-my-json-valid, @cfworker/json-schema and ajv with `multipleOfPrecision` refuse none.
#   All refuse 12.505.
# Why it matters: a contract of orders that says so drops one price of seven at the gateway of one team and none at that of another. Say amounts
#   as texts with a pattern, or as whole minor units; with ajv, set `multipleOfPrecision`.
set -euo pipefail
command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check jsonschema==4.26.0 fastjsonschema==2.22.3 jsonschema-rs==0.61.2 || exit 2
npm install --silent --no-fund --no-audit --prefix "$folder" ajv@8.20.0 jsonschema@1.5.0 is-my-json-valid@2.20.6 @cfworker/json-schema@4.1.6 >/dev/null || exit 2
"$folder/venv/bin/python" - >"$folder/seen" <<'PY'
import fastjsonschema
import jsonschema
import jsonschema_rs

schema = {"type": "number", "multipleOf": 0.01}
prices = [float(f"{cents // 100}.{cents % 100:02d}") for cents in range(1, 10001)]
compiled = fastjsonschema.compile(schema)


def passes(value):
    try:
        compiled(value)
    except fastjsonschema.JsonSchemaException:
        return False
    return True


for name, is_valid in (
    ("jsonschema of Python", jsonschema.Draft202012Validator(schema).is_valid),
    ("fastjsonschema", passes),
    ("jsonschema-rs", jsonschema_rs.validator_for(schema).is_valid),
):
    refused = [price for price in prices if not is_valid(price)]
    print(f"{name}: {len(refused)} refused {refused[:4]}, 12.505 is {'taken' if is_valid(12.505) else 'refused'}")
PY
cat >"$folder/prices.js" <<'JS'
const schema = { type: "number", multipleOf: 0.01 }
const prices = Array.from({ length: 10000 }, (_, i) => Number(`${Math.floor((i + 1) / 100)}.${String((i + 1) % 100).padStart(2, "0")}`))
const show = (name, isValid) => {
  const refused = prices.filter((price) => !isValid(price))
  console.log(`${name}: ${refused.length} refused [${refused.slice(0, 4).join(", ")}], 12.505 is ${isValid(12.505) ? "taken" : "refused"}`)
}
const Ajv = require("ajv")
show("ajv", new Ajv().compile(schema))
show("ajv with multipleOfPrecision", new Ajv({ multipleOfPrecision: 6 }).compile(schema))
const { Validator } = require("jsonschema")
show("jsonschema of Node.js", (value) => new Validator().validate(value, schema).valid)
show("is-my-json-valid", require("is-my-json-valid")(schema))
const worker = new (require("@cfworker/json-schema").Validator)(schema, "2020-12")
show("@cfworker/json-schema", (value) => worker.validate(value).valid)
JS
node "$folder/prices.js" >>"$folder/seen"
cat >"$folder/expected" <<'TXT'
jsonschema of Python: 1363 refused [0.07, 0.14, 0.28, 0.29], 12.505 is refused
fastjsonschema: 0 refused [], 12.505 is refused
jsonschema-rs: 0 refused [], 12.505 is refused
ajv: 1363 refused [0.07, 0.14, 0.28, 0.29], 12.505 is refused
ajv with multipleOfPrecision: 0 refused [], 12.505 is refused
jsonschema of Node.js: 0 refused [], 12.505 is refused
is-my-json-valid: 0 refused [], 12.505 is refused
@cfworker/json-schema: 0 refused [], 12.505 is refused
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
