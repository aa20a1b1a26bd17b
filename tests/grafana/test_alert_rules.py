"""Every alert fires when it should, and is silent on stale, tiny, missing or paused campaigns (promtool)."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.stack.monitoring import RUNBOOKS
from tests.conftest import REQUIRE_PROGRAMS
from tests.support.alert_scenarios import (
    COMPLETE,
    DAY_BEFORE_LAST,
    HEALTHY,
    PROVOKED,
    SCENARIOS,
    SPEND,
    SPEND_KNOWN,
    Scenario,
    flat,
)
from tests.support.promtool import run_promtool

PROMETHEUS = Path(__file__).parents[2] / "grafana" / "prometheus"
#: Without the sums of channels, which no alert asks and which would take a third of the time.
RULES = [PROMETHEUS / "rules" / f"{name}.yml" for name in ("recording", "campaigns", "pipeline")]
FIRING = 'ALERTS{alertstate="firing"}'


def alerts() -> dict[str, dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def group_of(scenario: Scenario) -> dict[str, Any]:
    """A test group of promtool; who fires is asked as a query, so that texts may change."""
    world = {**HEALTHY, **scenario.changed}
    world = {COMPLETE: world[SPEND], **world}
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(scenario.fires)]
    at = f"{scenario.at}m"
    queries = [{"expr": f"group by (alertname) ({FIRING})", "eval_time": at, "exp_samples": expected}]
    if scenario.starts is not None:
        began = f"sum(count_over_time(({FIRING} unless {FIRING} offset 2m)[{at}:2m]))"
        bound = [{"labels": "{}", "value": scenario.starts}]
        queries.append({"expr": began, "eval_time": at, "exp_samples": bound})
    return {
        "name": scenario.name,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in world.items() if values],
        "promql_expr_test": queries,
    }


def run(folder: Path, groups: list[dict[str, Any]]) -> tuple[bool, str]:
    """Whether all hold, and what promtool says; one process, because each start costs more than a scenario."""
    file = folder / "rules.test.yml"
    whole = {
        "rule_files": [str(path) for path in RULES],
        "evaluation_interval": "2m",
        "tests": groups,
    }
    file.write_text(yaml.safe_dump(whole))
    return run_promtool(file)


@pytest.mark.verify
def test_in_every_scenario_those_fire_that_should_and_no_others(tmp_path: Path):
    holds, said = run(tmp_path, [group_of(scenario) for scenario in SCENARIOS])
    assert holds, said


def test_promtool_would_notice(tmp_path: Path):
    groups = [group_of(Scenario("nothing is wrong", fires=("RoistreamDataStale",)))]
    holds, said = run(tmp_path, groups)
    assert not holds
    assert "RoistreamDataStale" in said


def test_pace_is_that_of_the_plan_up_to_the_instant_up_to_which_spend_is_known(tmp_path: Path):
    """Of 2 000 in ten days 300 are the plan of a day and a half; reports are half a day behind, and another source is not."""
    changed: dict[str, str | None] = {SPEND: flat(350), COMPLETE: flat(300)}
    group = group_of(Scenario("half a day", {**changed, SPEND_KNOWN: flat(DAY_BEFORE_LAST + 129_600)}))
    labels = 'campaign:spend_pace:ratio{campaign_id="c-1", channel="search", job="roistream"}'
    expected = [{"labels": labels, "value": 1}]
    asked = {"expr": "campaign:spend_pace:ratio", "eval_time": "90m", "exp_samples": expected}
    holds, said = run(tmp_path, [group | {"promql_expr_test": [asked]}])
    assert holds, said


def test_every_alert_has_a_scenario_in_which_it_fires():
    assert {alert for scenario in SCENARIOS for alert in scenario.fires} == set(alerts())


def test_every_alert_says_what_it_is_and_where_to_read_on():
    page = (PROMETHEUS.parents[1] / "docs" / "boards.md").read_text().lower()
    served = (PROMETHEUS.parents[1] / "streams/board/static/runbooks.html").read_text()
    for name, rule in alerts().items():
        assert rule["labels"]["kind"] in {"kpi", "figures", "operations"}, name
        assert (rule["labels"]["kind"] == "kpi") is (name in PROVOKED), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}static/runbooks.html#{name.lower()}"
        assert f"### {name.lower()}\n" in page
        assert f'<h2 id="{name.lower()}">' in served


def test_every_alert_on_a_campaign_asks_for_fresh_figures_and_names_the_campaign():
    for name in PROVOKED:
        rule = alerts()[name]
        assert "campaign:fresh:info" in rule["expr"] or "campaign:spending:info" in rule["expr"], name
        assert "$labels.campaign_id" in rule["annotations"]["summary"], name


def test_only_the_alert_that_asks_the_evidence_says_that_a_campaign_is_bad():
    """Rules over a window that rolls are notes: of healthy campaigns they fire for most within weeks."""
    rules = alerts()
    assert "campaign_evidence_needed_e_value" in rules["CampaignMissesTarget"]["expr"]
    for note in ("CampaignCostPerLeadOverTarget", "CampaignRoiUnderFloor"):
        assert rules[note]["labels"]["severity"] == "info"


def receivers(text: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in yaml.safe_load(text)["receivers"]}


def test_no_receiver_is_empty_and_those_of_people_reach_the_board():
    text = (PROMETHEUS / "alertmanager.yml").read_text()
    found = receivers(text)
    used = {yaml.safe_load(text)["route"]["receiver"]}
    used |= {each["receiver"] for each in yaml.safe_load(text)["route"]["routes"]}
    assert used == set(found)
    for name, receiver in found.items():
        assert [each["url"] for each in receiver["webhook_configs"]] == ["http://board:6067/alerts"], name


def test_the_mail_of_the_file_is_a_receiver_when_its_marks_are_taken_away(tmp_path: Path):
    amtool = shutil.which("amtool")
    if amtool is None:
        (pytest.fail if REQUIRE_PROGRAMS else pytest.skip)(
            "no amtool here: apt-get install prometheus-alertmanager"
        )
    text = (PROMETHEUS / "alertmanager.yml").read_text()
    head, mark, rest = text.partition("    # email_configs:\n")
    file = tmp_path / "alertmanager.yml"
    file.write_text(head + (mark + rest).replace("    # ", "    "))
    assert receivers(file.read_text())["operations"]["email_configs"][0]["to"] == "operations@example.org"
    done = subprocess.run([amtool, "check-config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
