"""How often a holdout test claims an effect that is not there, looked at after every person, and how soon it finds one that is.

python tests/bench/bench_lift.py [campaigns, 2000]
"""

import sys

import numpy as np

from metrics.lift.holdout import LEAST_OF_AN_ARM
from metrics.lift.sequences import log_e_of_share, radius_of_sum, weights

ALPHA = 0.05
PEOPLE = 20_000
SHARES = (0.5, 0.8, 0.9)


def arms(rng, chance, people):
    treated = rng.random(people) < chance
    ones = np.cumsum(treated)
    return treated, ones, np.arange(1, people + 1) - ones


def claimed(rng, campaigns, assigned, chance, people):
    """For each campaign, after how many conversions an effect is claimed; infinity: never."""
    found = np.full(campaigns, np.inf)
    for number in range(campaigns):
        _, ones, zeros = arms(rng, chance, people)
        hits = log_e_of_share(ones, zeros, assigned, assigned) >= -np.log(ALPHA)
        if hits.any():
            found[number] = hits.argmax() + 1
    return found


def money_claimed(rng, campaigns, assigned, spread):
    """The share of campaigns without an effect whose interval of revenue ever leaves 0."""
    wrong = 0
    of_treatment, of_control = weights(assigned)
    for _ in range(campaigns):
        treated, ones, zeros = arms(rng, assigned, PEOPLE)
        values = np.exp(rng.normal(0, spread, PEOPLE))
        weighted = np.where(treated, of_treatment, of_control) * values
        anew = np.cumsum(values**2) / (assigned * (1 - assigned))
        ready = int((np.minimum(ones, zeros) >= LEAST_OF_AN_ARM).argmax())
        squares = np.maximum(np.cumsum(weighted**2), anew)
        radius = radius_of_sum(squares, anew[ready] * 10, ALPHA)
        wrong += bool((np.abs(np.cumsum(weighted)) > radius)[ready:].any())
    return wrong / campaigns


def main(campaigns):
    rng = np.random.default_rng(1)
    print(f"{campaigns} campaigns a row, looked at after every person of {PEOPLE:,}, level {ALPHA:.0%}")
    for assigned in SHARES:
        false = np.isfinite(claimed(rng, campaigns, assigned, assigned, PEOPLE)).mean()
        row = [f"held out {1 - assigned:.0%}: no effect, ever claimed {false:.1%}"]
        for lift in (0.1, 0.2, 0.5):
            odds = assigned / (1 - assigned) * (1 + lift)
            found = claimed(rng, campaigns // 10, assigned, odds / (1 + odds), 100_000)
            row.append(
                f"lift {lift:.0%} found after {np.median(found):,.0f} (90 %: {np.quantile(found, 0.9, method='higher'):,.0f})"
            )
        print("; ".join(row), flush=True)
        spreads = [
            f"{spread}: {money_claimed(rng, campaigns, assigned, spread):.1%}"
            for spread in (0.5, 1.0, 1.5, 2.0)
        ]
        print(
            f"  revenue without effect, ever claimed, by the spread of log orders: {'; '.join(spreads)}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
