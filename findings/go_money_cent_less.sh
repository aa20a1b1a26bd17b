#!/usr/bin/env bash
# go-money 1.0.15 (github.com/Rhymond/go-money): every 22nd price that is read from a number with two decimals is a cent less; 0.29 is 28 cents.
#
# Guess: `NewFromFloat(1.15, "USD")` is 1.15. Its comment says that decimals beyond the currency's are rounded down, and 1.15 has none beyond.
# Seen: the number is multiplied by a hundred and cut, and 1.15 * 100 is 114.99999999999999. Of the hundred thousand prices from 0.01 to 1000.00, 4586
#   lose a cent, -1.15 too (it becomes -1.14).
# Why it matters: amounts in JSON from ad platforms and shops are numbers. Sums of an hour are low by cents that no rounding explains, and
#   never equal the invoice. Take the text apart, or round before `New`.
# Needs Go.
set -euo pipefail
command -v go >/dev/null || { echo "Go is needed." >&2; exit 2; }
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cat >"$folder/go.mod" <<'MOD'
module findings

go 1.21

require github.com/Rhymond/go-money v1.0.15
MOD
cat >"$folder/main.go" <<'GO'
package main

import (
	"fmt"
	"strconv"

	"github.com/Rhymond/go-money"
)

func main() {
	wrong, first, orders := 0, []string{}, int64(0)
	for cents := int64(1); cents <= 100_000; cents++ {
		price := fmt.Sprintf("%d.%02d", cents/100, cents%100)
		number, _ := strconv.ParseFloat(price, 64)
		if read := money.NewFromFloat(number, "USD").Amount(); read != cents {
			wrong++
			orders += cents - read
			if len(first) < 6 {
				first = append(first, fmt.Sprintf("%s is %d cents", price, read))
			}
		}
	}
	fmt.Println("wrong:", wrong, "of 100000, by", orders, "cents")
	for _, one := range first {
		fmt.Println(one)
	}
	fmt.Println("-1.15 is", money.NewFromFloat(-1.15, "USD").Amount(), "cents")
}
GO
(cd "$folder" && GOTOOLCHAIN=local GOFLAGS=-mod=mod go build -o cents . 2>"$folder/errors") || { cat "$folder/errors" >&2; exit 2; }
"$folder/cents" >"$folder/seen"
cat >"$folder/expected" <<'TXT'
wrong: 4586 of 100000, by 4586 cents
0.29 is 28 cents
0.57 is 56 cents
0.58 is 57 cents
1.13 is 112 cents
1.14 is 113 cents
1.15 is 114 cents
-1.15 is -114 cents
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
