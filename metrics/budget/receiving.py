"""What comes, put on the board; nothing is done about it yet. Pure."""

from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from metrics.budget.absorbing import absorb_reading, absorb_signal
from metrics.budget.desk import SLICE, Desk
from metrics.budget.records import AlertSignal
from metrics.evidence import pooled
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import instant

#: Alerts that may wait for the registration of their campaigns.
_EARLY = 100


def receive(desk: Desk, readings: Sequence[CampaignKpi], signals: Sequence[AlertSignal]) -> Generator[None]:
    """Take in registrations, then readings and alerts of registered campaigns, with pauses."""
    for count, campaign_id in enumerate(desk.context.facts.keys() - desk.board.campaigns.keys(), 1):
        desk.registered(campaign_id)
        if count % SLICE == 0:
            yield
    dispersion = pooled(state.order_values for state in desk.before.values()) if readings else None
    for count, reading in enumerate(readings, 1):
        if reading.campaign_id in desk.context.facts:
            _reading(desk, reading, dispersion or 0.0)
        if count % SLICE == 0:
            yield
    early = []
    for signal in (*desk.board.early, *signals):
        if signal.campaign_id in desk.context.facts:
            _signal(desk, signal)
        elif desk.is_recent(instant(signal.received_at, "received_at")):
            early.append(signal)
    desk.board = replace(desk.board, early=tuple(early[-_EARLY:]))
    for campaign_id in desk.context.archived & set(desk.board.campaigns):
        _withdraw(desk, campaign_id)


def _reading(desk: Desk, reading: CampaignKpi, dispersion: float) -> None:
    campaign_id = reading.campaign_id
    state, policy = desk.registered(campaign_id), desk.context.policies.of(campaign_id)
    share = desk.context.completeness.get(campaign_id, 1.0)
    after = absorb_reading(state, reading, desk.facts(campaign_id), policy, share, dispersion)
    has_begun = state.spent == 0 and after.spent > 0
    if has_begun and state.column == "backlog" and state.serial == 0:
        after = desk.placed(after, "test")
    desk.put(state, after)


def _signal(desk: Desk, signal: AlertSignal) -> None:
    """An alert that fires and resolves within one step is judged as if a step lay between (D55)."""
    campaign_id, rule = signal.campaign_id, signal.rule
    state = desk.registered(campaign_id)
    is_recent = desk.is_recent(instant(signal.received_at, "received_at"))
    after = absorb_signal(state, signal, desk.context.policies.of(campaign_id), is_recent=is_recent)
    began = state.firing.get(rule)
    is_gone = began is not None and rule not in after.firing
    if is_gone and desk.context.is_live and rule not in _firing_before(desk, campaign_id):
        after = replace(after, firing={**after.firing, rule: began}, reason=state.reason)
        desk.brief.setdefault(campaign_id, set()).add(rule)
    elif campaign_id in desk.brief and rule in after.firing:
        desk.brief[campaign_id].discard(rule)  # it fires again
    desk.put(state, after)


def _firing_before(desk: Desk, campaign_id: str) -> Mapping[str, int]:
    state = desk.before.get(campaign_id)
    return {} if state is None else state.firing


def _withdraw(desk: Desk, campaign_id: str) -> None:
    state = desk.board.campaigns[campaign_id]
    if not state.is_withdrawn:
        gone = replace(state, column="archived", came_from=state.column, is_withdrawn=True, waits=False)
        desk.put(state, replace(gone, hold=None, proposal=None, said="", firing={}, reason="withdrawn"))
