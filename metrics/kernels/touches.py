"""Touches of visitors in a ring of columns, linked backwards per visitor, under an open-addressing index.

Touches are numbered from 0 as they come; touch n lies at n modulo the capacity. ``marks`` holds, in this order: the
first number still kept, the next number, and how many slots of the index were ever used. A slot holds the number of a
visitor's newest touch, or FREE; one whose touch is no longer kept may be used again, but does not end a probe. A link is the
distance back to the visitor's touch before, or 0. A visitor of 0 is nobody.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, inlined, kernel

FIRST, NEXT, USED = 0, 1, 2
FREE, GONE = -1, -2


@inlined
def home_of(visitor: Any, mask: Any) -> Any:
    """Where a visitor's probe begins; the low bits of a hash are marked, so higher ones are taken."""
    return np.int64((visitor >> np.uint64(20)) & np.uint64(mask))


@borrowing
def find(visitor: Any, slots: Any, visitors: Any, marks: Any) -> Any:
    """The slot of a visitor, else -1 minus the slot it would go to."""
    mask, capacity = len(slots) - 1, len(visitors)
    position, vacant = home_of(visitor, mask), np.int64(-1)
    while slots[position] != FREE:
        head = slots[position]
        if head < marks[FIRST]:
            if vacant < 0:
                vacant = position
        elif visitors[head % capacity] == visitor:
            return position
        position = (position + 1) & mask
    return -1 - (vacant if vacant >= 0 else position)


@kernel
def insert(
    new_visitors: Any,
    new_at: Any,
    new_touchpoints: Any,
    visitors: Any,
    at: Any,
    touchpoints: Any,
    back: Any,
    slots: Any,
    marks: Any,
) -> Any:
    """Keep the touches of somebody; there is room. Say how many were kept."""
    capacity, before = len(visitors), marks[NEXT]
    for index in range(len(new_visitors)):
        visitor = new_visitors[index]
        if visitor == 0:
            continue
        number = marks[NEXT]
        cell = number % capacity
        slot, distance = find(visitor, slots, visitors, marks), np.int64(0)
        if slot >= 0:
            distance = number - slots[slot]
        else:
            slot = -1 - slot
            if slots[slot] == FREE:
                marks[USED] += 1
        visitors[cell], at[cell], touchpoints[cell] = visitor, new_at[index], new_touchpoints[index]
        back[cell] = distance
        slots[slot] = number
        marks[NEXT] = number + 1
    return marks[NEXT] - before


@kernel
def walk(
    visitor: Any,
    since: int,
    until: int,
    visitors: Any,
    at: Any,
    touchpoints: Any,
    back: Any,
    slots: Any,
    marks: Any,
    found_at: Any,
    found_touchpoints: Any,
) -> int:
    """A visitor's touches in [since, until), the newest arrival first; at most as many steps as there is room."""
    slot = find(visitor, slots, visitors, marks)
    if slot < 0:
        return 0
    capacity, count, number = len(visitors), 0, slots[slot]
    for _ in range(len(found_at)):
        if number < marks[FIRST]:
            break
        cell = number % capacity
        if since <= at[cell] < until:
            found_at[count], found_touchpoints[count] = at[cell], touchpoints[cell]
            count += 1
        if back[cell] == 0:
            break
        number -= np.int64(back[cell])
    return count


@kernel
def walk_all(
    wanted: Any,
    since: Any,
    until: Any,
    most: int,
    visitors: Any,
    at: Any,
    touchpoints: Any,
    back: Any,
    slots: Any,
    marks: Any,
) -> Any:
    """The touches of many visitors, each in its own [since, until) and within ``most`` steps.

    Returns:
        For each touch the index in ``wanted``, its event time, its place.
    """
    capacity, count = len(visitors), 0
    owners, found_at = np.empty(4 * len(wanted), dtype=np.int64), np.empty(4 * len(wanted), dtype=np.int64)
    found_touchpoints = np.empty(4 * len(wanted), dtype=np.int32)
    for index in range(len(wanted)):
        slot = find(wanted[index], slots, visitors, marks)
        if slot < 0:
            continue
        number = slots[slot]
        for _ in range(most):
            if number < marks[FIRST]:
                break
            cell = number % capacity
            if since[index] <= at[cell] < until[index]:
                if count == len(owners):
                    owners = np.append(owners, np.empty(count, dtype=np.int64))
                    found_at = np.append(found_at, np.empty(count, dtype=np.int64))
                    found_touchpoints = np.append(found_touchpoints, np.empty(count, dtype=np.int32))
                owners[count], found_at[count], found_touchpoints[count] = (
                    index,
                    at[cell],
                    touchpoints[cell],
                )
                count += 1
            if back[cell] == 0:
                break
            number -= np.int64(back[cell])
    return owners[:count], found_at[:count], found_touchpoints[:count]


