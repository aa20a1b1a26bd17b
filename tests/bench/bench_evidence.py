"""How often evidence pauses campaigns that meet their target, and how soon it catches those that do not.

Run: python tests/bench/bench_evidence.py
"""

import sys
from math import exp
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import watching

CAMPAIGNS = 2_000
SEED = 20_261_122
#: The default of ``order_value_dispersion``.
ASSUMED = 1.5


def rows():
    on, bad = (watching.watch(SEED, CAMPAIGNS, ratio) for ratio in (1.0, 2.0))
    yield "CPL: evidence", watching.by_counts(on), watching.by_counts(bad)
    yield "CPL: 1.5 × target after 3 ×", watching.by_threshold(on), watching.by_threshold(bad)
    for sigma in (0.4, 0.6, 0.8, 1.0, 1.2):
        dispersion = exp(sigma**2)
        on, bad = (watching.watch(SEED, CAMPAIGNS, ratio, sigma) for ratio in (1.0, 2.0))
        known = [watching.by_values(paths, dispersion) for paths in (on, bad)]
        own = [watching.by_own_values(paths, dispersion) for paths in (on, bad)]
        small = watching.watch(SEED, CAMPAIGNS, 1.0, sigma, value_ratio=0.5)
        usual = [watching.by_value_threshold(paths) for paths in (on, bad)]
        yield (f"ROAS, σ {sigma}: known order value", *known)
        yield f"ROAS, σ {sigma}: known, orders half as large", known[0], watching.by_values(small, dispersion)
        yield (f"ROAS, σ {sigma}: its own mean", *own)
        small = watching.by_own_values(small, dispersion)
        yield f"ROAS, σ {sigma}: own, orders half as large", own[0], small
        yield (f"ROAS, σ {sigma}: target / 1.5 after 3 ×", *usual)


def misjudged():
    """What the default of the dispersion costs where values scatter otherwise."""
    for sigma in (0.4, 0.64, 0.8, 1.0, 1.2):
        on, bad = (watching.watch(SEED, CAMPAIGNS, ratio, sigma) for ratio in (1.0, 2.0))
        for name, rule in (
            ("known order value", watching.by_values),
            ("its own mean", watching.by_own_values),
        ):
            yield f"ROAS, σ {sigma}, said to be 0.64: {name}", rule(on, ASSUMED), rule(bad, ASSUMED)


def main():
    print(f"{CAMPAIGNS} campaigns, watched continuously to 100 × target, seed {SEED}")
    print(f"{'rule':42} on target, ever paused | at 2 × the cost: paused, median, 95th percentile of spend")
    for name, on, bad in (*rows(), *misjudged()):
        print(f"{name:42} {on.ever:22.1%} | {bad.ever:7.1%} {bad.median:7.1f} {bad.p95:7.1f}")


if __name__ == "__main__":
    main()
