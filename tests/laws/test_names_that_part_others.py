"""No id of a record can be taken for a name of the state: what parts such names is refused in ids."""

import json

import pytest

from metrics.records.campaign_model import campaign_model
from streams import topics
from tests.laws.facts import T0
from tests.laws.machine import Machine

TRAP = campaign_model("c", "linear")


@pytest.mark.parametrize("is_escaped", [False, True])
def test_a_campaign_that_is_spelled_like_a_campaign_in_a_model_moves_no_money(is_escaped):
    machine = Machine(1, models=("linear",))
    click = {"event_id": "e", "occurred_at": T0, "visitor_id": "v"}
    order = {"event_id": "o", "order_id": "o", "occurred_at": T0 + 1, "visitor_id": "v", "revenue": 1_000}
    machine.produce(topics.CLICKS, "v", {**click, "campaign_id": "c"})
    for topic, record in ((topics.CLICKS, click | {"event_id": "e2"}), (topics.ORDERS, order)):
        value = {**record, "campaign_id": TRAP}
        machine.produce(topic, "v", json.dumps(value).encode() if is_escaped else value)
    machine.settle()
    machine.check_books()
    ledger = machine.intake(0).ledger
    assert (ledger[topics.CLICKS].applied, ledger[topics.CLICKS].rejected) == (1, 1)
    assert ledger[topics.ORDERS].rejected == 1
    assert {each["campaign_id"] for each in machine.last().values()} == {"c"}
    assert all(each["sums"]["revenue_micros"] == 0 for each in machine.last().values())
