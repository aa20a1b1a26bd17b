"""What happens to a campaign or a pipeline, minute by minute, and which alerts fire: a table for promtool.

Every scenario is a healthy world with something changed. Values are in promtool's notation: `5+0x90` is 5 for
91 minutes, `0+60x90` grows by 60 a minute, `_` is a scrape without the sample.
"""

from dataclasses import dataclass, field

MINUTES = 90
CAMPAIGN = 'job="roistream",instance="w-1",campaign_id="c-1",channel="search"'
DAY_BEFORE_LAST = -172_800


def flat(value: float) -> str:
    return f"{value}+0x{MINUTES}"


def growing(per_minute: float, start: float = 0) -> str:
    return f"{start}{per_minute:+}x{MINUTES}"


def windowed(family: str, window: str, more: str = "") -> str:
    return f'{family}{{{CAMPAIGN},model="declared",window="{window}"{more}}}'


def own(family: str, more: str = "") -> str:
    return f"{family}{{{CAMPAIGN}{more}}}"


EURO = ',currency="EUR"'
NET = ',method="net_profit"'
INFO = own("campaign_info", ',name="C",target="",offer="",objective="",status="active"')
WATERMARK = own("campaign_watermark_timestamp_seconds")
SPEND_KNOWN = own("campaign_spend_complete_timestamp_seconds")
CPL = windowed("campaign_cost_per_lead", "24h", EURO)
LEADS = windowed("campaign_window_leads", "24h")
SPEND_HOUR = windowed("campaign_window_spend", "1h", EURO)
SPEND_DAY = windowed("campaign_window_spend", "24h", EURO)
SPEND = windowed("campaign_window_spend", "total", EURO)
#: As much as ``SPEND``, unless a scenario says otherwise.
COMPLETE = own("campaign_complete_spend", EURO)
ROI = windowed("campaign_roi_ratio", "24h", NET)
ORDERS = windowed("campaign_window_orders", "24h")
TARGET_CPL = own("campaign_target_cost_per_lead", EURO)
TARGET_ROI = own("campaign_target_roi_ratio")
SINCE_LEAD = own("campaign_spend_since_last_lead", EURO)
E_VALUE = own("campaign_evidence_e_value", ',target="cpl"')
NEEDED = own("campaign_evidence_needed_e_value")
BUDGET = own("campaign_budget", EURO)
STARTS = own("campaign_starts_timestamp_seconds")
ENDS = own("campaign_ends_timestamp_seconds")
SPREAD_HOUR = windowed("campaign_spend_spread_ratio", "1h")
SPREAD_DAY = windowed("campaign_spend_spread_ratio", "24h")
CLICKS = own("campaign_clicks_total")
SPENT = own("campaign_spend_total", EURO)


def effects(stage: str, because: str) -> str:
    labels = f'job="board",instance="board:6067",deployment="roistream",platform="meta",stage="{stage}",because="{because}"'
    return f"roistream_board_effects{{{labels}}}"


READY = 'roistream_ready{job="roistream",instance="w-1"}'
CLOCK = 'roistream_clock_timestamp_seconds{job="roistream",instance="w-1"}'
UP = 'up{job="roistream",instance="w-1"}'
DELAY = 'roistream_watermark_delay_seconds{job="roistream",instance="w-1",partition="0"}'
FIGURES = 'roistream_figures_delay_seconds{job="roistream",instance="w-1",partition="0"}'


def build(instance: str, cluster: str, prefix: str = "", version: str = "1", job: str = "roistream") -> str:
    own_labels = f'job="{job}",instance="{instance}",version="{version}"'
    return f'roistream_build_info{{{own_labels},cluster="{cluster}",topic_prefix="{prefix}"}}'


def standstill(stage: str) -> str:
    return (
        f'roistream_stage_standstill_seconds{{job="roistream",instance="w-1",stage="{stage}",partition="0"}}'
    )


LAG = 'roistream_consumer_lag_records{job="roistream",instance="w-1",topic="ad-clicks",partition="0"}'


