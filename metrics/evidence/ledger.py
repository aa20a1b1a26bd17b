"""Of one target of one campaign: what its spend was to bring, day by day, under each of several laws of lag. Pure.

**Lag.** A result comes some time after its spend. If results come by a Poisson process in proportion to spend and each is
shifted by a lag of its own, what has come is again a Poisson process, with the mean ∫ spend(s) · F(now - s) ds, F being the
law of the lag (the displacement theorem; Kingman, *Poisson Processes*, 1993, 5.5). For an exponential law of mean L that
integral needs one number that fades: what is still to come, ``pending' = pending · exp(-Δ/L) + spend of Δ that has not come``.
So the expected results under several L are kept at once, and the data may say which of them holds: fitting a rate to counts
that are delayed is the back-calculation of Brookmeyer and Gail (*J. Am. Stat. Assoc.* 83, 1988). Counts of the present are
right-truncated by nature there, and no list of single lags is needed. Of a time between two readings only the results at its end are
known: taken to lie evenly they would fit the law under which they do, so laws are compared by such times, and never by less.

**Days.** What was due is kept by weekday, so that a rhythm that is learned later counts for the days before as well, and by law of lag,
so that a weekday does not get a factor for a lag that was learned later. Days are
the blocks of scatter: the weighted least squares of the results of a day over what was due on it.

**Changes.** ``CHANGED`` holds a sum over the days on which a campaign may have turned bad, by law of lag and ratio: of each day's
weight times the likelihood ratio of all results since. With M before a day, weight w and likelihood ratio L of the day it becomes
(M + w) · L: the e-detector of Shin, Ramdas and Rinaldo (*E-detectors: a nonparametric framework for sequential change detection*,
*New England J. Stat. Data Sci.* 2, 2023) with weights that sum to 1, so that the chance of ever a false alarm is bounded, not only
their rate.

**Bets.** That a campaign brings more than is due is a bet with itself. A bettor stakes a share λ of what it has on each round of about
a day, in which X times what was due comes, and has 1 + λ (X - 1) times as much then. While no more comes than is due X has a mean of 1
at most, whatever its law: values may have no variance, and days may scatter as they like (Waudby-Smith and Ramdas, *Estimating means
of bounded random variables by betting*, *J. R. Stat. Soc. B* 86, 2024; for this side X ≥ 0 is bound enough). Small stakes find small
margins and bear wide values, large ones are sure of large margins soon; ``WAGERS`` holds the logarithms of what each bettor has.

**Drift.** Results per spend may wander around a mean on target for days at a time; then a sum over days scatters more than its days do.
The last four weeks of days are kept, so that the board can tell that from days that scatter by themselves, and those before by what they
have shown: see ``metrics.kernels.evidence``.

**Refunds.** Bettors win money that stays: what the board's refunds say is still to be refunded is held back, and comes to them as it ages
(``metrics.evidence.refunds``). ``CAUTIOUS`` are those who hold back what may be refunded as long as the board has not seen it.
"""

from math import nan
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from metrics.evidence.refunds import cautiously_kept, held_back, led_on, start_row
from metrics.kernels import evidence as kernels
from metrics.kernels import refunds as refund_kernels
from metrics.kernels.evidence import AGES, PARTS, SIZE
from metrics.values.time import DAY

if TYPE_CHECKING:
    from metrics.evidence.shape import Shape

Floats = NDArray[np.float64]

