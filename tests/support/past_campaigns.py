"""Archives of simulated campaigns, whose law is known."""

import numpy as np

from metrics.forecast.outcomes import ATTRIBUTES, PastCampaign

MICROS = 1_000_000


def archive(rng: np.random.Generator, extra: int = 1) -> list[PastCampaign]:
    """Twelve to forty campaigns and ``extra`` more: returns diminish in the spend of a day, attributes and campaigns differ by factors of their own.

    Args:
        rng: for everything.
        extra: campaigns that a forecast may be made for; the last ones.
    """
    count = int(rng.integers(12, 41)) + extra
    levels = rng.integers(2, 6, len(ATTRIBUTES))
    spreads = rng.uniform(0.05, 0.6, (3, len(ATTRIBUTES)))
    effects = [
        [rng.normal(0, spread, size) for spread, size in zip(row, levels, strict=True)] for row in spreads
    ]
    scatter, elasticity = rng.uniform(0.1, 0.5), rng.normal(0.75, 0.1)
    mean_leads, mean_orders, basket = rng.uniform(1, 3), rng.uniform(-1, 1), rng.uniform(3, 5)
    found = []
    for number in range(count):
        which = [int(rng.integers(size)) for size in levels]
        days = int(rng.integers(7, 60))
        log_spend = rng.normal(5, 0.8)

        def effect(row, which=which):
            return sum(each[value] for each, value in zip(effects[row], which, strict=True))

        daily = elasticity * (log_spend - 5)
        leads = rng.poisson(days * np.exp(mean_leads + daily + effect(0) + rng.normal(0, scatter)))
        orders = rng.poisson(days * np.exp(mean_orders + daily + effect(1) + rng.normal(0, scatter)))
        value = (
            np.exp(basket + effect(2) / 2 + rng.normal(0, scatter / 2))
            * np.exp(rng.normal(0, 1, orders) - 0.5).sum()
        )
        found.append(
            PastCampaign(
                f"c{number}",
                tuple(f"{name} {value}" for name, value in zip(ATTRIBUTES, which, strict=True)),
                days,
                round(np.exp(log_spend) * days * MICROS),
                leads=int(leads),
                orders=int(orders),
                new_customers=int(rng.binomial(orders, 0.7)),
                revenue=round(value * MICROS),
            )
        )
    return found
