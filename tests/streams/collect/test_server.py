"""The collector on a real broker: what is answered with 2xx is there, and what is refused is not."""

import asyncio
import hmac
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from metrics.values.errors import RoistreamError, SettingError
from streams import topics
from streams.collect import record_gateway, routes
from streams.collect.record_gateway import BrokerSlow
from streams.collect.server import CollectServer
from streams.process import now_ms
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.support.collect_serving import FILE, SECRET, collecting, write_files, written

SHOP = {"Origin": "https://shop.example"}
CLICK = {"type": "click", "url": "https://shop.example/?gclid=G&utm_id=17"}


@pytest.fixture(scope="module")
def settings(broker):
    settings = fresh_settings(broker)
    ensure_topics(settings, create=True)
    return settings


@pytest.fixture
def path(tmp_path):
    return write_files(tmp_path)


def run(test):
    asyncio.run(asyncio.wait_for(test(), 60))


def of(settings, topic, /, **wanted):
    return [(key, each) for key, each in written(settings, topic) if wanted.items() <= each.items()]


def all_written(settings):
    return sum(len(written(settings, topic)) for topic in (*topics.EVENT_SOURCES, topics.DEAD_LETTERS))


def test_events_of_a_site_are_there_when_they_are_answered(settings, path):
    async def test():
        async with collecting(settings, path) as (session, _):
            events = [
                CLICK,
                {"type": "click", "url": "https://shop.example/"},
                {"type": "lead", "lead_id": "site-lead-1"},
                {"type": "order", "order_id": "site-order-1", "revenue": 0.10, "currency": "EUR"},
            ]
            async with session.post(
                "/events", json={"events": events, "consent": True}, headers=SHOP
            ) as answer:
                assert answer.status == 200
                assert await answer.json() == {"written": 3, "left_out": 1}
                assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
                cookie = answer.cookies["roistream_visitor"]
                assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
            visitor = cookie.value
            assert [key for key, _ in of(settings, topics.CLICKS, visitor_id=visitor)] == [visitor]
            ((key, order),) = of(settings, topics.ORDERS, order_id="site-order-1")
            assert (key, order["revenue"], order["visitor_id"]) == ("site-order-1", "0.1", visitor)
            # The same visitor again.
            again = {"Cookie": f"roistream_visitor={visitor}"}
            async with session.post("/events", json={**CLICK, "consent": True}, headers=again) as answer:
                assert answer.cookies["roistream_visitor"].value == visitor
            assert len(of(settings, topics.CLICKS, visitor_id=visitor)) == 2

    run(test)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**CLICK, "event_id": "n-1"}, {}),
        ({**CLICK, "event_id": "n-2", "consent": False}, {}),
        ({**CLICK, "event_id": "n-3", "consent": True}, {"Sec-GPC": "1"}),
        ({"events": [{**CLICK, "event_id": "n-4", "consent": False}], "consent": True}, {}),
    ],
)
def test_who_did_not_agree_has_no_id_and_loses_the_cookie_by_a_no(settings, path, body, headers):
    async def test():
        async with collecting(settings, path) as (session, _):
            before = {value["event_id"] for _, value in written(settings, topics.CLICKS)}
            cookie = {"Cookie": "roistream_visitor=vvvvvvvvvvvvvvvvvvvvvv"}
            async with session.post("/events", json=body, headers={**headers, **cookie}) as answer:
                assert answer.status == 200
                says_no = "n-1" not in str(body)
                assert ("roistream_visitor" in answer.cookies) == says_no
                if says_no:
                    assert answer.cookies["roistream_visitor"]["max-age"] == "0"
            (new,) = [
                value for _, value in written(settings, topics.CLICKS) if value["event_id"] not in before
            ]
            assert "visitor_id" not in new

    run(test)


def test_the_pixel_takes_its_page_from_its_own_address_or_the_referer(settings, path):
    async def test():
        async with collecting(settings, path) as (session, _):
            async with session.get("/t.gif?utm_campaign=pixel-1&consent=granted") as answer:
                assert (answer.status, answer.content_type) == (200, "image/gif")
                assert (await answer.read())[:6] == b"GIF89a"
                visitor = answer.cookies["roistream_visitor"].value
            assert [v["visitor_id"] for _, v in of(settings, topics.CLICKS, campaign_id="pixel-1")] == [
                visitor
            ]
            referer = {"Referer": "https://shop.example/?utm_campaign=pixel-2"}
            async with session.get("/t.gif?type=impression&ad_id=a-1", headers=referer) as answer:
                assert answer.status == 200
            assert [v["ad_id"] for _, v in of(settings, topics.IMPRESSIONS, campaign_id="pixel-2")] == ["a-1"]
            async with session.get("/t.gif?type=order&order_id=pixel-o&revenue=12.30&currency=EUR") as answer:
                assert answer.status == 200
            assert [v["revenue"] for _, v in of(settings, topics.ORDERS, order_id="pixel-o")] == ["12.30"]
            async with session.get("/t.gif?type=purchase") as answer:
                assert answer.status == 400

    run(test)


