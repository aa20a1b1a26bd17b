"""What each field of the records means, in one sentence, for the published schemas.

A field that means the same in every record stands once; where a record differs it has its own entry
under ``Record.field``. A test ties every field of every record to an entry.
"""

_TIME = "RFC 3339 with an offset, or integer epoch milliseconds"
_AMOUNT = "in currency units: a JSON number or a decimal string, 0 or more, at most 6 decimals"

FIELDS: dict[str, str] = {
    # identity and time
    "event_id": "Id of this fact; the same id again is a duplicate and counts once.",
    "occurred_at": f"Event time: {_TIME}.",
    "campaign_id": "The campaign.",
    "Lead.campaign_id": "The campaign the lead declares; absent: counted under `(none)`.",
    "Order.campaign_id": "The campaign the order declares; absent: counted under `(none)`.",
    "visitor_id": "The person, as a pseudonym; also the Kafka key, so that one person's facts meet.",
    "channel": "The channel (support) of the campaign, such as search or social.",
    "currency": "ISO 4217 code; absent: the campaign's currency, else the reporting currency.",
    "CampaignKpi.currency": "ISO 4217 code of the reporting currency; all money of the record is in it.",
    "FxRate.currency": "ISO 4217 code of the currency to convert from.",
    # ads
    "ad_id": "The ad or ad group within the campaign.",
    "offer": "The offer shown.",
    "segment": "The audience segment.",
    "cost": f"What this event cost, {_AMOUNT}.",
    "report_id": "Id of this report; the same id again is a duplicate.",
    "source": "The ad platform that reports.",
    "Lead.source": "The system that the ids of the record belong to; absent where there is only one.",
    "Order.source": "The shop that the ids of the record belong to; absent where there is only one.",
    "Erasure.source": "The system that lead_id belongs to; absent where there is only one.",
    "period_start": f"Start of the reported period: {_TIME}.",
    "period_end": f"End of the reported period, not included: {_TIME}.",
    "reported_at": f"When the platform said so: {_TIME}. The latest report of a period replaces the others.",
    "impressions": "Ads shown.",
    "clicks": "Clicks on ads.",
    "spend": f"Media spend of the period, {_AMOUNT}.",
    "conversions": "Conversions as the platform claims them; kept apart from own events.",
    # leads and orders
    "lead_id": "The lead; one lead counts once per stage.",
    "stage": "How far the lead is qualified; a later stage counts the earlier ones with it.",
    "order_id": "The order; refunds and cancellations name the order they follow.",
    "kind": "What happened to the order.",
    "revenue": f"Revenue, or for `refunded` the amount given back, {_AMOUNT}.",
    "customer_id": "The customer.",
    "cost_of_goods": f"What the goods cost, {_AMOUNT}.",
    "is_new_customer": "Whether the order is the customer's first; absent: found out from earlier orders.",
    # campaigns and rates
    "name": "Name for people.",
    "target": "The target group.",
    "objective": "What the campaign is for.",
    "starts_at": f"Start of the campaign: {_TIME}.",
    "ends_at": f"End of the campaign: {_TIME}.",
    "budget": f"Budget, {_AMOUNT}.",
    "other_cost": f"Cost that is not media (software, labour), spread evenly over the dates, {_AMOUNT}.",
    "baseline_revenue_per_day": f"Revenue per day that would come without the campaign, {_AMOUNT}.",
    "cost_basis": "Where spend, impressions and clicks come from: the events or the reports, never both.",
    "status": "Free text, shown beside the campaign.",
    "targets": "What the campaign is meant to reach.",
    "cpl": f"Target cost per lead, {_AMOUNT}.",
    "cac": f"Target cost per new customer, {_AMOUNT}.",
    "roas": "Target return on ad spend, in units of 1.",
    "roi": "Target return on investment, in units of 1.",
    "rate": "How much of the reporting currency one unit is worth.",
    "requested_at": f"When the person asked to be forgotten: {_TIME}.",
    "FxRate.valid_from": f"From when the rate holds, from the start of that minute on: {_TIME}.",
    "Campaign.valid_from": f"From when currency and cost basis hold; absent: since ever: {_TIME}.",
    # readings
    "schema": "Name and number of this schema.",
    "model": "`declared`, or the attribution model that credits conversions.",
    "window": "On the topic `1m`, `1h`, `1d`, `total`; in Redis `5m`, `1h`, `24h`, `7d`, `today`, `total`.",
    "window_start": "Start of the window, included; null for `total`.",
    "window_end": "End of the window, not included; null for `total`.",
    "CampaignKpi.stage": "`update` while the window is open, one `final`, then a `correction` per late change.",
    "revision": "Keep the highest per (campaign_id, model, window, window_start); may skip and repeat.",
    "dimension": "What the campaigns have in common: `channel`, `target`, `offer` or `objective`.",
    "RollupKpi.value": "Its value; `(none)`: campaigns that name none; `(other)`: those past the limit of values.",
    "campaigns": "How many campaigns count in the window.",
    "RollupKpi.currency": "ISO 4217 code of the reporting currency; all money of the record is in it.",
    "RollupKpi.stage": "`update` while the window is open, one `final`, then a `correction` per late change.",
    "RollupKpi.revision": "Keep the highest per (dimension, value, model, window, window_start); may skip and repeat.",
    "RollupKpi.watermark": "Event time up to which every campaign is complete; null before the first event of each partition.",
    "sums": "What the KPIs are divided from; add these up, never the ratios.",
    "spread_ratio": "Share of the spend that is an estimate, 0 to 1: money that a report gives for a longer time than the window, taken to lie evenly in it; null where the spend is no report's, or 0",
    "other_basis": "The cost figures of the basis the campaign does not use; for comparison only.",
    "evidence": "On `total` under `declared`: evidence on each target of the campaign, by its name; empty elsewhere.",
    "Evidence.target": "The figure that has a target.",
    "verdict": "`bad`: the target is surely missed; `good`: surely met; else `inconclusive`. By an anytime-valid test.",
    "e_value": "Evidence that the target is missed; from 20 on (level 5 %) it is enough, however often one looks.",
    "probability_bad": "Posterior probability that the target is missed; for people, not for rules.",
    "interval": "Between these the figure lies with 95 % posterior probability; null: without a bound.",
    "completeness": "Share of the conversions of this spend that have usually arrived by now; the spend counts by it.",
    "kpis": "Every KPI of the window; null where it is undefined.",
    "CampaignKpi.completeness": "How much of the conversions of clicks of that age has usually come by now, by the lags seen so far; of `total` the "
    "mean over its spend. Null where no attribution model is computed.",
    "fitted_at": "Of a data-driven model: when the oldest fit in use was made; null in the others and before the first fit.",
    "Completeness.leads": "Share of the leads, 0 to 1; null before the first that followed a touch.",
    "Completeness.orders": "Share of the orders, 0 to 1; null before the first that followed a touch.",
    "definitions": "Number of the KPI definitions; values of two numbers are not compared.",
    "watermark": "Event time up to which the campaign is complete; null before the first event.",
    "published_at": "Processing time of this record.",
    "leads": "Leads; fractional in the attribution models.",
    "mqls": "Marketing qualified leads.",
    "sqls": "Sales qualified leads.",
    "orders": "Orders; never falls.",
    "new_customers": "New customers; never falls.",
    "cancelled_orders": "Cancellations, at their own time.",
    "spend_micros": "Media spend in millionths of the currency unit.",
    "other_cost_micros": "Share of the campaign's other cost in millionths of the currency unit.",
    "revenue_micros": "Revenue before refunds in millionths of the currency unit; never falls.",
    "refunds_micros": "Refunds and cancellations, at their own time, in millionths of the currency unit.",
    "cost_of_goods_micros": "Cost of the goods sold in millionths of the currency unit.",
    # decisions and actions on budgets
    "decision_id": "Id of this decision; the same id again is done once.",
    "verb": "What is to be done.",
    "column": "The column of the board it is about; with `move`.",
    "BudgetDecision.occurred_at": f"When it was said: {_TIME}. A word older than 15 minutes is not done.",
    "BudgetDecision.budget": f"The new budget, with `set_budget`, {_AMOUNT}.",
    "by": "Who says so.",
    "BudgetDecision.reason": "Why, for those who read it later.",
    "BudgetDecision.until": f"When the hold of `pause`, or of `move` to `hold`, ends by itself: {_TIME}; absent: when someone resumes the campaign.",
    "action_id": "Id of this action; the same when the same decision is taken again after a restart.",
    "budget_from": "Budget of the campaign before, in currency units; null: none.",
    "budget_to": "Budget of the campaign after, in currency units; null: none.",
    "BudgetAction.currency": "ISO 4217 code of the reporting currency; both budgets are in it.",
    "mode": "Only `enforce` is an order; `propose` waits for approval, `observe` says what would be done.",
    "rule": "The rule, alert or operator's word behind it.",
    "BudgetAction.reason": "Why, in a sentence.",
    "BudgetAction.evidence": "The figures the action was decided on.",
    "hold": "Who keeps the campaign from spending, with `pause`.",
    "owner": "Who holds it: `evidence`, `alert:…`, `budget`, or a person.",
    "expires_at": "When the hold ends by itself; null: when someone resumes the campaign.",
    "decided_at": "When it was decided.",
    # dead letters
    "topic": "Where the record came from.",
    "partition": "Its partition.",
    "offset": "Its offset; one letter may be delivered again, so dedupe by topic, partition and offset.",
    "key": "Its Kafka key as text, or in base64 where it is not UTF-8.",
    "value": "The record itself as text, or in base64 where it is not UTF-8; at most 64 KiB of it.",
    "base64": "The bytes in base64.",
    "reason": "Why it was refused.",
    "detail": "What to mend, for whoever owns the source.",
    "failed_at": "When it was refused.",
    "truncated": "True where `value` is only the beginning; absent otherwise.",
    "length": "Bytes of the whole value; only where truncated.",
    "sha256": "SHA-256 of the whole value in hex; only where truncated.",
}


def meaning(record: str, field: str) -> str:
    """The sentence for a field of a record.

    Raises:
        KeyError: for a field that has none yet.

    >>> meaning("Lead", "lead_id")
    'The lead; one lead counts once per stage.'
    """
    return FIELDS.get(f"{record}.{field}") or FIELDS[field]
