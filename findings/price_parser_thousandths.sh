#!/usr/bin/env bash
# price-parser 0.5.1: a price with three decimals is a thousand times the price, and a negative one is positive.
#
# Guess: "0.125" is 0.125 (a leading zero groups nothing), "12,345.678" is 12345.678 (two separators settle which is which),
#   "-5.00" is -5.
# Seen: three digits after the last separator are always thousands: 125, 12345678, and "€ 1.500" is 1500; two or four digits
#   are decimals. With `decimal_separator` given it is right. A minus and accountants' brackets are dropped.
# Why it matters: costs per click have three and more decimals, and dinars of Bahrain, Kuwait, Oman and Tunisia always have;
#   refunds are negative. Money is only to be read with the format said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check price-parser==0.5.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from price_parser import Price

for text in ("0.12", "0.125", "0.0125", "€ 0.125", "12,345.67", "12,345.678", "-5.00", "(5.00)"):
    told = Price.fromstring(text, decimal_separator=".").amount
    print(f"{text}: {Price.fromstring(text).amount}, told that . is decimal: {told}")
PY
cat >"$folder/expected" <<'TXT'
0.12: 0.12, told that . is decimal: 0.12
0.125: 125, told that . is decimal: 0.125
0.0125: 0.0125, told that . is decimal: 0.0125
€ 0.125: 125, told that . is decimal: 0.125
12,345.67: 12345.67, told that . is decimal: 12345.67
12,345.678: 12345678, told that . is decimal: 12345.678
-5.00: 5.00, told that . is decimal: 5.00
(5.00): 5.00, told that . is decimal: 5.00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
