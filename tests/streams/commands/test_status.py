"""``roistream status`` and ``roistream explain`` on a real Redis."""

import asyncio
import threading

import msgspec
import pytest
from typer.testing import CliRunner

from metrics.budget.records import CardHold
from metrics.values.errors import RoistreamError, SettingError
from streams import catalogues
from streams.__main__ import app
from streams.commands.status import explain, status
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.sinks.redis_status import WorkerStatus, WorkerStatusViews
from tests.support import board_seeding as seeding

LISTEN_S = 1.0


@pytest.fixture
def store(cache):
    with seeding.Store.from_url(cache.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(cache) -> Settings:
    return Settings(redis_url=cache.url, partitions=2)


class Workers:
    """Workers that say how they are, in a thread of their own."""

    def __init__(self, url: str, *said: WorkerStatus, names: RedisNames | None = None) -> None:
        self._url, self._said, self._stop = url, said, threading.Event()
        self._names = names or RedisNames()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        views = [
            WorkerStatusViews(self._url, lambda each=each: each, names=self._names, every_s=0.1)
            for each in self._said
        ]
        for view in views:
            await view.start()
        await asyncio.to_thread(self._stop.wait)
        for view in views:
            await view.stop()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()


def worker(name: str, *partitions: int, reasons: tuple[str, ...] = (), split: int = 0) -> WorkerStatus:
    watermark = now_ms() - 4_000
    return WorkerStatus(
        name, list(partitions), dict.fromkeys(partitions, watermark), list(reasons), split, split
    )


def test_a_healthy_deployment_is_one_screen(settings, store, capsys):
    hold = CardHold(owner="evidence", reason="CPL misses its target", expires_at=None)
    seeding.fill(store, [seeding.card("c-1"), seeding.card("c-2", column="hold", hold=hold)])
    store.hset("roistream:views", "owner", "cluster-7")
    with Workers(settings.redis_url.get_secret_value(), worker("a", 0), worker("b", 1)):
        assert status(settings, as_json=False, listen_s=LISTEN_S) == 0
    shown = capsys.readouterr().out
    for text in (
        "Cluster   cluster-7",
        "Workers   2",
        "partitions 0",
        "complete up to",
        "test 1, hold 1",
        "Mode      propose",
        "Nothing needs attention.",
    ):
        assert text in shown


def test_what_needs_attention_is_said_and_ends_with_code_1(settings, store, capsys):
    seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
    broken = worker("a", 0, 1, reasons=("merge stands still",), split=2)
    with Workers(settings.redis_url.get_secret_value(), broken):
        assert status(settings, as_json=True, listen_s=LISTEN_S) == 1
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["waiting"] == ["c-1"]
    assert "Merge stands still (worker a)." in found["attention"]
    assert sum("came on several partitions" in each for each in found["attention"]) == 2
    assert "1 decision(s) wait for a person: c-1." in found["attention"]


def test_without_workers_it_says_so(settings, store, capsys):
    assert status(settings, as_json=False, listen_s=0.3) == 1
    assert "No worker said anything" in capsys.readouterr().out


def test_without_redis_it_says_what_to_do():
    with pytest.raises(SettingError, match="ROISTREAM_REDIS_URL"):
        status(Settings(), as_json=False)
    with pytest.raises(RoistreamError, match="Redis does not answer"):
        status(Settings(redis_url="redis://127.0.0.1:9"), as_json=False)


def test_a_campaign_is_explained_with_what_its_figures_are_made_of(settings, store, capsys):
    hold = CardHold(owner="Ana", reason="shop closed", expires_at="2026-11-30T08:00:00Z")
    seeding.fill(store, [seeding.card("c-1", name="Spring", column="hold", hold=hold)])
    reading = seeding.hour("c-1", 0, leads=5)
    values = {
        "window": "24h",
        "kpis": {"cpl": 4.0},
        "spread_ratio": 0.25,
        "unreported_ratio": 0.1,
        "has_uncertain_amounts": True,
    }
    value = msgspec.json.encode(msgspec.structs.replace(reading, **values))
    store.hset("roistream:kpis:declared:24h", "c-1", value)
    store.hset("roistream:kpis:linear:24h", "c-1", value)
    assert explain(settings, "c-1", as_json=False) == 0
    shown = capsys.readouterr().out
    for text in (
        "Spring (c-1): in hold, mode propose; 250.00 of 1,000.00 EUR spent",
        "Held by Ana until 2026-11-30T08:00:00Z: shop closed",
        "spend 20 (amounts in EUR)",
        "leads 5",
        "4.00 EUR = ",
        "25% of the spend is an estimate",
        "no report says yet what 10% of the window's time cost",
        "in a currency without a rate",
        "linear",
    ):
        assert text in shown, text
    explain(settings, "c-1", as_json=True)
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["card"]["hold"]["owner"] == "Ana"
    assert found["readings"]["declared"]["24h"]["kpis"]["cpl"] == 4.0


def test_a_campaign_that_nobody_knows_is_refused(settings, store):
    with pytest.raises(RoistreamError, match="Nothing is known of campaign 'nobody'"):
        explain(settings, "nobody", as_json=False)


def test_the_commands_are_there(monkeypatch):
    monkeypatch.setenv("ROISTREAM_REDIS_URL", "redis://127.0.0.1:9")
    for command in (["status"], ["explain", "c-1"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        assert "Redis does not answer" in result.output


def test_another_deployment_on_the_same_redis_is_neither_shown_nor_explained(settings, store):
    seeding.fill(store, [seeding.card("c-1")])
    other = settings.model_copy(update={"topic_prefix": "emea-"})
    with pytest.raises(RoistreamError, match="Nothing is known of campaign 'c-1'"):
        explain(other, "c-1", as_json=False)
    assert status(other, as_json=False, listen_s=0.3) == 1


def test_status_and_explain_speak_french_with_its_numbers_and_dates(settings, store, capsys, monkeypatch):
    monkeypatch.setattr(catalogues._Spoken, "language", "fr")
    hold = CardHold(
        owner="evidence",
        reason="CPL misses its target: e-value 31, 20 needed",
        expires_at="2026-11-30T08:30:00.000Z",
    )
    store.hset(
        store.names.board,
        "c-1",
        msgspec.json.encode(seeding.card("c-1", column="hold", hold=hold, budget_micros=12_345_670_000)),
    )
    reading = msgspec.structs.replace(seeding.hour("c-1", 0, leads=3, revenue=1234), kpis={"cpl": 4.25})
    store.hset(store.names.readings("declared", "24h"), "c-1", msgspec.json.encode(reading))
    assert explain(settings, "c-1", as_json=False) == 0
    page = capsys.readouterr().out
    for text in (
        "colonne en pause, mode proposition ; 250,00 sur 12\u202f345,67 EUR dépensés",
        "jusqu’à 08:30 UTC le 30 nov. 2026 : CPL manque son objectif : e-valeur 31, il en faut 20",
        "Coût par lead : 4,25 EUR",
    ):
        assert text in page
    assert status(settings, as_json=False, listen_s=LISTEN_S) == 1
    page = capsys.readouterr().out
    for text in (
        "Tableau   en pause 1",
        "Chiffres  inconnus",
        "À voir",
        "Aucun worker n’a rien dit pendant 1 s",
    ):
        assert text in page
