"""Redis with users, passwords and TLS: the views are filled; who is kept out is told and holds up nothing."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from metrics.values.errors import SettingError
from streams.board.alert_notes import AlertNotes
from streams.board.auth import EndedSessions, Session
from streams.board.card_store import CardStore
from streams.board.notifications.delivery_log import DeliveryLog
from streams.board.redis_subscriber import RedisSubscriber, client, tell_ended
from streams.embedded.broker import BrokerHandle
from streams.settings import Settings, load
from streams.sinks.redis_names import RedisNames
from streams.sinks.worker_watch import WorkerWatch
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, write
from tests.support.servers.cache import (
    CacheUnavailableError,
    start_cache,
    start_cache_behind_tls,
    start_redis_with_tls,
)
from tests.support.servers.certificates import Authority
from tests.support.servers.worker import WorkerProcess, running_worker, variables, wait_for

SettingsFor = Callable[..., Settings]

PASSWORD, WRONG, OPERATOR = "p@ss/word:of redis", "wr0ng-but-secret", "operators-password"
ACL = "~roistream:* resetchannels &roistream:* -@all +@hash +@scripting +publish +pexpire +pttl +info"
BOARD_ACL = "~roistream:* resetchannels &roistream:* -@all +@hash +@pubsub +pexpire +set +get +del +eval"
CLICK = ("ad-clicks", b"v", {"event_id": "e", "occurred_at": 1_790_000_000_000, "campaign_id": "c"})


@dataclass(frozen=True)
class Server:
    """A server and the way to it; `query` belongs to the URL."""

    scheme: str
    port: int
    query: str = ""

    def url(self, password: str, user: str = "", query: str | None = None) -> str:
        secret = quote(password, safe="")
        return (
            f"{self.scheme}://{user}:{secret}@127.0.0.1:{self.port}/0{self.query if query is None else query}"
        )

    @contextmanager
    def client(self) -> Iterator[Any]:
        with closing(redis.Redis.from_url(self.url(PASSWORD), decode_responses=True)) as client:
            yield client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "redis")


@pytest.fixture(scope="module", params=["password", "TLS by a relay", "TLS by Redis"])
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Server]:
    if request.param == "password":
        with start_cache(PASSWORD) as port:
            yield Server("redis", port)
        return
    start = start_redis_with_tls if request.param == "TLS by Redis" else start_cache_behind_tls
    certificate = authority.sign("redis", addresses=("127.0.0.1",))
    try:
        with start(PASSWORD, certificate) as port:
            yield Server("rediss", port, f"?ssl_ca_certs={quote(str(authority.cafile))}")
    except CacheUnavailableError as error:
        pytest.skip(str(error))


def test_the_views_are_filled(
    server: Server, broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=server.url(PASSWORD))
    ensure_topics(settings, create=True)
    with running_worker(settings, tmp_path) as worker, server.client() as client:
        write(settings, [CLICK])
        view = RedisNames(settings.topic_prefix).readings("declared", "total")
        found = wait_for("the view is filled", lambda: client.hget(view, "c"))
        assert json.loads(found)["sums"]["clicks"] == 1
        assert worker.facts()["redis"] == "up"
        assert_untold(everything_told(worker, settings), PASSWORD, settings)


def test_a_user_with_no_more_rights_than_the_documented_ones_is_enough(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    assert ACL in page
    assert BOARD_ACL in page
    with start_cache(OPERATOR) as port:
        server = Server("redis", port)
        with closing(redis.Redis.from_url(server.url(OPERATOR), decode_responses=True)) as operator:
            for user, rights in (("roistream", ACL), ("board", BOARD_ACL)):
                operator.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rights.split())
            settings = settings_for(broker, redis_url=server.url(PASSWORD, user="roistream"))
            ensure_topics(settings, create=True)
            names = RedisNames(settings.topic_prefix)
            view = names.readings("declared", "total")
            with running_worker(settings, tmp_path) as worker:
                campaign = {"campaign_id": "c", "channel": "search"}
                write(settings, [("campaigns", b"c", campaign), CLICK])
                wait_for("the view is filled", lambda: operator.hget(view, "c"))
                wait_for("roll-ups are filled", lambda: operator.keys(names.name("rollups:*")))
                wait_for("the board has the card", lambda: operator.hexists(names.board, "c"))
                assert sum(worker.samples()["roistream_redis_errors_total"].values()) == 0
                with closing(redis.Redis.from_url(server.url(PASSWORD, user="board"))) as board:
                    asyncio.run(_read_and_log_out(server.url(PASSWORD, user="board"), names))
                    assert board.hget(names.board_ended, "s-1") == b"9"
                write(settings, [("campaigns", b"c", None)])
                wait_for("the field is removed", lambda: not operator.hexists(view, "c"))
                assert worker.facts()["redis"] == "up"
                assert "version" in doctor(settings)


@pytest.mark.parametrize("case", ["a wrong password", "no password", "an unknown authority", "TLS to none"])
def test_who_is_kept_out_is_told_and_kpis_flow_on(
    server: Server, broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path, case: str
) -> None:
    if (case == "an unknown authority") != (server.scheme == "rediss") and case in {
        "an unknown authority",
        "TLS to none",
    }:
        pytest.skip("makes no sense there")
    url = {
        "a wrong password": server.url(WRONG),
        "no password": server.url("").replace(":@", ""),
        "an unknown authority": server.url(WRONG, query=""),
        "TLS to none": server.url(WRONG).replace("redis://", "rediss://"),
    }[case]
    settings = settings_for(broker, redis_url=url)
    ensure_topics(settings, create=True)
    with running_worker(settings, tmp_path) as worker:
        write(settings, [CLICK])
        wait_for("it is published", lambda: ("c", "total", None) in last_revisions(published(settings)))
        facts = wait_for("readyz tells", lambda: _down(worker))
        assert facts["ready"]
        assert facts["redis_error"]
        samples = worker.samples()
        assert set(samples["roistream_redis_up"].values()) == {0.0}
        assert sum(samples["roistream_redis_errors_total"].values()) >= 1
        assert worker.log.read_text().count("check ROISTREAM_REDIS_URL") == 1
        told = everything_told(worker, settings)
        assert "ROISTREAM_REDIS_URL" in told
        assert_untold(told, WRONG, settings)


async def _read_and_log_out(url: str, names: RedisNames) -> None:
    """What the board asks of Redis: cards, messages, sessions that have ended, what was delivered."""
    cards, ended = CardStore(), EndedSessions()
    async with client(url) as asked:
        told = WorkerWatch(1, 0.0), AlertNotes(), lambda **_: None
        subscriber = RedisSubscriber(asked, cards, ended, *told, names=names)
        following = asyncio.create_task(subscriber.run())
        async with asyncio.timeout(30):
            while "c" not in cards.cards:  # noqa: ASYNC110 - Redis tells it nobody else
                await asyncio.sleep(0.05)
        await tell_ended(asked, names, Session("Ana", 9, "s-1"))
        following.cancel()
        deliveries = DeliveryLog(asked, names, "mail", "board-1")
        await deliveries.begin(1)
        assert await deliveries.claim()
        await deliveries.record(["n-1"], 2)
        await deliveries.forget(3, ())
        await deliveries.release()
        assert await deliveries.claim()


def _down(worker: WorkerProcess) -> dict[str, Any] | None:
    facts = worker.facts()
    return facts if facts["redis"] == "down" and facts["redis_error"] != "not connected yet" else None


def doctor(settings: Settings) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "doctor"],
        env=variables(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def everything_told(worker: WorkerProcess, settings: Settings) -> str:
    pages = "".join(worker.get(path)[1] for path in ("/metrics", "/readyz", "/healthz"))
    return pages + worker.log.read_text() + doctor(settings) + repr(settings) + str(settings.model_dump())


def assert_untold(told: str, password: str, settings: Settings) -> None:
    assert settings.redis_url is not None
    encoded = base64.b64encode(password.encode()).decode()
    for secret in (password, quote(password, safe=""), encoded, settings.redis_url.get_secret_value()):
        assert secret not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER", "kafka://user:s3cr3t@host:9092"),
        ("REDIS_URL", "redis://host:s3cr3t"),
        ("REDIS_URL", "http://:s3cr3t@host"),
        ("REDIS_URL", "s3cr3t"),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(name: str, value: str) -> None:
    settings = {"ROISTREAM_BROKER_WAIT": "1s", f"ROISTREAM_{name}": value}
    for command in ("worker", "doctor"):
        done = subprocess.run(
            [sys.executable, "-m", "streams", command],
            env=variables(Settings()) | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = done.stdout + done.stderr
        assert "s3cr3t" not in told
        assert done.returncode in {1, 2}
        assert "Traceback" not in told


def test_secrets_are_in_no_form_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROISTREAM_BROKER_SASL_PASSWORD", "s3cr3t-1")
    monkeypatch.setenv("ROISTREAM_REDIS_URL", "redis://:s3cr3t-2@host")
    loaded = load({"http_port": 0})
    assert loaded.broker_sasl_password is not None
    assert loaded.broker_sasl_password.get_secret_value() == "s3cr3t-1"
    for form in (repr(loaded), str(loaded), str(loaded.model_dump()), loaded.model_dump_json()):
        assert "s3cr3t" not in form
    monkeypatch.setenv("ROISTREAM_PARTITIONS", "s3cr3t-3")
    with pytest.raises(SettingError) as caught:
        load()
    assert "s3cr3t-1" not in str(caught.value)
    assert "s3cr3t-2" not in str(caught.value)
