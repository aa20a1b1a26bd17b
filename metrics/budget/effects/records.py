"""Effects of budget actions on ad platforms, as they stand on ``budget-effects``. Shapes only.

Money is integer micros: ``wished_micros`` in the reporting currency of the action, everything else in the currency of the ad account.
"""

from typing import Literal

import msgspec

from metrics.budget.records import ActionVerb
from metrics.records.events import Platform

EFFECT_SCHEMA = "budget-effect/1"

Stage = Literal["requested", "sent", "confirmed", "refused", "drifted"]
Aspect = Literal["status", "budget"]
Status = Literal["running", "paused"]
SeenStatus = Literal["running", "paused", "gone"]
Because = Literal[
    "already_so",
    "cap",
    "changed_there",
    "credentials",
    "currency",
    "dry_run",
    "gone",
    "no_effect",
    "no_flight",
    "no_platform",
    "no_total_budget",
    "not_set_up",
    "paused_there",
    "rate_limited",
    "refused_there",
    "superseded",
    "too_old",
    "too_small",
    "unreachable",
]


class PlatformState(msgspec.Struct, kw_only=True, frozen=True):
    """A campaign as the platform shows it.

    ``version`` changes with each change of the campaign there; None where the platform has none. ``budget_micros`` is what the whole
    flight may cost, or a day of it where ``is_daily``; None where the campaign has no budget of its own.
    """

    status: SeenStatus
    budget_micros: int | None = None
    is_daily: bool = False
    currency: str | None = None
    version: str | None = None
    seen_at: str


class EffectPart(msgspec.Struct, kw_only=True, frozen=True):
    """What one action asks of one aspect of a campaign, and what came of it.

    ``before`` is what stood there when it was sent, ``seen`` what was read last. ``is_ours`` says of a pause that it was this effect
    that paused the campaign, and nobody has resumed it there since; ``spent_micros`` is what the decision knew to be spent, of which
    ``amount_micros`` takes its share where it ``is_daily``; ``is_in_doubt`` that it was seen as before after it was sent, so
    that somebody may have changed it.
    """

    aspect: Aspect
    status: Status | None = None
    wished_micros: int | None = None
    spent_micros: int | None = None
    amount_micros: int | None = None
    is_daily: bool = False
    rounded_off_micros: int = 0
    stage: Stage = "requested"
    because: Because | None = None
    detail: str = ""
    before: PlatformState | None = None
    seen: PlatformState | None = None
    sent_at: tuple[str, ...] = ()
    is_accepted: bool = False
    is_in_doubt: bool = False
    is_ours: bool = False
    tries: int = 0
    retry_at: str | None = None
    settled_at: str | None = None


class BudgetEffect(msgspec.Struct, kw_only=True, frozen=True):
    """What became of an action on the ad platform; topic ``budget-effects``, compacted, keyed by ``action_id``.

    ``stage`` is that of the part that is least settled: ``sent`` before ``requested`` before ``drifted`` before ``refused`` before
    ``confirmed``; ``because`` and ``detail`` are of that part.
    """

    schema: str = EFFECT_SCHEMA
    action_id: str
    campaign_id: str
    platform: Platform | None = None
    platform_account_id: str | None = None
    platform_campaign_id: str | None = None
    verb: ActionVerb
    rule: str
    currency: str
    decided_at: str
    position: int
    stage: Stage
    because: Because | None = None
    detail: str = ""
    parts: tuple[EffectPart, ...]
    changed_at: str
