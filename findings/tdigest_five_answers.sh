#!/usr/bin/env bash
# tdigest 0.5.2.2, pytdigest 0.1.4, fastdigest 0.12.0, crick 0.0.8, datasketches 5.2.0, ddsketch 3.0.1: the same ten numbers
# have a median of 10 or of 109, and a ninth decile of 10 to 1000.
#
# Guess: t-digests are exact on ten values, agree with each other, and a median of nine tens and a thousand is 10.
# Seen: the libraries interpolate between the values differently, over any gap: two of five t-digests have a median of 109,
#   and the ninth decile is 901, 901, 109, 505 or 1000. A DDSketch stays with a value that occurred, to its stated 1 %.
# Why it matters: times to respond and to resolve have gaps: most minutes, some days. A published "median" of a small group that no
#   case ever had, ten times the usual, pages somebody. Choose the sketch by what it says between values, and give small counts exactly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tdigest==0.5.2.2 pytdigest==0.1.4 \
  fastdigest==0.12.0 crick==0.0.8 datasketches==5.2.0 ddsketch==3.0.1 numpy==2.4.6 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import crick
import datasketches
import ddsketch
import fastdigest
import numpy
import pytdigest
import tdigest

values = numpy.array([10.0] * 9 + [1000.0])


def show(name, quantile):
    print(name, *(f"{float(quantile(rank)):.0f}" for rank in (0.5, 0.9)))


first = tdigest.TDigest()
first.batch_update(values)
show("tdigest", lambda rank: first.percentile(100 * rank))
show("pytdigest", pytdigest.TDigest.compute(values).inverse_cdf)
show("fastdigest", fastdigest.TDigest.from_values(values).quantile)
fourth = crick.TDigest()
fourth.update(values)
show("crick", fourth.quantile)
fifth = datasketches.tdigest_double(100)
for value in values:
    fifth.update(value)
show("datasketches tdigest", fifth.get_quantile)
sketch = ddsketch.DDSketch(0.01)
for value in values:
    sketch.add(value)
show("ddsketch", sketch.get_quantile_value)
PY
cat >"$folder/expected" <<'TXT'
tdigest 109 901
pytdigest 109 901
fastdigest 10 109
crick 10 505
datasketches tdigest 10 1000
ddsketch 10 10
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
