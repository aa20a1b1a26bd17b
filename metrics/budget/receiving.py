"""What comes, put on the board; nothing is done about it yet. Pure."""

from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from metrics.budget.absorbing import Known, absorb_reading, absorb_signal
from metrics.budget.desk import SLICE, Desk
from metrics.budget.error_budget import bars, chances_on
from metrics.budget.records import AlertSignal
from metrics.evidence import Ledger, learn
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import instant
from metrics.values.time import HOUR

#: Alerts that may wait for the registration of their campaigns.
_EARLY = 100
#: How often the shape of the board is taken anew, in ms.
_LEARN_EVERY = 3 * HOUR


def receive(desk: Desk, readings: Sequence[CampaignKpi], signals: Sequence[AlertSignal]) -> Generator[None]:
    """Take in registrations, then readings and alerts of registered campaigns, with pauses."""
    for count, campaign_id in enumerate(desk.context.facts.keys() - desk.board.campaigns.keys(), 1):
        desk.registered(campaign_id)
        if count % SLICE == 0:
            yield
    if readings:
        _prepare(desk)
    for count, reading in enumerate(readings, 1):
        if reading.campaign_id in desk.context.facts:
            _reading(desk, reading)
        if count % SLICE == 0:
            yield
    _signals(desk, signals)
    for campaign_id in desk.context.archived & set(desk.board.campaigns):
        _withdraw(desk, campaign_id)


def _reading(desk: Desk, reading: CampaignKpi) -> None:
    campaign_id = reading.campaign_id
    state, policy = desk.registered(campaign_id), desk.context.policies.of(campaign_id)
    share = desk.context.completeness.get(campaign_id, 1.0)
    known = Known(
        share, desk.board.learned, bars(state, desk.facts(campaign_id), policy, desk.bar(policy.alpha))
    )
    after = absorb_reading(state, reading, desk.facts(campaign_id), policy, known)
    has_begun = state.spent == 0 and after.spent > 0
    if has_begun and state.column == "backlog" and state.serial == 0:
        after = desk.placed(after, "test")
    desk.put(state, after)


def _prepare(desk: Desk) -> None:
    """What holds for all readings of a step."""
    _learn(desk)
    if desk.context.policies.common.alpha_of == "board":
        desk.chances = chances_on(desk.before.values())


def _learn(desk: Desk) -> None:
    """Take anew, now and then, what the campaigns show together."""
    if 0 <= desk.now - desk.board.learned_at < _LEARN_EVERY:
        return
    ledgers: dict[str, list[Ledger]] = {}
    for state in desk.before.values():
        for name, ledger in state.ledgers.items():
            ledgers.setdefault(name, []).append(ledger)
    learned = {name: learn(found, is_money=name in ("roas", "roi")) for name, found in ledgers.items()}
    desk.board = replace(desk.board, learned=learned, learned_at=desk.now)


def _signals(desk: Desk, signals: Sequence[AlertSignal]) -> None:
    early = []
    for signal in (*desk.board.early, *signals):
        if signal.campaign_id in desk.context.facts:
            _signal(desk, signal)
        elif desk.is_recent(instant(signal.received_at, "received_at")):
            early.append(signal)
    desk.board = replace(desk.board, early=tuple(early[-_EARLY:]))


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
