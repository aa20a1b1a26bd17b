"""What comes in by POST: shapes, and the records they become."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.values.errors import Rejection
from streams.board.request_models import DecisionRequest, Webhook, decision_of, read, signals_of

NOW = 1_795_348_800_000


def asked(**fields: Any) -> DecisionRequest:
    values = {"campaign_id": "c-1", "verb": "pause", "reason": "too dear"}
    return read(DecisionRequest, msgspec.json.encode(values | fields))


def decided(**fields: Any) -> BudgetDecision:
    return decision_of(asked(**fields), "Ana", NOW, "new")


def test_the_board_fills_in_who_when_and_an_id():
    decision = decided()
    assert (decision.by, decision.occurred_at, decision.decision_id) == ("Ana", NOW, "new")
    assert (decision.verb, decision.reason) == ("pause", "too dear")


def test_a_budget_whose_digits_underscores_part_is_refused():
    with pytest.raises(Rejection, match="budget '1_000' is no number"):
        asked(verb="set_budget", budget="1_000")


def test_a_decision_may_bring_its_own_id_and_time():
    decision = decided(decision_id="d-1", occurred_at="2026-11-22T10:00:00Z")
    assert (decision.decision_id, decision.occurred_at) == ("d-1", 1_795_341_600_000)


@pytest.mark.parametrize("fields", [{}, {"verb": "move", "column": "hold"}])
def test_a_hold_may_have_an_end(fields: dict[str, Any]):
    decision = decided(until="2026-11-23T12:00:00Z", **fields)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=BudgetDecision) == decision
    assert msgspec.to_builtins(decision)["until"] == "2026-11-23T12:00:00Z"


def test_a_budget_stays_exact():
    decision = decided(verb="set_budget", budget="1234.567891")
    assert decision.budget == Decimal("1234.567891")
    again = msgspec.json.decode(msgspec.json.encode(decision), type=BudgetDecision)
    assert again.budget == decision.budget


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"reason": "  "}, "reason"),
        ({"verb": "move"}, "column"),
        ({"verb": "move", "column": "attic"}, "column"),
        ({"column": "scale"}, "column"),
        ({"verb": "set_budget"}, "budget"),
        ({"budget": 10}, "budget"),
        ({"verb": "set_budget", "budget": -1}, "budget"),
        ({"verb": "set_budget", "budget": "0.1234567"}, "budget"),
        ({"verb": "set_budget", "budget": "1e12"}, "budget"),
        ({"verb": "set_budget", "budget": "NaN"}, "budget"),
        ({"verb": "spend"}, "verb"),
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": "x" * 129}, "campaign_id"),
        ({"reason": "x" * 1_001}, "reason"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"until": "2026-11-22T11:59:59Z"}, "until has passed"),
        ({"until": "tomorrow"}, "until"),
        ({"until": 10**18}, "until"),
        ({"verb": "resume", "until": "2026-11-23T12:00:00Z"}, "until goes with"),
        ({"verb": "move", "column": "scale", "until": "2026-11-23T12:00:00Z"}, "until goes with"),
        ({"untill": "2026-11-23T12:00:00Z"}, "untill"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], named: str):
    with pytest.raises(Rejection, match=named):
        decided(**fields)


@given(st.binary(max_size=200))
def test_no_body_is_more_than_a_rejection(body: bytes):
    for shape in (DecisionRequest, Webhook):
        with pytest.raises(Rejection):
            read(shape, body)


def alert(**fields: Any) -> dict[str, Any]:
    """As Alertmanager 0.25 sends it."""
    return {
        "status": "firing",
        "labels": {"alertname": "CampaignCplHigh", "campaign_id": "c-1", "severity": "page"},
        "annotations": {"summary": "CPL is high"},
        "startsAt": "2026-11-22T10:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "c1f5b2e6b6f2a1d0",
    } | fields


def webhook(*alerts: dict[str, Any], version: str = "4") -> Webhook:
    body = {"version": version, "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "alerts": alerts}
    return read(Webhook, msgspec.json.encode(body))


def test_an_alert_is_named_by_fingerprint_start_and_status_whenever_it_comes():
    first, _ = signals_of(webhook(alert()), NOW)
    again, _ = signals_of(webhook(alert()), NOW + 60_000)
    assert first[0].alert_id == again[0].alert_id == "c1f5b2e6b6f2a1d0|2026-11-22T10:00:00.123Z|firing"
    assert (first[0].campaign_id, first[0].rule, first[0].starts_at) == (
        "c-1",
        "CampaignCplHigh",
        1_795_341_600_123,
    )


def test_the_end_of_an_alert_and_its_return_are_news():
    names = {
        signals_of(webhook(alert(**fields)), NOW)[0][0].alert_id
        for fields in (
            {},
            {"status": "resolved"},
            {"startsAt": "2026-11-22T11:00:00Z"},
            {"fingerprint": "f2"},
        )
    }
    assert len(names) == 4


def test_alerts_of_no_campaign_are_ignored_with_a_reason():
    labels = [
        {"alertname": "A"},
        {"campaign_id": "(other)"},
        {"campaign_id": "(none)"},
        {"campaign_id": "x" * 129},
    ]
    signals, ignored = signals_of(webhook(*(alert(labels=each) for each in labels)), NOW)
    assert signals == []
    assert [each.reason.split()[0] for each in ignored] == ["it", "(other)", "(none)", "it"]


def test_an_alert_without_fingerprint_is_named_by_its_labels_in_any_order():
    labels = {"campaign_id": "c-1", "alertname": "A", "b": "1"}
    turned = dict(reversed(labels.items()))
    one, _ = signals_of(webhook(alert(fingerprint="", labels=labels)), NOW)
    two, _ = signals_of(webhook(alert(fingerprint="", labels=turned)), NOW)
    assert one[0].alert_id == two[0].alert_id


def test_another_version_of_the_webhook_is_refused():
    with pytest.raises(Rejection, match="version '5'"):
        signals_of(webhook(version="5"), NOW)


@given(st.text(max_size=300), st.text(max_size=40))
def test_what_an_alert_becomes_is_a_record_of_its_topic(fingerprint: str, starts_at: str):
    try:
        signals, _ = signals_of(webhook(alert(fingerprint=fingerprint, startsAt=starts_at)), NOW)
    except Rejection:
        return
    for signal in signals:
        assert msgspec.json.decode(msgspec.json.encode(signal), type=AlertSignal) == signal