def test_links_lead_to_listed_hosts_and_count_a_click(settings, path):
    async def test():
        async with collecting(settings, path) as (session, _):
            async with session.get("/go/spring?gclid=G-link", allow_redirects=False) as answer:
                assert answer.status == 302
                assert answer.headers["Location"] == "https://shop.example/spring?utm_id=7&gclid=G-link"
            assert len(of(settings, topics.CLICKS, campaign_id="spring")) == 1
            for address, status in (
                ("/go/any?to=https://shop.example/b%3Futm_campaign%3Dlink-b", 302),
                ("/go/any?to=https://evil.example/", 400),
                ("/go/any?to=//evil.example/", 400),
                ("/go/absent", 404),
            ):
                async with session.get(address, allow_redirects=False) as answer:
                    assert answer.status == status
                    assert "evil" not in answer.headers.get("Location", "")
            assert len(of(settings, topics.CLICKS, campaign_id="link-b")) == 1

    run(test)


def test_a_generic_webhook_writes_records_and_puts_the_rest_to_the_dead_letters(settings, path):
    async def test():
        async with collecting(settings, path) as (session, server):
            sent = [
                {"id": "crm-1", "at": "2026-01-01T00:00:00Z"},
                {"id": "crm-2", "at": "no time"},
                {"id": "crm-3", "at": "2026-01-02T00:00:00Z"},
            ]
            bearer = {"Authorization": f"Bearer {SECRET}"}
            async with session.post("/in/crm", json=sent, headers=bearer) as answer:
                assert (answer.status, await answer.json()) == (200, {"taken": 3})
            leads = [
                v["lead_id"] for _, v in written(settings, topics.LEADS) if v["lead_id"].startswith("crm-")
            ]
            assert sorted(leads) == ["crm-1", "crm-3"]
            ((source, letter),) = of(settings, topics.DEAD_LETTERS, topic="collect/crm/documents")
            assert source == "collect/crm/documents"
            assert "at is not a time" in letter["detail"]
            assert json.loads(letter["value"])["id"] == "crm-2"
            # An amount keeps every digit, and the token may stand in the address.
            body = b'{"id": "crm-o", "at": "2026-01-01T00:00:00Z", "amount": 1234567890.123456}'
            async with session.post(f"/in/crm?token={SECRET}&stream=orders", data=body) as answer:
                assert answer.status == 200
            ((_, order),) = of(settings, topics.ORDERS, order_id="crm-o")
            assert order["revenue"] == "1234567890.123456"
            # The same delivery again is known, and nothing is written twice.
            async with session.post(f"/in/crm?token={SECRET}&stream=orders", data=body) as answer:
                assert answer.status == 200
            assert len(of(settings, topics.ORDERS, order_id="crm-o")) == 1
            page = await metrics(server)
            assert 'roistream_collect_left_out_total{reason="repeated",source="crm"} 1.0' in page
            assert 'roistream_collect_records_total{source="crm",topic="leads"} 2.0' in page
            assert 'roistream_collect_records_total{source="crm",topic="dead-letters"} 1.0' in page
            assert SECRET not in page

    run(test)


async def metrics(server):
    async with (
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.metrics_port}/metrics") as answer,
    ):
        return await answer.text()


def signed(body, time_s, delivery="d-1"):
    mark = hmac.new(SECRET.encode(), f"{time_s}.".encode() + body, "sha256").hexdigest()
    return {"X-Signature": mark, "X-Time": str(time_s), "X-Delivery": delivery}


