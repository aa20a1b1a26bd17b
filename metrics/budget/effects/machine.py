"""One part of an effect as a state machine: (part, what the platform shows or answers, now) → part. Pure.

``requested`` → read → ``sent`` is written down → the platform is asked → read back → ``confirmed``. What was sent and not answered is
settled by reading back: as wished, it is confirmed; changed by somebody else, it is ``drifted``; untouched by anybody after the time
in which a late request can still arrive, it may be sent again; touched, and yet as before, it is ``refused``, since a second try could
undo what a person did.
"""

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from metrics.budget.effects.records import Because, EffectPart, PlatformState
from metrics.values.time import DAY, MINUTE, SECOND, format_instant, to_millis


class Patience(NamedTuple):
    """How long things may take, in ms.

    Attributes:
        settle: after so long a request that was not answered arrives no more, and a platform shows what it accepted.
        send_within: a request that does not leave so soon after it was written down is not made: before ``settle`` is over it must have arrived.
        first_pause: after the first failure; doubled with each further one.
        longest_pause: between two tries.
        max_age: actions that could not be sent by then are refused.
        attempts: times that one part is sent at most.
    """

    settle: int = 2 * MINUTE
    send_within: int = 30 * SECOND
    first_pause: int = 5 * SECOND
    longest_pause: int = 10 * MINUTE
    max_age: int = DAY
    attempts: int = 3


class Accepted(NamedTuple):
    """The platform says that it did it."""


class RefusedThere(NamedTuple):
    """The platform says that it did not, and will not."""

    because: Because
    detail: str


class NotTaken(NamedTuple):
    """Nothing was done, and later it may be: too many requests, a token that has expired, no connection."""

    because: Because
    detail: str
    #: Least pause in ms that the platform asks for.
    after: int = 0


class Unknown(NamedTuple):
    """The request was sent and not answered."""

    detail: str


Answer = Accepted | RefusedThere | NotTaken | Unknown


def judged(
    part: EffectPart, seen: PlatformState, now: int, patience: Patience, chance: float, *, owns_pause: bool
) -> EffectPart:
    """A part after the platform was read. Where it stays ``requested`` without ``retry_at`` it may be sent.

    Args:
        part: ``requested`` or ``sent``, with ``amount_micros`` where it is a budget.
        seen: what was read.
        now: epoch ms.
        patience: how long things may take.
        chance: 0 to 1, of the pause.
        owns_pause: whether the campaign stands paused by an effect of ours.
    """
    part = replace(part, seen=seen)
    if seen.status == "gone":
        return settled(part, "refused", "gone", "the campaign is not there any more", now)
    if part.stage == "sent":
        return _read_back(part, seen, now, patience, chance)
    if is_as_wished(part, seen):
        # Of two pauses in a row the second finds the campaign paused by the first, which is no person's pause.
        is_ours = part.status == "paused" and owns_pause
        return replace(settled(part, "confirmed", "already_so", "nothing was sent", now), is_ours=is_ours)
    if part.aspect == "budget" and seen.budget_micros is None:
        return settled(part, "refused", "no_total_budget", "the campaign has no budget of its own there", now)
    if part.status == "running" and not owns_pause:
        return settled(part, "refused", "paused_there", "a person paused the campaign on the platform", now)
    return replace(part, retry_at=None)


def _read_back(
    part: EffectPart, seen: PlatformState, now: int, patience: Patience, chance: float
) -> EffectPart:
    assert part.before is not None, "written down before it was sent"
    if is_as_wished(part, seen):
        is_ours = part.status == "paused" and not part.is_in_doubt
        return replace(settled(part, "confirmed", None, "", now), is_ours=is_ours)
    if _aspect_of(part, seen) != _aspect_of(part, part.before):
        return settled(part, "drifted", "changed_there", "somebody else changed it meanwhile", now)
    sent = millis(part.sent_at[-1])
    is_untouched = seen.version is not None and seen.version == part.before.version
    if now - sent < patience.settle:
        part = replace(part, tries=part.tries + 1, is_in_doubt=part.is_in_doubt or not is_untouched)
        wait = pause(part.tries, patience, chance)
        return replace(part, retry_at=format_instant(min(now + wait, sent + patience.settle)))
    if part.is_accepted:
        return settled(part, "drifted", "changed_there", "it was accepted, and yet stands as before", now)
    if is_untouched and len(part.sent_at) < patience.attempts:
        return replace(
            part,
            stage="requested",
            because="no_effect",
            detail="nothing came of the request",
            before=None,
            tries=0,
            retry_at=None,
        )
    return settled(
        part,
        "refused",
        "no_effect",
        "nothing came of the request"
        if is_untouched
        else "the request was not answered, and it stands as before",
        now,
    )


