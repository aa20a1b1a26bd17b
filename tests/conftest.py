"""Fixtures that every kind of test may ask for: a broker, a cache, settings of a deployment of its own."""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from kafka import KafkaAdminClient

from metrics.values.errors import RoistreamError
from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.embedded.cache import CacheHandle, embedded_cache
from streams.settings import Settings
from streams.stack.monitoring import ALERTMANAGERS, PROMETHEUS, program

#: The jobs of peers import their peer, the fuzzer's process atheris, the local Google Ads its SDK: none is installed here.
collect_ignore = ["bench/peers/python", "fuzz/target.py", "streams/apply/wire/google_server.py"]

# How many examples a law gets, see ``tests.support.examples``. How long one takes says nothing on a machine that does
# other things, too (speed is measured in tests/bench), nor does how long the first takes to be made: Hypothesis reads the source
# of every module of ours for its constants first, four seconds of a core, and the machine that judges a change takes the same ones each time.
for _profile, _count in {"quick": 8, "test": 30, "verify": 100}.items():
    hypothesis.settings.register_profile(
        _profile,
        deadline=None,
        max_examples=_count,
        derandomize=os.environ.get("CI") is not None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

REPOSITORY = Path(__file__).parents[1]
# Read here, because each test then runs without any ROISTREAM_ variable.
REQUIRE_PROGRAMS = os.environ.get("ROISTREAM_REQUIRE_PROGRAMS") == "1"
_SHARED = Path(os.environ.get("ROISTREAM_SHARED") or REPOSITORY.parent / "shared")


#: Who asks for one of these needs another program.
_SERVERS = frozenset({"broker", "cache", "server", "monitoring"})
#: Tests that start processes; those among them that show a promise of the README in short are marked `smoke`.
_PROCESSES = ("tests/system/", "tests/faults/test_short.py", "tests/faults/test_back_pressure.py")


@pytest.hookimpl(tryfirst=True)  # before those of other tiers are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its tier, see CONTRIBUTING.md; and those that share a fixture of their module into one process."""
    for item in items:
        if _has_module_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("law")
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("server")
        if item.nodeid.startswith(_PROCESSES):
            item.add_marker("server")
            if item.get_closest_marker("smoke") is None:
                item.add_marker("verify")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes and long texts after their argument.

    Archives hold the time at which they were made, and each process of a run must find tests of the same names.
    """
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 80) else None


def _has_module_fixture(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)  # absent on doctests without fixtures
    definitions = {} if info is None else info.name2fixturedefs
    return any(found[-1].scope == "module" for found in definitions.values() if found)


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerHandle]:
    """One broker for the whole session; tests use topic prefixes of their own, see ``fresh_settings``."""
    with embedded_broker(heap_mb=512) as handle:
        yield handle


@pytest.fixture(scope="session")
def cache() -> Iterator[CacheHandle]:
    """One embedded cache for the whole session; tests use key prefixes or flush it."""
    with embedded_cache() as handle:
        yield handle


def fresh_settings(at: Any, **overrides: Any) -> Settings:
    """Settings of a deployment of its own on a broker: fresh topic prefix and group, short timeouts; keywords win."""
    fresh = f"t{uuid.uuid4().hex[:8]}-"
    values: dict[str, Any] = {
        **({} if at is None else {"broker": at.url}),
        "topic_prefix": fresh,
        "group_id": f"{fresh}roistream",
        "broker_wait": "10s",
        "session_timeout": "6s",
        "idle_after": "1s",
        "publish_interval": "100ms",
        "http_port": 0,
    }
    return Settings(**(values | overrides))


#: Prefixes of deployments whose tests are over; a handful is taken away at once, since each time asks the broker twice.
_SPENT: list[str] = []
_HANDFUL = 8


@pytest.fixture
def settings_for(request: pytest.FixtureRequest) -> Iterator[Callable[..., Settings]]:
    """Makes settings for a broker, see ``fresh_settings``; the topics go some tests after this one."""

    def make(at: Any, **overrides: Any) -> Settings:
        made = fresh_settings(at, **overrides)
        if at is not None and at.url == own:
            _SPENT.append(made.topic_prefix)
        return made

    own = request.getfixturevalue("broker").url if "broker" in request.fixturenames else None
    yield make
    if own is not None and len(_SPENT) >= _HANDFUL:
        delete_topics(own.removeprefix("kafka://"), tuple(filter(None, _SPENT)))
        _SPENT.clear()


def delete_topics(address: str, prefixes: tuple[str, ...]) -> None:
    """Delete every topic with one of these prefixes, so that a broker does not hold those of a whole session."""
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        found = [topic for topic in admin.list_topics() if topic.startswith(prefixes)]
        if found:
            admin.delete_topics(found)


@pytest.fixture(scope="session")
def monitoring() -> None:
    """Prometheus and Alertmanager are installed; skips where they are not, unless they are required."""
    try:
        program(PROMETHEUS)
        program(*ALERTMANAGERS)
    except RoistreamError as error:
        if REQUIRE_PROGRAMS:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data sets beside the repository; skips where there is none."""
    if not _SHARED.is_dir():
        pytest.skip(f"no shared data at {_SHARED}; ROISTREAM_SHARED may name the folder")
    return _SHARED


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_shell() -> Iterator[None]:
    """Tests mean the settings they write; those of the shell would bend them, in the fixtures of a module too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("ROISTREAM_"):
                patch.delenv(name)
        yield
