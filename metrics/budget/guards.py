"""The one gate that every action passes, whoever requests it: rules, alerts, reallocation, operators. Pure.

An automatic request is admitted only at the live edge, on fresh and mature figures, after the campaign's rest and while
the circuit breaker is closed. An operator's decision needs the live edge too; what lets money flow also needs fresh
figures, while stopping needs none: when the data fails, a person must be able to stop the spend. The caps (step, day,
floor, ceiling, total, room in the column) hold for everyone.
"""

from typing import Literal, NamedTuple

from msgspec.structs import replace

from metrics.budget.policy import Policies, Policy
from metrics.budget.records import ActionVerb, Column, Mode
from metrics.budget.state import SPENDING, Board, CampaignState, Hold, Latest
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE

By = Literal["rule", "alert", "operator"]
#: The rule that moves money between campaigns; its proposals do not pass by themselves.
REALLOCATION = "reallocation"
#: Rules that look at money, time and room alone. A held campaign has no new readings, so its figures never mature.
_NOT_ON_RESULTS = frozenset({"budget", "hold expired", "pace", "pull", "wip"})
#: What a person must say yes to, whatever its size: it concerns two campaigns, and one without the other would not be
#: what was weighed; or it stops one that has done nothing wrong.
_ASKS_ALWAYS = frozenset({REALLOCATION, "wip"})
#: Smaller changes of a budget than this share are not worth an action.
MIN_CHANGE = 0.01


class ActionRequest(NamedTuple):
    """An action someone wants; ``budget`` in micros."""

    campaign_id: str
    verb: ActionVerb
    by: By
    rule: str
    reason: str
    column: Column | None = None
    budget: int | None = None
    hold: Hold | None = None
    #: An operator has seen this very proposal.
    is_approved: bool = False


class Admitted(NamedTuple):
    """The request as it may be done, and whether a person must approve it first."""

    request: ActionRequest
    needs_approval: bool


class Refused(NamedTuple):
    """Why not, for the card."""

    reason: str


class GuardContext(NamedTuple):
    """What the gate looks at besides the request."""

    board: Board
    policies: Policies
    mode: Mode
    is_live: bool
    now: int
    #: The watermark up to which the campaign's figures hold, where that is later than their own.
    reached: int | None = None
    #: Money that the total still allows, where it has been computed; it takes a look at every campaign.
    room: int | None = None


def admit(request: ActionRequest, state: CampaignState, guard_context: GuardContext) -> Admitted | Refused:
    """Admit, clip or refuse a request.

    Args:
        request: the action wanted.
        state: the campaign it is about, as it stands on ``guard_context.board``.
        guard_context: board, policies and moment.
    """
    policy = guard_context.policies.of(request.campaign_id)
    reason = (
        _not_live(guard_context)
        or _bad_figures(request, state, policy, guard_context)
        or _resting(request, state, policy, guard_context)
        or _pointless(request, state)
    )
    if reason is not None:
        return Refused(reason)
    budget = _clipped(request, state, guard_context)
    if isinstance(budget, Refused):
        return budget
    fitted = request._replace(budget=budget)
    reason = _no_room(fitted, state, guard_context)
    return Refused(reason) if reason else Admitted(fitted, _is_large(fitted, state, policy))


def releases_money(request: ActionRequest, state: CampaignState) -> bool:
    """Whether more may be spent after the request than before."""
    grows = request.budget is not None and request.budget > state.budget
    opens = not state.is_spending and _target_column(request, state) in SPENDING
    return grows or opens


def _target_column(request: ActionRequest, state: CampaignState) -> Column:
    if request.verb == "pause":
        return "hold"
    return request.column or ("test" if request.verb == "resume" else state.column)


def _not_live(guard_context: GuardContext) -> str | None:
    return None if guard_context.is_live else "the log is still being read: nothing is done before its end"


def _bad_figures(
    request: ActionRequest, state: CampaignState, policy: Policy, guard_context: GuardContext
) -> str | None:
    if request.by == "operator" and not releases_money(request, state):
        return None
    if state.latest is None:
        if request.by == "operator" and state.column == "backlog":
            return None  # a campaign that begins has no figures yet
        return "there are no figures yet"
    reason = _stale(request, state.latest, policy, guard_context)
    if reason is None and request.by == "rule" and request.rule not in _NOT_ON_RESULTS:
        reason = _immature(state.latest, policy)
    return reason


def _stale(request: ActionRequest, latest: Latest, policy: Policy, guard_context: GuardContext) -> str | None:
    of_reading, reached = latest.watermark, max(latest.watermark, guard_context.reached or 0)
    # A person may vouch for a campaign that was read before its topics had been heard and has rested since.
    if reached <= 0 or (of_reading <= 0 and request.by != "operator"):
        return "the figures have no watermark yet: not every topic has been heard"
    age = guard_context.now - reached
    if age > policy.stale_after:
        return f"the figures are stale: their watermark is {max(1, age // MINUTE)} min old"
    return None


def _immature(latest: Latest, policy: Policy) -> str | None:
    if latest.completeness >= policy.min_completeness:
        return None
    return f"the figures are immature: {latest.completeness:.0%} of the results have usually come by now"


