"""The alerts of a real day whose reports are restated each hour, against those of the same day in hindsight (promtool).

Spend is that of a connector's export of Snapchat; each of its ads is a campaign, once for each way of reporting. In hindsight every minute's
spend is known when it is over. What fires while the day goes on must fire in hindsight, and what fires in hindsight at most an hour later.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from metrics.values.time import HOUR, MINUTE
from tests.support import restated_day as day
from tests.support.promtool import run_promtool

pytestmark = pytest.mark.verify

PROMETHEUS = Path(__file__).parents[2] / "grafana" / "prometheus"
RULES = [PROMETHEUS / "rules" / f"{name}.yml" for name in ("recording", "campaigns")]
EXPORT = Path("data/ad_platform_exports/dbt_ad_reporting/snapchat_ad_hourly_report_data.csv")
UNTIL = day.MIDNIGHT + 13 * HOUR
#: In minutes from midnight.
NOON = 12 * 60
#: How much later an alert may be, by way of reporting; where figures are hours behind, alerts on them are as late.
LATEST = dict.fromkeys(day.WAYS, 60) | {"slow": 60 + day.SLOW // MINUTE}


@pytest.fixture(scope="module")
def fired(shared, tmp_path_factory):
    """What fires when, by way of reporting."""
    if not (shared / EXPORT).is_file():
        pytest.skip(f"no {EXPORT} among the shared data")
    ads = day.ads_of(shared / EXPORT)
    families = set(re.findall(r"\bcampaign_\w+", "".join(path.read_text() for path in RULES)))
    ways = {**day.WAYS, **day.HINDSIGHT}
    series = {}
    for some in (day.WAYS, day.HINDSIGHT):
        series |= day.shown(ads, some, families, UNTIL)
    return asked(series, list(ways), tmp_path_factory.mktemp("day"))


class Alert(NamedTuple):
    """An alert on a campaign, whatever way of reporting its figures came."""

    alert: str
    campaign: str
    target: str


#: By way of reporting and alert, the minutes from midnight on at which the alert fires.
Fired = dict[str, dict[Alert, list[int]]]


def asked(series: day.Series, ways: list[str], folder: Path) -> Fired:
    """What fires when: promtool is asked what there is at each look, where nothing is expected."""
    every, first, last = (
        day.STEP // MINUTE,
        (day.MIDNIGHT - day.SEEN_FROM) // day.STEP,
        (UNTIL - day.SEEN_FROM) // day.STEP,
    )
    lines = ["rule_files:", *[f"  - {path}" for path in RULES], f"evaluation_interval: {every}m", "tests:"]
    lines += [f"  - interval: {every}m", "    input_series:"]
    for name, samples in sorted(series.items()):
        lines += [f"      - series: '{name}'", f"        values: '{_values(samples, last)}'"]
    expr = 'group by (channel, alertname, campaign_id, target) (ALERTS{alertstate="firing"})'
    lines.append("    promql_expr_test:")
    lines += [f"      - {{expr: '{expr}', eval_time: {each * every}m}}" for each in range(first, last + 1)]
    file = folder / "day.test.yml"
    file.write_text("\n".join([*lines, ""]))
    _, said = run_promtool(file)
    assert "err:" not in said, said
    found: Fired = {way: {} for way in ways}
    for part in said.split('expr: "')[1:]:
        time = re.search(r"time: (?:(\d+)h)?(?:(\d+)m)?", part)
        minute = 60 * int(time[1] or 0) + int(time[2] or 0) - first * every
        for labels in re.findall(r"\{([^}]*)\}", part.partition("got:")[2]):
            one = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            alert = Alert(one["alertname"], one["campaign_id"], one.get("target", ""))
            found[one["channel"]].setdefault(alert, []).append(minute)
    return found


def _values(samples: dict[int, str], last: int) -> str:
    """Samples by step in promtool's notation; runs of one value are written once."""
    runs: list[tuple[str, int]] = []
    for step in range(last + 1):
        value = samples.get(step, "_")
        if runs and runs[-1][0] == value:
            runs[-1] = value, runs[-1][1] + 1
        else:
            runs.append((value, 1))
    return " ".join(f"_x{n}" if value == "_" else f"{float(value):.6f}+0x{n - 1}" for value, n in runs)


def apart(these: dict[Alert, list[int]], those: dict[Alert, list[int]], latest: int) -> dict[str, str]:
    """Where up to noon these alerts fire and none of those within some minutes; instants in minutes from midnight."""
    found = {}
    for alert, minutes in these.items():
        others = those.get(alert, ())
        left = [at for at in minutes if at <= NOON and not any(abs(at - each) <= latest for each in others)]
        if left:
            found[" ".join(alert)] = f"{left[0]} to {left[-1]}"
    return found


def test_in_hindsight_each_kind_of_alert_fires_on_the_campaign_that_it_is_for(fired):
    wanted = {
        ("CampaignMissesTarget", "too-dear"),
        ("CampaignCostPerLeadOverTarget", "too-dear"),
        ("CampaignRoiUnderFloor", "worth-little"),
        ("CampaignSpendWithoutLeads", "leads-stop"),
        ("CampaignOverspend", "too-fast"),
        ("CampaignUnderspend", "too-slow"),
        ("CampaignSpendWithoutEvents", "clicks-stop"),
        ("CampaignEventsWithoutSpend", "spend-stops"),
    }
    assert wanted <= {each[:2] for each in fired["hindsight"]}
    assert {each.campaign for each in fired["hindsight"] if each.alert == "CampaignMissesTarget"} <= {
        "too-dear",
        "leads-stop",
    }


@pytest.mark.parametrize("way", day.WAYS)
def test_between_midnight_and_noon_nothing_fires_that_would_not_fire_on_the_finished_day(fired, way):
    assert apart(fired[way], fired["hindsight"], LATEST[way]) == {}


@pytest.mark.parametrize("way", [way for way in day.WAYS if way != "slow"])
def test_what_fires_on_the_finished_day_is_missed_by_no_more_than_an_hour(fired, way):
    assert apart(fired["hindsight"], fired[way], LATEST[way]) == {}
