"""What contracts are expected to pay: their terms are read as they were lived, and intervals hold what comes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from metrics.customers.contracts import ContractFit, ContractHistory, TermRun, fits, forecast, history
from metrics.customers.subscriptions import Begun, SubscriptionEntry
from metrics.values.time import to_millis

pytestmark = pytest.mark.slow
ZONE = ZoneInfo("Europe/Paris")


def at(month: int, day: int = 1, year: int = 2026) -> int:
    return to_millis(datetime(year, month, day, tzinfo=ZONE).astimezone(UTC))


def contract(*begun: tuple[int, str | None, int | None], cancelled: int | None = None) -> SubscriptionEntry:
    first, *more = (Begun(*each) for each in begun)
    return SubscriptionEntry(first, tuple(more), cancelled, 7)


MONTHLY = (at(1), "P1M", 10_000_000)


@pytest.mark.parametrize(
    ("entry", "runs", "micros"),
    [
        # Runs in its third term.
        (contract(MONTHLY, (at(2), None, None), (at(3), None, 12)), [("P1M", 2, False)], 12),
        # Nobody renewed the second.
        (contract(MONTHLY, (at(2), None, None)), [("P1M", 1, True)], 10_000_000),
        # Cancelled in a term that has not ended.
        (contract(MONTHLY, (at(2), None, None), (at(3), None, None), cancelled=at(3, 5)), [("P1M", 2, True)], 10_000_000),
        # Renewed before the term ended, and cancelled before the renewal began.
        (contract(MONTHLY, (at(1, 20), None, None), cancelled=at(1, 25)), [("P1M", 0, True)], 10_000_000),
        # A longer term begins a count of its own; the shorter ones were survived.
        (contract(MONTHLY, (at(2), None, None), (at(3), "P1Y", 90)), [("P1M", 2, False), ("P1Y", 0, False)], 90),
        # An amount in another currency is not known.
        (SubscriptionEntry(Begun(at(3), "P1M", 5, "USD"), (), None, 7), [("P1M", 0, False)], None),
        # Renewed ahead.
        (contract((at(3), "P1M", 1), (at(3, 9), None, None)), [("P1M", 1, False)], 1),
    ],
)  # fmt: skip
def test_terms_are_counted_as_they_were_lived(entry, runs, micros):
    found = history(entry, 3, ZONE, at(3, 10))
    assert found is not None
    assert (found.group, [tuple(run) for run in found.runs], found.micros) == (3, runs, micros)
    assert found.is_running is not runs[-1][2]


def test_a_contract_without_its_start_is_none():
    assert history(SubscriptionEntry(None, (Begun(at(2), "P1M"),), None, 7), 0, ZONE, at(3)) is None


def test_each_length_of_terms_has_a_model_of_its_own_or_a_reason():
    yearly = [ContractHistory(0, (TermRun("P1Y", n % 2, has_left=True),), at(3), 1) for n in range(9)]
    rng = np.random.default_rng(5)
    monthly = [lived_and_to_come(rng, 12, 0)[0] for _ in range(400)]
    # The months before a change to years were survived, and count as such.
    changed = ContractHistory(
        0, (TermRun("P1M", 5, has_left=False), TermRun("P1Y", 0, has_left=False)), at(3), 1
    )
    found = fits([*yearly, *monthly, changed])
    assert isinstance(found["P1M"], ContractFit)
    assert "10 contracts that have ended (there are 9)" in str(found["P1Y"])
    without = fits(monthly)["P1M"]
    assert isinstance(without, ContractFit)
    assert found["P1M"].model != without.model


def lived_and_to_come(rng, terms: int, later: int, micros: int = 10_000_000) -> tuple[ContractHistory, int]:
    """A contract that could be renewed ``terms`` times, and how often it is renewed in as many as ``later`` terms more."""
    renewals = int(rng.geometric(rng.beta(0.7, 2.0))) - 1
    lived = min(renewals, terms)
    run = TermRun("P1M", lived, has_left=renewals < terms)
    return ContractHistory(int(rng.integers(4)), (run,), at(3, 20), micros), min(renewals - lived, later)


@pytest.mark.parametrize("months", [6, 12])
def test_80_percent_intervals_of_contracts_hold_what_comes_in_about_80_percent_of_groups(months):
    inside = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        both = [lived_and_to_come(rng, int(rng.integers(2, 18)), months) for _ in range(600)]
        histories = [each for each, _ in both]
        # The newest terms end on the 20th, so many of them within the horizon.
        end = at((3 + months - 1) % 12 + 1, 1, 2026 + (3 + months - 1) // 12)
        found = forecast(histories, fits(histories), 4, end, ZONE, rng, draws=300)
        real = np.bincount(
            [each.group for each in histories],
            [10.0 * to_come if each.is_running else 0.0 for each, to_come in both],
            4,
        )
        real = np.append(real, real.sum())
        assert found.running[-1] == found.valued[-1] == sum(each.is_running for each in histories)
        inside += list((np.array(found.low) <= real) & (real <= np.array(found.high)))
        assert found.expected[-1] == pytest.approx(sum(found.expected[:-1]))
    assert 0.72 <= np.mean(inside) <= 0.88


def test_what_has_no_amount_or_no_model_is_counted_and_brings_nothing():
    rng = np.random.default_rng(2)
    known = [lived_and_to_come(rng, 12, 0)[0] for _ in range(400)]
    unknown = ContractHistory(0, (TermRun("P1M", 3, has_left=False),), at(3, 20), None)
    yearly = ContractHistory(1, (TermRun("P1Y", 0, has_left=False),), at(3, 20), 90)
    nobody = ContractHistory(-1, (TermRun("P1M", 3, has_left=False),), at(3, 20), 10_000_000)
    models = fits(known)
    plain = forecast(known, models, 4, at(6), ZONE, np.random.default_rng(1), draws=20)
    found = forecast(
        [*known, unknown, yearly, nobody], models, 4, at(6), ZONE, np.random.default_rng(1), draws=20
    )
    assert (found.expected, found.low, found.high) == (plain.expected, plain.low, plain.high)
    assert found.valued == plain.valued
    assert [more - less for more, less in zip(found.running, plain.running, strict=True)] == [1, 1, 0, 0, 2]
