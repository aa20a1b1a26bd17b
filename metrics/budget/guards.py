"""The one gate that every action passes, whoever wishes it: rules, alerts, reallocation, operators. Pure.

An automatic wish is admitted only at the live edge, on fresh and mature figures, after the campaign's rest and while
the circuit breaker is closed. An operator's word needs the live edge too; what lets money flow also needs fresh
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


class Wish(NamedTuple):
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
    """The wish as it may be done, and whether a person must approve it first."""

    wish: Wish
    needs_approval: bool


class Refused(NamedTuple):
    """Why not, for the card."""

    reason: str


class Scene(NamedTuple):
    """What the gate looks at besides the wish."""

    board: Board
    policies: Policies
    mode: Mode
    is_live: bool
    now: int
    #: The watermark up to which the campaign's figures hold, where that is later than their own.
    reached: int | None = None
    #: Money that the total still allows, where it has been computed; it takes a look at every campaign.
    room: int | None = None


def admit(wish: Wish, state: CampaignState, scene: Scene) -> Admitted | Refused:
    """Admit, clip or refuse a wish.

    Args:
        wish: the action wanted.
        state: the campaign it is about, as it stands on ``scene.board``.
        scene: board, policies and moment.
    """
    policy = scene.policies.of(wish.campaign_id)
    reason = (
        _not_live(scene)
        or _bad_figures(wish, state, policy, scene)
        or _resting(wish, state, policy, scene)
        or _pointless(wish, state)
    )
    if reason is not None:
        return Refused(reason)
    budget = _clipped(wish, state, scene)
    if isinstance(budget, Refused):
        return budget
    fitted = wish._replace(budget=budget)
    reason = _no_room(fitted, state, scene)
    return Refused(reason) if reason else Admitted(fitted, _is_large(fitted, state, policy))


def releases_money(wish: Wish, state: CampaignState) -> bool:
    """Whether more may be spent after the wish than before."""
    grows = wish.budget is not None and wish.budget > state.budget
    opens = not state.is_spending and _target_column(wish, state) in SPENDING
    return grows or opens


def _target_column(wish: Wish, state: CampaignState) -> Column:
    if wish.verb == "pause":
        return "hold"
    return wish.column or ("test" if wish.verb == "resume" else state.column)


def _not_live(scene: Scene) -> str | None:
    return None if scene.is_live else "the log is still being read: nothing is done before its end"


def _bad_figures(wish: Wish, state: CampaignState, policy: Policy, scene: Scene) -> str | None:
    if wish.by == "operator" and not releases_money(wish, state):
        return None
    if state.latest is None:
        if wish.by == "operator" and state.column == "backlog":
            return None  # a campaign that begins has no figures yet
        return "there are no figures yet"
    reason = _stale(wish, state.latest, policy, scene)
    if reason is None and wish.by == "rule" and wish.rule not in _NOT_ON_RESULTS:
        reason = _immature(state.latest, policy)
    return reason


def _stale(wish: Wish, latest: Latest, policy: Policy, scene: Scene) -> str | None:
    of_reading, reached = latest.watermark, max(latest.watermark, scene.reached or 0)
    # A person may vouch for a campaign that was read before its topics had been heard and has rested since.
    if reached <= 0 or (of_reading <= 0 and wish.by != "operator"):
        return "the figures have no watermark yet: not every topic has been heard"
    age = scene.now - reached
    if age > policy.stale_after:
        return f"the figures are stale: their watermark is {max(1, age // MINUTE)} min old"
    return None


def _immature(latest: Latest, policy: Policy) -> str | None:
    if latest.completeness >= policy.min_completeness:
        return None
    return f"the figures are immature: {latest.completeness:.0%} of the results have usually come by now"


def _resting(wish: Wish, state: CampaignState, policy: Policy, scene: Scene) -> str | None:
    if wish.by == "operator":
        return None
    lately = sum(0 <= scene.now - at < HOUR for at in scene.board.acted)
    common, left = scene.policies.common, scene.board.open_until - scene.now
    # A breaker that stays open for longer was opened by a clock that was ahead.
    if 0 < left <= common.breaker_for or lately >= common.actions_per_hour:
        return "the circuit breaker is open: too many actions in an hour"
    if state.changed_at is not None and 0 <= scene.now - state.changed_at < policy.cooldown:
        return "the campaign rests after its last action"
    return None


def _pointless(wish: Wish, state: CampaignState) -> str | None:
    if state.column == "archived" and (wish.by != "operator" or wish.verb != "move"):
        return "the campaign is archived"
    if wish.verb == "pause" and not state.may_spend:
        return "the campaign does not spend already"
    if wish.verb == "resume" and state.column not in ("hold", "stopped"):
        return "the campaign is not held"
    if wish.verb == "move" and wish.column in (None, state.column) and wish.budget is None:
        return "the campaign stands there already"
    return None


def _clipped(wish: Wish, state: CampaignState, scene: Scene) -> int | Refused | None:
    """The budget within every cap: an automatic wish is cut down to them, an operator's is refused beyond."""
    if wish.budget is None:
        return _fitting_return(wish, state, scene)
    policy = scene.policies.of(wish.campaign_id)
    low, high = _bounds(state, policy, scene)
    if wish.by == "operator" and not low <= wish.budget <= high:
        return Refused(f"the budget may now be between {low / MICROS:,.2f} and {high / MICROS:,.2f}")
    found = min(max(wish.budget, low), high)
    is_small = abs(found - state.budget) < state.budget * MIN_CHANGE
    if wish.by != "operator" and is_small and wish.verb == "set_budget":
        return Refused("the caps leave no change worth an action")
    return found


