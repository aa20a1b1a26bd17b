"""Policies: what the budget controller may do. Three presets, the operator's changes, overrides per campaign.

Shares are in units of 1 (0.3 is 30 %), money in currency units of the reporting currency, durations in milliseconds
or as texts like ``90s``, ``6h``, ``7d``. What concerns the board as a whole (columns, ``total_ceiling``,
``actions_per_hour``, ``breaker_for``) stands in the common policy only.
"""

from collections.abc import Mapping
from math import inf
from typing import Annotated, Any, Literal

import msgspec

from metrics.budget.records import Column
from metrics.evidence import EvidenceOptions, RefundWindow
from metrics.values.errors import SettingError
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, parse_duration

Preset = Literal["careful", "standard", "bold"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Millis = Annotated[int, msgspec.Meta(ge=0)]
Units = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Some = Annotated[int, msgspec.Meta(ge=0)]

_DURATIONS = frozenset(
    {
        "cooldown",
        "stale_after",
        "hold_for",
        "breaker_for",
        "reallocate_every",
        "mature_after",
        "longest_lag",
        "learning_phase",
        "refund_window",
        "propose_for",
    }
)
_OF_THE_BOARD = frozenset(
    {
        "columns",
        "total_ceiling",
        "actions_per_hour",
        "breaker_for",
        "reallocate_every",
        "alpha_of",
        "learning_phase",
        "refund_window",
        "refund_share",
    }
)
#: Nobody is kept from stopping: the other columns take every campaign.
_LIMITED = frozenset({"test", "scale"})


class ColumnLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Work in progress a column takes: campaigns, and the money of their present cards. None: no limit."""

    limit_campaigns: Some | None = None
    limit: Units | None = None

    @property
    def limit_micros(self) -> int | None:
        """The limit in money, in micros."""
        return None if self.limit is None else round(self.limit * MICROS)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be done with one campaign, and with the board.

    Attributes:
        alpha: share of errors that evidence may make, as ``alpha_of`` says.
        alpha_of: ``board``: of the campaigns that evidence pauses, at most ``alpha`` meet their targets, on average;
            ``campaign``: each campaign that meets its targets has a chance of at most ``alpha`` to be paused, however many
            there are, and bad ones are caught sooner.
        order_value_dispersion: bound on E[X²]/E[X]² of an order's value; where the orders of all campaigns scatter wider,
            what they show counts. Below the truth, more than ``alpha`` of the campaigns on target are paused for
            ROAS or ROI (docs/budget.md).
        order_value: mean value of an order where it is known.
        min_completeness: below it figures are immature, and nothing is done on the results in them.
        mature_after: results of spend younger than this have not come yet; such spend counts for nothing. An hour is
            what most leads of a landing page need and few orders; where attribution models are on, the lags of
            conversions seen so far count besides.
        longest_lag: results come within this time on average at most; laws of lag that are slower are not weighed. None: the
            controller finds out, which takes some days of a board that is new. Below the truth, healthy campaigns are paused.
        learning_phase: campaigns learn for so long and bring less meanwhile, until those of the board show otherwise. ``0s``:
            they bring from the first day what they bring later; bad ones are then found in a fifth less of spend, and where that
            is not true, three in ten healthy campaigns are paused.
        refund_window: orders are refunded within this time at most, of 60 days. Until orders of the board have been seen to grow so
            old, ``refund_share`` of all money is taken to be refunded before a campaign counts as surely better than its ROAS or ROI.
            ``0s``: no more is refunded than the board has seen; where that is not true, campaigns are called better too early.
        refund_share: of the money that orders bring, at most so much is refunded, until the board has seen how much is.
        card_share: part of the budget that one card is; ``card`` fixes it in money instead.
        pull_at: part of the present card that must be spent before the next is pulled.
        max_step: largest change of a budget in one step.
        max_change_per_day: largest change of a budget against its value at the start of the day (UTC).
        grow_by: how much a good campaign's budget grows with a card.
        cooldown: rest of a campaign between two automatic actions.
        floor, ceiling: budget of a campaign that no change goes below or above.
        stale_after: figures whose watermark is older are not acted on.
        hold_for: how long a hold lasts; None: until someone resumes it.
        max_holds: a campaign that is bad once more than this is stopped.
        approve_above: a larger change of a budget waits for approval, also under ``enforce``.
        propose_for: how long a proposal waits for an answer before it lapses; a rejected one does not come back for as long.
        even_pace: whether a campaign that is ahead of its flight rests until the plan has caught up.
        alert_rules: names of the alerts that pause a campaign; left away, alerts notify and pause nothing.
        total_ceiling: of all budgets together; None: what is registered together.
        actions_per_hour: automatic actions on the board; past it the circuit breaker opens for ``breaker_for``.
        reallocate_every: how often moving cards between campaigns is proposed, of ``actions_per_hour`` campaigns at most; None: never.
    """

    alpha: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.1
    alpha_of: Literal["board", "campaign"] = "board"
    order_value_dispersion: Annotated[float, msgspec.Meta(ge=1, le=100)] = 1.5
    order_value: Positive | None = None
    min_completeness: Share = 0.5
    mature_after: Millis = HOUR
    longest_lag: Millis | None = None
    learning_phase: Millis = 7 * DAY
    refund_window: Annotated[int, msgspec.Meta(ge=0, le=60 * DAY)] = 30 * DAY
    refund_share: Share = 0.3
    card_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    card: Positive | None = None
    pull_at: Share = 0.9
    max_step: Share = 0.3
    max_change_per_day: Share = 0.5
    grow_by: Share = 0.2
    cooldown: Millis = HOUR
    floor: Units = 0.0
    ceiling: Units | None = None
    stale_after: Millis = 10 * MINUTE
    hold_for: Millis | None = DAY
    max_holds: Some = 1
    approve_above: Share = 0.25
    propose_for: Millis = DAY
    even_pace: bool = True
    alert_rules: tuple[str, ...] = ()
    total_ceiling: Units | None = None
    actions_per_hour: Some = 60
    breaker_for: Millis = HOUR
    reallocate_every: Millis | None = None
    columns: Mapping[str, ColumnLimit] = {}

    @property
    def evidence(self) -> EvidenceOptions:
        """What the tests of evidence assume under this policy."""
        value = None if self.order_value is None else max(1, round(self.order_value * MICROS))
        longest = inf if self.longest_lag is None else self.longest_lag / DAY
        return EvidenceOptions(self.alpha, self.order_value_dispersion, value, longest)

    @property
    def refunds(self) -> RefundWindow:
        """What is assumed of refunds that were not seen yet."""
        return RefundWindow(self.refund_window / DAY, self.refund_share)

    def card_micros(self, budget_micros: int) -> int:
        """The money of one card of a budget, at least one micro; 0 without a budget."""
        if budget_micros <= 0:
            return 0
        whole = budget_micros * self.card_share if self.card is None else self.card * MICROS
        return min(budget_micros, max(1, round(whole)))

    def limit_of(self, column: Column) -> ColumnLimit:
        """A column's limits."""
        return self.columns.get(column, _UNLIMITED)


_UNLIMITED = ColumnLimit()

PRESETS: dict[str, Policy] = {
    "careful": Policy(
        alpha=0.05,
        order_value_dispersion=2.0,
        max_step=0.15,
        max_change_per_day=0.2,
        grow_by=0.1,
        cooldown=6 * HOUR,
        hold_for=None,
        mature_after=6 * HOUR,
        max_holds=2,
        approve_above=0.1,
        actions_per_hour=10,
        columns={"test": ColumnLimit(limit_campaigns=20), "scale": ColumnLimit(limit_campaigns=5)},
    ),
    "standard": Policy(columns={"scale": ColumnLimit(limit_campaigns=20)}, reallocate_every=DAY),
    "bold": Policy(
        alpha=0.05,
        alpha_of="campaign",
        card_share=0.2,
        max_step=0.5,
        max_change_per_day=1.0,
        grow_by=0.4,
        cooldown=15 * MINUTE,
        hold_for=6 * HOUR,
        mature_after=15 * MINUTE,
        approve_above=0.5,
        actions_per_hour=240,
        reallocate_every=6 * HOUR,
    ),
}


class Policies(msgspec.Struct, frozen=True):
    """The common policy, and those of single campaigns."""

    common: Policy = PRESETS["standard"]
    campaigns: Mapping[str, Policy] = {}

    def of(self, campaign_id: str) -> Policy:
        """The policy of a campaign."""
        return self.campaigns.get(campaign_id, self.common)


def parse(table: Mapping[str, Any]) -> Policies:
    """Policies of the ``[budget]`` table of the configuration.

    Args:
        table: ``preset`` and any field of ``Policy``; ``campaigns`` has tables of the same, by ``campaign_id``.

    Raises:
        SettingError: one sentence that names the wrong entry.

    >>> parse({"preset": "careful", "cooldown": "2h"}).common.cooldown
    7200000
    >>> parse({"max_step": 3})
    Traceback (most recent call last):
    ...
    metrics.values.errors.SettingError: budget: max_step: Expected `float` <= 1.0; correct it in the TOML file.
    """
    own = {name: value for name, value in table.items() if name != "campaigns"}
    common = _policy("budget", own, PRESETS["standard"])
    overrides = table.get("campaigns", {})
    if not isinstance(overrides, Mapping):
        raise SettingError("budget.campaigns must hold one table per campaign_id.")
    campaigns = {}
    for campaign_id, entry in overrides.items():
        where = f"budget.campaigns.{campaign_id}"
        if not isinstance(entry, Mapping):
            raise SettingError(f"{where} must be a table, such as [{where}].")
        if wrong := sorted(_OF_THE_BOARD & set(entry)):
            raise SettingError(f"{where}: {wrong[0]} is of the whole board; move it to [budget].")
        campaigns[str(campaign_id)] = _policy(where, entry, common)
    return Policies(common, campaigns)


def preset(name: str) -> Policies:
    """A preset as it comes.

    Raises:
        SettingError: for a name that is none.
    """
    return parse({"preset": name})


def _policy(where: str, entry: Mapping[str, Any], start: Policy) -> Policy:
    values = dict(entry)
    name = values.pop("preset", None)
    if name is not None:
        if name not in PRESETS:
            raise SettingError(f"{where}: preset {name!r} is none of {', '.join(PRESETS)}.")
        chosen = PRESETS[name]
        # What is the board's stays the common policy's.
        kept = {each: getattr(start, each) for each in _OF_THE_BOARD} if where != "budget" else {}
        start = msgspec.structs.replace(chosen, **kept)
    merged = msgspec.to_builtins(start) | {
        field: _value(where, field, value) for field, value in values.items()
    }
    try:
        policy = msgspec.convert(merged, Policy)
    except msgspec.ValidationError as error:
        raise SettingError(f"{where}: {_reason(error)}; correct it in the TOML file.") from error
    _check(where, policy)
    return policy


def _value(where: str, field: str, value: Any) -> Any:
    if field in _DURATIONS and isinstance(value, str):
        if value == "never":
            return None
        try:
            return parse_duration(value)
        except ValueError as error:
            raise SettingError(f"{where}: {field}: {error}.") from error
    return value


def _reason(error: msgspec.ValidationError) -> str:
    text, _, path = str(error).partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else text


def _check(where: str, policy: Policy) -> None:
    if policy.ceiling is not None and policy.ceiling < policy.floor:
        raise SettingError(f"{where}: ceiling {policy.ceiling:g} is below floor {policy.floor:g}.")
    if policy.grow_by > policy.max_step:
        raise SettingError(f"{where}: grow_by {policy.grow_by:g} is above max_step {policy.max_step:g}.")
    if wrong := sorted(set(policy.columns) - _LIMITED):
        raise SettingError(f"{where}: columns.{wrong[0]} takes no limit; {', '.join(sorted(_LIMITED))} do.")
