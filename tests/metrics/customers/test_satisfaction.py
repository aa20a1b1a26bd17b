"""Intervals of answers: against a likelihood that is searched for by hand, and by how often they hold the truth."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.satisfaction import (
    is_satisfied,
    net_promoter_interval,
    net_promoter_score,
    nps_group,
    share_interval,
)

counts = st.integers(0, 40)


def likeliest_variance(promoters: int, passives: int, detractors: int, difference: float) -> float:
    """The variance of one answer under the likeliest shares with a difference, found by trying them."""
    low, high = max(0.0, -difference), (1 - difference) / 2
    share = np.linspace(low, high, 200_001)[1:-1]  # of detractors
    with np.errstate(divide="ignore"):
        likelihood = sum(
            count * np.log(each)
            for count, each in (
                (promoters, share + difference),
                (passives, 1 - 2 * share - difference),
                (detractors, share),
            )
            if count
        )
    best = share[np.argmax(likelihood)]
    return 2 * best + difference - difference**2


@pytest.mark.parametrize("answers", [(6, 3, 1), (20, 0, 5), (3, 30, 3), (1, 2, 30), (40, 1, 0)])
def test_ends_of_the_interval_are_where_the_score_test_begins_to_refuse(answers):
    total = sum(answers)
    score = (answers[0] - answers[2]) / total
    for end in net_promoter_interval(*answers):
        if abs(end) == 1:
            continue
        statistic = total * (score - end) ** 2 / likeliest_variance(*answers, end)
        assert statistic == pytest.approx(1.959963984540054**2, rel=1e-3)


@given(counts, counts, counts)
def test_the_interval_holds_the_score_and_stays_in_its_range(promoters, passives, detractors):
    interval = net_promoter_interval(promoters, passives, detractors)
    score = net_promoter_score(promoters, passives, detractors)
    if interval is None:
        assert score is None
        return
    assert -1 <= interval.low <= score + 1e-6
    assert score - 1e-6 <= interval.high <= 1
    assert interval.low < interval.high
    mirrored = net_promoter_interval(detractors, passives, promoters)
    assert mirrored == pytest.approx((-interval.high, -interval.low), abs=1e-9)


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.7, 0.2, 0.1), (0.9, 0.08, 0.02), (0.2, 0.6, 0.2)])
def test_of_thirty_answers_the_interval_holds_the_true_score_as_often_as_it_says(shares):
    """Every outcome of thirty answers with its probability: 95 % to within 2.5."""
    promoter, passive, detractor = shares
    held = 0.0
    for promoters in range(31):
        for detractors in range(31 - promoters):
            passives = 30 - promoters - detractors
            chance = comb(30, promoters) * comb(30 - promoters, detractors)
            chance *= promoter**promoters * passive**passives * detractor**detractors
            low, high = net_promoter_interval(promoters, passives, detractors)
            held += chance * (low <= promoter - detractor <= high)
    assert 0.925 <= held <= 0.985


def test_of_answers_that_are_all_alike_the_interval_has_a_width():
    low, high = net_promoter_interval(10, 0, 0)
    assert (round(low, 2), high) == (0.44, 1.0)
    assert net_promoter_interval(0, 10, 0) == pytest.approx((-0.28, 0.28), abs=0.01)


@given(st.integers(0, 60), st.integers(0, 60))
def test_wilsons_interval_holds_the_share_and_ends_where_its_test_begins_to_refuse(part, rest):
    interval = share_interval(part, part + rest)
    if part + rest == 0:
        assert interval is None
        return
    share = part / (part + rest)
    assert 0 <= interval.low <= share + 1e-12
    assert share - 1e-12 <= interval.high <= 1
    for end in interval:
        if 1e-9 < end < 1 - 1e-9:
            statistic = (share - end) ** 2 * (part + rest) / (end * (1 - end))
            assert statistic == pytest.approx(1.959963984540054**2, rel=1e-6)


def test_every_answer_belongs_to_a_group():
    assert [nps_group(score) for score in range(11)] == [
        *["detractor"] * 7,
        *["passive"] * 2,
        *["promoter"] * 2,
    ]
    satisfied = {
        scale: [n for n in range(1, scale + 1) if is_satisfied(n, scale)] for scale in (2, 3, 5, 7, 10)
    }
    assert satisfied == {2: [2], 3: [3], 5: [4, 5], 7: [6, 7], 10: [8, 9, 10]}