def ledger(topic: str, outcome: str) -> str:
    source = f'job="roistream",instance="w-1",topic="{topic}",partition="0"'
    return f'roistream_ledger_events{{{source},outcome="{outcome}"}}'


def difference(stage: str) -> str:
    where = f'job="roistream",instance="w-1",stage="{stage}",partition="0",figure="clicks"'
    return f"roistream_ledger_difference{{{where}}}"


def uncertain(of: str, worker: str) -> str:
    return f'roistream_uncertain_{of}{{job="roistream",instance="{worker}"}}'


def unaccounted(topic: str) -> str:
    source = f'job="roistream",instance="w-1",topic="{topic}",partition="0"'
    return f"roistream_ledger_unaccounted_records{{{source}}}"


COLLECTED = 'job="collector",instance="h-1",deployment="roistream"'
COLLECT_UP = f"roistream_collect_broker_up{{{COLLECTED}}}"
FORGED = f'roistream_collect_refused_requests_total{{{COLLECTED},source="shop",reason="forged"}}'
TAKEN = f'roistream_collect_records_total{{{COLLECTED},source="shop",topic="orders"}}'

APPLIED = 'job="apply",instance="a-1",deployment="roistream"'
ROUND = f"roistream_apply_seconds_since_round{{{APPLIED}}}"


def still_open(stage: str, because: str) -> str:
    return f'roistream_apply_open_seconds{{{APPLIED},platform="meta",stage="{stage}",because="{because}"}}'


def service(name: str) -> str:
    return f'up{{job="{name}",instance="s-1",deployment="roistream"}}'


#: A campaign on target and on pace, a worker that does its work.
HEALTHY: dict[str, str] = {
    INFO: flat(1),
    WATERMARK: growing(60, -5),
    SPEND_KNOWN: growing(60, -5),
    TARGET_CPL: flat(5),
    CPL: flat(5),
    LEADS: flat(40),
    SPEND_DAY: flat(200),
    SPEND_HOUR: flat(8),
    SPEND: growing(0.14, 400),
    ROI: flat(0.4),
    ORDERS: flat(20),
    SINCE_LEAD: flat(3),
    E_VALUE: flat(1.3),
    NEEDED: flat(500),
    BUDGET: flat(2_000),
    STARTS: flat(DAY_BEFORE_LAST),
    ENDS: flat(DAY_BEFORE_LAST + 10 * 86_400),
    CLICKS: growing(2, 10_000),
    SPENT: growing(0.14, 400),
    READY: flat(1),
    CLOCK: growing(60, 1),
    UP: flat(1),
    DELAY: flat(2),
    FIGURES: flat(3),
    standstill("intake"): flat(0),
    standstill("merge"): flat(0),
    LAG: flat(0),
    ledger("ad-clicks", "applied"): growing(100, 5_000),
    ledger("ad-clicks", "rejected"): growing(1),
    ledger("leads", "applied"): growing(10, 500),
    ledger("leads", "rejected"): flat(0),
    unaccounted("ad-clicks"): flat(0),
    unaccounted("leads"): flat(0),
}


@dataclass(frozen=True)
class Scenario:
    """What is changed, and who fires at the end (or at ``at`` minutes); None takes the series away.

    ``starts`` bounds how often an alert may have begun to fire until then.
    """

    name: str
    changed: dict[str, str | None] = field(default_factory=dict)
    fires: tuple[str, ...] = ()
    at: int = MINUTES
    starts: int | None = None


