"""Of one target of one campaign: what its spend was to bring, day by day, under each of several laws of lag. Pure.

**Lag.** A result comes some time after its spend. If results come by a Poisson process in proportion to spend and each is
shifted by a lag of its own, what has come is again a Poisson process, with the mean ∫ spend(s) · F(now - s) ds, F being the
law of the lag (the displacement theorem; Kingman, *Poisson Processes*, 1993, 5.5). For an exponential law of mean L that
integral needs one number that fades: what is still to come, ``pending' = pending · exp(-Δ/L) + spend of Δ that has not come``.
So the expected results under several L are kept at once, and the data may say which of them holds: fitting a rate to counts
that are delayed is the back-calculation of Brookmeyer and Gail (*J. Am. Stat. Assoc.* 83, 1988). Counts of the present are
right-truncated by nature there, and no list of single lags is needed.

**Days.** What was due is kept by weekday, so that a rhythm that is learned later counts for the days before as well. Days are
the blocks of scatter: ``Scatter`` is the weighted least squares of the results of a day over what was due on it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from metrics.values.time import DAY

if TYPE_CHECKING:
    from metrics.evidence.shape import Shape

Floats = NDArray[np.float64]

#: Mean lags that are weighed, in days. A ramp of the first weeks, while a campaign learns, looks like one of them too.
LAGS: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
#: Parts of a day whose share of its results is learned.
PARTS = 8
_L = len(LAGS)
_WEEK = 7
#: Layout of the numbers of one target.
_PENDING = slice(0, _L)
_TODAY = slice(_L, 2 * _L)
_FITS = slice(2 * _L, 3 * _L)
_NOW = slice(3 * _L, 4 * _L)
_DUE = slice(4 * _L, 4 * _L + _L * _WEEK)
_BEGIN = 4 * _L + _L * _WEEK
#: What stays when the evidence begins anew: sums for learning the lag, the rhythm and the scatter.
LAG_FITS = slice(_BEGIN, _BEGIN + _L)
LAG_DUE = slice(_BEGIN + _L, _BEGIN + 2 * _L)
LAG_RESULTS = _BEGIN + 2 * _L
_NEXT = LAG_RESULTS + 1
WEEKDAY_RESULTS = slice(_NEXT, _NEXT + _WEEK)
WEEKDAY_DUE = slice(_NEXT + _WEEK, _NEXT + 2 * _WEEK)
PART_RESULTS = slice(_NEXT + 2 * _WEEK, _NEXT + 2 * _WEEK + PARTS)
PART_DUE = slice(_NEXT + 2 * _WEEK + PARTS, _NEXT + 2 * _WEEK + 2 * PARTS)
#: Days, Σk, ΣR and ΣR²/k: of what is judged, and of its orders where that is money.
SCATTER = slice(_NEXT + 2 * _WEEK + 2 * PARTS, _NEXT + 2 * _WEEK + 2 * PARTS + 4)
ORDER_SCATTER = slice(SCATTER.stop, SCATTER.stop + 4)
#: By the age of a campaign in days; the last holds all that is older.
AGES = 15
AGE_RESULTS = slice(ORDER_SCATTER.stop, ORDER_SCATTER.stop + AGES)
AGE_DUE = slice(ORDER_SCATTER.stop + AGES, ORDER_SCATTER.stop + 2 * AGES)
SIZE = AGE_DUE.stop

_MEANS = np.array(LAGS[1:])
#: What is due is never taken to be less than this share of the largest of the laws: a result that a law forbids is rare, not impossible.
_FLOOR = 0.02
#: Less than this was not due.
_NOTHING = 1e-9
#: Days after which a campaign is no longer young.
_GROWN = 14
#: Days.
_LONG_AGO = 10_000.0
#: Of gaps that are longer, in ms, only whole days are told apart.
_LONG = 2 * DAY
#: Of still longer ones, only the last days.
_LONGEST = 60 * DAY
#: Of the scatter that was seen, what a day leaves: days before lag and rhythm were known looked wider than they were.
_KEPT = 0.97


class Ledger(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was due and what came, for one target of one campaign.

    Attributes:
        born: epoch ms of the first spend.
        at: epoch ms up to which spend has been taken in.
        cost: micros of cost taken in so far.
        results, orders: as they stood then, since the campaign began.
        day_results, day_orders, part_results: as they stood when the present day and the present part of it began.
        numbers: the sums, packed.
    """

    born: int
    at: int
    cost: float
    results: float
    orders: float
    day_results: float
    day_orders: float
    part_results: float
    numbers: bytes

    @property
    def sums(self) -> Floats:
        """The numbers by the slices of this module; read only."""
        return np.frombuffer(self.numbers)


