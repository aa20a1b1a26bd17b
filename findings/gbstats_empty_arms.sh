#!/usr/bin/env bash
# gbstats 0.8.0 (GrowthBook): people in an arm that nobody should be in make the check of the split pass, and a control without
# conversions makes any effect "none, p = 1".
#
# Guess: with weights 50 : 50 : 0, one person in the third arm is impossible, so p is 0 (or it is an error). An absolute difference needs
#   no baseline: 0 of 1000 against 50 of 1000 is significant beyond doubt.
# Seen: `check_srm` counts the third arm's people in the total but not in the sum: with 10 such p is 0.95, as with a good split. The t-test
#   gives an effect of 0 with the interval [0, 0] and p = 1 when the control has no conversion, also for the absolute difference;
#   only an error field says that nothing was computed. With the arms exchanged likewise.
# Why it matters: holdouts of new campaigns have few conversions, and a wrongly set up split is what the check is for. Read the error field
#   before the p-value, and test for people in arms of weight 0 separately.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gbstats==0.8.0 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import ProportionStatistic
from gbstats.utils import check_srm

print(f"500 : 500 : 10 where 1 : 1 : 0 was meant, p = {check_srm([500, 500, 10], [0.5, 0.5, 0]):.2f}")
print(f"500 : 520 where 1 : 1 was meant, p = {check_srm([500, 520], [0.5, 0.5]):.2f}")
absolute = FrequentistConfig(difference_type="absolute")
for control, treatment in ((0, 50), (50, 0), (1, 50)):
    arms = (ProportionStatistic(n=1000, sum=each) for each in (control, treatment))
    result = TwoSidedTTest(*arms, absolute).compute_result()
    interval = [round(float(end), 3) for end in result.ci]
    print(f"{control} against {treatment} of 1000: effect {float(result.expected):.3f} in {interval}, p = {result.p_value:.6f}, {result.error_message}")
PY
cat >"$folder/expected" <<'TXT'
500 : 500 : 10 where 1 : 1 : 0 was meant, p = 0.95
500 : 520 where 1 : 1 was meant, p = 0.53
0 against 50 of 1000: effect 0.000 in [0.0, 0.0], p = 1.000000, ZERO_NEGATIVE_BASELINE_VARIATION
50 against 0 of 1000: effect 0.000 in [0.0, 0.0], p = 1.000000, ZERO_NEGATIVE_VARIANCE
1 against 50 of 1000: effect 0.049 in [0.035, 0.063], p = 0.000000, None
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