#: Mean lags that are weighed, in days. A ramp of the first weeks, while a campaign learns, looks like one of them too.
LAGS: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
MEANS = np.array(LAGS)
#: What is kept of a target when the evidence begins anew: sums for learning the lag, the rhythm and the scatter.
LAG_FITS = slice(kernels.LAG_FITS, kernels.LAG_DUE)
LAG_DUE = slice(kernels.LAG_DUE, kernels.LAG_RESULTS)
LAG_RESULTS = kernels.LAG_RESULTS
WEEKDAY_RESULTS = slice(kernels.WEEKDAY_RESULTS, kernels.WEEKDAY_DUE)
WEEKDAY_DUE = slice(kernels.WEEKDAY_DUE, kernels.PART_RESULTS)
PART_RESULTS = slice(kernels.PART_RESULTS, kernels.PART_DUE)
PART_DUE = slice(kernels.PART_DUE, kernels.SCATTER)
#: Days, Σk, ΣR and ΣR²/k: of what is judged, and of its orders where that is money.
SCATTER = slice(kernels.SCATTER, kernels.ORDER_SCATTER)
ORDER_SCATTER = slice(kernels.ORDER_SCATTER, kernels.AGE_RESULTS)
#: By the age of a campaign in days; the last holds all that is older.
AGE_RESULTS = slice(kernels.AGE_RESULTS, kernels.AGE_DUE)
AGE_DUE = slice(kernels.AGE_DUE, kernels.WHOLE)
#: What the spend since the evidence began is to bring in the end, each unit of it by the target of its time.
WHOLE = kernels.WHOLE
#: Logarithms of what each bettor on "more than is due" has.
WAGERS = slice(kernels.WAGERS, kernels.OWED)
CAUTIOUS_WAGERS = slice(kernels.CAUTIOUS_WAGERS, kernels.CAUTIOUS_OWED)
#: What is given up when the evidence begins anew.
_GIVEN_UP = (slice(0, kernels.LAG_FITS), slice(kernels.WHOLE, kernels.DRIFT))
#: What is learned of lag and rhythm.
_LAG_AND_WEEKDAYS = slice(kernels.LAG_FITS, kernels.SCATTER)
#: Numbers of a row up to format 4 of the state.
_SIZE_3 = SIZE - (len(LAGS) - 1) * kernels.WEEK
#: What was due is taken for this much at least, so that its logarithm is a number.
_LEAST = 1e-9
#: Days after which a campaign is no longer young.
_GROWN = 14
#: After evidence began anew, results of spend before would count as gains for so many days.
_GIFT_DAYS = 7.0
#: Days.
_LONG_AGO = 10_000.0
#: A younger campaign is taken to have spent evenly, in ms.
_LONG = 2 * DAY

__all__ = [
    "AGES",
    "LAGS",
    "MEANS",
    "PARTS",
    "SIZE",
    "Floats",
    "Ledger",
    "Seen",
    "advanced",
    "begin",
    "caught_up",
    "drifted",
    "due_by_law",
    "kept_of",
    "renewed",
]


