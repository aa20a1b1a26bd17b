#!/usr/bin/env bash
# scikit-uplift 0.5.1: of a model that says the same of everybody, the uplift in the best 30 % is what the order of the rows makes of it.
#
# Guess: scores that are equal are no ranking, so `uplift_at_k` is the effect on all, here 0.3, in any order of the rows.
# Seen: equal scores are ranked by place, last row first. With the people in the order they came, after a campaign that began to work late, `uplift_at_k` is
#   1.0; with the newest first it is 0.0; shuffled it is near 0.3. `uplift_by_percentile` falls from 1.0 to 0.0 likewise, as of a perfect model. With
#   control before treatment it is NaN or, by group, 1.0 again. The area under the Qini curve is 0 in any order.
# Why it matters: trees and segments give many equal scores, and exports are sorted by time or by arm. A model without any skill passes the very
#   check that decides who is targeted. Shuffle the rows, several times, and compare.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scikit-uplift==0.5.1 scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import numpy as np
from sklift.metrics import qini_auc_score, uplift_at_k, uplift_by_percentile, weighted_average_uplift

people = np.arange(1000)
treated = people % 2
# From the 700th on everybody who was treated buys, and nobody else ever does.
bought = ((people >= 700) & (treated == 1)).astype(int)
score = np.full(1000, 0.1)
orders = {
    "as they came": people,
    "newest first": people[::-1],
    "shuffled": np.random.default_rng(1).permutation(1000),
    "control first": np.argsort(treated, kind="stable"),
}
for name, order in orders.items():
    rows = (bought[order], score[order], treated[order])
    best = (uplift_at_k(*rows, strategy=strategy, k=0.3) for strategy in ("overall", "by_group"))
    shares = uplift_by_percentile(*rows, strategy="by_group", bins=5)["uplift"]
    print(f"{name}: best 30 %", *(f"{each:.1f}" for each in best), "fifths", *(f"{each:.1f}" for each in shares),
          f"qini {qini_auc_score(*rows):.1f} average {weighted_average_uplift(*rows):.1f}")
PY
cat >"$folder/expected" <<'TXT'
as they came: best 30 % 1.0 1.0 fifths 1.0 0.5 0.0 0.0 0.0 qini 0.0 average 0.3
newest first: best 30 % 0.0 0.0 fifths 0.0 0.0 0.0 0.5 1.0 qini 0.0 average 0.3
shuffled: best 30 % 0.3 0.3 fifths 0.3 0.3 0.3 0.3 0.3 qini 0.0 average 0.3
control first: best 30 % nan 1.0 fifths 1.0 0.5 0.0 0.0 0.0 qini 0.0 average nan
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
