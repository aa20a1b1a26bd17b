"""What is installed: every dependency is pinned, every file of it has a hash, and no address is written down."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {path.name: path.read_text() for path in sorted(ROOT.glob("requirements*.lock"))}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def pins(lock: str) -> dict[str, tuple[str, str]]:
    found = PINNED.findall(LOCKS[lock])
    return {canonicalize_name(name): (version, rest) for name, version, rest in found}


PINS = pins("requirements.lock")


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(each for extra in extras for each in extra)]
    return [Requirement(line) for line in [*lines, *project["build-system"]["requires"]]]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_the_project_asks_for_is_pinned_as_it_asks(requirement: Requirement) -> None:
    version, _ = (PINS | pins("requirements.platforms.lock"))[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} but {version}: run make lock"


def test_the_demo_and_the_image_run_what_the_tests_run() -> None:
    for lock in ("requirements.demo.lock", "requirements.runtime.lock"):
        assert 40 < len(pins(lock)) < len(PINS)
        assert pins(lock).keys() <= PINS.keys()
        assert all(version == PINS[name][0] for name, (version, _) in pins(lock).items())
    whole = PINS | pins("requirements.platforms.lock")
    assert (
        whole.keys() >= pins("requirements.apply.lock").keys() >= pins("requirements.platforms.lock").keys()
    )
    assert pins("requirements.apply.lock").keys() >= pins("requirements.runtime.lock").keys()
    assert all(version == whole[name][0] for name, (version, _) in pins("requirements.apply.lock").items())


def test_sdks_of_ad_platforms_are_pinned_beside_the_rest() -> None:
    assert not pins("requirements.platforms.lock").keys() & PINS.keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_nothing_else_is_written(lock: str) -> None:
    # The one tool that installs the rest has a lock of its own.
    least = {"requirements.platforms.lock": 15}.get(lock, 40)
    assert set(pins(lock)) == {"uv"} if lock == "requirements.installer.lock" else len(pins(lock)) > least
    for name, (_, rest) in pins(lock).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name
    lines = [line for line in LOCKS[lock].splitlines() if line and not line.lstrip().startswith("#")]
    odd = [line for line in lines if not re.match(r"^(    --hash=sha256:|[A-Za-z0-9._-]+==)", line)]
    assert odd == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_of_an_index_is_written(lock: str) -> None:
    for line in LOCKS[lock].splitlines():
        assert not re.search(r"https?:|://|@ |^--?[a-z]", line), line