def _bounds(state: CampaignState, policy: Policy, scene: Scene) -> tuple[int, int]:
    """The least and the most the budget may be now; the present one is always among them."""
    now, present = scene.now, state.budget
    base = state.day[1] if state.day[0] == now // DAY else present
    low = max(present - _share(present, policy.max_step), base - _share(base, policy.max_change_per_day))
    high = min(present + _share(present, policy.max_step), base + _share(base, policy.max_change_per_day))
    low = max(low, round(policy.floor * MICROS), state.spent)
    if policy.ceiling is not None:
        high = min(high, round(policy.ceiling * MICROS))
    high = min(high, state.committed + _room_in_total(scene))
    return min(low, present), max(high, present)


def _fitting_return(wish: Wish, state: CampaignState, scene: Scene) -> int | Refused | None:
    """A campaign that comes back brings its budget, cut to what is left under the total."""
    if state.is_spending or _target_column(wish, state) not in SPENDING:
        return None
    room = _room_in_total(scene) + state.committed
    if state.budget <= room:
        return None
    least = max(round(scene.policies.of(wish.campaign_id).floor * MICROS), state.spent + state.card)
    return room if room >= least else Refused("no money is left under the total of the board")


def _room_in_total(scene: Scene) -> int:
    return room_in_total(scene.board, scene.policies) if scene.room is None else scene.room


def room_in_total(board: Board, policies: Policies) -> int:
    """Money that may still be promised, in micros."""
    ceiling = policies.common.total_ceiling
    total = board.registered if ceiling is None else round(ceiling * MICROS)
    return max(0, total - board.committed)


def _no_room(wish: Wish, state: CampaignState, scene: Scene) -> str | None:
    column = _target_column(wish, state)
    return None if column == state.column else room_reason(column, state.card, scene.board, scene.policies)


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


def _is_large(wish: Wish, state: CampaignState, policy: Policy) -> bool:
    if wish.by == "operator" or wish.is_approved:
        return False
    if wish.rule in _ASKS_ALWAYS:
        return True
    return wish.budget is not None and abs(wish.budget - state.budget) > _share(
        state.budget, policy.approve_above
    )


def _share(amount: int, share: float) -> int:
    return int(amount * share)


def breaker(board: Board, policy: Policy, now: int) -> Board:
    """The board after one more automatic action at ``now``; past the hourly number the breaker opens."""
    acted = (*(at for at in board.acted if now - at < HOUR), now)
    opened = now + policy.breaker_for if len(acted) >= policy.actions_per_hour else board.open_until
    return replace(board, acted=acted, open_until=opened)