class Seen(NamedTuple):
    """A moment of a campaign: epoch ms, cost in micros, what it was to bring since the last moment, and what has come."""

    at: int
    cost: float
    due: float
    results: float
    orders: float


def begin(seen: Seen, born: int | None, shape: "Shape") -> Ledger:
    """A ledger from the first moment on.

    What was spent before it lies evenly since ``born`` (epoch ms); None: it is taken to be old, and its results to have come.
    """
    days = _LONG_AGO if born is None else max(0.0, (seen.at - born) / DAY)
    if days * DAY <= _LONG:
        start = seen.at - round(days * DAY)
        return advanced(Ledger(start, start, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, bytes(SIZE * 8)), seen, shape)
    numbers = np.zeros(SIZE)
    _feed(numbers, days, seen.due)
    since, first = seen.at - round(days * DAY), 0.0
    if days < _GROWN:
        # What a young campaign lacks yet would pass for lag: neither its results nor what was due speak of that.
        first, numbers[_NOW] = seen.results, 0.0
    return Ledger(since, seen.at, seen.cost, seen.results, seen.orders, 0.0, 0.0, first, numbers.tobytes())


def renewed(ledger: Ledger) -> Ledger:
    """The ledger of a campaign whose evidence begins anew; what was learned of lag, rhythm and scatter stays.

    Results that are still to come of spend before are left to the campaign as a gift.
    """
    numbers = ledger.sums.copy()
    numbers[_PENDING] = 0
    numbers[_TODAY] = 0
    numbers[_FITS] = 0
    numbers[_NOW] = 0
    numbers[_DUE] = 0
    return msgspec.structs.replace(
        ledger, day_results=ledger.results, part_results=ledger.results, numbers=numbers.tobytes()
    )