def test_what_is_refused_has_a_clear_status_and_nothing_of_it_is_written(settings, path):
    now_s = now_ms() // 1_000
    good = b'{"id": "refused", "at": "2026-01-01T00:00:00Z"}'
    bearer = {"Authorization": f"Bearer {SECRET}"}
    cases = [
        # forged, unsigned, stale, changed
        ("POST", "/in/crm", {"Authorization": "Bearer wrong"}, good, 401, "forged"),
        ("POST", "/in/crm", {}, good, 401, "unsigned"),
        ("POST", "/in/signed", signed(good, now_s - 600), good, 401, "stale"),
        ("POST", "/in/signed", signed(good, now_s + 600), good, 401, "stale"),
        ("POST", "/in/signed", signed(good, now_s), good + b" ", 401, "forged"),
        ("POST", "/in/absent", bearer, good, 404, None),
        # broken
        ("POST", "/in/crm", bearer, b"{", 400, "unreadable"),
        ("POST", "/in/crm", bearer, b"\xff", 400, "unreadable"),
        ("POST", "/in/crm", bearer, b"[" * 50_000, 400, "unreadable"),
        ("POST", "/events", {}, b"{", 400, "unreadable"),
        ("POST", "/events", {}, b'{"type": "lead"}', 422, "invalid_event"),
        (
            "POST",
            "/events",
            {},
            b'[{"type": "lead", "lead_id": "refused"}, {"type": "lead"}]',
            422,
            "invalid_event",
        ),
        (
            "POST",
            "/events",
            {"Origin": "https://evil.example"},
            b'{"type": "lead", "lead_id": "refused"}',
            403,
            "foreign_origin",
        ),
        (
            "POST",
            "/events",
            {"Origin": "null"},
            b'{"type": "lead", "lead_id": "refused"}',
            403,
            "foreign_origin",
        ),
        # huge
        ("POST", "/events", {}, b" " * (routes.MAX_EVENTS_BYTES + 1), 413, "too_large"),
        ("POST", "/in/crm", bearer, b" " * (routes.MAX_BODY_BYTES + 1), 413, "too_large"),
        # wrong way
        ("GET", "/in/crm", bearer, None, 405, None),
        ("GET", "/events", {}, None, 405, None),
        ("DELETE", "/events", {}, None, 405, None),
        ("GET", "/metrics", {}, None, 404, None),
    ]

    async def test():
        async with collecting(settings, path) as (session, server):
            before = all_written(settings)
            for method, address, headers, body, status, reason in cases:
                async with session.request(method, address, headers=headers, data=body) as answer:
                    assert answer.status == status, (
                        address,
                        headers,
                        body and body[:60],
                        await answer.text(),
                    )
                    if status in {400, 401, 403, 413, 422}:
                        assert (await answer.json())["error"].endswith(".")
                if reason:
                    assert f'reason="{reason}"' in await metrics(server)
            assert all_written(settings) == before
            # The same, right.
            async with session.post("/in/signed", data=good, headers=signed(good, now_s)) as answer:
                assert answer.status == 200
            assert all_written(settings) == before + 1

    run(test)


def test_a_slow_body_is_cut_off_and_a_chunked_one_is_counted(settings, path, monkeypatch):
    monkeypatch.setattr(routes, "_BODY_WITHIN_S", 0.3)

    async def slow():
        yield b"{"
        await asyncio.Event().wait()

    async def endless():
        for _ in range(100):
            yield b" " * 65_536

    async def test():
        async with collecting(settings, path) as (session, _):
            async with session.post("/events", data=slow()) as answer:
                assert answer.status == 408
            async with session.post("/events", data=endless()) as answer:
                assert answer.status == 413

    run(test)


def test_preflight_is_for_listed_origins(settings, path):
    async def test():
        async with collecting(settings, path) as (session, _):
            async with session.options("/events", headers=SHOP) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
                assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            async with session.options("/events", headers={"Origin": "https://evil.example"}) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers

    run(test)


def test_too_many_requests_of_one_address_wait_and_those_of_others_do_not(settings, tmp_path):
    text = 'proxies = ["127.0.0.1"]\n' + FILE.replace("rate = 1000", "rate = 1", 1)
    path = write_files(tmp_path, text)

    async def test():
        async with collecting(settings, path) as (session, _):
            statuses = []
            for address in ("9.9.9.9", "9.9.9.9", "9.9.9.9", "9.9.9.9", "8.8.8.8", "1.1.1.1, 9.9.9.9"):
                headers = {"X-Forwarded-For": address}
                async with session.get("/t.gif", headers=headers) as answer:
                    statuses.append(answer.status)
                    if answer.status == 429:
                        assert int(answer.headers["Retry-After"]) >= 1
            assert statuses == [200, 200, 200, 429, 200, 429]

    run(test)


