"""What share of an oracle's gain reallocation earns, and whether its stated probability of a gain comes true.

Run: python tests/bench/bench_reallocation.py [seeds] [campaigns] [days]
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import reallocations

#: Ends of the classes of stated probability.
CLASSES = (0.0, 0.6, 0.8, 0.95, 1.01)


def main():
    seeds, size, days = (int(each) for each in (*sys.argv[1:], *("20", "20", "14")[len(sys.argv) - 1 :]))
    print(f"{seeds} boards of {size} campaigns, {days} days after a week of history")
    print(
        f"{'margin':24} of the oracle's gain: all, least | gains: stated, true (plans), and by classes of what is stated"
    )
    for margin in reallocations.MARGINS:
        courses = [reallocations.run(margin, seed, size=size, days=days) for seed in range(seeds)]
        share = sum(each.gain for each in courses) / sum(each.oracle for each in courses)
        stated, true = np.array([plan for each in courses for plan in each.plans]).T
        classes = [(stated >= low) & (stated < high) for low, high in pairwise(CLASSES)]
        print(
            f"{margin:24} {share:12.2f} {min(each.share for each in courses):6.2f} |",
            *(_reliability(stated[each], true[each]) for each in (stated >= 0, *classes)),
            sep="  ",
        )


def _reliability(stated, true):
    if not len(stated):
        return "-"
    return f"{stated.mean():.1%} {(true > 0).mean():.1%} ({len(stated)})"


if __name__ == "__main__":
    main()
