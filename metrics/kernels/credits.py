"""Credits of many conversions at once, in every model: what ``metrics.attribution.models`` says of one, over columns.

A path is a run of rows, by starts as usual: path n is rows [starts[n], starts[n + 1]). A touch's code is twice its place
and 1 more for a click. Campaigns are codes in the order of their names, so that ties go as they do there. All is done with
integers and with single floating-point operations that IEEE 754 rounds exactly: every machine finds the same credits.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, inlined, kernel

LAST_TOUCH, FIRST_TOUCH, LINEAR, POSITION_BASED, TIME_DECAY, LAST_NON_DIRECT, BY_EFFECT = range(7)
WHOLE = 1_000_000
_FINE = 1 << 40
_FRACTION_BITS = 24


@kernel
def join(
    owners: Any, at: Any, codes: Any, is_kept: Any, converted_at: Any, reaches: Any, longest: int
) -> Any:
    """The paths of conversions: touches found and remembered, each once, within the reach of their kind.

    Args:
        owners: int64, the conversion of each touch; the rows are in order of owner and, within it, of the path.
        at: int64, event times.
        codes: int64, touches of one owner that are alike in time and code are neighbours.
        is_kept: 1 where the touch was remembered, 0 where it was found now; the more of both stand.
        converted_at: int64, of each conversion.
        reaches: int64, lookback of impressions and of clicks.
        longest: a longer path keeps its first touch and its last ones.

    Returns:
        Starts of the paths, and the rows that are in them.
    """
    starts = np.zeros(len(converted_at) + 1, dtype=np.int64)
    picked = np.empty(len(owners), dtype=np.int64)
    total = index = 0
    for owner in range(len(converted_at)):
        starts[owner] = total
        while index < len(owners) and owners[index] == owner:
            end, kept = index, 0
            while (
                end < len(owners)
                and owners[end] == owner
                and at[end] == at[index]
                and codes[end] == codes[index]
            ):
                kept += is_kept[end]
                end += 1
            age = converted_at[owner] - at[index]
            if 0 < age <= reaches[codes[index] & 1]:
                for row in range(index, index + max(kept, end - index - kept)):
                    picked[total] = row
                    total += 1
            index = end
        if total - starts[owner] > longest:
            for offset in range(1, longest):
                picked[starts[owner] + offset] = picked[total - longest + offset]
            total = starts[owner] + longest
    starts[len(converted_at)] = total
    return starts, picked[:total].copy()


@inlined
def decay(age: Any, half_life: Any, roots: Any) -> Any:
    """2^(−age / half-life) in units of 2^−40, rounded half-even; ``roots`` are those of ``credit``."""
    halvings = (age << _FRACTION_BITS) // half_life
    fraction, weight = halvings & ((1 << _FRACTION_BITS) - 1), np.float64(_FINE)
    for bit in range(_FRACTION_BITS):
        if fraction >> (_FRACTION_BITS - 1 - bit) & 1:
            weight *= roots[bit]
    for _ in range(min(halvings >> _FRACTION_BITS, 64)):
        weight *= 0.5
    return np.int64(np.rint(weight))


@inlined
def apportion(amount: Any, weights: Any, parts: Any) -> None:
    """Divide an amount of 0 or more by weights that are not all 0: largest remainder, of equal ones the earlier part."""
    total = np.int64(0)
    for index in range(len(weights)):
        total += weights[index]
    rests = np.empty(len(weights), dtype=np.int64)
    left, whole, rest = amount, amount // total, amount % total
    for index in range(len(weights)):
        # amount · weight may take more than 64 bits; its two parts do not.
        share = rest * weights[index]
        parts[index] = whole * weights[index] + share // total
        rests[index] = share % total
        left -= parts[index]
    for _ in range(left):
        largest = 0
        for index in range(1, len(weights)):
            if rests[index] > rests[largest]:
                largest = index
        parts[largest] += 1
        rests[largest] = -1


@inlined
def weigh(
    model: Any,
    at: Any,
    codes: Any,
    half_life: Any,
    campaigns: Any,
    directs: Any,
    effects: Any,
    roots: Any,
    visits: Any,
) -> Any:
    """What each touch of one path weighs in a model; ``visits`` are those of ``by_effect``."""
    size = len(at)
    weights = np.zeros(size, dtype=np.int64)
    if model == LAST_TOUCH:
        weights[size - 1] = 1
    elif model == FIRST_TOUCH:
        weights[0] = 1
    elif model == POSITION_BASED and size > 2:
        weights[:] = 1
        weights[0] = weights[size - 1] = 2 * (size - 2)
    elif model == TIME_DECAY:
        for index in range(size):
            weights[index] = decay(at[size - 1] - at[index], half_life, roots)
    elif model == LAST_NON_DIRECT:
        last = size - 1
        while last >= 0 and directs[codes[last] >> 1]:
            last -= 1
        weights[last if last >= 0 else size - 1] = 1
    elif model == BY_EFFECT:
        by_effect(codes, campaigns, effects, visits, weights)
    else:
        weights[:] = 1
    return weights


@borrowing
def by_effect(codes: Any, campaigns: Any, effects: Any, visits: Any, weights: Any) -> None:
    """In proportion to the effect of each touch's campaign, counted once per campaign; alike where none is known.

    ``visits`` is 0 for each campaign before and after.
    """
    size, distinct, total = len(codes), 0, np.int64(0)
    for index in range(size):
        campaign = campaigns[codes[index] >> 1]
        distinct += visits[campaign] == 0 and effects[campaign] > 0
        visits[campaign] += 1
    for index in range(size):
        campaign = campaigns[codes[index] >> 1]
        if effects[campaign] > 0:
            weights[index] = np.int64(np.rint(effects[campaign] / visits[campaign] * _FINE))
            total += weights[index]
    for index in range(size):
        visits[campaigns[codes[index] >> 1]] = 0
    if distinct == 1:
        for index in range(size):
            weights[index] = effects[campaigns[codes[index] >> 1]] > 0
    elif total == 0:
        weights[:] = 1


@kernel
def credit(
    models: Any,
    at: Any,
    codes: Any,
    starts: Any,
    half_lives: Any,
    is_given: Any,
    campaigns: Any,
    directs: Any,
    effects: Any,
    roots: Any,
    shares: Any,
) -> None:
    """Divide each conversion among the touches of its path, in each model.

    Args:
        models: codes of models.
        at: event times of the touches.
        codes: of the touches.
        starts: of the paths.
        half_lives: of each path.
        is_given: of each path, whether its shares by effect are in ``shares`` already.
        campaigns: the campaign of each touchpoint.
        directs: of each touchpoint, whether its channel is ``direct``.
        effects: of each campaign, 0 where unknown.
        roots: 2^(−1/2), 2^(−1/4), …
        shares: int64, out: millionths, a row per model, a column per touch.
    """
    visits = np.zeros(len(effects), dtype=np.int64)
    for path in range(len(starts) - 1):
        start, end = starts[path], starts[path + 1]
        for row in range(len(models)):
            if end - start == 1:
                shares[row, start] = WHOLE
            elif end > start and not (models[row] == BY_EFFECT and is_given[path]):
                half_life = half_lives[path]
                weights = weigh(
                    models[row],
                    at[start:end],
                    codes[start:end],
                    half_life,
                    campaigns,
                    directs,
                    effects,
                    roots,
                    visits,
                )
                apportion(WHOLE, weights, shares[row, start:end])


@inlined
def by_campaign(codes: Any, campaigns: Any, shares: Any, names: Any, sums: Any) -> Any:
    """The shares of a path added up by campaign, in order of campaign; how many have any."""
    count = 0
    for index in range(len(codes)):
        if shares[index] == 0:
            continue
        campaign, position = campaigns[codes[index] >> 1], 0
        while position < count and names[position] < campaign:
            position += 1
        if position == count or names[position] != campaign:
            for later in range(count, position, -1):
                names[later], sums[later] = names[later - 1], sums[later - 1]
            names[position], sums[position] = campaign, 0
            count += 1
        sums[position] += shares[index]
    return count


@kernel
def spread(
    rows: Any,
    is_cohort: Any,
    since: Any,
    at: Any,
    codes: Any,
    starts: Any,
    shares: Any,
    campaigns: Any,
    none: int,
    width: int,
    generations: Any,
    signs: Any,
    part_starts: Any,
    parts: Any,
    is_money: Any,
    period: int,
) -> Any:
    """What conversions count, by model and campaign.

    Args:
        rows: of each model, the row of its base model in ``shares``.
        is_cohort: of each model, whether parts count at the time of the first credited touch.
        since: of each model, the rule version with which it was switched on; older decisions are not in it.
        at: event times of the touches.
        codes: of the touches.
        starts: of the paths.
        shares: millionths, as ``credit`` gives them.
        campaigns: the campaign of each touchpoint.
        none: the campaign of what cannot be credited.
        width: how many campaigns there are.
        generations: of each path, the rule version of its decision.
        signs: of each path: 1 adds what it counts, -1 takes it back.
        part_starts: which rows of ``parts`` are a path's.
        parts: int64; event time, then counts and money.
        is_money: of each of those columns: money is divided so that it adds up, counts become millionths.
        period: milliseconds to which event times are rounded down.

    Returns:
        Campaigns in models (model · width + campaign), periods, and a row of sums per column; both may repeat.
    """
    room, longest = 0, 1
    for path in range(len(starts) - 1):
        size = max(1, starts[path + 1] - starts[path])
        longest = max(longest, size)
        room += (part_starts[path + 1] - part_starts[path]) * size * len(rows)
    in_models, periods = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int64)
    sums = np.zeros((len(is_money), room), dtype=np.int64)
    names, credits_ = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    divided, found = np.empty(longest, dtype=np.int64), 0
    for path in range(len(starts) - 1):
        start, end = starts[path], starts[path + 1]
        for model in range(len(rows)):
            if since[model] > generations[path]:
                continue
            share = shares[rows[model], start:end]
            count = by_campaign(codes[start:end], campaigns, share, names, credits_)
            if count == 0:
                count, names[0], credits_[0] = 1, none, WHOLE
            first = start
            while first < end and share[first - start] == 0:
                first += 1
            for part in range(part_starts[path], part_starts[path + 1]):
                when = at[first] if is_cohort[model] and first < end else parts[part, 0]
                for index in range(count):
                    in_models[found + index] = model * width + names[index]
                    periods[found + index] = when // period
                for column in range(len(is_money)):
                    value = parts[part, 1 + column] * signs[path]
                    if value == 0:
                        continue
                    if not is_money[column]:
                        for index in range(count):
                            sums[column, found + index] = value * credits_[index]
                        continue
                    apportion(abs(value), credits_[:count], divided[:count])
                    for index in range(count):
                        sums[column, found + index] = divided[index] if value > 0 else -divided[index]
                found += count
    return in_models[:found], periods[:found], sums[:, :found].copy()
