"""The official SDKs, unmodified, against local platforms that speak their wire: each case ends in the right effect record.

The SDKs are in a folder of their own beside the virtual environment's packages (``make rest`` fills it).
"""

import os
import sys
from pathlib import Path

import pytest

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience, millis
from metrics.values.currency import PARTS
from metrics.values.time import DAY, MINUTE
from streams.apply.carrier import Carrier, Registered
from streams.apply.configuration import PlatformSettings
from streams.apply.guarded import GuardedClient
from streams.apply.platform import Target
from tests.conftest import REQUIRE_PROGRAMS
from tests.streams.apply.model_platform import World, finished
from tests.streams.apply.test_carrier_laws import action_of
from tests.support.servers.certificates import Authority

pytestmark = [pytest.mark.verify, pytest.mark.filterwarnings("ignore")]
FOLDER = Path(sys.prefix) / "platforms"
PLATFORMS = ["meta", "google", "linkedin", "microsoft", "tiktok"]
#: Those whose campaigns may have a budget of the whole flight.
with_budgets = pytest.mark.parametrize("play_in", ["meta", "google", "linkedin", "tiktok"], indirect=True)
RUNNING = {
    "meta": "ACTIVE",
    "linkedin": "ACTIVE",
    "google": "ENABLED",
    "microsoft": "Active",
    "tiktok": "ENABLE",
}
PAUSED = {
    "meta": "PAUSED",
    "linkedin": "PAUSED",
    "google": "PAUSED",
    "microsoft": "Paused",
    "tiktok": "DISABLE",
}


@pytest.fixture(scope="module", autouse=True)
def _sdks():
    if not FOLDER.is_dir():
        if REQUIRE_PROGRAMS:
            pytest.fail(f"{FOLDER} is absent; make rest fills it")
        pytest.skip(f"{FOLDER} is absent; make rest fills it")
    sys.path.append(str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder, "platforms")
    signed = authority.sign("localhost", addresses=("127.0.0.1",), names=("localhost",))
    # Read by gRPC once, at its first connection.
    os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(authority.cafile)
    yield signed.key.read_bytes(), signed.certificate.read_bytes()
    del os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]


class Play:
    """A carrier in a world of chosen time, with a real client of a local platform."""

    def __init__(self, name, there, client, expire, renew):
        self.name, self.there, self.client, self.expire, self.renew = name, there, client, expire, renew
        self.world = World(client)
        self.world.registered = lambda _: Registered(name, Target("77", "4242"))
        self.world.flight_end = lambda _: None
        self.carrier = Carrier(self.world, Caps(), Patience())
        self.decided = 0

    def decide(self, verb, budget=None, steps=4, spent=None):
        """An action, and some steps of ten seconds; the first part of its effect."""
        action = action_of(self.decided, verb, self.world.at, budget, spent=spent)
        self.decided += 1
        finished(self.carrier.take([(action, self.decided)]))
        return self.go_on(steps)

    def go_on(self, steps=4, pause=10_000):
        for _ in range(steps):
            finished(self.carrier.go_on())
            self.world.at += pause
        return self.world.log[f"a{self.decided - 1}"].parts[0]

    @property
    def status(self):
        return {RUNNING[self.name]: "running", PAUSED[self.name]: "paused"}[self.there.status]


def meta(folder, monkeypatch, currency):
    from streams.apply.clients import meta as module  # noqa: PLC0415 - needs the SDK
    from tests.streams.apply.wire.meta_server import MetaServer  # noqa: PLC0415

    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    there, token = MetaServer(currency), folder / "token"
    token.write_text(there.token)
    table = {"access_token": {"file": str(token)}, "endpoint": there.endpoint}

    def expire():
        there.token = "another-token-of-meta"  # noqa: S105 - of no real account

    client = GuardedClient(PlatformSettings("meta", table, {}), module.connect)
    return Play("meta", there, client, expire, lambda: token.write_text(there.token))


