"""Boards and rules on a real Prometheus that scrapes two real workers under the demo's traffic."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from kafka import KafkaProducer

from grafana.boards import BOARDS
from grafana.spec import Dashboard
from streams import topics
from streams.demo.options import CONTROL
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import CacheHandle
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.stack.monitoring import prometheus
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.conftest import REPOSITORY, fresh_settings
from tests.support.servers.prometheus import Prometheus, filled
from tests.support.servers.traffic import demo_traffic
from tests.support.servers.worker import LIMIT_S, WorkerProcess, running_worker, wait_for
from tests.system.page.acting import start_board

SOURCE = REPOSITORY / "grafana" / "prometheus"
SCRAPE_S = 2
ONE_CAMPAIGN = "spring-sale-search"


def lively(text: str) -> str:
    """Scrape and evaluate every two seconds."""
    return re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \d+s", rf"\1: {SCRAPE_S}s", text)


@dataclass(frozen=True)
class Live:
    prometheus: Prometheus
    workers: list[WorkerProcess]
    settings: Settings

    def wait_scrapes(self, count: float) -> None:
        """Until so many scrapes of every worker have come in since now."""
        since = time.time()
        wait_for(
            "scrapes",
            lambda: all(
                at >= since + (count - 1) * SCRAPE_S
                for at in self.prometheus.values('timestamp(up{job="roistream"})', "instance").values()
            ),
        )


@pytest.fixture(scope="module")
def live(monitoring: None, cache: CacheHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("boards")
    with ExitStack() as stack:
        broker = stack.enter_context(embedded_broker())
        settings = fresh_settings(
            broker,
            redis_url=cache.url,
            partitions=4,
            gauge_windows="5m,1h,24h,7d,today,total",
            budget_mode="enforce",
            budget=CONTROL["ROISTREAM_BUDGET"],
        )
        ensure_topics(settings, create=True)
        workers = [
            stack.enter_context(
                running_worker(settings, folder, f"worker-{n}", ROISTREAM_CUSTOMER_RETENTION="1095d")
            )
            for n in (1, 2)
        ]
        pages = [f"127.0.0.1:{worker.port}" for worker in workers]
        (port,) = free_ports(1)
        board = settings.model_copy(update={"board_port": port})
        stack.callback(start_board(board, port, tmp_path_factory.mktemp("board")).stop)
        monitor = stack.enter_context(
            prometheus(SOURCE, {"roistream": pages}, "127.0.0.1:9", lively, f"127.0.0.1:{port}")
        )
        stack.enter_context(demo_traffic(settings))
        seen = Live(Prometheus(monitor.url), workers, settings)
        wait_for(
            "both workers show campaigns, and rates have a base",
            lambda: (
                len(seen.prometheus.query("roistream_campaigns > 1")) == 2
                and seen.prometheus.query(filled("rate(roistream_batch_records_count[$__rate_interval]) > 0"))
            ),
        )
        yield seen


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_query_of_every_panel_has_data_or_says_why_not(live: Live, board: Dashboard):
    wanted = {query.expr: panel.title for panel in board.panels if not panel.empty for query in panel.queries}
    missing = dict(wanted)
    ends = time.monotonic() + LIMIT_S
    while missing and time.monotonic() < ends:
        missing = {expr: title for expr, title in missing.items() if not live.prometheus.query(filled(expr))}
        time.sleep(0.1)
    assert missing == {}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_queries_that_may_be_empty_parse_too(live: Live, board: Dashboard):
    for panel in board.panels:
        for query in panel.queries:
            live.prometheus.query(filled(query.expr))
    for note in board.notes:
        live.prometheus.query(filled(note.expr))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_variable_offers_something(live: Live, board: Dashboard):
    for variable in board.variables:
        assert live.prometheus.choices(filled(variable.query), variable.regex), variable.name
        if variable.preferred:
            assert variable.preferred in live.prometheus.choices(filled(variable.query), variable.regex)


def test_every_rule_is_evaluated_and_every_recording_has_data(live: Live):
    """Alerts have none while all is well, no campaign's spend has stopped, and whether some campaign's is mostly spread depends on the
    minute of the hour: their scenarios are promtool's.
    """
    wait_for(
        "all rules are evaluated", lambda: {rule["health"] for rule in live.prometheus.rules()} == {"ok"}
    )
    missing = {rule["name"] for rule in live.prometheus.rules() if rule["type"] == "recording"}
    missing -= {"campaign:spend_stopped:info", "campaign:spend_mostly_spread:ratio"}
    ends = time.monotonic() + LIMIT_S
    while missing and time.monotonic() < ends:
        missing = {name for name in missing if not live.prometheus.query(name)}
        time.sleep(0.1)
    assert missing == set()


def test_a_ratio_of_a_channel_is_that_of_its_sums(live: Live):
    """The sums are asked at the time at which the rule was evaluated. A scrape under way is stored under the time of its start, after
    the evaluation; then the next evaluation tells.
    """
    ask = live.prometheus.query
    rule = 'channel:cost_per_lead:ratio{channel="search",window="total"}'
    view = 'channel="search",window="total"'

    def is_that_of_the_sums() -> bool:
        found = ask(f"timestamp({rule})")
        if not found:
            return False
        at = found[0]["value"][1]
        costs, spend, leads = (
            float(ask(query)[0]["value"][1])
            for query in (
                f"{rule} @ {at}",
                f"sum(max by (campaign_id) (campaign_window_spend{{{view}}} @ {at}))",
                f"sum(max by (campaign_id) (campaign_window_leads{{{view}}} @ {at}))",
            )
        )
        return costs == pytest.approx(spend / leads)

    wait_for("an evaluation that no scrape overtook", is_that_of_the_sums)


def test_the_ledger_adds_up_on_both_workers(live: Live):
    found = live.prometheus.query("roistream_ledger_unaccounted_records")
    assert {one["value"][1] for one in found} == {"0"}
    assert len({one["metric"]["instance"] for one in found}) == 2


def test_an_archived_campaign_leaves_within_two_scrapes(live: Live):
    assert live.prometheus.query(f'campaign_info{{campaign_id="{ONE_CAMPAIGN}"}}')
    producer = KafkaProducer(**kafka_python_options(live.settings))
    producer.send(live.settings.topic(topics.CAMPAIGNS), key=ONE_CAMPAIGN.encode(), value=None).get(10)
    producer.close()
    wait_for(
        "no worker shows it",
        lambda: all(ONE_CAMPAIGN not in worker.get("/metrics")[1] for worker in live.workers),
    )
    live.wait_scrapes(2)
    assert not live.prometheus.query(f'{{__name__=~"campaign_.+",campaign_id="{ONE_CAMPAIGN}"}}')
    chosen = next(each for board in BOARDS for each in board.variables if each.name == "campaign")
    assert ONE_CAMPAIGN not in live.prometheus.choices(filled(chosen.query), chosen.regex)


def test_a_worker_that_leaves_takes_its_series_along_and_the_other_shows_its_campaigns(live: Live):
    leaver, stayer = live.workers
    gone = f"127.0.0.1:{leaver.port}"
    shown = set(live.prometheus.values("campaign_info", "campaign_id"))
    leaver.terminate()
    live.wait_scrapes(2)
    assert not live.prometheus.query(f'{{__name__=~"(campaign|roistream)_.+",instance="{gone}"}}')
    wait_for("the other has all partitions", lambda: stayer.facts()["partitions"] == [0, 1, 2, 3])
    wait_for(
        "the other shows all campaigns",
        lambda: set(live.prometheus.values("campaign_info", "campaign_id")) >= shown,
    )