def test_a_slow_broker_is_told_with_503_and_a_link_leads_on(settings, path, monkeypatch):
    @asynccontextmanager
    async def stuck(server):
        async def refuse(records):
            raise BrokerSlow("The broker did not confirm in time.")

        monkeypatch.setattr(server._gateway, "write", refuse)
        yield

    async def test():
        async with collecting(settings, path) as (session, server), stuck(server):
            bearer = {"Authorization": f"Bearer {SECRET}"}
            body = b'{"id": "slow-1", "at": "2026-01-01T00:00:00Z"}'
            for address, sent in (("/events", b'{"type": "lead", "lead_id": "slow"}'), ("/in/crm", body)):
                async with session.post(address, data=sent, headers=bearer) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            async with session.get("/go/spring", allow_redirects=False) as answer:
                assert answer.status == 302
            assert 'reason="broker"' in await metrics(server)
            # What was not written is not known as written.
            monkeypatch.undo()
            async with session.post("/in/crm", data=body, headers=bearer) as answer:
                assert answer.status == 200
            assert len(of(settings, topics.LEADS, lead_id="slow-1")) == 1

    run(test)


def test_a_record_that_the_broker_never_confirms_is_given_up_within_the_bound(settings, path, monkeypatch):
    monkeypatch.setattr(record_gateway, "ACKNOWLEDGE_WITHIN_S", 0.2)

    async def test():
        async with collecting(settings, path) as (session, server):
            waits = asyncio.get_running_loop().create_future

            async def put_for_ever(*_, **__):
                return waits()

            monkeypatch.setattr(server._gateway._producer, "send", put_for_ever)
            batch = json.dumps([{"type": "lead", "lead_id": f"never-{number}"} for number in range(2)])
            async with session.post("/events", data=batch) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert not server._gateway.is_up
            assert server.routes._waiting == 0

    run(test)


def test_more_than_can_wait_is_sent_away_at_once(settings, path, monkeypatch):
    monkeypatch.setattr(routes, "MOST_WAITING", 2)

    async def test():
        async with collecting(settings, path) as (session, server):
            go = asyncio.Event()

            async def hold(records):
                await go.wait()

            monkeypatch.setattr(server._gateway, "write", hold)

            async def send(number):
                body = json.dumps({"type": "lead", "lead_id": f"many-{number}"})
                async with session.post("/events", data=body) as answer:
                    return answer.status

            first = [asyncio.create_task(send(number)) for number in range(2)]
            while server.routes._waiting < 2:  # noqa: ASYNC110 - requests on their way
                await asyncio.sleep(0.01)
            assert await send(3) == 503
            async with session.get("/readyz") as answer:
                assert answer.status == 503
            go.set()
            assert await asyncio.gather(*first) == [200, 200]
            async with session.get("/readyz") as answer:
                assert (answer.status, (await answer.json())["ready"]) == (200, True)
            async with session.get("/healthz") as answer:
                assert answer.status == 200

    run(test)


def test_deliveries_that_come_together_are_mapped_together_and_one_that_does_not_fit_refuses_no_other(
    settings, path
):
    async def test():
        async with collecting(settings, path) as (session, _):
            bearer = {"Authorization": f"Bearer {SECRET}"}

            async def send(number):
                sent = {"id": f"many-{number}", "at": "2026-01-01T00:00:00Z"} if number % 10 else {"at": "x"}
                async with session.post("/in/crm", json=sent | {"n": number}, headers=bearer) as answer:
                    return answer.status

            assert set(await asyncio.gather(*map(send, range(100)))) == {200}
        found = {v["lead_id"] for _, v in written(settings, topics.LEADS)}
        assert {f"many-{number}" for number in range(100) if number % 10} <= found
        letters = [v for _, v in of(settings, topics.DEAD_LETTERS) if json.loads(v["value"]).get("at") == "x"]
        assert len(letters) == 10

    run(test)


def test_it_does_not_start_without_topics_or_with_a_mapping_that_adds_rows_up(
    broker, settings_for, settings, tmp_path
):
    path = write_files(tmp_path)
    (tmp_path / "sums.toml").write_text(
        'description = "sums"\n[columns]\nat = "time"\n[[select]]\ntopic = "orders"\nid = ["order_id"]\n'
        'sql = "SELECT id AS order_id, max(rows.at) AS occurred_at, 1 AS revenue FROM rows GROUP BY rows.id"\n'
    )

    async def start(of_settings, file):
        async with collecting(of_settings, file):
            pass

    with pytest.raises(RoistreamError, match="roistream topics"):
        asyncio.run(start(settings_for(broker), path))
    added_up = write_files(tmp_path, FILE.replace('mapping = "crm.toml"', 'mapping = "sums.toml"', 1))
    with pytest.raises(RoistreamError, match="rows are added up"):
        asyncio.run(start(settings, added_up))
    with pytest.raises(SettingError, match="ROISTREAM_COLLECT_FILE"):
        CollectServer(settings, now_ms)
