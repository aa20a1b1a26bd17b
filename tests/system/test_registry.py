"""Registries of a real worker: read before the first source record, followed, archived, and wrong records left out."""

import json
from collections.abc import Callable
from typing import Any

import redis

from streams import topics
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, ledgers, published, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

T0 = 1_780_000_000_000


def fresh(settings_for: Callable[..., Any], broker: Any, **overrides: Any) -> Any:
    settings = settings_for(broker, **({"partitions": 2} | overrides))
    ensure_topics(settings, create=True)
    return settings


def campaign(campaign_id: str, **fields: Any) -> tuple[str, bytes, Any]:
    return topics.CAMPAIGNS, campaign_id.encode(), {"campaign_id": campaign_id, **fields}


def archived(campaign_id: str) -> tuple[str, bytes, None]:
    return topics.CAMPAIGNS, campaign_id.encode(), None


def rate(currency: str, value: Any, valid_from: int = 0) -> tuple[str, bytes, Any]:
    record = {"currency": currency, "rate": value, "valid_from": valid_from}
    return topics.FX_RATES, f"{currency}|{valid_from}".encode(), record


def click(event_id: str, campaign_id: str, **fields: Any) -> tuple[str, bytes, Any]:
    record = {"event_id": event_id, "occurred_at": T0, "campaign_id": campaign_id}
    return topics.CLICKS, b"v", record | fields


def total(settings: Any, campaign_id: str) -> dict[str, Any] | None:
    """The last reading of the campaign's total."""
    return last_revisions(published(settings)).get((campaign_id, "total", None))


def spent(settings: Any, campaign_id: str) -> tuple[int, int] | None:
    """Clicks and micros of the campaign's total, as published last."""
    found = total(settings, campaign_id)
    return None if found is None else (found["sums"]["clicks"], found["sums"]["spend_micros"])


def order(event_id: str, campaign_id: str, **fields: Any) -> tuple[str, bytes, Any]:
    record = {"event_id": event_id, "order_id": event_id, "occurred_at": T0, "campaign_id": campaign_id}
    return topics.ORDERS, b"v", record | fields


def earned(settings: Any, campaign_id: str) -> tuple[int, int] | None:
    """Orders and micros of revenue of the campaign's total, as published last."""
    found = total(settings, campaign_id)
    return None if found is None else (found["sums"]["orders"], found["sums"]["revenue_micros"])


def shown(worker: WorkerProcess) -> set[str]:
    """Campaigns on the metrics page."""
    return {
        dict(labels)["campaign_id"]
        for labels in worker.samples()["campaign_clicks_total"]
        if "campaign_id" in dict(labels)
    }


def outcome(worker: WorkerProcess, name: str) -> int:
    return sum(outcomes.get(name, 0) for outcomes in ledgers([worker]).values())


# --- read whole, then followed ----------------------------------------------------------------------


def test_campaigns_and_rates_are_known_before_the_first_source_record(broker, settings_for, tmp_path) -> None:
    # 3 000 rates and campaigns come before those that the clicks need; the clicks wait in their log
    settings = fresh(settings_for, broker)
    write(settings, [click(f"e{n}", "c", cost="1") for n in range(20)])
    write(settings, [rate("USD", "3", valid_from) for valid_from in range(3_000)])
    write(settings, [campaign(f"other-{n}") for n in range(3_000)])
    write(settings, [rate("USD", "0.5", T0), campaign("c", currency="USD", channel="search")])
    with running_worker(settings, tmp_path) as worker:
        wait_for("all clicks count, in dollars", lambda: spent(settings, "c") == (20, 10_000_000))
        assert outcome(worker, "rejected") == 0
        assert total(settings, "c")["channel"] == "search"


