"""The records that come in, as they are on the wire. Shapes only, no meaning.

Times are RFC 3339 with an offset or integer epoch milliseconds; money is a JSON number or a decimal
string in currency units. Unknown fields are ignored. What a field must satisfy beyond its type is
judged in ``metrics.records.validation``.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

#: Ids hold no U+FFFF, the noncharacter that parts names in the state (``campaign_model``).
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern="^[^\uffff]*$")]
#: Texts that are kept or shown beside ids: a checkpoint and a page must hold thousands of them.
Label = Annotated[str, msgspec.Meta(max_length=500)]
Instant = datetime | int
#: Durations of ISO 8601 of one unit: days, weeks, months or years.
TERM = "^P[1-9][0-9]{0,3}[DWMY]$"
Money = Decimal
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
#: Ad platforms that budget actions are carried out on.
Platform = Literal["google", "linkedin", "meta", "microsoft", "tiktok", "x"]


class AdImpression(msgspec.Struct, frozen=True, gc=False):
    """One ad shown; topic ``ad-impressions``."""

    event_id: Identifier
    occurred_at: Instant
    campaign_id: Identifier
    visitor_id: Identifier | None = None
    channel: Label | None = None
    ad_id: Identifier | None = None
    cost: Money | None = None
    currency: Label | None = None


class AdClick(msgspec.Struct, frozen=True, gc=False):
    """One click on an ad; topic ``ad-clicks``."""

    event_id: Identifier
    occurred_at: Instant
    campaign_id: Identifier
    visitor_id: Identifier | None = None
    channel: Label | None = None
    ad_id: Identifier | None = None
    offer: Label | None = None
    segment: Label | None = None
    cost: Money | None = None
    currency: Label | None = None


class AdReport(msgspec.Struct, frozen=True, gc=False):
    """What an ad platform says about a period; topic ``ad-reports``."""

    report_id: Identifier
    source: Identifier
    campaign_id: Identifier
    period_start: Instant
    period_end: Instant
    ad_id: Identifier | None = None
    reported_at: Instant | None = None
    impressions: Count | None = None
    clicks: Count | None = None
    spend: Money | None = None
    currency: Label | None = None
    conversions: Money | None = None


class Lead(msgspec.Struct, frozen=True, gc=False):
    """A lead, or a later stage of one; topic ``leads``."""

    event_id: Identifier
    occurred_at: Instant
    lead_id: Identifier
    visitor_id: Identifier | None = None
    campaign_id: Identifier | None = None
    channel: Label | None = None
    stage: Literal["lead", "mql", "sql"] = "lead"
    source: Identifier | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order placed, refunded or cancelled; topic ``orders``."""

    event_id: Identifier
    occurred_at: Instant
    order_id: Identifier
    kind: Literal["placed", "refunded", "cancelled"] = "placed"
    revenue: Money | None = None
    currency: Label | None = None
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    lead_id: Identifier | None = None
    campaign_id: Identifier | None = None
    cost_of_goods: Money | None = None
    is_new_customer: bool | None = None
    source: Identifier | None = None
    reported_at: Instant | None = None


class Survey(msgspec.Struct, frozen=True, gc=False):
    """What somebody answered; topic ``surveys``."""

    event_id: Identifier
    occurred_at: Instant
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    kind: Literal["nps", "csat"] = "nps"
    scale: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    campaign_id: Identifier | None = None
    source: Identifier | None = None


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """A ticket of the service desk opened, answered for the first time, or resolved; topic ``tickets``."""

    event_id: Identifier
    occurred_at: Instant
    ticket_id: Identifier
    stage: Literal["opened", "responded", "resolved"] = "opened"
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    source: Identifier | None = None


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """A contract started, renewed or cancelled; topic ``subscriptions``."""

    event_id: Identifier
    occurred_at: Instant
    subscription_id: Identifier
    kind: Literal["started", "renewed", "cancelled"] = "started"
    term: Annotated[str, msgspec.Meta(pattern=TERM)] | None = None
    amount: Money | None = None
    currency: Label | None = None
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    source: Identifier | None = None


class Referral(msgspec.Struct, frozen=True, gc=False):
    """A customer has brought somebody; topic ``referrals``."""

    event_id: Identifier
    occurred_at: Instant
    referrer_id: Identifier
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    source: Identifier | None = None


class Activation(msgspec.Struct, frozen=True, gc=False):
    """Somebody has reached the step that a site calls activated; topic ``activations``."""

    event_id: Identifier
    occurred_at: Instant
    customer_id: Identifier | None = None
    visitor_id: Identifier | None = None
    source: Identifier | None = None


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """The request that a person be forgotten, by any of their ids; topic ``erasures``."""

    requested_at: Instant
    visitor_id: Identifier | None = None
    customer_id: Identifier | None = None
    lead_id: Identifier | None = None
    source: Identifier | None = None


class Targets(msgspec.Struct, frozen=True):
    """What a campaign is meant to reach, in units of 1 and currency units."""

    cpl: Money | None = None
    cac: Money | None = None
    roas: Money | None = None
    roi: Money | None = None
    clv_to_cac: Money | None = None


class Campaign(msgspec.Struct, frozen=True):
    """A campaign as registered; topic ``campaigns``, compacted by ``campaign_id``.

    Records with ``valid_from`` under keys ``campaign_id|valid_from`` stand beside each other: each holds from its instant on.
    """

    campaign_id: Identifier
    name: Label | None = None
    channel: Label | None = None
    target: Label | None = None
    offer: Label | None = None
    objective: Label | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    budget: Money | None = None
    currency: Label | None = None
    other_cost: Money | None = None
    baseline_revenue_per_day: Money | None = None
    cost_basis: Literal["events", "reports"] = "events"
    status: Label | None = None
    targets: Targets | None = None
    valid_from: Instant | None = None
    platform: Platform | None = None
    platform_account_id: Identifier | None = None
    platform_campaign_id: Identifier | None = None


class FxRate(msgspec.Struct, frozen=True):
    """A rate into the reporting currency; topic ``fx-rates``, compacted by ``currency|valid_from``."""

    currency: Label
    rate: Money
    valid_from: Instant


#: The campaign of facts that name none.
NO_CAMPAIGN = "(none)"
#: The channel of visits that nothing led to; ``last_non_direct`` passes over it.
DIRECT = "direct"