def advanced(ledger: Ledger, seen: Seen, shape: "Shape") -> Ledger:
    """The ledger after one more moment; days that have ended meanwhile are closed, what is not known between lies evenly.

    Args:
        ledger: as it was.
        seen: the moment; one that is not later adds its due at the ledger's own time.
        shape: what the board has learned, by which days are weighed against each other.
    """
    numbers = ledger.sums.copy()
    span = max(0, seen.at - ledger.at)
    came, ordered = seen.results - ledger.results, seen.orders - ledger.orders
    day_results, day_orders, part_results = ledger.day_results, ledger.day_orders, ledger.part_results
    done = 0.0
    for end in _ends(ledger.at, ledger.at + span):
        share = 1.0 if span == 0 else (end - ledger.at) / span
        _feed(numbers, (share - done) * span / DAY, (share - done) * seen.due)
        done = share
        results, orders = ledger.results + share * came, ledger.orders + share * ordered
        if end % (DAY // PARTS) == 0:
            _close_part(numbers, end, max(0.0, results - part_results), shape, is_whole=span <= _LONG)
            part_results = results
        if end % DAY == 0 and end > ledger.at:
            age = (end - 1 - ledger.born) // DAY
            _close(numbers, (end - 1) // DAY, age, (results - day_results, orders - day_orders), shape)
            day_results, day_orders = results, orders
    return Ledger(
        ledger.born,
        ledger.at + span,
        seen.cost,
        seen.results,
        seen.orders,
        day_results,
        day_orders,
        part_results,
        numbers.tobytes(),
    )


def _ends(start: int, end: int) -> Iterator[int]:
    """The ends of parts of days between, and the end itself; of long gaps the ends of days only, the last ones at most."""
    step = DAY if end - start > _LONG else DAY // PARTS
    start = max(start, end - _LONGEST)
    yield from range(start - start % step + step, end, step)
    yield end


def _feed(numbers: Floats, days: float, due: float) -> None:
    """Spend that was to bring ``due`` lies evenly over ``days``; what comes of it, and of before, by each law."""
    pending = numbers[_PENDING]
    if days > 0:
        fades = np.exp(-days / _MEANS)
        fresh = due * _MEANS / days * (1 - fades)
    else:
        fades, fresh = np.ones(_L - 1), np.full(_L - 1, due)
    today = numbers[_TODAY]
    today[0] += due
    came = pending[1:] * (1 - fades) + due - fresh
    today[1:] += came
    pending[1:] = pending[1:] * fades + fresh
    numbers[_NOW][0] += due
    numbers[_NOW][1:] += came


def _close_part(numbers: Floats, end: int, came: float, shape: "Shape", *, is_whole: bool) -> None:
    """A part of a day has ended; of a long gap only the ends of days are known, which say nothing of parts."""
    fits = _fits(numbers[_NOW], came)
    numbers[_FITS] += fits
    numbers[LAG_FITS] += fits
    numbers[LAG_DUE] += numbers[_NOW] * shape.weekdays[weekday_of((end - 1) // DAY)]
    numbers[LAG_RESULTS] += came
    if is_whole:
        part = (end - 1) % DAY * PARTS // DAY
        numbers[PART_RESULTS.start + part] += came
        numbers[PART_DUE.start + part] += numbers[_NOW][0]
    numbers[_NOW] = 0


def _fits(due: Floats, came: float) -> Floats | float:
    top = float(due.max())
    found: Floats | float = came * np.log(np.maximum(due, _FLOOR * top)) if top > _NOTHING else 0.0
    return found


def _close(numbers: Floats, day: int, age: int, brought: tuple[float, float], shape: "Shape") -> None:
    """A day has ended, which was the campaign's day ``age``, with results and orders."""
    came, orders = (max(0.0, each) for each in brought)
    bucket = min(max(age, 0), AGES - 1)
    numbers[AGE_RESULTS.start + bucket] += came
    numbers[AGE_DUE.start + bucket] += (
        float(shape.chances @ numbers[_TODAY]) * shape.weekdays[weekday_of(day)]
    )
    today = numbers[_TODAY] * shape.ages[bucket]
    if not today.max() > 0:
        return
    weekday = weekday_of(day)
    numbers[_DUE].reshape(_L, _WEEK)[:, weekday] += today
    due = float(shape.chances @ today)
    numbers[WEEKDAY_RESULTS.start + weekday] += came
    numbers[WEEKDAY_DUE.start + weekday] += due
    weight = due * shape.weekdays[weekday]
    if weight > 0:
        numbers[SCATTER] *= _KEPT
        numbers[ORDER_SCATTER] *= _KEPT
        numbers[SCATTER] += (1.0, weight, came, came * came / weight)
        numbers[ORDER_SCATTER] += (1.0, weight, orders, orders * orders / weight)
    numbers[_TODAY] = 0


def weekday_of(day: int) -> int:
    """0 for Monday, of a day since 1970-01-01, which was a Thursday."""
    return (day + 3) % _WEEK


def due_by_law(ledger: Ledger, shape: "Shape") -> tuple[Floats, Floats]:
    """What was due since the evidence began under each law of lag, and how well it fits: Σ results · log due."""
    numbers = ledger.sums
    weekday = weekday_of(ledger.at // DAY)
    part = shape.of_part(ledger.at % DAY / DAY)
    today = numbers[_TODAY] * shape.of_age((ledger.at - ledger.born) // DAY)
    due = numbers[_DUE].reshape(_L, _WEEK) @ shape.weekdays + today * shape.weekdays[weekday] * part
    return due, numbers[_FITS] + _fits(numbers[_NOW], max(0.0, ledger.results - ledger.part_results))
