#!/usr/bin/env bash
# Ids of 18 digits, as ad platforms have them, in jq from Python: jq 1.4.1 (jq 1.6, as in Debian 12) and 1.13.0 (jq 1.8); beside them gojq 0.12.17.
#
# Guess: since jq 1.7 a long number that is only passed on keeps its digits; a number that is read as an integer is the integer that stands there.
# Seen: jq 1.6 adds two campaigns up as one, since their ids differ beyond 2^53. jq 1.8 keeps them apart, but from Python both come out with one id, which is of
#   neither, as integers; as texts of jq (tostring) they are right. gojq keeps all digits.
# Why it matters: spend of one campaign is on another, or both join to nothing, and the id looks like an id. Have ids as texts from the source, or .id |= tostring with jq 1.8.
set -euo pipefail
command -v go >/dev/null || exit 2
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
export GOTOOLCHAIN=local
GOBIN=$folder go install github.com/itchyny/gojq/cmd/gojq@v0.12.17 2>/dev/null || exit 2
for version in 1.4.1 1.13.0; do
  "${PYTHON:-python3}" -m venv "$folder/$version" || exit 2
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "jq==$version" || exit 2
done
echo '[{"id": 120210000000000123, "spend": 10}, {"id": 120210000000000124, "spend": 20}]' >"$folder/report.json"
programs=('group_by(.id) | map([.[0].id, (map(.spend) | add)])' 'map(.id |= tostring | [.id, .spend])')
for program in "${programs[@]}"; do
  echo "$program"
  for version in 1.4.1 1.13.0; do
    "$folder/$version/bin/python" -c 'import sys, jq; print(f"jq {sys.argv[1]}:", jq.compile(sys.argv[2]).input(text=open(sys.argv[3]).read()).first())' \
      "$version" "$program" "$folder/report.json"
  done
  echo "gojq: $("$folder/gojq" -c "$program" "$folder/report.json")"
done >"$folder/seen"
cat >"$folder/expected" <<'TXT'
group_by(.id) | map([.[0].id, (map(.spend) | add)])
jq 1.4.1: [[120210000000000128, 30]]
jq 1.13.0: [[120210000000000128, 10], [120210000000000128, 20]]
gojq: [[120210000000000123,10],[120210000000000124,20]]
map(.id |= tostring | [.id, .spend])
jq 1.4.1: [['120210000000000130', 10], ['120210000000000130', 20]]
jq 1.13.0: [['120210000000000123', 10], ['120210000000000124', 20]]
gojq: [["120210000000000123",10],["120210000000000124",20]]
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
