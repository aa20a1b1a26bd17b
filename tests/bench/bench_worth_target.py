"""How often CLV : CAC as a target calls a campaign bad that is not, and how soon it finds one that is.

`python -m tests.bench.bench_worth_target --campaigns 400` prints it. Customers of a campaign buy at rates that scatter from one to the
next, and leave; 40 to 300 are won in a month, for a cost that makes CLV : CAC of twelve months the target times a margin on average.
From when three cohorts have lived for a year a campaign is looked at in the middle and at the end of each month, for two years.
"""

import argparse
from typing import Any

import numpy as np

from metrics.customers.run_off import CohortRun
from metrics.customers.worth_looks import worth_verdict
from metrics.values.money import MICROS
from metrics.values.target_verdicts import compared

_YEAR, _LOOKS = 12, 24
#: Margin of a customer in the first twelve months on average, by 200 000 customers.
_EXPECTED = 60.74
_TARGET = 1.5
_MARGINS = (1.25, 1.0, 0.9, 0.8, 2 / 3, 0.5)


def _lives(rng: np.random.Generator, months: int) -> list[tuple[int, Any]]:
    """Customers of each month of acquisition, and their margins by month since."""
    found = []
    for size in rng.integers(40, 300, months):
        rate, stays = rng.gamma(0.6, 0.5, size), rng.geometric(0.08, size)
        orders = rng.poisson(rate[:, None] * (np.arange(months) < stays[:, None]))
        found.append((int(size), (orders * rng.lognormal(3, 0.7, orders.shape)).sum(axis=0)))
    return found


def _verdicts(lives: list[tuple[int, Any]], margin: float) -> list[str]:
    """What is said of a campaign at each look, two in each month: the customers of a month come evenly over it."""
    found = []
    cost = _EXPECTED / (_TARGET * margin) * MICROS
    for half in range(2 * (_YEAR + 2), 2 * (_YEAR + 2 + _LOOKS)):
        over, is_middle = divmod(half, 2)
        runs = [
            CohortRun(size, [round(each * MICROS) for each in margins[: over - n]])
            for n, (size, margins) in enumerate(lives[:over])
        ]
        if is_middle:
            runs.append(CohortRun(lives[over][0] // 2, []))
        spend = round(cost * sum(run.customers for run in runs))
        judged = worth_verdict(runs, spend, _TARGET)
        if judged is None or judged.mean_low is None or judged.mean_high is None:
            found.append("")
        else:
            found.append(compared(judged.mean_low, judged.mean_high, _TARGET))
    return found


def main() -> None:
    """Print a line for each margin."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_worth_target", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20261130)
    asked = parser.parse_args()
    said: dict[float, list[list[str]]] = {margin: [] for margin in _MARGINS}
    rng = np.random.default_rng(asked.seed)
    for _ in range(asked.campaigns):
        lives = _lives(rng, _YEAR + 3 + _LOOKS)
        for margin in _MARGINS:
            said[margin].append(_verdicts(lives, margin))
    for margin, campaigns in said.items():
        bad, good = (
            [each.index(verdict) // 2 + 1 for each in campaigns if verdict in each]
            for verdict in ("bad", "good")
        )
        soon = f", in the median at look {np.median(bad):.0f}" if bad else ""
        print(
            f"{margin:.2f} x target: ever bad {len(bad) / asked.campaigns:.1%}{soon}; ever good {len(good) / asked.campaigns:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
