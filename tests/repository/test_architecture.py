"""What docs/architecture.md says is there, and its table of changelog kinds is the list in code."""

import re
from pathlib import Path

import pytest

from streams.stages.kinds import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def paths() -> list[str]:
    """Every path of a file or folder on the page; those of the walks are within ``streams``."""
    found = re.findall(r"`([\w./-]+/[\w.-]*)`", PAGE) + re.findall(r"`(\w+\.py)`", PAGE)
    return sorted({path for path in found if not path.startswith(("/", "docs/schemas"))})


@pytest.mark.parametrize("path", paths())
def test_a_file_of_the_page_is_there(path):
    folders = [ROOT, ROOT / "streams", ROOT / "streams" / "transport"]
    assert any((folder / path).exists() for folder in folders)


def test_the_table_of_changelog_kinds_is_the_list_in_code():
    table = PAGE.partition("<!-- kinds:begin -->")[2].partition("<!-- kinds:end -->")[0]
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE)
    assert rows == [(log, kind, holds) for log, kinds in KINDS.items() for kind, holds in kinds.items()]


def test_the_rooms_of_the_readme_are_the_folders_that_there_are():
    readme = (ROOT / "README.md").read_text()
    folders = [path.parent for path in (ROOT / "streams").glob("*/__init__.py")]
    assert [each.name for each in folders if f"(streams/{each.name})" not in readme] == []