def test_a_rate_that_comes_later_is_corrected_and_withdrawn_values_anew_what_it_covers(
    broker, settings_for, tmp_path
) -> None:
    # clicks and orders  USD 1 (0) │ rate 0.5 → 0.5 │ rate 0.25, spelt differently → 0.25 │ withdrawn → 0 │ c is paid in USD …
    settings = fresh(settings_for, broker)
    instant = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"
    keys = [f"USD|{text}".encode() for text in instant]
    values = [{"currency": "USD", "valid_from": text} for text in instant]
    with running_worker(settings, tmp_path) as worker:
        write(
            settings, [click("e1", "c", cost=1, currency="USD"), order("o1", "c", revenue=4, currency="USD")]
        )
        wait_for("a cost without a rate counts as nothing", lambda: spent(settings, "c") == (1, 0))
        wait_for("an order without a rate counts, as worth nothing", lambda: earned(settings, "c") == (1, 0))
        wait_for("the gauge says so", lambda: worker.samples()["roistream_uncertain_orders"] == {(): 1})
        assert total(settings, "c")["has_uncertain_amounts"] is True
        write(settings, [(topics.FX_RATES, keys[0], {**values[0], "rate": "0.5"})])
        wait_for("the rate that comes later counts", lambda: spent(settings, "c") == (1, 500_000))
        wait_for("for the order too", lambda: earned(settings, "c") == (1, 2_000_000))
        assert total(settings, "c")["has_uncertain_amounts"] is False
        write(settings, [(topics.FX_RATES, keys[1], {**values[1], "rate": "0.25"})])
        wait_for("its correction counts", lambda: spent(settings, "c") == (1, 250_000))
        wait_for("for the order too", lambda: earned(settings, "c") == (1, 1_000_000))
        assert registered(worker, topics.FX_RATES) == 1
        assert worker.terminate() == 0
    write(settings, [click("e2", "d", cost=1), order("o2", "d", revenue=4)])
    write(settings, [(topics.FX_RATES, keys[0], None)])
    with running_worker(settings, tmp_path, "second") as worker:
        wait_for("it was withdrawn while no worker ran", lambda: spent(settings, "c") == (1, 0))
        wait_for("for the order too", lambda: earned(settings, "c") == (1, 0))
        wait_for(
            "a campaign without a record is paid in euros", lambda: spent(settings, "d") == (1, 1_000_000)
        )
        write(settings, [rate("USD", "2"), campaign("d", currency="USD", channel="search")])
        wait_for(
            "a campaign that is registered late is paid in dollars",
            lambda: spent(settings, "d") == (1, 2_000_000) and earned(settings, "d") == (1, 8_000_000),
        )
        assert total(settings, "d")["channel"] == "search"
        assert outcome(worker, "rejected") == 0


def registered(worker: WorkerProcess, topic: str) -> float:
    """How many entries of a registry topic the worker knows."""
    sizes = worker.samples()["roistream_registry_entries"]
    return sum(value for labels, value in sizes.items() if topic in dict(labels).values())


def test_wrong_registry_records_are_dead_letters_and_what_was_known_stays(
    broker, settings_for, tmp_path
) -> None:
    settings = fresh(settings_for, broker)
    wrong = [
        (topics.CAMPAIGNS, b"c", b"{"),
        (topics.CAMPAIGNS, b"c", b"\xff\x00"),
        (topics.CAMPAIGNS, b"c", {"campaign_id": 7}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "cost_basis": "guesses"}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "starts_at": "soon"}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "budget": -1}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "targets": {"cpl": "1.1234567"}}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "targets": {"roi": -1}}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "targets": {"roas": "NaN"}}),
        (topics.CAMPAIGNS, b"c", {"campaign_id": "c", "targets": {"cac": 10**13}}),
        (topics.FX_RATES, b"USD|0", b"[]"),
        (topics.FX_RATES, b"USD|0", {"currency": "USD", "rate": 0, "valid_from": 0}),
        (topics.FX_RATES, b"USD|0", {"currency": "USD", "rate": "1e400", "valid_from": 0}),
        (topics.FX_RATES, b"USD|0", {"currency": "USD", "rate": 1}),
        (topics.FX_RATES, b"never|0", None),
    ]
    write(settings, [campaign("c", channel="kept"), *wrong])
    with running_worker(settings, tmp_path) as worker:
        write(settings, [*wrong, click("e", "c")])
        wait_for("the worker goes on with what was right", lambda: spent(settings, "c") == (1, 0))
        assert total(settings, "c")["channel"] == "kept"
        for topic, count in ((topics.CAMPAIGNS, 10), (topics.FX_RATES, 4)):
            name = f"{settings.topic(topic)}-0 @"
            wait_for("all are logged", lambda n=name, r=count: worker.log.read_text().count(n) >= 2 * r)
        assert "Traceback" not in worker.log.read_text()
        assert outcome(worker, "rejected") == 0, "registry records are no events"
        wait_for("each has its dead letter", lambda: len(refused(settings)) == 28)
        write(settings, [campaign("c", channel="mended")])
        wait_for("a corrected record helps", lambda: total(settings, "c")["channel"] == "mended")
        assert worker.terminate() == 0
    with running_worker(settings, tmp_path, "second"):
        write(settings, [(topics.CAMPAIGNS, b"d", b"{")])
        wait_for("after a restart only the new one is said", lambda: len(refused(settings)) == 29)


