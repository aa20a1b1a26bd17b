"""Evidence of one target of one campaign: the sums of its ledger led on, and the e-values that they give.

The sums are one row of float64 with the layout below, which ``metrics.evidence.ledger`` explains. What a board has learned
comes as one row too (``Shape.packed``): chances of the laws of lag, their logarithms, factors of weekdays, of parts of a day
and of ages, scatter of results and of orders.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel

LAGS, WEEK, PARTS, AGES, RATIOS, BETS, BLOCK = 9, 7, 8, 15, 3, 3, 28
DAY_MS = 86_400_000
#: Layout of a ledger's row: where each run of sums begins.
PENDING = 0
TODAY = PENDING + LAGS
FITS = TODAY + LAGS
NOW = FITS + LAGS
DUE = NOW + LAGS
LAG_FITS = DUE + LAGS * WEEK
LAG_DUE = LAG_FITS + LAGS
LAG_RESULTS = LAG_DUE + LAGS
WEEKDAY_RESULTS = LAG_RESULTS + 1
WEEKDAY_DUE = WEEKDAY_RESULTS + WEEK
PART_RESULTS = WEEKDAY_DUE + LAGS * WEEK
PART_DUE = PART_RESULTS + PARTS
SCATTER = PART_DUE + PARTS
ORDER_SCATTER = SCATTER + 4
AGE_RESULTS = ORDER_SCATTER + 4
AGE_DUE = AGE_RESULTS + AGES
WHOLE = AGE_DUE + AGES
DAYS = WHOLE + 1
CHANGED = DAYS + 1
WAGERS = CHANGED + LAGS * RATIOS
OWED = WAGERS + BETS
WAIT = OWED + 1
ROUND_AT = WAIT + 1
ROUND_RESULTS = ROUND_AT + 1
ROUND_DUE = ROUND_RESULTS + 1
CAUTIOUS_WAGERS = ROUND_DUE + LAGS
CAUTIOUS_OWED = CAUTIOUS_WAGERS + BETS
CAUTIOUS_RESULTS = CAUTIOUS_OWED + 1
#: Of the present block of days: its first day, and by day what its spend was to bring and what came; of those before: what they show of drift,
#: and how much that is worth.
DRIFT = CAUTIOUS_RESULTS + 1
BLOCK_START = DRIFT
BLOCK_SPENT = BLOCK_START + 1
BLOCK_RESULTS = BLOCK_SPENT + BLOCK
DRIFT_SHOWN = BLOCK_RESULTS + BLOCK
DRIFT_WORTH = DRIFT_SHOWN + 1
SIZE = DRIFT_WORTH + 1
#: Layout of what a board has learned.
LOG_CHANCES = LAGS
WEEKDAYS = LOG_CHANCES + LAGS
PART_FACTORS = WEEKDAYS + WEEK
AGE_FACTORS = PART_FACTORS + PARTS
SHAPE_SCATTER = AGE_FACTORS + AGES
SHAPE_DRIFT = SHAPE_SCATTER + 2
SHAPE_SIZE = SHAPE_DRIFT + 1
#: What is due is never taken to be less than this share of the largest of the laws: a result that a law forbids is rare.
_FLOOR = 0.02
#: Less than this was not due.
_NOTHING = 1e-9
#: Of gaps that are longer, in ms, only whole days are told apart; of still longer ones, only the last days.
_LONG, _LONGEST = 2 * DAY_MS, 60 * DAY_MS
#: Of the scatter that was seen, what a day leaves: days before lag and rhythm were known looked wider than they were.
_KEPT = 0.97
#: Ratios that the detector of a change looks for, and their weights.
_CHANGES, _CHANGE_WEIGHTS = (0.35, 0.5, 0.7), (0.05, 0.75, 0.2)
#: Half of all changes are expected within so many days.
_CHANGE_DAYS = 60.0
#: A law of lag that is less likely does not count in the detector of a change.
_UNLIKELY = 0.02
_MOST = 1e200
#: Shares of what a bettor has that each stakes on a round, and the most that a round may bring of what was due.
STAKES, _MOST_OF_A_ROUND = (0.1, 0.3, 0.8), 20.0
#: A round in which less than this share of what is usual was due is taken for one in which so much was: its spend has stopped,
#: or is not reported yet.
_LEAST_OF_A_ROUND = 0.5
#: A campaign that meets its target may also exceed it, by these factors: a law of lag that is too slow then fits.
_BETTER = (1.0, 1.1, 1.25, 1.5)
#: Memory of drift in days; the fewest days of a block that show some; what a block leaves of those before it.
DRIFT_DAYS, _FEWEST_DAYS, _BLOCK_KEPT = 7.0, 7, 0.9


@inlined
def _weekday(day: int) -> int:
    """0 for Monday, of a day since 1970-01-01, which was a Thursday."""
    return (day + 3) % WEEK


@inlined
def _fit(due: float, top: float, came: float) -> float:
    return came * np.log(max(due, _FLOOR * top)) if top > _NOTHING else 0.0


@inlined
def _feed(row: Any, means: Any, days: float, due: float, factor: float) -> None:
    """Spend that was to bring ``due`` lies evenly over ``days``; what comes of it, and of before, by each law."""
    row[WHOLE] += due
    row[TODAY] += due
    row[NOW] += due
    row[ROUND_DUE] += due * factor
    for law in range(1, LAGS):
        fades, fresh = 1.0, due
        if days > 0:
            fades = np.exp(-days / means[law])
            fresh = due * means[law] / days * (1 - fades)
        came = row[PENDING + law] * (1 - fades) + due - fresh
        row[PENDING + law] = row[PENDING + law] * fades + fresh
        row[TODAY + law] += came
        row[NOW + law] += came
        row[ROUND_DUE + law] += came * factor


@inlined
def _close_stretch(row: Any, end: int, came: float, factor: float, is_part: bool) -> None:
    """A stretch has ended whose results are known: a part of a day, or a longer time between two readings."""
    top = row[NOW : NOW + LAGS].max()
    for law in range(LAGS):
        fit = _fit(row[NOW + law], top, came)
        row[FITS + law] += fit
        row[LAG_FITS + law] += fit
        row[LAG_DUE + law] += row[NOW + law] * factor
    row[LAG_RESULTS] += came
    if is_part:
        part = (end - 1) % DAY_MS * PARTS // DAY_MS
        row[PART_RESULTS + part] += came
        row[PART_DUE + part] += row[NOW]
    row[NOW : NOW + LAGS] = 0


@inlined
def _start_weight(day: float) -> float:
    """Weight of a change at the start of that day; over all days they sum to 1."""
    return _CHANGE_DAYS / ((_CHANGE_DAYS + day) * (_CHANGE_DAYS + day + 1))


@inlined
def _changed(row: Any, law: int, at: int, due: float, came: float, scale: float) -> float:
    """The e-value for one law and one ratio after a stretch in which ``due`` was due and ``came`` came."""
    started = row[CHANGED + law * RATIOS + at] + _start_weight(row[DAYS])
    ratio = _CHANGES[at]
    return min(_MOST, started * np.exp(min(400.0, (came * np.log(ratio) + due * (1 - ratio)) / scale)))


@inlined
def _settle(row: Any, kept: float, due: float, wagers: int, owed: int, start: int) -> None:
    """One set of bettors after a round at whose end ``kept`` counts; without a start the round only sets one."""
    if not np.isnan(row[start]):
        came = kept - row[start]
        brought = max(0.0, came - row[owed])
        row[owed] = max(0.0, row[owed] - came)
        if row[WAIT] < 1 and due > _NOTHING:
            for each in range(BETS):
                row[wagers + each] += np.log1p(STAKES[each] * (min(brought / due, _MOST_OF_A_ROUND) - 1))
    row[start] = kept


@inlined
def _bet(row: Any, shape: Any, at: int, kept: Any) -> None:
    """A round has ended: what bettors on "more than is due" have then; the law of lag counts under which most was due.

    A round goes from the first reading of a day to the first of a later one, so nothing of it is guessed.
    """
    days, due = (at - row[ROUND_AT]) / DAY_MS, 0.0
    for law in range(LAGS):
        if shape[law] >= _UNLIKELY:
            due = max(due, row[ROUND_DUE + law])
    if row[SCATTER] > 0:
        due = max(due, _LEAST_OF_A_ROUND * days * row[SCATTER + 1] / row[SCATTER])
    _settle(row, kept[0], due, WAGERS, OWED, ROUND_RESULTS)
    _settle(row, kept[1], due, CAUTIOUS_WAGERS, CAUTIOUS_OWED, CAUTIOUS_RESULTS)
    row[WAIT] = max(0.0, row[WAIT] - days)
    row[ROUND_AT] = at
    row[ROUND_DUE : ROUND_DUE + LAGS] = 0


@inlined
def _correlated_days(days: float) -> float:
    """Variance of a sum over so many days that wander with variance 1 and a memory of ``DRIFT_DAYS``, over days."""
    if days <= 0:
        return 0.0
    share = days / DRIFT_DAYS
    return 2 * DRIFT_DAYS * (1 - (1 - np.exp(-share)) / share)


@kernel
def correlated_days(days: float) -> Any:
    """By how much days that wander make their sum wider than they are themselves.

    Args:
        days: that are summed.

    Returns:
        Variance of the sum over ``days``, where each wanders with variance 1 and a memory of ``DRIFT_DAYS``.
    """
    return _correlated_days(days)


@inlined
def _factor_of_day(shape: Any, day: int, born: int, with_ages: bool) -> float:
    """Of the weekday, and of the age of a campaign that was born at that instant."""
    factor = shape[WEEKDAYS + _weekday(day)]
    if not with_ages:
        return factor
    age = min(max(((day + 1) * DAY_MS - 1 - born) // DAY_MS, 0), AGES - 1)
    return factor * shape[AGE_FACTORS + age]


@inlined
def _due_of_block(row: Any, shape: Any, means: Any, born: int, with_ages: bool, due: Any) -> None:
    """Fills in what was due by day of the block, as the board has learned by now; spend before it was as on its first day."""
    due[:] = 0.0
    is_older = born // DAY_MS < row[BLOCK_START]
    for law in range(LAGS):
        fades = np.exp(-1 / means[law]) if law else 0.0
        pending = row[BLOCK_SPENT] * means[law] if is_older else 0.0
        for each in range(BLOCK):
            spent = row[BLOCK_SPENT + each]
            fresh = spent * means[law] * (1 - fades)
            due[each] += shape[law] * (pending * (1 - fades) + spent - fresh)
            pending = pending * fades + fresh
    for each in range(BLOCK):
        if row[BLOCK_SPENT + each] > 0:
            due[each] *= _factor_of_day(shape, int(row[BLOCK_START]) + each, born, with_ages)
        else:
            due[each] = 0.0


@inlined
def _drift_of_block(row: Any, shape: Any, means: Any, born: int, scale: float, with_ages: bool) -> Any:
    """What the present block shows of drift and how much that is worth; the variance of drift is the first over the second.

    With residuals r of the days from the block's own rate, x = ½ Σ (w - c · 1[same day]) r r' over pairs of days, w falling by
    ``DRIFT_DAYS``, is locally the best test for drift; c makes its mean 0 where days are independent, however they scatter.
    """
    due = np.empty(BLOCK)
    _due_of_block(row, shape, means, born, with_ages, due)
    total, squares, came, days = 0.0, 0.0, 0.0, 0
    for each in range(BLOCK):
        if due[each] > 0:
            total += due[each]
            squares += due[each] * due[each]
            came += row[BLOCK_RESULTS + each]
            days += 1
    if days < _FEWEST_DAYS or total <= 0 or came <= 0:
        return 0.0, 0.0
    rate = came / total
    weights = np.exp(-np.arange(BLOCK) / DRIFT_DAYS)
    near, pairs = np.zeros(BLOCK), 0.0
    for one in range(BLOCK):
        for other in range(BLOCK):
            near[one] += weights[abs(one - other)] * due[other]
        pairs += due[one] * near[one]
    freedom = total - squares / total
    if freedom <= _NOTHING:
        return 0.0, 0.0
    same = (total - pairs / total) / freedom
    both = (pairs - same * squares) / (total * total)
    shown, worth = 0.0, 0.0
    for one in range(BLOCK):
        if due[one] > 0:
            first = row[BLOCK_RESULTS + one] - rate * due[one]
            of_one = near[one] - same * due[one]
            for other in range(BLOCK):
                if due[other] > 0:
                    weight = weights[abs(one - other)]
                    kept = weight - (same if one == other else 0.0)
                    shown += kept * first * (row[BLOCK_RESULTS + other] - rate * due[other])
                    kept -= (of_one + near[other] - same * due[other]) / total
                    worth += (kept + both) * weight * due[one] * due[other]
    return 0.5 * shown / (scale * scale), 0.5 * rate * rate * worth / (scale * scale)


@kernel
def drift_of_blocks(rows: Any, shape: Any, means: Any, births: Any, scale: float, with_ages: bool) -> Any:
    """What campaigns show together of drift, and how much that is worth.

    Args:
        rows: of ledgers, (campaigns, ``SIZE``).
        shape: what the board has learned.
        means: of the laws of lag, in days.
        births: of the campaigns, epoch ms, int64.
        scale: scatter of a day's results, in units of results.
        with_ages: whether first days are to bring as much less as the board has learned.
    """
    shown, worth = 0.0, 0.0
    for each in range(len(rows)):
        of_block = _drift_of_block(rows[each], shape, means, births[each], scale, with_ages)
        shown += rows[each, DRIFT_SHOWN] + of_block[0]
        worth += rows[each, DRIFT_WORTH] + of_block[1]
    return shown, worth


@inlined
def _block_day(row: Any, shape: Any, means: Any, end: int, born: int, came: float, is_money: bool) -> None:
    """A day has ended; it joins the block in which drift is looked for. Of money, orders have come: no value and no refund drifts."""
    day = (end - 1) // DAY_MS
    if day - row[BLOCK_START] >= BLOCK:
        if is_money:
            scale = _own_scatter(row, shape[SHAPE_SCATTER + 1], ORDER_SCATTER, 1.0)
        else:
            scale = _own_scatter(row, shape[SHAPE_SCATTER], SCATTER, 1.0)
        shown, worth = _drift_of_block(row, shape, means, born, scale, with_ages=True)
        row[DRIFT_SHOWN] = row[DRIFT_SHOWN] * _BLOCK_KEPT + shown
        row[DRIFT_WORTH] = row[DRIFT_WORTH] * _BLOCK_KEPT + worth
        row[BLOCK_SPENT:DRIFT_SHOWN] = 0
        row[BLOCK_START] = day
    at = max(0, day - int(row[BLOCK_START]))
    row[BLOCK_SPENT + at] += row[TODAY]
    row[BLOCK_RESULTS + at] += came


@inlined
def _close_day(row: Any, shape: Any, end: int, born: int, came: float, orders: float, unit: float) -> None:
    """A day has ended, with results and orders; ``unit`` is the mean value of an order, 1 for counts, 0 where unknown."""
    weekday = _weekday((end - 1) // DAY_MS)
    factor = shape[WEEKDAYS + weekday]
    age = min(max((end - 1 - born) // DAY_MS, 0), AGES - 1)
    mean = 0.0
    for law in range(LAGS):
        mean += shape[law] * row[TODAY + law]
    row[AGE_RESULTS + age] += came
    row[AGE_DUE + age] += mean * factor
    mean *= shape[AGE_FACTORS + age]
    if not row[TODAY : TODAY + LAGS].max() > 0:
        return
    if unit > 0:
        scale = unit * _own_scatter(row, shape[SHAPE_SCATTER], SCATTER, unit)
        scale += shape[SHAPE_DRIFT] * mean * factor * _correlated_days(DRIFT_DAYS)
        for law in range(LAGS):
            due = row[TODAY + law] * shape[AGE_FACTORS + age] * factor
            for at in range(RATIOS):
                row[CHANGED + law * RATIOS + at] = _changed(row, law, at, due, came, scale)
    row[DAYS] += 1
    for law in range(LAGS):
        due = row[TODAY + law] * shape[AGE_FACTORS + age]
        row[DUE + law * WEEK + weekday] += due
        row[WEEKDAY_DUE + law * WEEK + weekday] += due
    row[WEEKDAY_RESULTS + weekday] += came
    weight = mean * factor
    if weight > 0:
        for first, brought in ((SCATTER, came), (ORDER_SCATTER, orders)):
            row[first] = row[first] * _KEPT + 1
            row[first + 1] = row[first + 1] * _KEPT + weight
            row[first + 2] = row[first + 2] * _KEPT + brought
            row[first + 3] = row[first + 3] * _KEPT + brought * brought / weight
    row[TODAY : TODAY + LAGS] = 0


@inlined
def _own_scatter(row: Any, board: float, first: int, unit: float) -> float:
    """The wider of the board's scatter and a campaign's own, drawn to it."""
    days, due, results, squares = row[first], row[first + 1], row[first + 2], row[first + 3]
    if days < 2 or due <= 0 or results <= 0:
        return board
    spread = max(0.0, squares * due / results - results) / unit
    return max(board, (OWN_DAYS * board + spread) / (OWN_DAYS + days - 1))


#: How many days of its own scatter that of the board is worth to a campaign.
OWN_DAYS = 12.0


@kernel
def own_scatter(row: Any, board: float, first: int, unit: float) -> Any:
    """The wider of the board's scatter and a campaign's own.

    Args:
        row: of a ledger.
        board: scatter that the board shows.
        first: ``SCATTER`` or ``ORDER_SCATTER``.
        unit: mean value of an order; 1 for counts.
    """
    return _own_scatter(row, board, first, unit)


@kernel
def feed(row: Any, means: Any, days: float, due: float) -> None:
    """Spend that was to bring ``due``, evenly over ``days``; the row is changed."""
    _feed(row, means, days, due, 1.0)


@kernel
def advance(
    row: Any,
    shape: Any,
    means: Any,
    times: Any,
    due: float,
    before: Any,
    after: Any,
    kept: Any,
    marks: Any,
    unit: float,
    is_money: bool,
) -> None:
    """One more moment of a ledger; the row and ``marks`` are changed.

    Args:
        row: float64, by the layout.
        shape: what the board has learned.
        means: of the laws of lag, in days.
        times: int64: birth of the campaign, the ledger's own instant, the moment's; epoch ms.
        due: what the spend between was to bring.
        before: results and orders at the ledger's instant.
        after: the same at the moment's.
        kept: results at the moment's instant that surely stay, as the board has learned, and by the cautious prior.
        marks: results and orders at the start of the present day, results at the start of the present part of it.
        unit: mean value of an order, 1 for counts, 0 where it is not known.
        is_money: whether results are money.
    """
    born, start, stop = times[0], times[1], times[2]
    span = stop - start
    came, ordered = after[0] - before[0], after[1] - before[1]
    step = DAY_MS if span > _LONG else DAY_MS // PARTS
    first = max(start, stop - _LONGEST)
    end, done, mean_factor, is_open = first - first % step + step, 0.0, 0.0, False
    while True:
        end = min(end, stop)
        share = 1.0 if span == 0 else (end - start) / span
        factor = shape[WEEKDAYS + _weekday((end - 1) // DAY_MS)]
        _feed(row, means, (share - done) * span / DAY_MS, (share - done) * due, factor)
        mean_factor += (share - done) * factor
        done = share
        results, orders = before[0] + share * came, before[1] + share * ordered
        if end % (DAY_MS // PARTS) == 0:
            # Results that lie evenly by guess would show whatever law of lag has them lie so: of a longer gap only its end is known.
            is_open = span > DAY_MS // PARTS
            if not is_open:
                _close_stretch(row, end, max(0.0, results - marks[2]), factor, is_part=True)
                marks[2] = results
        if end % DAY_MS == 0 and end > start:
            of_day, orders_of_day = max(0.0, results - marks[0]), max(0.0, orders - marks[1])
            if span <= _LONG:  # days of a longer gap are guessed to be alike
                _block_day(row, shape, means, end, born, orders_of_day if is_money else of_day, is_money)
            _close_day(row, shape, end, born, of_day, orders_of_day, unit)
            marks[0], marks[1] = results, orders
        if end >= stop:
            if is_open:
                _close_stretch(row, stop, max(0.0, after[0] - marks[2]), mean_factor, is_part=False)
                marks[2] = after[0]
            if stop // DAY_MS > row[ROUND_AT] // DAY_MS:
                _bet(row, shape, stop, kept)
            return
        end += step


@inlined
def _due(row: Any, shape: Any, at: int, born: int, due: Any) -> float:
    """Fills in what was due under each law up to ``at``; returns the factor of the present part of the present day."""
    weekday = _weekday(at // DAY_MS)
    age = min(max((at - born) // DAY_MS, 0), AGES - 1)
    share = at % DAY_MS / DAY_MS * PARTS
    part, total = 1.0, 0.0
    if share > 0:
        whole = int(share)
        for each in range(whole):
            total += shape[PART_FACTORS + each]
        if whole < PARTS:
            total += (share - whole) * shape[PART_FACTORS + whole]
        part = total / share
    factor = shape[AGE_FACTORS + age] * shape[WEEKDAYS + weekday] * part
    for law in range(LAGS):
        found = row[TODAY + law] * factor
        for each in range(WEEK):
            found += row[DUE + law * WEEK + each] * shape[WEEKDAYS + each]
        due[law] = found
    return factor


@kernel
def due_by_law(row: Any, shape: Any, at: int, born: int, came: float, due: Any, fits: Any) -> None:
    """What was due since the evidence began, by law of lag, and how well each law fits; both are filled in.

    Args:
        row: of the ledger.
        shape: what the board has learned.
        at: of the ledger, epoch ms.
        born: of the campaign, epoch ms.
        came: results since the present part of the day began.
        due: float64, one for each law; filled in.
        fits: the same.
    """
    _due(row, shape, at, born, due)
    top = row[NOW : NOW + LAGS].max()
    for law in range(LAGS):
        fits[law] = row[FITS + law] + _fit(row[NOW + law], top, came)


@inlined
def _log_sum(count: float, log_ratio: float, ratio: float, due: Any, base: Any, scale: float) -> float:
    top = -np.inf
    for law in range(LAGS):
        top = max(top, count * log_ratio - ratio * due[law] / scale + base[law])
    total = 0.0
    for law in range(LAGS):
        total += np.exp(count * log_ratio - ratio * due[law] / scale + base[law] - top)
    return top + np.log(total)


@kernel
def judge(row: Any, shape: Any, moment: Any, young: Any, mixture: Any) -> Any:
    """E-values against "the target is met".

    Args:
        row: of the ledger.
        shape: what the board has learned.
        moment: float64: the ledger's instant and birth (epoch ms); results since the evidence began, since the present part
            and since the present day began; scale; at most so much was due.
        young: of what was due, by law: what the latest spend was to bring, which does not speak yet.
        mixture: (3, nodes): ratios, their logarithms, the logarithms of their weights.

    Returns:
        Logarithm of the e-value since the evidence began, logarithm of that of a change since, and what was due by now: by the
        laws as they fit the campaign, and as the board has learned them.
    """
    at, born, results, of_part, of_day, scale, most = moment
    due, base, today = np.empty(LAGS), np.empty(LAGS), np.empty(LAGS)
    factor = _due(row, shape, int(at), int(born), due)
    latest = _factor_of_day(shape, (int(at) - 1) // DAY_MS, int(born), with_ages=True)
    top = row[NOW : NOW + LAGS].max()
    for law in range(LAGS):
        # Laws are compared as if each stretch had brought as much less; else one of no lag, which lost most, would fit for it.
        spoken = max(_NOTHING, 1 - young[law] * latest / due[law]) if due[law] > 0 else 1.0
        due[law] *= spoken
        # Results that are not due yet belong to the latest spend: they are missing from no stretch that ends now.
        today[law] = max(0.0, row[TODAY + law] * factor - young[law] * latest) - max(0.0, due[law] - most)
        due[law] = min(max(due[law], 0.0), most)
        fit = row[FITS + law] + _fit(row[NOW + law], top, of_part) + results * np.log(spoken)
        base[law] = fit / scale + shape[LOG_CHANCES + law]
    if not due.max() > 0:
        return 0.0, -np.inf, 0.0, 0.0
    count = results / scale
    met = -np.inf
    for ratio in _BETTER:
        met = max(met, _log_sum(count, np.log(ratio), ratio, due, base, scale))
    logs = np.empty(mixture.shape[1])
    for node in range(len(logs)):
        logs[node] = mixture[2, node] + _log_sum(count, mixture[1, node], mixture[0, node], due, base, scale)
    highest = logs.max()
    missed = highest + np.log(np.exp(logs - highest).sum())
    weights, prior, best = 0.0, 0.0, -np.inf
    for law in range(LAGS):
        best = max(best, base[law] - count * np.log(max(due[law], 1e-12)))
    fitted = 0.0
    changed = np.inf
    for law in range(LAGS):
        weight = np.exp(base[law] - count * np.log(max(due[law], 1e-12)) - best)
        weights += weight
        fitted += weight * due[law]
        prior += shape[law] * due[law]
        if shape[law] >= _UNLIKELY:
            total = 0.0
            for each in range(RATIOS):
                total += _CHANGE_WEIGHTS[each] * _changed(row, law, each, today[law], of_day, scale)
            changed = min(changed, total)
    return missed - met, np.log(max(changed, 1e-300)), fitted / weights, prior
