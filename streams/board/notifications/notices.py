"""What there is to say: decisions that wait, actions that were done, and the digest of a morning. Pure; the time is an argument."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from metrics.budget.records import BoardCard, BudgetAction, BudgetDecision
from metrics.records.validation import instant
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, to_millis
from streams.board.audit_trail import AuditEntry
from streams.board.mentions import mentioned

NoticeKind = Literal["waiting", "done", "mentioned"]
#: Past this, what was done is no news: it stands in the trail.
NEWS_MS = DAY
#: A digest that could not go out at its time still does for so long.
DIGEST_LATE_MS = 4 * HOUR
#: A digest looks back to the one before, at most so far.
DIGEST_SPAN_MS = 7 * DAY


class Notice(NamedTuple):
    """One thing to say of a campaign; ``notice_id`` is the same after a restart."""

    notice_id: str
    kind: NoticeKind
    action: BudgetAction
    at_ms: int


class Mention(NamedTuple):
    """A comment that mentions somebody; ``notice_id`` is the same after a restart."""

    notice_id: str
    comment: BudgetDecision
    at_ms: int


class Digest(NamedTuple):
    """A morning: since when, what waits, what was done; money in micros."""

    digest_id: str
    since_ms: int
    waiting: list[Notice]
    done: list[Notice]
    spend_micros: int
    currency: str | None


def waiting(cards: Iterable[BoardCard]) -> list[Notice]:
    """The proposals that wait for an answer; under ``observe`` nobody waits."""
    proposals = [card.proposal for card in cards if card.proposal is not None]
    return [_notice("waiting", each) for each in proposals if each.mode != "observe"]


def done(entries: Iterable[AuditEntry], after_ms: int) -> list[Notice]:
    """What the controller did after an instant: actions that ad platforms must obey and that no operator asked for first."""
    actions = [each.record for each in entries if isinstance(each.record, BudgetAction)]
    found = [
        _notice("done", each)
        for each in actions
        if each.mode == "enforce" and not each.rule.startswith("operator")
    ]
    return [each for each in found if each.at_ms > after_ms]


def mentions(entries: Iterable[AuditEntry], name: str, people: Iterable[str], after_ms: int) -> list[Mention]:
    """The comments after an instant that mention somebody, besides their own."""
    names, found = {name, *people}, []
    for entry in entries:
        said = entry.record
        if not isinstance(said, BudgetDecision) or said.verb != "comment" or said.by == name:
            continue
        at = instant(said.occurred_at, "occurred_at")
        if at > after_ms and name in mentioned(said.reason or "", names):
            found.append(Mention(f"mentioned|{said.decision_id}", said, at))
    return found


def _notice(kind: NoticeKind, action: BudgetAction) -> Notice:
    at = to_millis(datetime.fromisoformat(action.decided_at))
    return Notice(f"{kind}|{action.action_id}", kind, action, at)


def daily_spend(card: BoardCard, now_ms: int) -> int:
    """What a campaign has spent in the last 24 hours, in micros; in the last day that its reports know of, where it has any."""
    if card.known_spend is not None:
        return card.known_spend.spend_micros
    begin = now_ms - DAY
    return sum(
        each.spend_micros or 0 for each in card.sparkline if to_millis(datetime.fromisoformat(each.t)) > begin
    )


def moved(action: BudgetAction) -> int:
    """The budget that an action moves, in micros."""
    return (
        0 if action.budget_to is None else round(abs(action.budget_to - (action.budget_from or 0)) * MICROS)
    )


def stops(action: BudgetAction) -> bool:
    """Whether a campaign spends no more after an action."""
    return action.verb == "pause" or (action.verb == "move" and action.column not in {"test", "scale"})


def stake(notice: Notice, card: BoardCard | None, now_ms: int) -> int:
    """Money at stake, in micros: the spend of a day where that is stopped, or the budget that moves."""
    daily = daily_spend(card, now_ms) if card is not None and stops(notice.action) else 0
    return max(daily, moved(notice.action))


def due_digest(at: time, zone: ZoneInfo, now_ms: int) -> str | None:
    """The id of the digest that is due, by its local day; None: it is too early, or too late.

    >>> noon = 1_795_348_800_000  # 2026-11-22T12:00:00Z
    >>> [due_digest(time(13), ZoneInfo(zone), noon) for zone in ("Europe/Paris", "UTC")]
    ['digest|2026-11-22', None]
    """
    local = datetime.fromtimestamp(now_ms / 1_000, zone)
    begun = (local.hour * 60 + local.minute - at.hour * 60 - at.minute) * MINUTE
    return f"digest|{local.date().isoformat()}" if 0 <= begun < DIGEST_LATE_MS else None


def digest_since(last_ms: int | None, at: time, zone: ZoneInfo, now_ms: int) -> int:
    """Since when a digest tells: the last one, a week at most; the first tells of a day."""
    if last_ms is not None:
        return max(last_ms, now_ms - DIGEST_SPAN_MS)
    local = datetime.fromtimestamp(now_ms / 1_000, zone)
    day_before = datetime.combine(local.date() - timedelta(days=1), at, zone)
    return to_millis(day_before)


def digest_of(
    digest_id: str, since_ms: int, cards: dict[str, BoardCard], entries: Iterable[AuditEntry], now_ms: int
) -> Digest:
    """The digest of a board, most money at stake first."""

    def by_stake(notices: list[Notice]) -> list[Notice]:
        return sorted(
            notices,
            key=lambda each: (-stake(each, cards.get(each.action.campaign_id), now_ms), each.notice_id),
        )

    spend = sum(daily_spend(card, now_ms) for card in cards.values())
    currency = next((card.currency for card in cards.values()), None)
    return Digest(
        digest_id,
        since_ms,
        by_stake(waiting(cards.values())),
        by_stake(done(entries, since_ms)),
        spend,
        currency,
    )