_MISSING: dict[str, str | None] = {E_VALUE: flat(600)}
_DEAR: dict[str, str | None] = {CPL: flat(10), LEADS: flat(20)}
_LOSING: dict[str, str | None] = {ROI: flat(-0.8)}
_LEADLESS: dict[str, str | None] = {SINCE_LEAD: flat(51)}
_FAST: dict[str, str | None] = {SPEND: growing(0.14, 700)}
_SLOW: dict[str, str | None] = {SPEND: growing(0.14, 100)}
_UNSEEN: dict[str, str | None] = {CLICKS: flat(10_000), SPENT: flat(400)}
#: A report of the day so far comes each hour, the last one 15 minutes before the end.
_HOURLY: dict[str, str | None] = {SPEND_KNOWN: f"-2700x14 900x59 4500x{MINUTES - 75}"}
_DAY_SO_FAR: dict[str, str | None] = {SPEND_HOUR: None, **_HOURLY, SPEND: f"400x14 410x59 420x{MINUTES - 75}"}
_UNPAID: dict[str, str | None] = {SPEND_HOUR: flat(0)}
_STALE: dict[str, str | None] = {WATERMARK: flat(0)}
_PAUSED: dict[str, str | None] = {
    INFO: None,
    own("campaign_info", ',name="C",target="",offer="",objective="",status="paused"'): flat(1),
}
_STOPPED: dict[str, str | None] = {SPEND_HOUR: flat(0), SPENT: flat(400), CLICKS: flat(10_000)}
_GONE = dict.fromkeys([key for key in HEALTHY if "campaign_id" in key])
#: Every figure 0, every ratio absent.
_NOTHING: dict[str, str | None] = {
    **dict.fromkeys((LEADS, ORDERS, SPEND_HOUR, SPEND_DAY, SPEND, SINCE_LEAD, CLICKS, SPENT), flat(0)),
    CPL: None,
    ROI: None,
    E_VALUE: None,
    NEEDED: None,
    STARTS: flat(0),
}

#: What makes each alert on campaigns fire, and what is too little for it.
PROVOKED: dict[str, dict[str, str | None]] = {
    "CampaignMissesTarget": _MISSING,
    "CampaignCostPerLeadOverTarget": _DEAR,
    "CampaignRoiUnderFloor": _LOSING,
    "CampaignSpendWithoutLeads": _LEADLESS,
    "CampaignOverspend": _FAST,
    "CampaignUnderspend": _SLOW,
    "CampaignSpendWithoutEvents": _UNSEEN,
    "CampaignEventsWithoutSpend": _UNPAID,
}
_TINY: dict[str, dict[str, str | None]] = {
    "CampaignMissesTarget": {E_VALUE: flat(499)},
    "CampaignCostPerLeadOverTarget": {CPL: flat(10), LEADS: flat(2), SPEND_DAY: flat(20)},
    "CampaignRoiUnderFloor": {ROI: flat(-0.8), ORDERS: flat(9)},
    "CampaignSpendWithoutLeads": {SINCE_LEAD: flat(49)},
    "CampaignOverspend": {STARTS: flat(0), SPEND: growing(0.3, 10)},
    "CampaignUnderspend": {STARTS: flat(0), SPEND: flat(1)},
    "CampaignSpendWithoutEvents": {SPEND_HOUR: flat(0), **_UNSEEN},
    "CampaignEventsWithoutSpend": {CLICKS: growing(0.7, 10_000), **_UNPAID},
}

#: Those that judge the spend of a window, and how much of it is an estimate.
_SPREAD: dict[str, str] = {
    "CampaignCostPerLeadOverTarget": SPREAD_DAY,
    "CampaignRoiUnderFloor": SPREAD_DAY,
    "CampaignSpendWithoutEvents": SPREAD_HOUR,
}

