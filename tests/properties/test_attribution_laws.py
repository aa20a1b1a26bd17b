"""Laws of credit: whole, in time, independent of the order in which facts come, and taken back from whoever had it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.apportion import split
from metrics.attribution.crediting import COHORT, Conversion, Part, changes, contributions, decide, shares
from metrics.attribution.identity import Identities
from metrics.attribution.models import MODELS, Rules, Touch, credit, path_of
from metrics.tally import Tally

bounded = settings(max_examples=150, deadline=None)
VIEWS = (*MODELS, "linear" + COHORT)
RULES = Rules(models=VIEWS, lookback=60, view_lookback=20, half_life=15)
EFFECTS = {"a": 0.5, "b": 0.25}

touches = st.builds(
    Touch,
    st.integers(0, 120),
    st.booleans(),
    st.sampled_from("abc"),
    st.sampled_from(["", "direct", "search"]),
)
journeys = st.lists(touches, max_size=12)
moments = st.integers(0, 130)
tallies = st.builds(
    Tally,
    leads=st.integers(0, 1),
    orders=st.integers(0, 1),
    revenue_micros=st.integers(0, 10**19),
    cost_of_goods_micros=st.integers(-(10**9), 10**9),
)
conversions = st.builds(
    Conversion, moments, st.just(()), st.lists(st.builds(Part, moments, tallies), max_size=3).map(tuple)
)


def total(found):
    whole = Tally()
    for each in found:
        whole.add(each.tally)
    return whole


def sums(found):
    """Sums by campaign and time, without the places where nothing is left."""
    kept: dict[tuple[str, int], Tally] = {}
    for each in found:
        kept.setdefault((each.campaign, each.at), Tally()).add(each.tally)
    return {key: tally for key, tally in kept.items() if tally != Tally()}


@bounded
@given(st.integers(-(10**20), 10**20), st.lists(st.integers(0, 10**13), min_size=1, max_size=9))
def test_parts_add_up_to_the_whole_and_are_within_one_of_their_quota(whole, weights):
    if not sum(weights):
        weights[0] = 1
    parts = split(whole, weights)
    assert sum(parts) == whole
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - whole * weight) < sum(weights)


@bounded
@given(journeys, moments, st.sampled_from(MODELS))
def test_credits_add_up_to_one_million_and_go_to_campaigns_of_the_path_alone(found, at, model):
    path = path_of(found, at, RULES)
    credited = dict(credit(model, path, RULES, EFFECTS))
    assert sum(credited.values()) == 1_000_000
    earlier = [t for t in found if at - (60 if t.is_click else 20) <= t.at < at]
    assert set(credited) <= ({t.campaign for t in earlier} or {"(none)"})


@bounded
@given(journeys, st.randoms(use_true_random=False), conversions)
def test_any_order_of_touches_gives_the_same_credits(found, rng, conversion):
    shuffled = list(found)
    rng.shuffle(shuffled)
    assert decide(conversion, found, RULES, EFFECTS) == decide(conversion, shuffled, RULES, EFFECTS)


@bounded
@given(journeys, journeys, conversions)
def test_a_late_touch_joins_what_the_conversion_remembers(early, late, conversion):
    at_once = decide(conversion, early + late, RULES, EFFECTS)
    remembered = decide(decide(conversion, early, RULES, EFFECTS), early + late, RULES, EFFECTS)
    assert remembered == at_once
    # The early touches may have been forgotten: the conversion still has its path.
    apart = [touch for touch in late if touch not in early]
    forgotten = decide(decide(conversion, early, RULES, EFFECTS), apart, RULES, EFFECTS)
    assert forgotten == decide(conversion, early + apart, RULES, EFFECTS)


@bounded
@given(journeys, conversions, st.sampled_from(VIEWS))
def test_every_view_counts_every_conversion_once(found, conversion, view):
    decided = decide(conversion, found, RULES, EFFECTS)
    counted, whole = total(contributions(decided, view)), total_of_parts(conversion)
    assert (counted.leads, counted.orders) == (whole.leads * 1_000_000, whole.orders * 1_000_000)
    assert counted.revenue_micros == whole.revenue_micros
    assert counted.cost_of_goods_micros == whole.cost_of_goods_micros


def total_of_parts(conversion):
    whole = Tally()
    for part in conversion.parts:
        whole.add(part.tally)
    return whole


@bounded
@given(st.lists(journeys, min_size=1, max_size=5), conversions, st.sampled_from(VIEWS))
def test_changes_added_up_are_the_last_decision(rounds, conversion, view):
    known, added = None, []
    for found in rounds:
        after = decide(known or conversion, found, RULES, EFFECTS)
        added += changes(known, after, view)
        known = after
    assert sums(added) == sums(contributions(known, view))


@bounded
@given(tallies, st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_what_is_taken_back_in_full_leaves_no_micro_behind(tally, weights):
    parts = split(1_000_000, weights)
    credits_ = tuple((f"c{n}", part) for n, part in enumerate(parts))
    negated = Tally(revenue_micros=-tally.revenue_micros, orders=-tally.orders)
    given_ = shares(Tally(revenue_micros=tally.revenue_micros, orders=tally.orders), credits_)
    for (name, part), (other, back) in zip(given_, shares(negated, credits_), strict=True):
        part.add(back)
        assert (name, part) == (other, Tally())


links = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=3), max_size=12)


@bounded
@given(links, st.randoms(use_true_random=False))
def test_persons_are_the_same_in_any_order_of_records_and_after_a_restart(records, rng):
    shuffled = list(records)
    rng.shuffle(shuffled)
    one, other, stored = Identities(), Identities(), {}
    for n, ids in enumerate(records):
        one.link(ids, n)
    for n, ids in enumerate(shuffled):
        other.link(ids, n)
        stored |= dict(other.take_changes())
    restored = Identities()
    for root, person in stored.items():
        if person is not None:
            restored.restore(root, person)
    for hashed in range(1, 13):
        assert set(one.ids(hashed)) == set(other.ids(hashed)) == set(restored.ids(hashed))
        assert Counter(one.ids(hashed)).most_common(1)[0][1] == 1