def google(folder, monkeypatch, currency, certificates):
    from streams.apply.clients import google as module  # noqa: PLC0415 - needs the SDK
    from tests.streams.apply.wire.google_server import GoogleServer  # noqa: PLC0415

    monkeypatch.setitem(module._ONCE, "timeout", 0.5)
    there = GoogleServer(certificates, folder, currency)
    table = {"developer_token": {"env": "DEVELOPER_TOKEN"}, "json_key_file_path": str(there.key_file)}
    settings = PlatformSettings(
        "google", table | {"endpoint": there.endpoint}, {"DEVELOPER_TOKEN": there.developer_token}
    )
    client = GuardedClient(settings, module.connect)
    return Play(
        *("google", there, client),
        lambda: setattr(there, "is_expired", True),
        lambda: setattr(there, "is_expired", False),
    )


def tiktok(folder, monkeypatch, currency):
    from streams.apply.clients import tiktok as module  # noqa: PLC0415 - needs the SDK
    from tests.streams.apply.wire.tiktok_server import TikTokServer  # noqa: PLC0415

    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    there, token = TikTokServer(currency), folder / "token"
    token.write_text(there.token)
    table = {"access_token": {"file": str(token)}, "endpoint": there.endpoint}

    def expire():
        there.token = "another-token-of-tiktok"  # noqa: S105 - of no real account

    client = GuardedClient(PlatformSettings("tiktok", table, {}), module.connect)
    return Play("tiktok", there, client, expire, lambda: token.write_text(there.token))


def linkedin(folder, monkeypatch, currency):
    from streams.apply.clients import linkedin as module  # noqa: PLC0415 - needs the SDK
    from tests.streams.apply.wire.linkedin_server import LinkedInServer  # noqa: PLC0415

    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    there, token = LinkedInServer(currency), folder / "token"
    token.write_text(there.token)
    table = {"access_token": {"file": str(token)}, "version": "202611", "endpoint": there.endpoint}

    def expire():
        there.token = "another-token-of-linkedin"  # noqa: S105 - of no real account

    client = GuardedClient(PlatformSettings("linkedin", table, {}), module.connect)
    return Play("linkedin", there, client, expire, lambda: token.write_text(there.token))


def microsoft(monkeypatch, currency):
    from bingads import authorization  # noqa: PLC0415

    from streams.apply.clients import microsoft as module  # noqa: PLC0415 - needs the SDK
    from tests.streams.apply.wire.microsoft_server import MicrosoftServer  # noqa: PLC0415

    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    there = MicrosoftServer(currency)
    (place,) = (
        each
        for each in authorization._UriOAuthService.AUTH_TOKEN_URI
        if each == ("production", "msads.manage")
    )
    monkeypatch.setitem(authorization._UriOAuthService.AUTH_TOKEN_URI, place, there.token_endpoint)
    secrets = {
        "developer_token": "developer-token-of-microsoft",
        "client_id": "client-of-microsoft",
        "refresh_token": there.refresh_token,
    }
    table = {name: {"env": name} for name in secrets} | {"customer_id": "5", "endpoint": there.endpoint}
    table["customer_endpoint"] = there.customer_endpoint
    client = GuardedClient(PlatformSettings("microsoft", table, secrets), module.connect)
    return Play(
        *("microsoft", there, client),
        lambda: setattr(there, "is_expired", True),
        lambda: setattr(there, "is_expired", False),
    )


@pytest.fixture(params=PLATFORMS)
def play_in(request, tmp_path, monkeypatch):
    made = []

    def make(currency="EUR"):
        match request.param:
            case "meta":
                made.append(meta(tmp_path, monkeypatch, currency))
            case "google":
                made.append(google(tmp_path, monkeypatch, currency, request.getfixturevalue("certificates")))
            case "linkedin":
                made.append(linkedin(tmp_path, monkeypatch, currency))
            case "tiktok":
                made.append(tiktok(tmp_path, monkeypatch, currency))
            case "microsoft":
                made.append(microsoft(monkeypatch, currency))
        return made[-1]

    yield make
    for each in made:
        each.there.stop()


