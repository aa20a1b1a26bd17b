"""``roistream lift`` on files: what came because of a campaign, what is refused, and the sentence for it."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from metrics.lift.arms import CONTROL, arm_by_hash
from metrics.values.errors import RoistreamError
from streams.__main__ import app
from streams.lift.run import run
from streams.settings import Settings

#: Each reads files by a database of its own.
pytestmark = pytest.mark.slow
START = "2026-06-01"


def a_test(tmp_path, people=4_000, holdout=0.2, missing=0.0, lift=1.0):
    """People of both arms; of the control arm one in ten orders, of the treatment arm more."""
    rng = np.random.default_rng(4)
    listed, orders = ["person,arm,assigned_at"], ["customer_id,occurred_at,revenue,campaign_id"]
    for number in range(people):
        is_control = rng.random() < holdout
        if is_control and rng.random() < missing:
            continue
        listed.append(f"p{number},{'holdout' if is_control else 'treatment'},2026-06-{1 + number % 20:02}")
        if rng.random() < (0.3 if is_control else 0.3 * (1 + lift)):
            day = f"2026-06-{1 + number % 20 + int(rng.integers(0, 9)):02}"
            orders.append(f"p{number},{day},{rng.integers(10, 90)},{'spring' if number % 3 else ''}")
    (tmp_path / "people.csv").write_text("\n".join(listed))
    (tmp_path / "orders.csv").write_text("\n".join(orders))
    (tmp_path / "spend.csv").write_text(
        "campaign_id,day,spend\nspring,2026-06-02,5000\nspring,2026-05-02,77\nwinter,2026-06-02,9\n"
    )
    return [tmp_path / "orders.csv"], [tmp_path / "people.csv"], [tmp_path / "spend.csv"]


def found_in(capsys, *args, **options):
    code = run(Settings(), *args, as_json=True, **options)
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_orders_people_and_spend_give_what_came_because_of_the_campaign(tmp_path, capsys):
    orders, people, spend = a_test(tmp_path)
    code, found, _ = found_in(
        capsys, orders, "spring", "20%", START, people=people, spend=spend, until="2026-07-20"
    )
    assert code == 0
    treated, held = found["converters"]
    assert found["lift"]["estimate"] == pytest.approx(treated / (4 * held) - 1, abs=1e-6)
    assert found["lift"]["low"] < 1.0 < found["lift"]["high"]
    assert found["is_found"]
    assert found["incremental_orders"]["estimate"] == pytest.approx(treated - 4 * held)
    assert found["spend_micros"] == 5_000_000_000
    revenue = found["incremental_revenue"]
    assert found["iroas"]["estimate"] == pytest.approx(revenue["estimate"] / 5_000, abs=1e-5)
    cost = found["cost_per_incremental_order"]
    assert cost["low"] < cost["estimate"] < cost["high"]
    assert 0 < found["attributed_orders"] < treated
    assert found["assignment"]["is_mismatched"] is False


def test_the_rule_by_hash_needs_no_list_and_gives_the_same(tmp_path, capsys):
    orders, _, _ = a_test(tmp_path)
    ids = [line.split(",")[0] for line in orders[0].read_text().splitlines()[1:]]
    options = {"until": "2026-07-20"}
    _, by_rule, said = found_in(capsys, orders, "spring", "0.2", START, salt="june", **options)
    listed = ["who,group", *(f"{person},{arm_by_hash('june', person, Fraction(1, 5))}" for person in ids)]
    people = tmp_path / "arms.csv"
    people.write_text("\n".join(listed))
    columns = ["person=who", "arm=group"]
    _, by_list, _ = found_in(
        capsys, orders, "spring", "0.2", START, people=[people], people_columns=columns, **options
    )
    assert by_rule["converters"] == by_list["converters"]
    assert by_rule["incremental_revenue"] == by_list["incremental_revenue"]
    assert by_rule["assignment"] is None
    assert "nobody checks that the arms were drawn as stated" in " ".join(said.split())
    assert (
        sum(arm_by_hash("june", person, Fraction(1, 5)) == CONTROL for person in set(ids))
        == by_rule["converters"][1]
    )


def test_a_control_arm_that_lost_people_gives_no_figure(tmp_path, capsys):
    orders, people, spend = a_test(tmp_path, missing=0.3)
    code, found, _ = found_in(capsys, orders, "spring", "20%", START, people=people, spend=spend)
    assert code == 1
    assert found["assignment"]["is_mismatched"] is True
    assert "not drawn with a holdout of 20.0%" in found["refused"]
    for name in ("lift", "incremental_orders", "incremental_revenue", "iroas", "cost_per_incremental_order"):
        assert found[name] is None
    assert found["is_found"] is False


def test_people_of_both_arms_and_people_outside_are_counted_and_in_no_figure(tmp_path, capsys):
    orders, people, _ = a_test(tmp_path, people=500)
    _, before, _ = found_in(capsys, orders, "spring", "20%", START, people=people)
    inside = orders[0].read_text().splitlines()[1].split(",")[0]
    orders[0].write_text(orders[0].read_text() + "\nstranger,2026-06-05,40,spring")
    text = people[0].read_text()
    other = "control" if f"{inside},treatment" in text else "treatment"
    people[0].write_text(f"{text}\n{inside},{other},2026-06-09")
    _, after, said = found_in(capsys, orders, "spring", "20%", START, people=people)
    assert sum(after["converters"]) == sum(before["converters"]) - 1
    assert (after["outside"], after["assignment"]["in_both"]) == (1, 1)
    assert "rows of both arms" in said


def test_orders_before_the_assignment_or_the_test_and_refunds_count_as_they_should(tmp_path, capsys):
    people = tmp_path / "people.csv"
    people.write_text("person,arm,assigned_at\nada,treatment,2026-06-10\nbob,control,2026-06-01\n")
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "customer_id,occurred_at,revenue,order_id,kind\n"
        "ada,2026-05-01,500,o1,\nada,2026-06-09,500,o2,\nada,2026-06-11,80,o3,\nada,2026-06-12,20,o3,refunded\n"
        "ada,2026-06-26,900,o4,\nbob,2026-06-02,10,o5,\nbob,2026-06-03,,o5,cancelled\nbob,2026-07-10,1,o6,\n"
    )
    _, found, _ = found_in(capsys, [orders], "spring", "50%", START, people=[people], until="2026-07-12")
    assert found["converters"] == [1, 1]
    assert found["over"] == [1, 1]
    assert found["incremental_revenue"]["estimate"] == 60.0  # ada's 80 - 20; bob's order was cancelled
    assert found["incremental_orders"]["estimate"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"holdout": "0"}, "leaves an arm without people"),
        ({"holdout": "a tenth"}, "no share; write it like"),
        ({"start": "June"}, "--start June is no day"),
        ({"start": "2026-09-01"}, "when the orders are over"),
        ({"window": 0}, "--window is a number of days"),
        ({"salt": "june"}, "Say who was held out"),
        ({"people": ()}, "Say who was held out"),
        ({"people_columns": ["visitor=v"]}, "--person-column visitor=v: write field=column"),
    ],
)
def test_what_is_asked_wrongly_is_said_with_what_to_do(tmp_path, options, said):
    orders, people, _ = a_test(tmp_path, people=20)
    asked = {"campaign": "spring", "holdout": "20%", "start": START, "people": people} | options
    with pytest.raises(RoistreamError, match=said):
        run(Settings(), orders, **asked)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ada,maybe,", "people.csv:3: the arm 'maybe' is not known"),
        (",control,", "people.csv:3 names no person"),
        ("ada,control,soon", "the time 'soon' is not read"),
    ],
)
def test_a_list_with_a_row_that_cannot_be_taken_is_refused(tmp_path, row, said):
    orders, people, _ = a_test(tmp_path, people=20)
    people[0].write_text(f"person,arm,assigned_at\nbob,test,\n{row}\n")
    with pytest.raises(RoistreamError, match=re.escape(said)):
        run(Settings(), orders, "spring", "20%", START, people=people)


def test_the_command_prints_a_table_and_sentences(tmp_path):
    orders, people, spend = a_test(tmp_path)
    args = [
        "lift",
        str(orders[0]),
        "--campaign",
        "spring",
        "--holdout",
        "20%",
        "--start",
        START,
        "--people",
        str(people[0]),
    ]
    result = CliRunner().invoke(app, [*args, "--spend", str(spend[0]), "--until", "2026-07-20"])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for part in (
        "iROAS",
        "cost per incremental order",
        "The campaign changes how many people order",
        "orders name the campaign",
    ):
        assert part in text