@kernel
def erase(visitor: Any, visitors: Any, back: Any, slots: Any, marks: Any) -> Any:
    """Make a visitor's touches nobody's; give their numbers."""
    erased = np.empty(0, dtype=np.int64)
    slot = find(visitor, slots, visitors, marks)
    if slot < 0:
        return erased
    capacity, number, count = len(visitors), slots[slot], 0
    while number >= marks[FIRST]:
        count += 1
        if back[number % capacity] == 0:
            break
        number -= np.int64(back[number % capacity])
    erased, number = np.empty(count, dtype=np.int64), slots[slot]
    for index in range(count):
        cell = number % capacity
        erased[index] = number
        visitors[cell] = 0
        number -= np.int64(back[cell])
    slots[slot] = GONE
    return erased


@kernel
def move(heads: Any, visitors: Any, slots: Any, marks: Any, used: Any) -> None:
    """Put heads that are still kept into new slots, where their visitors have no newer ones."""
    capacity = len(visitors)
    for index in range(len(heads)):
        head = heads[index]
        if head < marks[FIRST]:
            continue
        slot = find(visitors[head % capacity], slots, visitors, marks)
        if slot < 0:
            slot = -1 - slot
            if slots[slot] == FREE:
                used[0] += 1
            slots[slot] = head


@kernel
def live(slots: Any, marks: Any) -> int:
    """How many visitors have a touch that is kept."""
    count = 0
    for index in range(len(slots)):
        if slots[index] >= marks[FIRST]:
            count += 1
    return count


@kernel
def follow(back: Any, marks: Any, first: int, last: int, base: int, followed: Any) -> None:
    """Note which touches are followed by one of those from ``first`` to before ``last`` of the same visitor.

    Args:
        back: links.
        marks: of the ring.
        first: number of a touch.
        last: likewise.
        base: number of the touch that is noted first.
        followed: bool, out.
    """
    capacity = len(back)
    for number in range(first, last):
        link = np.int64(back[number % capacity])
        if number >= marks[FIRST] and link != 0 and number - link >= base:
            followed[number - link - base] = True


@kernel
def steps(
    visitors: Any,
    touchpoints: Any,
    back: Any,
    marks: Any,
    first: int,
    last: int,
    base: int,
    followed: Any,
    campaigns: Any,
    counts: Any,
    watched: Any,
) -> None:
    """Count the steps of paths that end in some touches, for a Markov chain.

    Args:
        visitors: and the other columns of the ring.
        touchpoints: of the touches.
        back: links.
        marks: of the ring.
        first: number of the first touch.
        last: before which number it ends.
        base: number of the touch that ``followed`` begins with.
        followed: bool: touches that no path ends in.
        campaigns: the campaign code of each place.
        counts: int64 square, out: row and column are campaign codes; the last row is the start, the last column null.
        watched: uint64, keys of visitors whose paths are counted elsewhere.
    """
    capacity, end, mask = len(visitors), len(counts) - 1, len(watched) - 1
    for tail in range(max(first, marks[FIRST]), last):
        visitor = visitors[tail % capacity]
        if followed[tail - base] or visitor == 0:
            continue
        position = home_of(visitor, mask)
        while watched[position] != 0 and watched[position] != visitor:
            position = (position + 1) & mask
        if watched[position] != 0:
            continue
        number, after = tail, end
        for _ in range(100):
            cell = number % capacity
            campaign = campaigns[touchpoints[cell]]
            counts[campaign, after] += 1
            after = campaign
            if back[cell] == 0 or number - np.int64(back[cell]) < marks[FIRST]:
                break
            number -= np.int64(back[cell])
        counts[end, after] += 1


@kernel
def note(keys: Any, latest: Any, noted: Any, at: Any) -> int:
    """Raise what is noted under some keys; how many are new. 0 marks a free slot, and there is room for all."""
    mask, count = len(keys) - 1, 0
    for index in range(len(noted)):
        key = noted[index]
        position = home_of(key, mask)
        while keys[position] != 0 and keys[position] != key:
            position = (position + 1) & mask
        if keys[position] == 0:
            keys[position], latest[position] = key, at[index]
            count += 1
        latest[position] = max(latest[position], at[index])
    return count


@kernel
def renote(old_keys: Any, old_latest: Any, keys: Any, latest: Any, since: int) -> int:
    """Move what is noted at or after ``since`` into new slots; say how much."""
    count, mask = 0, len(keys) - 1
    for index in range(len(old_keys)):
        if old_keys[index] == 0 or old_latest[index] < since:
            continue
        position = home_of(old_keys[index], mask)
        while keys[position] != 0:
            position = (position + 1) & mask
        keys[position], latest[position] = old_keys[index], old_latest[index]
        count += 1
    return count


@kernel
def earlier(visitors: Any, at: Any, keys: Any, latest: Any, found: Any) -> int:
    """Touches that are earlier than what is noted of their visitor; their indexes go to ``found``."""
    count, mask = 0, len(keys) - 1
    for index in range(len(visitors)):
        if visitors[index] == 0:
            continue
        position = home_of(visitors[index], mask)
        while keys[position] != 0:
            if keys[position] == visitors[index]:
                if at[index] < latest[position]:
                    found[count] = index
                    count += 1
                break
            position = (position + 1) & mask
    return count
