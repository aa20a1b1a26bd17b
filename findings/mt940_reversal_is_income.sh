#!/usr/bin/env bash
# mt-940 5.1.1: a credit that the bank takes back is read as a second credit.
#
# Guess: the sign of each amount is what it does to the account, so opening balance and transactions make the closing balance.
# Seen: only the mark D is negative. RC, the reversal of a credit (a payment sent back), is positive, as RD is. A statement of
#   1000, a payment of 200 and its reversal closes with 1000, and the transactions come to 1400. Balances are read well, and nothing compares
#   them. `Options(reversal_sign=True)`, off by default, makes the sum right.
# Why it matters: orders paid by transfer and returned count as revenue twice instead of not at all. Ask for the sign, and compare every
#   statement's sum with its closing balance.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mt-940==5.1.1 || exit 2
cat >"$folder/statement.sta" <<'TXT'
:20:STATEMENT
:25:12345678/0000000001
:28C:1/1
:60F:C261101EUR1000,00
:61:2611021102C200,00NTRFORDER-7
:86:order 7
:61:2611031103RC200,00NTRFORDER-7
:86:order 7, sent back
:62F:C261103EUR1000,00
TXT
FOLDER=$folder "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import os

import mt940

for name, options in (("by default", None), ("with reversal_sign", mt940.Options(reversal_sign=True))):
    statement = mt940.parse(os.environ["FOLDER"] + "/statement.sta", options=options)
    amounts = [each.data["amount"].amount for each in statement]
    opening, closing = (statement.data[f"final_{end}_balance"].amount.amount for end in ("opening", "closing"))
    print(f"{name}: {opening} and", *amounts, f"make {opening + sum(amounts)}; the statement closes with {closing}")
PY
cat >"$folder/expected" <<'TXT'
by default: 1000.00 and 200.00 200.00 make 1400.00; the statement closes with 1000.00
with reversal_sign: 1000.00 and 200.00 -200.00 make 1000.00; the statement closes with 1000.00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
