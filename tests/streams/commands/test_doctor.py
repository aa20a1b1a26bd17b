"""The doctor: judgements as tables, and whole examinations."""

import errno
import socket
import time

import pytest
from kafka import KafkaAdminClient

from streams.commands.doctor import (
    Finding,
    examine,
    judge_clock,
    judge_figures,
    judge_port,
    judge_replication,
    judge_reports,
    run,
)
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics

NOON = 1_795_000_000_000
LONG_AGO = 1_000_000_000_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def states(findings) -> dict[str, str]:
    return {finding.subject: finding.state for finding in findings}


@pytest.mark.parametrize(
    ("stamped", "state", "words"),
    [
        (NOON + 5, "ok", "agree"),
        (NOON - 900, "ok", "agree"),
        (NOON - 60_000, "warning", "1m behind"),
        (NOON + 10 + 60_000, "warning", "1m ahead of"),
        (NOON - 300_001, "failed", "future_timestamp"),
        (NOON + 10 + 3_600_000, "warning", "1h ahead of"),
        (LONG_AGO, "warning", "no LogAppendTime"),
    ],
)
def test_the_brokers_stamp_is_judged_against_both_readings_of_our_clock(stamped, state, words) -> None:
    finding = judge_clock(stamped, NOON, NOON + 10, Settings(max_future="5m"))
    assert finding.state == state
    assert words in finding.text


@pytest.mark.parametrize(
    ("brokers", "factor", "state"), [(1, 1, "ok"), (3, 3, "ok"), (3, 1, "warning"), (1, 3, "failed")]
)
def test_replication_fits_the_number_of_brokers(brokers, factor, state) -> None:
    assert judge_replication(brokers, Settings(replication_factor=factor)).state == state


@pytest.mark.parametrize(
    ("number", "state", "setting"),
    [
        (errno.EADDRINUSE, "warning", "ROISTREAM_HTTP_PORT"),
        (errno.EACCES, "failed", "ROISTREAM_HTTP_PORT"),
        (errno.EADDRNOTAVAIL, "failed", "ROISTREAM_HTTP_HOST"),
    ],
)
def test_a_port_that_cannot_be_had_names_the_setting(number, state, setting) -> None:
    finding = judge_port(OSError(number, "no"), "10.0.0.1", 80)
    assert finding.state == state
    assert setting in finding.text


def test_a_ready_deployment_is_well(broker, cache, settings_for, capsys) -> None:
    (port,) = free_ports(1)
    settings = settings_for(broker, redis_url=cache.url, http_port=port)
    ensure_topics(settings, create=True)
    found = states(examine(settings, now_ms))
    healthy = (
        "settings",
        "broker",
        "transactions",
        "topics",
        "kept settings",
        "states",
        "clock",
        "redis",
        "http",
        "figures",
    )
    assert found == dict.fromkeys(healthy, "ok")
    assert run(settings) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(healthy)


def test_nothing_of_the_examination_stays_on_the_broker(broker, settings_for) -> None:
    settings = settings_for(broker)
    list(examine(settings, now_ms))
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    left = [name for name in admin.list_topics() if name.startswith(settings.topic_prefix)]
    admin.close()
    assert left == []


def test_missing_topics_fail_with_the_command_that_creates_them(broker, settings_for, capsys) -> None:
    settings = settings_for(broker)
    assert run(settings) == 1
    assert "create with: roistream topics" in capsys.readouterr().out


def test_another_number_of_partitions_fails(broker, settings_for) -> None:
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    other = settings.model_copy(update={"partitions": 3})
    found = states(examine(other, now_ms))
    assert found["partitions"] == "failed"


def test_an_absent_broker_fails_and_the_other_checks_go_on(capfd) -> None:
    (port,) = free_ports(1)
    settings = Settings(broker=f"kafka://127.0.0.1:{port}", broker_wait="200ms", http_port=0)
    assert run(settings) == 1
    out, err = capfd.readouterr()
    assert f"127.0.0.1:{port}" in out
    assert "http" in out
    assert err == ""


def test_an_absent_redis_fails_with_the_setting() -> None:
    (port,) = free_ports(1)
    settings = Settings(
        broker="kafka://127.0.0.1:1",
        broker_wait="1ms",
        redis_url=f"redis://127.0.0.1:{port}/0",
        http_port=0,
    )
    finding = next(each for each in examine(settings, now_ms) if each.subject == "redis")
    assert finding.state == "failed"
    assert "ROISTREAM_REDIS_URL" in finding.text


def test_a_taken_port_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(broker="kafka://127.0.0.1:1", broker_wait="1ms", http_port=taken.getsockname()[1])
        assert states(examine(settings, now_ms))["http"] == "warning"


def test_wrong_security_settings_spare_the_broker() -> None:
    settings = Settings(broker_security_protocol="SASL_SSL", http_port=0)
    found = list(examine(settings, now_ms))
    assert found[0] == Finding("settings", "failed", found[0].text)
    assert "ROISTREAM_BROKER_SASL_USERNAME" in found[0].text
    assert "broker" not in states(found)


def test_figures_that_differ_from_the_ledger_are_named():
    page = """# TYPE roistream_ledger_difference gauge
roistream_ledger_difference{{stage="merge",partition="1",figure="clicks"}} {value}
"""
    assert judge_figures(page.format(value=0)).state == "ok"
    finding = judge_figures(page.format(value=57))
    assert finding.state == "failed"
    assert "+57 clicks (merge-1)" in finding.text


@pytest.mark.parametrize(
    ("covered", "ratio", "state", "words"),
    [
        (0, None, None, ""),
        (0, 0.5, None, ""),
        (24, None, "ok", "24 are covered"),
        (24, 0.05, "ok", "they agree"),
        (24, 0.31, "warning", "those of 'c-1' differ from the coarser ones by 31%"),
    ],
)
def test_reports_that_others_cover_and_grains_that_disagree_are_told(covered, ratio, state, words):
    page = f"""# TYPE campaign_covered_reports gauge
campaign_covered_reports{{campaign_id="c-1",channel="search"}} {covered}
campaign_covered_reports{{campaign_id="c-2",channel="search"}} 0
# TYPE campaign_report_disagreement_ratio gauge
campaign_report_disagreement_ratio{{campaign_id="c-2",channel="search"}} 0.01
"""
    if ratio is not None:
        page += f'campaign_report_disagreement_ratio{{campaign_id="c-1",channel="search"}} {ratio}\n'
    found = list(judge_reports(page))
    assert [each.state for each in found] == ([state] if state else [])
    assert all(words in each.text for each in found)