class Ledger(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was due and what came, for one target of one campaign.

    Attributes:
        born: epoch ms of the first spend.
        at: epoch ms up to which spend has been taken in.
        cost: micros of cost taken in so far.
        results, orders: as they stood then, since the campaign began.
        day_results, day_orders, part_results: as they stood when the present day and the present part of it began.
        numbers: the sums, packed.
        refunded: money refunded, as it stood then; 0 for counts.
        refund_numbers: sums of what came before refunds and of refunds, packed; empty for counts.
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
    refunded: float = 0.0
    refund_numbers: bytes = b""

    def check(self) -> None:
        """Whether this version can go on with it.

        Raises:
            ValueError: when it has sums that this version does not know; compiled kernels would read past them.
        """
        known = (SIZE, refund_kernels.SIZE)
        found = tuple(len(row) // np.dtype(float).itemsize for row in (self.numbers, self.refund_numbers))
        is_known = found[0] <= _SIZE_3 or found[0] == known[0]
        if not is_known or found[1] not in (0, known[1]):
            raise ValueError(
                f"rows of evidence of {found[0]} and {found[1]} numbers, where {known[0]} and {known[1]} are known"
            )

    @property
    def refund_sums(self) -> Floats:
        """The sums of refunds, as ``metrics.evidence.refunds`` has them; read only. Not of counts."""
        return np.frombuffer(self.refund_numbers)

    @property
    def sums(self) -> Floats:
        """The numbers by the slices of this module; read only."""
        found = np.frombuffer(self.numbers)
        return found if len(found) == SIZE else _padded(found, self)


class Seen(NamedTuple):
    """A moment of a campaign: epoch ms, cost in micros, what it was to bring since the last moment, and what has come.

    ``refunded`` is the money refunded so far, which ``results`` are without; None for counts.
    """

    at: int
    cost: float
    due: float
    results: float
    orders: float
    refunded: float | None = None


def _padded(numbers: Floats, ledger: Ledger) -> Floats:
    """Sums of an earlier build: what was due by weekday under the lag of then stands for each law; at the end, fewer were kept."""
    found = np.zeros(SIZE)
    first, last = WEEKDAY_DUE.start, WEEKDAY_DUE.start + kernels.WEEK
    found[:first] = numbers[:first]
    found[WEEKDAY_DUE] = np.tile(numbers[first:last], len(LAGS))
    rest = numbers[last:]
    found[WEEKDAY_DUE.stop : WEEKDAY_DUE.stop + len(rest)] = rest
    known = WEEKDAY_DUE.stop + len(rest)
    if known <= WHOLE:
        found[WHOLE] = found[kernels.TODAY] + found[kernels.DUE : kernels.DUE + kernels.WEEK].sum()
    if known < kernels.DRIFT:
        _open_round(found, ledger.at, 1.0)
    return found


def _open_round(numbers: Floats, at: int, wait: float, results: float = nan) -> None:
    """The bettors begin; the sums are changed.

    Args:
        numbers: the sums.
        at: epoch ms.
        wait: so many days are left out.
        results: that came before; NaN: what there is at the end of the first round, which is then left out.
    """
    numbers[kernels.WAGERS : kernels.DRIFT] = 0.0
    numbers[kernels.WAIT], numbers[kernels.ROUND_AT] = wait, at
    numbers[kernels.ROUND_RESULTS] = numbers[kernels.CAUTIOUS_RESULTS] = results


def begin(seen: Seen, born: int | None, shape: "Shape", unit: float = 1.0) -> Ledger:
    """A ledger from the first moment on.

    What was spent before it lies evenly since ``born`` (epoch ms); None: it is taken to be old, and its results to have come.
    """
    days = _LONG_AGO if born is None else max(0.0, (seen.at - born) / DAY)
    if days * DAY <= _LONG:
        start = seen.at - round(days * DAY)
        nothing = np.zeros(SIZE)
        _open_round(nothing, start, 1.0, 0.0)
        refunds = b"" if seen.refunded is None else start_row(start, start, 0.0, 0.0).tobytes()
        empty = Ledger(start, start, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, nothing.tobytes(), refund_numbers=refunds)
        return advanced(empty, seen, shape, unit)
    numbers = np.zeros(SIZE)
    kernels.feed(numbers, MEANS, days, seen.due)
    _open_round(numbers, seen.at, 1.0)
    since, first = seen.at - round(days * DAY), 0.0
    if days < _GROWN:
        # What a young campaign lacks yet would pass for lag: neither its results nor what was due speak of that.
        first = seen.results
        numbers[kernels.NOW : kernels.DUE] = 0.0
    refunded = seen.refunded or 0.0
    refunds = (
        b""
        if seen.refunded is None
        else start_row(since, seen.at, seen.results + refunded, refunded).tobytes()
    )
    found = (since, seen.at, seen.cost, seen.results, seen.orders, 0.0, 0.0, first, numbers.tobytes())
    return Ledger(*found, refunded, refunds)


def renewed(ledger: Ledger) -> Ledger:
    """The ledger of a campaign whose evidence begins anew; what was learned of lag, rhythm and scatter stays.

    Results that are still to come of spend before are left to the campaign as a gift.
    """
    numbers = ledger.sums.copy()
    for part in _GIVEN_UP:
        numbers[part] = 0
    _open_round(numbers, ledger.at, _GIFT_DAYS)
    return msgspec.structs.replace(
        ledger, day_results=ledger.results, part_results=ledger.results, numbers=numbers.tobytes()
    )


def advanced(ledger: Ledger, seen: Seen, shape: "Shape", unit: float = 1.0) -> Ledger:
    """The ledger after one more moment; days that have ended meanwhile are closed, what is not known between lies evenly.

    Args:
        ledger: as it was.
        seen: the moment; one that is not later adds its due at the ledger's own time.
        shape: what the board has learned, by which days are weighed against each other.
        unit: mean value of an order; 1 for counts; 0 where it is not known, then no change is looked for.
    """
    numbers = ledger.sums.copy()
    at = max(ledger.at, seen.at)
    marks = np.array((ledger.day_results, ledger.day_orders, ledger.part_results))
    times = np.array((ledger.born, ledger.at, at))
    before, after = (ledger.results, ledger.orders), (seen.results, seen.orders)
    refunds = _refunds_led_on(ledger, seen, at)
    kept = (seen.results, seen.results)
    if refunds is not None:
        kept = kept_of(refunds, at, seen.results, seen.refunded or 0.0, shape, unit)
    is_money = refunds is not None
    kernels.advance(numbers, shape.packed, MEANS, times, seen.due, before, after, kept, marks, unit, is_money)
    day_results, day_orders, part_results = marks.tolist()
    return Ledger(
        ledger.born,
        at,
        seen.cost,
        seen.results,
        seen.orders,
        day_results,
        day_orders,
        part_results,
        numbers.tobytes(),
        seen.refunded or 0.0,
        b"" if refunds is None else refunds.tobytes(),
    )


def caught_up(ledger: Ledger, seen: Seen, shape: "Shape", results: float) -> Ledger:
    """The ledger of an earlier build, in which results were ahead of their spend, at a moment at which both have come.

    All of both counts. What the time until then says of lag, rhythm and change is given up, since it would say it of the build.

    Args:
        ledger: as it was.
        seen: the moment.
        shape: what the board has learned.
        results: since the evidence began.
    """
    numbers, at = ledger.sums.copy(), max(ledger.at, seen.at)
    kernels.feed(numbers, MEANS, (at - ledger.at) / DAY, seen.due)
    today = slice(kernels.TODAY, kernels.FITS)
    due = numbers[kernels.DUE : kernels.LAG_FITS].reshape(len(LAGS), kernels.WEEK)
    # The epoch began on a Thursday.
    weekday, age = ((at - 1) // DAY + 3) % kernels.WEEK, min(max(at - 1 - ledger.born, 0) // DAY, AGES - 1)
    due[:, weekday] += numbers[today] * shape.ages[age]
    numbers[today] = numbers[kernels.NOW : kernels.DUE] = numbers[_LAG_AND_WEEKDAYS] = 0.0
    # As likely under each law as the law with the best rate for it: only how many came in all speaks.
    of_law = np.maximum(due @ np.array(shape.weekday), _LEAST)
    numbers[kernels.FITS : kernels.NOW] = max(0.0, results) * np.log(of_law)
    refunds = _refunds_led_on(ledger, seen, at)
    marks = seen.results, seen.orders, seen.results
    found = (ledger.born, at, seen.cost, seen.results, seen.orders, *marks, numbers.tobytes())
    return Ledger(*found, seen.refunded or 0.0, b"" if refunds is None else refunds.tobytes())


def _refunds_led_on(ledger: Ledger, seen: Seen, at: int) -> Floats | None:
    """Sums of refunds at the moment; None for counts. A ledger of an earlier build begins with them."""
    if seen.refunded is None:
        return None
    if not ledger.refund_numbers:
        return start_row(ledger.born, at, seen.results + seen.refunded, seen.refunded)
    refunded = seen.refunded - ledger.refunded
    return led_on(ledger.refund_sums, ledger.at, at, seen.results - ledger.results + refunded, refunded)


def kept_of(
    refunds: Floats, at: int, results: float, refunded: float, shape: "Shape", unit: float
) -> tuple[float, float]:
    """What of the money that has come stays, as the board has learned, and as it may be where the board has not seen enough.

    Args:
        refunds: sums of the ledger.
        at: epoch ms up to which they reach.
        results: money that has come less what was refunded.
        refunded: money.
        shape: what the board has learned.
        unit: mean value of an order; 0 where it is not known.
    """
    learned = results - held_back(refunds, at, shape.refund_shares, unit)
    return learned, min(learned, cautiously_kept(results, refunded, shape.unseen_refunds))


def drifted(ledger: Ledger, shape: "Shape") -> float:
    """By how much the results since the evidence began scatter more than their days do, where results per spend drift.

    In units of results: variance over mean of the sum of all days, less that of a day.
    """
    numbers = ledger.sums
    days = float(numbers[kernels.DAYS]) + ledger.at % DAY / DAY
    if not shape.drift or days <= 0:
        return 0.0
    return shape.drift * max(0.0, float(numbers[WHOLE])) / days * float(kernels.correlated_days(days))


def due_by_law(ledger: Ledger, shape: "Shape") -> tuple[Floats, Floats]:
    """What was due since the evidence began under each law of lag, and how well it fits: Σ results · log due."""
    due, fits = np.empty(len(LAGS)), np.empty(len(LAGS))
    came = max(0.0, ledger.results - ledger.part_results)
    kernels.due_by_law(ledger.sums, shape.packed, ledger.at, ledger.born, came, due, fits)
    return due, fits
