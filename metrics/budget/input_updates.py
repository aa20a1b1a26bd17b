"""What comes, put on the board; nothing is done about it yet. Pure."""

from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from metrics.budget.board_step import SLICE, BoardStep
from metrics.budget.campaign_updates import EvidenceContext, apply_alert, apply_reading
from metrics.budget.error_budget import joint_evidence, thresholds
from metrics.budget.records import AlertSignal
from metrics.budget.worth import apply_worth
from metrics.evidence import Ledger, learn, unlearned
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import instant
from metrics.values.time import DAY, HOUR

#: Alerts that may wait for the registration of their campaigns.
_EARLY = 100
#: How often the shape of the board is taken anew, in ms.
_LEARN_EVERY = 3 * HOUR


def apply_inputs(
    board_step: BoardStep,
    readings: Sequence[CampaignKpi],
    signals: Sequence[AlertSignal],
    worths: Sequence[CustomerKpi] = (),
) -> Generator[None]:
    """Take in registrations, then readings, what customers are worth, and alerts of registered campaigns, with pauses."""
    for count, campaign_id in enumerate(
        board_step.context.facts.keys() - board_step.board.campaigns.keys(), 1
    ):
        board_step.registered(campaign_id)
        if count % SLICE == 0:
            yield
    if readings:
        _prepare(board_step)
    for count, reading in enumerate(readings, 1):
        if reading.campaign_id in board_step.context.facts:
            _reading(board_step, reading)
        if count % SLICE == 0:
            yield
    yield from _worths(board_step, worths)
    _signals(board_step, signals)
    for campaign_id in board_step.context.archived & set(board_step.board.campaigns):
        _withdraw(board_step, campaign_id)


def _worths(board_step: BoardStep, records: Sequence[CustomerKpi]) -> Generator[None]:
    for count, record in enumerate(records, 1):
        if record.campaign_id in board_step.context.facts:
            state = board_step.registered(record.campaign_id)
            board_step.put(state, apply_worth(state, record, board_step.facts(record.campaign_id)))
        if count % SLICE == 0:
            yield


def _reading(board_step: BoardStep, reading: CampaignKpi) -> None:
    campaign_id = reading.campaign_id
    state, policy = board_step.registered(campaign_id), board_step.context.policies.of(campaign_id)
    share = board_step.context.completeness.get(campaign_id, 1.0)
    common = board_step.context.policies.common
    evidence_context = EvidenceContext(
        share,
        board_step.board.learned,
        unlearned(common.learning_phase / DAY, common.refunds),
        thresholds(state, board_step.facts(campaign_id), policy, board_step.threshold(policy.alpha)),
    )
    after = apply_reading(state, reading, board_step.facts(campaign_id), policy, evidence_context)
    has_begun = state.spent == 0 and after.spent > 0
    if has_begun and state.column == "backlog" and state.serial == 0:
        after = board_step.placed(after, "test")
    board_step.put(state, after)


def _prepare(board_step: BoardStep) -> None:
    """What holds for all readings of a step."""
    _learn(board_step)
    if board_step.context.policies.common.alpha_of == "board":
        board_step.joint_evidence = joint_evidence(board_step.before.values())


def _learn(board_step: BoardStep) -> None:
    """Take anew, now and then, what the campaigns show together."""
    if 0 <= board_step.now - board_step.board.learned_at < _LEARN_EVERY:
        return
    ledgers: dict[str, list[Ledger]] = {}
    for state in board_step.before.values():
        for name, ledger in state.ledgers.items():
            ledgers.setdefault(name, []).append(ledger)
    common = board_step.context.policies.common
    learned = {
        name: learn(
            found,
            is_money=name in ("roas", "roi"),
            learning_days=common.learning_phase / DAY,
            window=common.refunds,
        )
        for name, found in ledgers.items()
    }
    board_step.board = replace(board_step.board, learned=learned, learned_at=board_step.now)


def _signals(board_step: BoardStep, signals: Sequence[AlertSignal]) -> None:
    early = []
    for signal in (*board_step.board.early, *signals):
        if signal.campaign_id in board_step.context.facts:
            _signal(board_step, signal)
        elif board_step.is_recent(instant(signal.received_at, "received_at")):
            early.append(signal)
    board_step.board = replace(board_step.board, early=tuple(early[-_EARLY:]))


def _signal(board_step: BoardStep, signal: AlertSignal) -> None:
    """An alert that fires and resolves within one step is judged as if a step lay between (D55)."""
    campaign_id, rule = signal.campaign_id, signal.rule
    state = board_step.registered(campaign_id)
    is_recent = board_step.is_recent(instant(signal.received_at, "received_at"))
    after = apply_alert(state, signal, board_step.context.policies.of(campaign_id), is_recent=is_recent)
    began = state.firing.get(rule)
    is_gone = began is not None and rule not in after.firing
    if is_gone and board_step.context.is_live and rule not in _firing_before(board_step, campaign_id):
        after = replace(after, firing={**after.firing, rule: began}, reason=state.reason)
        board_step.resolved.setdefault(campaign_id, set()).add(rule)
    elif campaign_id in board_step.resolved and rule in after.firing:
        board_step.resolved[campaign_id].discard(rule)  # it fires again
    board_step.put(state, after)


def _firing_before(board_step: BoardStep, campaign_id: str) -> Mapping[str, int]:
    state = board_step.before.get(campaign_id)
    return {} if state is None else state.firing


def _withdraw(board_step: BoardStep, campaign_id: str) -> None:
    state = board_step.board.campaigns[campaign_id]
    if not state.is_withdrawn:
        gone = replace(state, column="archived", came_from=state.column, is_withdrawn=True, waits=False)
        board_step.put(state, replace(gone, hold=None, proposal=None, said="", firing={}, reason="withdrawn"))