@pytest.fixture
def play(play_in):
    return play_in()


def test_pause_and_resume_are_read_back_and_each_is_asked_once(play):
    part = play.decide("pause")
    assert (part.stage, part.is_ours, play.status) == ("confirmed", True, "paused")
    assert play.decide("resume").stage == "confirmed"
    assert play.status == "running"
    assert len(play.there.writes) == 2


def test_what_a_person_paused_there_stays_paused(play):
    play.there.status = PAUSED[play.name]
    part = play.decide("resume")
    assert (part.stage, part.because, play.status, play.there.writes) == (
        "refused",
        "paused_there",
        "paused",
        [],
    )


@with_budgets
@pytest.mark.parametrize(
    ("currency", "rate", "micros", "rounded_off"),
    [("EUR", PARTS, 812_340_000, 5_678), ("JPY", PARTS // 100, 81_234_000_000, 567_800)],
)
def test_a_budget_is_rounded_down_to_what_the_platform_counts_in(
    play_in, currency, rate, micros, rounded_off
):
    play = play_in(currency)
    play.world.rate_parts = lambda *_: rate
    part = play.decide("set_budget", 812.345678)
    assert (part.stage, part.amount_micros, part.rounded_off_micros) == ("confirmed", micros, rounded_off)
    unit = {"google": 1, "meta": 1_000_000 if currency == "JPY" else 10_000}.get(play.name, 1_000_000)
    assert play.there.budget * unit == micros


def test_a_token_that_expired_waits_until_it_is_renewed(play):
    play.expire()
    part = play.decide("pause")
    assert (part.stage, part.because) == ("requested", "credentials")
    play.renew()
    assert play.go_on(12, MINUTE).stage == "confirmed"
    assert len(play.there.writes) == 1


def test_too_many_requests_wait_as_long_as_the_platform_says(play):
    play.there.fates = [429 if play.name == "tiktok" else "too_many"]
    begun = play.world.at
    part = play.decide("pause", steps=1)
    assert (part.stage, part.because) == ("requested", "rate_limited")
    assert millis(part.retry_at) - begun >= (1 if play.name == "microsoft" else 3) * MINUTE
    assert play.go_on(4, 2 * MINUTE).stage == "confirmed"


@pytest.mark.parametrize(
    ("play_in", "fate"), [("tiktok", "too_many"), ("microsoft", 429)], indirect=["play_in"]
)
def test_the_other_way_of_saying_that_requests_are_too_many_waits_too(play_in, fate):
    play = play_in()
    play.there.fates = [fate]
    part = play.decide("pause", steps=1)
    assert (part.stage, part.because) == ("requested", "rate_limited")
    assert play.go_on(4, 2 * MINUTE).stage == "confirmed"
    assert len(play.there.writes) == 1


@pytest.mark.parametrize(
    ("play_in", "fate"), [("tiktok", 502), ("microsoft", "broken"), ("microsoft", 502)], indirect=["play_in"]
)
def test_a_platform_that_fails_itself_is_read_back(play_in, fate):
    play = play_in()
    play.there.fates = [fate]
    assert play.decide("pause", steps=1).stage == "sent"
    part = play.go_on(8, MINUTE)
    # Microsoft has no version that shows that nobody touched the campaign.
    assert (part.stage, part.because) == (
        ("confirmed", None) if play.name == "tiktok" else ("refused", "no_effect")
    )
    assert len(play.there.writes) == (play.name == "tiktok")


def test_a_request_without_an_answer_that_took_effect_is_confirmed_by_reading_and_not_sent_again(play):
    play.there.fates = ["unanswered"]
    part = play.decide("pause") if play.name == "microsoft" else play.decide("set_budget", 900.0)
    assert play.there.given_up.wait(60), "its client has given up, and not the platform"
    assert (part.stage, part.is_accepted, len(part.sent_at)) == ("confirmed", False, 1)
    assert len(play.there.writes) == 1


def test_a_partial_failure_is_no_success(play):
    play.there.fates = ["failed"]
    part = play.decide("pause", steps=1)
    assert play.there.writes == []
    # Meta says nothing of why, so it is read back, and sent again, since its version shows that nobody touched it.
    assert part.stage == ("sent" if play.name == "meta" else "refused")
    if play.name == "meta":
        assert play.go_on(8, MINUTE).stage == "confirmed"
        assert len(play.there.writes) == 1


def test_what_the_platform_refuses_is_refused_with_its_reason(play):
    play.there.fates = ["refused"]
    part = play.decide("pause")
    assert (part.stage, part.because, play.there.writes) == ("refused", "refused_there", [])
    assert part.detail


@with_budgets
def test_a_budget_below_the_platforms_least_is_refused(play_in):
    play = play_in()
    part = play.decide("set_budget", 2.0)
    # TikTok and LinkedIn have no code of their own for that.
    because = "refused_there" if play.name in {"tiktok", "linkedin"} else "too_small"
    assert (part.stage, part.because, play.there.writes) == ("refused", because, [])
    assert "least" in part.detail or play.name != "tiktok"


@pytest.mark.parametrize(
    ("currency", "rate", "micros", "rounded_off"),
    [("EUR", PARTS, 80_000_000, 4_567), ("JPY", PARTS // 100, 8_000_000_000, 456_700)],
)
def test_a_daily_budget_is_what_is_left_by_the_days_that_are_left_rounded_down(
    play_in, currency, rate, micros, rounded_off
):
    play = play_in(currency)
    play.there.make_daily()
    play.world.rate_parts = lambda *_: rate
    end = play.world.at + 10 * DAY
    play.world.flight_end = lambda _: end
    part = play.decide("set_budget", 812.345678, spent="12.3")
    assert (part.stage, part.is_daily, part.amount_micros, part.rounded_off_micros) == (
        "confirmed",
        True,
        micros,
        rounded_off,
    )
    unit = {"google": 1, "meta": 1_000_000 if currency == "JPY" else 10_000}.get(play.name, 1_000_000)
    assert play.there.budget * unit == micros
    assert len(play.there.writes) == 1
    # The same again asks for nothing.
    assert play.decide("set_budget", 812.345678, spent="12.3").because == "already_so"


def test_a_daily_budget_is_refused_where_the_flight_has_no_end_that_is_known(play):
    play.there.make_daily()
    part = play.decide("set_budget", 900.0, spent="1.0")
    assert (part.stage, part.because, play.there.writes) == ("refused", "no_flight", [])
    assert play.decide("pause").stage == "confirmed"


@pytest.mark.parametrize("play_in", ["microsoft"], indirect=True)
def test_a_budget_is_refused_where_the_campaign_shares_one(play_in):
    play = play_in()
    play.there.shared = "<BudgetId>9</BudgetId>"
    part = play.decide("set_budget", 900.0, spent="1.0")
    assert (part.stage, part.because, play.there.writes) == ("refused", "no_total_budget", [])


@pytest.mark.parametrize("play_in", ["linkedin"], indirect=True)
def test_a_version_of_the_interface_that_is_no_longer_served_waits_and_says_so(play_in):
    play = play_in()
    play.there.is_retired = True
    part = play.decide("pause", steps=1)
    assert (part.stage, part.because, play.there.writes) == ("requested", "unreachable", [])
    assert "no longer served" in part.detail
    play.there.is_retired = False
    assert play.go_on(4, MINUTE).stage == "confirmed"


def test_a_campaign_that_was_deleted_there_is_gone(play):
    play.there.status = None
    assert (play.decide("pause").because, play.there.writes) == ("gone", [])


def test_a_platform_that_is_away_changes_nothing(play):
    play.there.stop()
    part = play.decide("pause", steps=2)
    assert (part.stage, part.because) == ("requested", "unreachable")


def test_no_record_holds_a_secret(play):
    play.there.fates = ["refused"]
    play.decide("pause")
    play.expire()
    play.decide("pause")
    text = repr(play.world.log)
    assert "token-of" not in text