def _resting(
    request: ActionRequest, state: CampaignState, policy: Policy, guard_context: GuardContext
) -> str | None:
    if request.by == "operator":
        return None
    lately = sum(0 <= guard_context.now - at < HOUR for at in guard_context.board.acted)
    common, left = guard_context.policies.common, guard_context.board.open_until - guard_context.now
    # A breaker that stays open for longer was opened by a clock that was ahead.
    if 0 < left <= common.breaker_for or lately >= common.actions_per_hour:
        return "the circuit breaker is open: too many actions in an hour"
    if state.changed_at is not None and 0 <= guard_context.now - state.changed_at < policy.cooldown:
        return "the campaign rests after its last action"
    return None


def _pointless(request: ActionRequest, state: CampaignState) -> str | None:
    if state.column == "archived" and (request.by != "operator" or request.verb != "move"):
        return "the campaign is archived"
    if request.verb == "pause" and not state.may_spend:
        return "the campaign does not spend already"
    if request.verb == "resume" and state.column not in ("hold", "stopped"):
        return "the campaign is not held"
    if request.verb == "move" and request.column in (None, state.column) and request.budget is None:
        return "the campaign stands there already"
    return None


def _clipped(
    request: ActionRequest, state: CampaignState, guard_context: GuardContext
) -> int | Refused | None:
    """The budget within every cap: an automatic request is cut down to them, an operator's is refused beyond."""
    if request.budget is None:
        return _fitting_return(request, state, guard_context)
    policy = guard_context.policies.of(request.campaign_id)
    low, high = budget_bounds(state, policy, guard_context)
    if request.by == "operator" and not low <= request.budget <= high:
        return Refused(f"the budget may now be between {low / MICROS:,.2f} and {high / MICROS:,.2f}")
    found = min(max(request.budget, low), high)
    is_small = abs(found - state.budget) < state.budget * MIN_CHANGE
    if request.by != "operator" and is_small and request.verb == "set_budget":
        return Refused("the caps leave no change worth an action")
    return found


def budget_bounds(state: CampaignState, policy: Policy, guard_context: GuardContext) -> tuple[int, int]:
    """The least and the most the budget may be now, in micros; the present one is always among them."""
    now, present = guard_context.now, state.budget
    base = state.day[1] if state.day[0] == now // DAY else present
    low = max(present - _share(present, policy.max_step), base - _share(base, policy.max_change_per_day))
    high = min(present + _share(present, policy.max_step), base + _share(base, policy.max_change_per_day))
    low = max(low, round(policy.floor * MICROS), state.spent)
    if policy.ceiling is not None:
        high = min(high, round(policy.ceiling * MICROS))
    high = min(high, state.committed + _room_in_total(guard_context))
    return min(low, present), max(high, present)


def _fitting_return(
    request: ActionRequest, state: CampaignState, guard_context: GuardContext
) -> int | Refused | None:
    """A campaign that comes back brings its budget, cut to what is left under the total."""
    if state.is_spending or _target_column(request, state) not in SPENDING:
        return None
    room = _room_in_total(guard_context) + state.committed
    if state.budget <= room:
        return None
    least = max(
        round(guard_context.policies.of(request.campaign_id).floor * MICROS), state.spent + state.card
    )
    return room if room >= least else Refused("no money is left under the total of the board")


def _room_in_total(guard_context: GuardContext) -> int:
    return (
        room_in_total(guard_context.board, guard_context.policies)
        if guard_context.room is None
        else guard_context.room
    )


def room_in_total(board: Board, policies: Policies) -> int:
    """Money that may still be promised, in micros."""
    return max(0, below_total(board, policies))


def below_total(board: Board, policies: Policies) -> int:
    """The total of the board less what is promised, in micros; below 0 where more is promised."""
    ceiling = policies.common.total_ceiling
    total = board.registered if ceiling is None else round(ceiling * MICROS)
    return total - board.committed


def _no_room(request: ActionRequest, state: CampaignState, guard_context: GuardContext) -> str | None:
    column = _target_column(request, state)
    return (
        None
        if column == state.column
        else room_reason(column, state.card, guard_context.board, guard_context.policies)
    )


def room_reason(
    column: Column, card: int, board: Board, policies: Policies, besides: str | None = None
) -> str | None:
    """Why a column takes no further card of that size, ``besides`` left aside; None where it does."""
    limit = policies.common.limit_of(column)
    if limit.limit_campaigns is None and limit.limit is None:
        return None
    within = [each for each in board.within(column) if each.campaign_id != besides]
    if limit.limit_campaigns is not None and len(within) >= limit.limit_campaigns:
        return f"the column {column} is full: {len(within)} of {limit.limit_campaigns} campaigns"
    money = limit.limit_micros
    if money is not None and sum(each.card for each in within) + card > money:
        return f"the column {column} is full: {money / MICROS:,.2f} in cards is its limit"
    return None


def _is_large(request: ActionRequest, state: CampaignState, policy: Policy) -> bool:
    if request.by == "operator" or request.is_approved:
        return False
    if request.rule in _ASKS_ALWAYS:
        return True
    return request.budget is not None and abs(request.budget - state.budget) > _share(
        state.budget, policy.approve_above
    )


def _share(amount: int, share: float) -> int:
    return int(amount * share)


def breaker(board: Board, policy: Policy, now: int) -> Board:
    """The board after one more automatic action at ``now``; past the hourly number the breaker opens."""
    acted = (*(at for at in board.acted if now - at < HOUR), now)
    opened = now + policy.breaker_for if len(acted) >= policy.actions_per_hour else board.open_until
    return replace(board, acted=acted, open_until=opened)