def sending(part: EffectPart, now: int) -> EffectPart:
    """A part that is about to be sent: to be written down before the platform hears of it."""
    assert part.seen is not None, "read before"
    return replace(
        part,
        stage="sent",
        because=None,
        detail="",
        before=part.seen,
        sent_at=(*part.sent_at, format_instant(now)),
        is_accepted=False,
        is_in_doubt=False,
        tries=0,
        retry_at=None,
    )


def answered(part: EffectPart, answer: Answer, now: int, patience: Patience, chance: float) -> EffectPart:
    """A part that was sent, after the platform answered or did not."""
    match answer:
        case Accepted():
            return replace(part, is_accepted=True, retry_at=format_instant(now + pause(0, patience, chance)))
        case RefusedThere(because, detail):
            return settled(part, "refused", because, detail, now)
        case Unknown(detail):
            wait = pause(0, patience, chance)
            return replace(part, detail=detail, retry_at=format_instant(now + wait))
        case NotTaken():
            back = replace(part, stage="requested", before=None, sent_at=part.sent_at[:-1])
            return postponed(back, answer, now, patience, chance)


def postponed(part: EffectPart, failure: NotTaken, now: int, patience: Patience, chance: float) -> EffectPart:
    """A part that could not be read or written now; it is tried again with growing pauses."""
    wait = max(failure.after, pause(part.tries, patience, chance))
    return replace(
        part,
        because=failure.because,
        detail=failure.detail,
        tries=part.tries + 1,
        retry_at=format_instant(now + wait),
    )


def settled(part: EffectPart, stage: str, because: Because | None, detail: str, now: int) -> EffectPart:
    """A part at its end."""
    return replace(
        part, stage=stage, because=because, detail=detail, retry_at=None, settled_at=format_instant(now)
    )


def watched(part: EffectPart, seen: PlatformState, now: int) -> EffectPart:
    """A part that was confirmed, or has drifted, after the platform was read again; the same object where nothing is new."""
    is_as_it_was = is_as_wished(part, seen)
    if is_as_it_was == (part.stage == "confirmed"):
        return part
    if is_as_it_was:
        return replace(
            settled(part, "confirmed", "already_so", "it was set so on the platform", now), seen=seen
        )
    why: Because = "gone" if seen.status == "gone" else "changed_there"
    detail = "the campaign is not there any more" if why == "gone" else "somebody changed it on the platform"
    return replace(settled(part, "drifted", why, detail, now), seen=seen, is_ours=False)


def is_as_wished(part: EffectPart, seen: PlatformState) -> bool:
    """Whether a campaign stands there as a part asks for; one without a budget of its own never has the one that is asked for."""
    if part.aspect == "budget" and part.amount_micros is None:
        return False
    return seen.status != "gone" and _aspect_of(part, seen) == (
        part.status if part.aspect == "status" else (part.amount_micros, part.is_daily)
    )


def _aspect_of(part: EffectPart, seen: PlatformState) -> str | tuple[int | None, bool]:
    return seen.status if part.aspect == "status" else (seen.budget_micros, seen.is_daily)


def pause(tries: int, patience: Patience, chance: float) -> int:
    """Milliseconds before the next try: doubled each time, between half and the whole of it by chance.

    >>> pause(0, Patience(), 0.0), pause(3, Patience(), 1.0), pause(60, Patience(), 1.0)
    (2500, 40000, 600000)
    """
    whole = min(patience.longest_pause, patience.first_pause << min(tries, 20))
    return round(whole / 2 * (1 + chance))


def millis(text: str) -> int:
    """Epoch ms of an instant of a record."""
    return to_millis(datetime.fromisoformat(text))
