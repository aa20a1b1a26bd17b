#!/usr/bin/env bash
# CurrencyConverter 0.18.23 (rates of the European Central Bank in the package): a conversion "at the latest rate" takes the day on which the
# first currency's rates end, also for the other currency.
#
# Guess: without a date, each currency's newest rate; for a currency that is no longer quoted, an error.
# Seen: the date is the last one of the currency that is converted *from*. Leva, quoted until 2025-12-31, become dollars at the dollar of that day, in
#   a package whose dollar goes to 2026-10-30; roubles at the rates of 2022-03-01. The other way round, dollars to leva, it raises
#   RateNotFoundError. By way of the euro the same leva are another amount.
# Why it matters: a rate that stands still is no error anywhere, and money of months is wrong by the drift. Rates come with their day, and
#   what is too old is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check CurrencyConverter==0.18.23 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from datetime import date

from currency_converter import CurrencyConverter, RateNotFoundError

rates = CurrencyConverter()
for code in ("USD", "BGN", "RUB"):
    print(code, "quoted until", rates.bounds[code].last_date)
print(f"100 BGN to USD: {rates.convert(100, 'BGN', 'USD'):.2f}")
print(f"100 BGN to USD on 2025-12-31: {rates.convert(100, 'BGN', 'USD', date(2025, 12, 31)):.2f}")
print(f"100 BGN to EUR to USD: {rates.convert(rates.convert(100, 'BGN', 'EUR'), 'EUR', 'USD'):.2f}")
print(f"100 RUB to USD: {rates.convert(100, 'RUB', 'USD'):.2f}")
try:
    rates.convert(100, "USD", "BGN")
except RateNotFoundError as error:
    print("100 USD to BGN:", type(error).__name__)
PY
cat >"$folder/expected" <<'TXT'
USD quoted until 2026-10-30
BGN quoted until 2025-12-31
RUB quoted until 2022-03-01
100 BGN to USD: 60.08
100 BGN to USD on 2025-12-31: 60.08
100 BGN to EUR to USD: 57.12
100 RUB to USD: 0.95
100 USD to BGN: RateNotFoundError
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