def refused(settings: Any) -> list[tuple[str, int]]:
    """Topic and offset of each dead letter of a registry."""
    return [(letter["topic"], letter["offset"]) for letter in published(settings, topics.DEAD_LETTERS)]


# --- archives ---------------------------------------------------------------------------------------


def test_an_archived_campaign_leaves_metrics_and_redis_and_stays_away_until_it_is_registered_again(
    broker, settings_for, cache, tmp_path
) -> None:
    settings = fresh(settings_for, broker, redis_url=cache.url)
    store = redis.Redis.from_url(cache.url, decode_responses=True)
    store.flushall()

    totals = RedisNames(settings.topic_prefix).readings("declared", "total")

    def fields() -> set[str]:
        return set(store.hkeys(totals))

    write(settings, [campaign("gone"), campaign("stays"), click("e1", "gone"), click("e2", "stays")])
    with running_worker(settings, tmp_path, "first") as worker:
        wait_for(
            "both are shown", lambda: shown(worker) >= {"gone", "stays"} and fields() >= {"gone", "stays"}
        )
        write(settings, [archived("gone")])
        wait_for("it leaves the page and Redis", lambda: "gone" not in shown(worker) | fields())
        write(settings, [click("e3", "gone"), click("e4", "stays")])
        wait_for(
            "later facts count", lambda: spent(settings, "gone") == (2, 0) and _clicks(store, totals) == 2
        )
        assert "gone" not in shown(worker) | fields()
        assert worker.terminate() == 0
    with running_worker(settings, tmp_path, "second") as worker:
        write(settings, [click("e5", "gone"), click("e6", "stays")])
        wait_for(
            "later facts count", lambda: spent(settings, "gone") == (3, 0) and _clicks(store, totals) == 3
        )
        assert "gone" not in shown(worker) | fields()
        write(settings, [campaign("gone", channel="back")])
        wait_for("registered again, it comes back", lambda: "gone" in shown(worker) & fields())
    store.flushall()
    store.close()


def _clicks(store: Any, totals: str) -> int:
    found = store.hget(totals, "stays")
    return json.loads(found)["sums"]["clicks"] if found else 0


# --- what a change recomposes -----------------------------------------------------------------------


def test_a_change_of_the_cost_basis_recomposes_the_open_windows(broker, settings_for, tmp_path) -> None:
    hour = 3_600_000
    start = T0 // hour * hour
    report = {
        "report_id": "r",
        "source": "ads",
        "campaign_id": "c",
        "period_start": start,
        "period_end": start + hour,
        "clicks": 10,
        "spend": 4,
    }
    settings = fresh(settings_for, broker)

    def figures(window: str) -> tuple[Any, Any] | None:
        record = last_revisions(published(settings)).get(("c", window, start if window == "1h" else None))
        if record is None:
            return None
        return tuple(
            (sums["clicks"], sums["spend_micros"]) for sums in (record["sums"], record["other_basis"])
        )

    with running_worker(settings, tmp_path):
        write(settings, [click("e", "c", cost=1), (topics.REPORTS, b"c", report)])
        events, reports = (1, 1_000_000), (10, 4_000_000)
        wait_for("events by default", lambda: figures("1h") == figures("total") == (events, reports))
        write(settings, [campaign("c", cost_basis="reports")])
        wait_for("then reports", lambda: figures("1h") == figures("total") == (reports, events))
        write(settings, [campaign("c", cost_basis="events")])
        wait_for("and back", lambda: figures("1h") == figures("total") == (events, reports))
