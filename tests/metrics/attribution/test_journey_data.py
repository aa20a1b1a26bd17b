"""Journeys that other systems have credited: the same paths and credits, or the difference named."""

import csv
import gzip
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby, pairwise

import pytest

from metrics.attribution.conversion_credit import shares
from metrics.attribution.markov_chain import PathCount, fit
from metrics.attribution.models import UNCREDITED, AttributionRules, Touch, credit, path_of
from metrics.sums.tally import Tally
from metrics.values.time import to_millis

MONTH = AttributionRules()  # clicks of 30 days


def rows(path):
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return list(csv.DictReader(file))


def millis(text):
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def fractribution(shared):
    folder = shared / "data" / "journeys_fractribution" / "expected"

    def table(name):
        return rows(folder / f"snowplow_fractribution_{name}_expected.csv")

    touches = defaultdict(list)
    for visit in table("sessions_by_customer_id"):
        at = millis(visit["visit_start_tstamp"])
        touches[visit["customer_id"]].append(Touch(at, True, visit["channel"]))
    return touches, table


def test_paths_to_conversion_are_those_of_the_other_system(fractribution):
    """The other system counts the visit in which the conversion happens, at the conversion's own instant, as a touch.

    Here a touch is strictly before its conversion; a conversion a millisecond later has the other's path.
    """
    touches, table = fractribution
    for expected in table("paths_to_conversion"):
        at = millis(expected["conversion_tstamp"])
        path = [touch.campaign for touch in path_of(touches[expected["customer_id"]], at + 1, MONTH)]
        assert " > ".join(path) == expected["path"]
        assert " > ".join(name for name, _ in groupby(path)) == expected["transformed_path"]


def test_last_touch_sums_are_those_of_the_other_system(fractribution):
    touches, table = fractribution
    conversions, revenue = Counter(), Counter()
    for each in table("conversions_by_customer_id"):
        path = path_of(touches[each["customer_id"]], millis(each["conversion_tstamp"]) + 1, MONTH)
        micros = int(Decimal(each["revenue"]) * 1_000_000)
        for channel, part in shares(
            Tally(orders=1, revenue_micros=micros), credit("last_touch", path, MONTH, {})
        ):
            conversions[channel] += part.orders
            revenue[channel] += part.revenue_micros
    expected = [row for row in table("channel_attribution") if row["ATTRIBUTION_TYPE"] == "last_touch"]
    assert len(expected) == 6
    for row in expected:
        assert conversions[row["CHANNEL"]] == int(row["CONVERSIONS"]) * 1_000_000
        assert revenue[row["CHANNEL"]] == round(float(row["REVENUE"]) * 1_000_000)


def test_a_visit_at_the_instant_of_its_conversion_earns_nothing_here(fractribution):
    touches, table = fractribution
    counts = Counter()
    for each in table("conversions_by_customer_id"):
        path = path_of(touches[each["customer_id"]], millis(each["conversion_tstamp"]), MONTH)
        counts.update(dict(credit("last_touch", path, MONTH, {})))
    # Two people converted in their only visit; one came by search and bought in a later, direct visit.
    assert counts == {"Direct": 2_000_000, "Organic_Search": 2_000_000, UNCREDITED[0][0]: 2_000_000}


@pytest.fixture(scope="module")
def walks(shared):
    data = rows(shared / "data" / "journeys_pathdata" / "PathData.csv.gz")
    return [
        PathCount(row["path"].split(" > "), int(row["total_conversions"]), int(row["total_null"]))
        for row in data
    ]


def test_first_last_and_linear_of_ten_thousand_paths(walks):
    credited, expected = defaultdict(Counter), defaultdict(Counter)
    for walk in walks:
        path = tuple(Touch(at, True, name) for at, name in enumerate(walk.campaigns))
        for model in ("first_touch", "last_touch", "linear"):
            found = credit(model, path, MONTH, {})
            assert sum(part for _, part in found) == 1_000_000
            for name, part in found:
                credited[model][name] += part * walk.conversions
        expected["first_touch"][walk.campaigns[0]] += walk.conversions
        expected["last_touch"][walk.campaigns[-1]] += walk.conversions
        for name in walk.campaigns:
            expected["linear"][name] += walk.conversions / len(walk.campaigns)
    for model in ("first_touch", "last_touch"):
        assert credited[model] == {
            name: count * 1_000_000 for name, count in expected[model].items() if count
        }
    for name, count in expected["linear"].items():
        assert credited["linear"][name] / 1_000_000 == pytest.approx(count, abs=0.1)


def test_markov_effects_of_ten_thousand_paths_are_the_absorption_probabilities_without_each(walks):
    found = fit(walks, 0)
    moves = defaultdict(Counter)
    for walk in walks:
        total, path = walk.conversions + walk.nulls, ["(start)", *walk.campaigns]
        for before, after in pairwise(path):
            moves[before][after] += total
        moves[path[-1]]["(converted)"] += walk.conversions
        moves[path[-1]]["(null)"] += walk.nulls
    chances = {
        state: {after: count / sum(each.values()) for after, count in each.items()}
        for state, each in moves.items()
    }

    def converted(removed=None):
        """By iterating the walk until it has all but ended: an independent way to the same figure."""
        at, done = {"(start)": 1.0}, 0.0
        while sum(at.values()) > 1e-9:
            following = defaultdict(float)
            for state, mass in at.items():
                for after, chance in chances[state].items():
                    following[after] += mass * chance
            done += following.pop("(converted)", 0.0)
            following.pop("(null)", None)
            following.pop(removed, None)
            at = following
        return done

    whole = converted()
    assert len(found.effects) == 12
    for name, effect in found.effects.items():
        assert effect == pytest.approx(1 - converted(name) / whole, abs=1e-6)