SCENARIOS: list[Scenario] = [
    Scenario("a healthy world is silent"),
    Scenario("no campaign at all is silent", {**_GONE}),
    Scenario("a campaign without figures is silent", _NOTHING),
    *(Scenario(f"{alert}: fires", changed, (alert,)) for alert, changed in PROVOKED.items()),
    # Silence by staleness is heard of itself.
    *(
        Scenario(f"{alert}: silent when stale", {**changed, **_STALE}, ("RoistreamCampaignAlertsSilenced",))
        for alert, changed in PROVOKED.items()
    ),
    *(Scenario(f"{alert}: silent when paused", {**changed, **_PAUSED}) for alert, changed in PROVOKED.items()),
    *(
        Scenario(f"{alert}: silent when it no longer spends", {**changed, **_STOPPED})
        for alert, changed in PROVOKED.items()
        if alert not in {"CampaignUnderspend", "CampaignSpendWithoutEvents", "CampaignEventsWithoutSpend"}
    ),
    *(Scenario(f"{alert}: silent when tiny", changed) for alert, changed in _TINY.items()),
    *(
        Scenario(f"{alert}: silent when everything but its cause is missing", {**_GONE, **changed})
        for alert, changed in PROVOKED.items()
    ),
    *(
        Scenario(f"{alert}: silent where its spend is mostly spread", {**PROVOKED[alert], spread: flat(0.6)})
        for alert, spread in _SPREAD.items()
    ),
    *(
        Scenario(f"{alert}: fires where some of its spend is spread", {**PROVOKED[alert], spread: flat(0.4)}, (alert,))
        for alert, spread in _SPREAD.items()
    ),
    # Every third look is just under the bound; a rule without hysteresis would begin 30 times.
    Scenario(
        "CampaignCostPerLeadOverTarget: does not flap around its bound",
        {CPL: flat(9), LEADS: " ".join(["20x1 22"] * 31)},
        ("CampaignCostPerLeadOverTarget",),
        starts=1,
    ),
    Scenario("CampaignCostPerLeadOverTarget: 1.2 times the target is not evidence", {CPL: flat(6), LEADS: flat(33)}),
    Scenario("CampaignMissesTarget: an e-value without what is needed says nothing", {**_MISSING, NEEDED: None}),
    Scenario("CampaignRoiUnderFloor: fires under the campaign's own floor", {TARGET_ROI: flat(3)}, ("CampaignRoiUnderFloor",)),
    Scenario("CampaignRoiUnderFloor: near the floor is not under it", {ROI: flat(-0.2)}),
    Scenario("CampaignRoiUnderFloor: silent on the first day", {**_LOSING, STARTS: flat(0), SPEND: flat(0.01)}),
    Scenario(
        "CampaignSpendWithoutLeads: without a target the campaign's own mean counts",
        {TARGET_CPL: None, windowed("campaign_cost_per_lead", "total", EURO): flat(5), **_LEADLESS},
        ("CampaignSpendWithoutLeads",),
    ),
    Scenario("CampaignSpendWithoutLeads: silent where no lead was ever meant", {TARGET_CPL: None, **_LEADLESS}),
    Scenario("CampaignOverspend: fires past the whole budget, also without dates",
             {STARTS: None, ENDS: None, SPEND: flat(2_001)}, ("CampaignOverspend",)),
    Scenario("CampaignUnderspend: a report that is still to come is no underspend",
             {**_SLOW, SPEND_KNOWN: flat(DAY_BEFORE_LAST + 43_200)}),
    Scenario("CampaignOverspend: what the quicker of two platforms has said of later is no overspend",
             {**_FAST, COMPLETE: flat(300), SPEND_KNOWN: flat(DAY_BEFORE_LAST + 129_600)}),
    Scenario("CampaignUnderspend: what the quicker of two platforms has said of later hides none",
             {COMPLETE: flat(100), SPEND_KNOWN: flat(DAY_BEFORE_LAST + 129_600)}, ("CampaignUnderspend",)),
    Scenario("CampaignOverspend: reports that lag hide none",
             {SPEND: flat(300), SPEND_KNOWN: flat(DAY_BEFORE_LAST + 64_800)}, ("CampaignOverspend",)),
    Scenario("CampaignSpendWithoutEvents: fires where reports of the day so far tell of money, hour by hour",
             {**_UNSEEN, **_DAY_SO_FAR}, ("CampaignSpendWithoutEvents",)),
    Scenario("CampaignSpendWithoutEvents: a report of yesterday says nothing of now",
             {**_UNSEEN, **_DAY_SO_FAR, SPEND_KNOWN: f"-90000x{MINUTES - 20} -3600x19"}),
    Scenario("CampaignSpendWithoutEvents: silent where the platform itself reports few clicks",
             {**_UNSEEN, windowed("campaign_window_clicks", "1h"): flat(4), windowed("campaign_window_clicks", "24h"): flat(200)}),
    Scenario("CampaignSpendWithoutEvents: fires where the platform reports many clicks",
             {**_UNSEEN, windowed("campaign_window_clicks", "1h"): flat(5), windowed("campaign_window_clicks", "24h"): flat(200)},
             ("CampaignSpendWithoutEvents",)),
    Scenario("CampaignEventsWithoutSpend: reports of the day so far that tell of no more money fire",
             {SPEND_HOUR: None, **_HOURLY, SPEND: flat(400)}, ("CampaignEventsWithoutSpend",)),
    Scenario("CampaignOverspend: silent where reports of the day so far tell of no more money",
             {SPEND_HOUR: None, **_HOURLY, SPEND: flat(700)}, ("CampaignEventsWithoutSpend",)),
    Scenario("CampaignOverspend: fires where no report has come for hours",
             {SPEND_HOUR: None, SPEND_KNOWN: flat(-7_000), SPEND: flat(700)}, ("CampaignOverspend",)),
    Scenario("CampaignUnderspend: silent after the end",
             {**_SLOW, STARTS: flat(DAY_BEFORE_LAST), ENDS: flat(-3_600)}),
Scenario("CampaignSpendWithoutEvents: a campaign that has just appeared is silent",
             {CLICKS: f"_x60 3+0x{MINUTES - 61}", SPENT: f"_x60 1+0x{MINUTES - 61}"}),
    Scenario("CampaignSpendWithoutEvents: silent where impressions are paid for", {CLICKS: flat(10_000)}),
    Scenario("CampaignEventsWithoutSpend: silent for a campaign without budget", {**_UNPAID, BUDGET: flat(0)}),
    Scenario("CampaignEventsWithoutSpend: an hour without a report is not 0", {SPEND_HOUR: None}),
    Scenario("CampaignEventsWithoutSpend: a day without spend fires where the hour has no figure",
             {SPEND_HOUR: None, SPEND_DAY: flat(0)}, ("CampaignEventsWithoutSpend",)),
    Scenario("RoistreamDataStale: fires", {DELAY: flat(1_000), **_GONE}, ("RoistreamDataStale",)),
    Scenario("RoistreamDataStale: fires where a later stage is behind, though sources are read",
             {FIGURES: flat(1_000), **_GONE}, ("RoistreamDataStale", "RoistreamFiguresLate")),
    Scenario("RoistreamFiguresLate: fires", {FIGURES: flat(400), **_GONE}, ("RoistreamFiguresLate",)),
    Scenario("RoistreamFiguresLate: sources that are late themselves are another matter",
             {FIGURES: flat(400), DELAY: flat(400), **_GONE}),
    Scenario("RoistreamStageStandsStill: fires at once", {standstill("merge"): f"0x{MINUTES - 2} 11 71"},
             ("RoistreamStageStandsStill",), at=MINUTES),
    Scenario("RoistreamStageStandsStill: work of a few seconds is none", {standstill("merge"): flat(9)}),
    Scenario("RoistreamCampaignAlertsSilenced: a campaign without any watermark is silenced", {WATERMARK: None},
             ("RoistreamCampaignAlertsSilenced",)),
    Scenario("RoistreamCampaignAlertsSilenced: a campaign that is paused is not", {**_STALE, **_PAUSED}),
    Scenario("RoistreamCampaignAlertsSilenced: a lag of some minutes is not", {WATERMARK: growing(60, -500)}),
    Scenario("RoistreamDataStale: one partition behind is not stale",
             {DELAY.replace('partition="0"', 'partition="1"'): flat(5_000)}),
    Scenario("RoistreamDataStale: no partition yet is silent", {DELAY: None}),
    Scenario("RoistreamSourceSilent: fires",
             {ledger("leads", "applied"): f"500+10x45 950+0x{MINUTES - 46}"}, ("RoistreamSourceSilent",)),
    Scenario("RoistreamSourceSilent: a source that never said much is silent",
             {ledger("leads", "applied"): f"1+0.1x45 6+0x{MINUTES - 46}"}),
    Scenario("RoistreamSourceSilent: a night without any record is no silent source",
             {ledger("leads", "applied"): f"500+10x45 950+0x{MINUTES - 46}",
              ledger("ad-clicks", "applied"): f"5000+100x45 9500+0x{MINUTES - 46}",
              ledger("ad-clicks", "rejected"): flat(0)}),
    Scenario("RoistreamWatermarkStuck: fires while records come",
             {DELAY: growing(60), **_GONE}, ("RoistreamWatermarkStuck",), at=12),
    Scenario("RoistreamWatermarkStuck: a backlog that is worked off is not stuck", {DELAY: growing(-60, 14_400), **_GONE},
             ("RoistreamDataStale",)),
    Scenario("RoistreamWatermarkStuck: silent where nothing comes and nothing waits",
             {DELAY: growing(60), **_GONE,
              **{key: flat(5_000) for key in HEALTHY if key.startswith("roistream_ledger_events")}}, at=12),
    Scenario("RoistreamDeadLetterShare: fires", {ledger("ad-clicks", "rejected"): growing(6)},
             ("RoistreamDeadLetterShare",)),
    Scenario("RoistreamDeadLetterShare: a few records are no share",
             {ledger("ad-clicks", "applied"): growing(1), ledger("ad-clicks", "rejected"): growing(1)}),
    Scenario("RoistreamDeadLetterShare: a crash is no wave of refusals",
             {ledger("ad-clicks", "rejected"): f"20000+1x85 20050+1x{MINUTES - 86}",
              ledger("ad-clicks", "applied"): growing(100, 500_000)}),
    Scenario("RoistreamFiguresDifferFromLedger: fires, whatever the sign", {difference("merge"): flat(-3)},
             ("RoistreamFiguresDifferFromLedger",)),
    Scenario("RoistreamFiguresDifferFromLedger: no difference is silent", {difference("merge"): flat(0)}),
    Scenario("RoistreamAmountsWithoutRate: fires on orders, and on costs of another worker",
             {uncertain("orders", "w-1"): flat(1), uncertain("costs", "w-2"): flat(2)},
             ("RoistreamAmountsWithoutRate",)),
    Scenario("RoistreamAmountsWithoutRate: a rate that comes within minutes is silent",
             {uncertain("orders", "w-1"): f"0x{MINUTES - 5} 3x4"}),
    Scenario("RoistreamLedgerDoesNotAddUp: fires on records without a verdict", {unaccounted("leads"): flat(1)},
             ("RoistreamLedgerDoesNotAddUp",)),
    Scenario("RoistreamLedgerDoesNotAddUp: fires when state was lost",
             {ledger("leads", "applied"): f"500+10x70 0+10x{MINUTES - 71}"}, ("RoistreamLedgerDoesNotAddUp",)),
    Scenario("RoistreamLedgerDoesNotAddUp: records that are read again after a crash are silent",
             {ledger("leads", "applied"): f"500+10x85 1340+60x{MINUTES - 86}"}),
    Scenario("RoistreamDeploymentsMixed: fires on two clusters", {build("w-1", "a"): flat(1), build("w-2", "b"): flat(1)},
             ("RoistreamDeploymentsMixed",)),
    Scenario("RoistreamDeploymentsMixed: fires on two prefixes",
             {build("w-1", "a"): flat(1), build("w-2", "a", "emea-"): flat(1)}, ("RoistreamDeploymentsMixed",)),
    Scenario("RoistreamDeploymentsMixed: many workers of one, two versions of them, and another job are silent",
             {build("w-1", "a"): flat(1), build("w-2", "a", version="2"): flat(1), build("w-3", ""): flat(1),
              build("w-4", "b", job="roistream-staging"): flat(1)}),
    Scenario("RoistreamDeploymentsMixed: a worker that moved to another cluster is silent",
             {build("w-1", "a"): f"1x{MINUTES - 5}", build("w-1", "b"): f"_x{MINUTES - 5} 1x5"}),
    Scenario("RoistreamClockWrong: fires on a clock a day behind", {CLOCK: growing(60, -86_400)}, ("RoistreamClockWrong",)),
    Scenario("RoistreamClockWrong: fires on one ahead", {CLOCK: growing(60, 90)}, ("RoistreamClockWrong",)),
    Scenario("RoistreamClockWrong: half a minute is silent", {CLOCK: growing(60, -30)}),
    Scenario("RoistreamCollectorWithoutBroker: fires", {COLLECT_UP: flat(0)}, ("RoistreamCollectorWithoutBroker",)),
    Scenario("RoistreamCollectorWithoutBroker: a minute is none", {COLLECT_UP: f"1x{MINUTES - 1} 0"}),
    Scenario("RoistreamWebhookRefused: fires", {FORGED: growing(2), TAKEN: flat(7)}, ("RoistreamWebhookRefused",)),
    Scenario("RoistreamWebhookRefused: who is taken as well is silent", {FORGED: growing(2), TAKEN: growing(1)}),
    Scenario("RoistreamWebhookRefused: a few tries are none", {FORGED: growing(0.5)}),
    Scenario("RoistreamEffectsNotAsOrdered: fires on a drift", {effects("drifted", "changed_there"): flat(1)},
             ("RoistreamEffectsNotAsOrdered",)),
    Scenario("RoistreamEffectsNotAsOrdered: fires on a refusal", {effects("refused", "too_small"): flat(2)},
             ("RoistreamEffectsNotAsOrdered",)),
    Scenario("RoistreamEffectsNotAsOrdered: what is confirmed, and what came before the first start, is silent",
             {effects("confirmed", ""): flat(3), effects("refused", "too_old"): flat(2)}),
    Scenario("RoistreamEffectsByHand: fires on what nothing here can carry out",
             {effects("refused", "not_set_up"): flat(1)}, ("RoistreamEffectsByHand",)),
    Scenario("RoistreamEffectsUnsettled: fires on a request that nothing answers", {still_open("sent", ""): growing(60)},
             ("RoistreamEffectsUnsettled",)),
    Scenario("RoistreamEffectsUnsettled: fires on what waits for a token", {still_open("requested", "credentials"): growing(60)},
             ("RoistreamEffectsUnsettled",)),
    Scenario("RoistreamEffectsUnsettled: some minutes are none", {still_open("sent", ""): flat(600)}),
    Scenario("RoistreamApplyStandsStill: fires", {ROUND: growing(60)}, ("RoistreamApplyStandsStill",)),
    Scenario("RoistreamApplyStandsStill: calls that take their half minute are silent", {ROUND: flat(90)}),
    *(Scenario(f"RoistreamServiceDown: fires on {name}", {service(name): flat(0)}, ("RoistreamServiceDown",))
      for name in ("board", "collector", "apply")),
    Scenario("RoistreamServiceDown: one of two collectors is enough",
             {service("collector"): flat(0), service("collector").replace("s-1", "s-2"): flat(1)}),
    Scenario("RoistreamServiceDown: a restart is none", {service("apply"): f"1x{MINUTES - 1} 0"}),
    Scenario("RoistreamWorkerNotReady: fires", {'roistream_ready{job="roistream",instance="w-2"}': flat(0)},
             ("RoistreamWorkerNotReady",)),
    Scenario("RoistreamWorkerNotReady: a recovery of three minutes is silent",
             {'roistream_ready{job="roistream",instance="w-2"}': f"1x{MINUTES - 3} 0x2"}),
    Scenario("RoistreamWorkerDown: fires", {'up{job="roistream",instance="w-2"}': flat(0)}, ("RoistreamWorkerDown",)),
    Scenario("RoistreamNoWorker: fires while none is ready", {READY: flat(0)},
             ("RoistreamNoWorker", "RoistreamWorkerNotReady")),
    Scenario("RoistreamNoWorker: fires when no worker is known", {UP: None, READY: None}, ("RoistreamNoWorker",)),
    Scenario("RoistreamNoWorker: one of two is enough",
             {'up{job="roistream",instance="w-2"}': flat(1), 'roistream_ready{job="roistream",instance="w-2"}': f"1x{MINUTES - 3} 0x2"}),
]  # fmt: skip
