"""Laws of credit: whole, in time, independent of the order in which facts come, and taken back from whoever had it."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.attribution.batch_credit import (
    LARGEST,
    MOST,
    ComputedModels,
    CreditBatch,
    RuleVersion,
    is_large,
    paths_of,
    steps_of,
)
from metrics.attribution.conversion_credit import (
    COHORT,
    ConversionPart,
    contributions,
    decisions,
    shares,
)
from metrics.attribution.identity_graph import IdentityGraph
from metrics.attribution.models import (
    MARKOV,
    MAX_PATH,
    MODELS,
    AttributionRules,
    Touch,
    credit,
    decayed,
    parts_of,
    path_of,
)
from metrics.attribution.touchpoints import PATH, Touchpoints
from metrics.records.campaign_model import campaign_model
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS
from metrics.values.apportion import split
from metrics.values.time import MINUTE, floor_to
from tests.support.examples import examples

bounded = examples(1.5)
VIEWS = (*MODELS, "linear" + COHORT)
RULES = AttributionRules(models=VIEWS, lookback=60, view_lookback=20, half_life=15)
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
    uncertain_amounts=st.integers(0, 1),
)
parts = st.lists(st.builds(ConversionPart, moments, tallies), max_size=3)
PLACES = Touchpoints()
for campaign in "bca":
    for channel in ("", "Direct", "search", "direct"):
        PLACES.code(campaign, channel)


def joined(found, remembered, at):
    """The path of touches found and remembered, by its plain meaning: each touch as often as either has it."""
    return path_of((Counter(found) | Counter(remembered)).elements(), at, RULES)


def packed(path):
    """A path as a conversion remembers it."""
    rows = [(t.at, 2 * PLACES.code(t.campaign, t.channel) + t.is_click) for t in path]
    return np.array(rows, PATH).tobytes()


def columns(journeys_):
    """Touches as they are found: their conversion, event times, codes."""
    rows = [
        (n, t.at, 2 * PLACES.code(t.campaign, t.channel) + t.is_click)
        for n, found in enumerate(journeys_)
        for t in found
    ]
    whose, at, codes = np.array(rows, np.int64).reshape(-1, 3).T
    return whose, at, codes


def sheet_of(paths, counted, shares_=None, sign=1):
    sheet = CreditBatch()
    for n, (path, each) in enumerate(zip(paths, counted, strict=True)):
        sheet.put(each, packed(path), RuleVersion(0, RULES.half_life), shares_[n] if shares_ else b"", sign)
    return sheet


def credited(sheet, effects=EFFECTS):
    ranks = PLACES.ranks()
    effects = np.array([effects.get(name, 0.0) for name in ranks.names])
    return sheet.credit(ComputedModels(dict.fromkeys(VIEWS, 0)), ranks, effects)


def told_of(credited):
    """Columns as single contributions."""
    found = credited.sums()
    names = [FIELDS[field] for field in found.fields]
    return [
        Contribution(found.campaigns[code], at, Tally(**dict(zip(names, values, strict=True))))
        for code, at, values in zip(
            found.codes.tolist(), found.at.tolist(), found.sums.T.tolist(), strict=True
        )
    ]


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
@given(st.lists(st.tuples(journeys, journeys, moments), max_size=5), st.randoms(use_true_random=False))
def test_paths_of_many_are_those_of_each_in_any_order_of_touches(facts, rng):
    found = [one for one, _, _ in facts]
    remembered = [path_of(before, at, RULES) for _, before, at in facts]
    rows = np.stack(columns(found))
    rows = rows[:, rng.sample(range(rows.shape[1]), rows.shape[1])]
    at = np.array([at for _, _, at in facts], np.int64)
    made = paths_of(tuple(rows), [packed(path) for path in remembered], at, RULES, PLACES.ranks())
    expected = [
        joined(one, two, when) for one, two, (_, _, when) in zip(found, remembered, facts, strict=True)
    ]
    assert [PLACES.path(path) for path in made.packed()] == expected


@bounded
@given(st.lists(st.tuples(journeys, parts, moments), max_size=5))
def test_many_at_once_are_credited_as_each_by_itself(facts):
    facts = [(path_of(found, at, RULES), each) for found, each, at in facts if not is_large(each)]
    expected = {}
    for path, each in facts:
        for view, decision in decisions(path, VIEWS, RULES, EFFECTS).items():
            for change in contributions(each, decision):
                key = campaign_model(change.campaign, view), floor_to(change.at, MINUTE)
                expected.setdefault(key, Tally()).add(change.tally)
    sheet = sheet_of([path for path, _ in facts], [each for _, each in facts])
    told = told_of(credited(sheet))
    assert {(c.campaign, c.at): c.tally for c in told} == {k: t for k, t in expected.items() if t != Tally()}


@bounded
@given(
    st.lists(st.lists(touches, min_size=MAX_PATH - 2, max_size=MAX_PATH), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1)),
)
def test_the_longest_paths_are_divided_by_effect_as_each_by_itself(found, effects):
    """Paths one after another: what was counted of the campaigns of one says nothing of the next."""
    paths = [tuple(each) for each in found]
    divided = credited(sheet_of(paths, [[]] * len(paths)), effects).data_driven()
    assert [np.frombuffer(each, np.int32).tolist() for each in divided] == [
        parts_of(MARKOV, path, RULES, effects) for path in paths
    ]


@bounded
@given(st.lists(st.tuples(journeys, parts, moments), max_size=5))
def test_what_is_taken_back_with_the_shares_of_its_decision_leaves_nothing_whatever_the_fit(facts):
    facts = [(path_of(found, at, RULES), each) for found, each, at in facts if not is_large(each)]
    paths, counted = [path for path, _ in facts], [each for _, each in facts]
    first = credited(sheet_of(paths, counted))
    back = credited(sheet_of(paths, counted, first.data_driven(), sign=-1), effects={"b": 0.9, "c": 0.1})
    assert sums([*told_of(first), *told_of(back)]) == {}


@bounded
@given(st.integers(0, 10**11), st.integers(1, 10**10))
def test_touches_decay_by_half_in_a_half_life(age, half_life):
    assert abs(decayed(age, half_life) / 2**40 - 2.0 ** (-age / half_life)) < 1e-7


def test_sums_of_the_largest_columns_do_not_run_over():
    whole = ConversionPart(0, Tally(revenue_micros=LARGEST))
    assert not is_large([whole] * 20)
    assert is_large([whole] * 21)
    assert is_large([ConversionPart(0, Tally(cost_of_goods_micros=-LARGEST - 1))])
    path = (Touch(0, True, "a"), Touch(1, True, "b"))
    told = told_of(credited(sheet_of([path] * 2 * MOST, [[whole] * 20] * 2 * MOST)))
    assert {c.tally.revenue_micros for c in told if c.campaign == campaign_model("b", "last_touch")} == {
        40 * MOST * LARGEST
    }


@bounded
@given(st.lists(st.tuples(journeys, moments, st.sampled_from([1, -1])), max_size=6))
def test_steps_of_many_paths_are_those_of_each(facts):
    facts = [(path_of(found, at, RULES), sign) for found, at, sign in facts]
    expected = Counter()
    for path, sign in facts:
        walk = [None, *(touch.campaign for touch in path), None] if path else []
        for step in pairwise(walk):
            expected[step] += sign
    ranks, found = PLACES.ranks(), Counter()
    names = [*ranks.names, None]
    columns_ = steps_of([packed(path) for path, _ in facts], [sign for _, sign in facts], ranks)
    for before, after, times in zip(*(column.tolist() for column in columns_), strict=True):
        found[names[before], names[after]] += times
    assert {step: n for step, n in found.items() if n} == {step: n for step, n in expected.items() if n}


@bounded
@given(journeys, journeys, moments)
def test_a_late_touch_joins_what_the_conversion_remembers(early, late, at):
    remembered = joined(early, (), at)
    assert joined(early + late, remembered, at) == joined(early + late, (), at)
    # The early touches may have been forgotten: the conversion still has its path.
    apart = [touch for touch in late if touch not in early]
    assert joined(apart, remembered, at) == joined(early + apart, (), at)


@bounded
@given(journeys, moments, parts, st.sampled_from(VIEWS))
def test_every_view_counts_every_conversion_once(found, at, each, view):
    decision = decisions(path_of(found, at, RULES), [view], RULES, EFFECTS)[view]
    counted, whole = total(contributions(each, decision)), total_of_parts(each)
    assert (counted.leads, counted.orders) == (whole.leads * 1_000_000, whole.orders * 1_000_000)
    assert counted.revenue_micros == whole.revenue_micros
    assert counted.cost_of_goods_micros == whole.cost_of_goods_micros


def total_of_parts(each):
    whole = Tally()
    for part in each:
        whole.add(part.tally)
    return whole


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
    one, other, stored = IdentityGraph(), IdentityGraph(), {}
    for n, ids in enumerate(records):
        one.link(ids, n)
    for n, ids in enumerate(shuffled):
        other.link(ids, n)
        stored |= dict(other.take_changes())
    restored = IdentityGraph()
    for root, person in stored.items():
        if person is not None:
            restored.restore(root, person)
    for hashed in range(1, 13):
        assert set(one.ids(hashed)) == set(other.ids(hashed)) == set(restored.ids(hashed))
        assert Counter(one.ids(hashed)).most_common(1)[0][1] == 1
