"""What is installed: every dependency is pinned, every file of it has a hash, and no address is written down."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
PINS = {canonicalize_name(name): (version, rest) for name, version, rest in PINNED.findall(LOCK)}


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(each for extra in extras for each in extra)]
    return [Requirement(line) for line in [*lines, *project["build-system"]["requires"]]]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_the_project_asks_for_is_pinned_as_it_asks(requirement: Requirement) -> None:
    version, _ = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} but {version}: run make lock"


def test_every_pin_has_hashes_and_nothing_else_is_written() -> None:
    assert len(PINS) > len(wanted())
    for name, (_, rest) in PINS.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name
    lines = [line for line in LOCK.splitlines() if not line.lstrip().startswith("#")]
    odd = [line for line in lines if not re.match(r"^(    --hash=sha256:|[A-Za-z0-9._-]+==)", line)]
    assert odd == []


def test_no_address_of_an_index_is_written() -> None:
    for line in LOCK.splitlines():
        assert not re.search(r"https?:|://|@ |^--?[a-z]", line), line
