#!/usr/bin/env bash
# babel 2.18.0 and 2.19.0, iso4217 1.16.20260101: how many decimals a currency has is not what ISO 4217 says, and changes with
# a minor release.
#
# Guess: `get_currency_precision` gives ISO 4217's minor unit, and a minor release changes no amount on a report.
# Seen: it gives CLDR's digits for display. For 15 currencies of 2.19.0 these are fewer than ISO's, 0 where ISO has 2 or 3. From
#   2.18.0 to 2.19.0 the forint, the Colombian peso and the rupiah went from 2 to 0, the Serbian dinar from 0 to 2. A cost per click of 0.40 is shown as 0.
# Why it matters: minor units of payment and ad platforms follow ISO or lists of their own; dividing by 10^precision makes HUF, COP and
#   IDR a hundred times too large, IQD a thousand times. Digits for showing are no digits for computing, and unit costs need their own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
: >"$folder/seen"
for version in 2.18.0 2.19.0; do
  "${PYTHON:-python3}" -m venv --clear "$folder/venv" || exit 2
  "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    babel==$version iso4217==1.16.20260101 || exit 2
  "$folder/venv/bin/python" -W ignore - >>"$folder/seen" <<'PY'
from decimal import Decimal

import babel
from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

exponents = {each.code: each.exponent for each in Currency if each.exponent is not None}
fewer = sorted(code for code, digits in exponents.items() if get_currency_precision(code) < digits)
print(f"babel {babel.__version__}: fewer than ISO for {len(fewer)}, among them",
      *(code for code in fewer if code in {"HUF", "COP", "IDR", "IQD", "RSD"}))
print("  a click at 0.40:", format_currency(Decimal("0.40"), "HUF", locale="en"))
print("  1234 minor units of IQD by ISO and by CLDR:", Decimal(1234).scaleb(-exponents["IQD"]),
      Decimal(1234).scaleb(-get_currency_precision("IQD")))
PY
done
cat >"$folder/expected" <<'TXT'
babel 2.18.0: fewer than ISO for 13, among them IQD RSD
  a click at 0.40: HUF0.40
  1234 minor units of IQD by ISO and by CLDR: 1.234 1234
babel 2.19.0: fewer than ISO for 15, among them COP HUF IDR IQD
  a click at 0.40: HUF0
  1234 minor units of IQD by ISO and by CLDR: 1.234 1234
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
