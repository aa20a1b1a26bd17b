"""How often intervals of forecasts hold, and how far the medians are off, beside the mean of all campaigns and of the like ones.

python -m tests.bench.bench_forecast [archives, 200]
"""

import sys
from collections import defaultdict

import numpy as np

from metrics.forecast.outcomes import ATTRIBUTES, actual, as_planned, forecast
from tests.support.past_campaigns import archive

COUNTS = ("leads", "orders", "new_customers")


def by_mean(name, campaign, past):
    """A count by the mean of some campaigns per unit of spend."""
    return campaign.spend * sum(getattr(each, name) for each in past) / sum(each.spend for each in past)


def like(campaign, past):
    """Campaigns with the same target and offer, or all where there is none: an operator's own history."""
    return [each for each in past if each.attributes[:2] == campaign.attributes[:2]] or past


def compared(archives, seed=1):
    """For each figure: whether each interval held, and errors of the logarithm: pooled, all, like."""
    held, errors = defaultdict(list), defaultdict(list)
    rng = np.random.default_rng(seed)
    for _ in range(archives):
        *past, last = archive(rng)
        made = forecast(as_planned(last), past, rng)
        came = actual(last)
        for name, figure in made.figures.items():
            if name in came:
                held[name].append(figure.holds(came[name]))
            if name in COUNTS:
                guesses = (figure.estimate, by_mean(name, last, past), by_mean(name, last, like(last, past)))
                errors[name].append([abs(np.log((guess + 0.5) / (came[name] + 0.5))) for guess in guesses])
    return held, errors


def main(archives):
    held, errors = compared(archives)
    print(f"{archives} archives of 12 to 40 campaigns, attributes {', '.join(ATTRIBUTES)}")
    for name, each in held.items():
        text = f"{name}: {np.mean(each):.1%} of {len(each)} intervals of 80 % held"
        if name in errors:
            pooled, everyone, alike = np.mean(errors[name], axis=0)
            text += f"; mean absolute logarithm of the error {pooled:.3f}, mean of all {everyone:.3f}, of like ones {alike:.3f}"
        print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
