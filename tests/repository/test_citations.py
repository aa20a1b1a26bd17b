"""What the code and the pages cite is in the repository: decisions by number, pages by name and heading."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Founding documents that are not in the repository; what they fix is in ``docs/``.
ABSENT = re.compile(r"\b(?:CONTRACT|DESIGN|HOUSE|STYLE)(?:\.md\b| \d)|\bKPIS(?:\.md\b| \d)")
DECISION = re.compile(r"\bD\d{1,3}[a-z]?\b")
PAGE = re.compile(r"\bdocs/[\w/-]+\.md\b(?:, (?P<heading>[A-Z][a-z]+(?: [a-z]+)*))?")
LONGEST_LINE = 120


def texts(*patterns):
    names = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return {name: (ROOT / name).read_text() for name in names if (ROOT / name).is_file()}


def entries():
    """Numbers of the entries of DECISIONS.md, in the order in which they stand."""
    return re.findall(r"^\*\*(D\d+[a-z]?)\. ", (ROOT / "DECISIONS.md").read_text(), flags=re.MULTILINE)


def rows():
    """Number, sentence and paths of each row of the table at the top of DECISIONS.md."""
    text = (ROOT / "DECISIONS.md").read_text()
    found = re.findall(r"^\| (D\d+[a-z]?) \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    return [(number, sentence, re.findall(r"`([^`]+)`", where)) for number, sentence, where in found]


def in_order(number):
    found = re.fullmatch(r"D(\d+)([a-z]?)", number)
    return int(found[1]), found[2]


def test_nothing_cites_a_document_that_is_not_in_the_repository():
    found = [
        f"{name}: {line.strip()}"
        for name, text in texts("*.py", "*.md", "*.yaml", "*.json", "*.js", "*.toml", "Makefile").items()
        if name != "tests/repository/test_citations.py"
        for line in text.splitlines()
        if ABSENT.search(line)
    ]
    assert found == []


def test_every_decision_that_code_cites_is_written_down():
    known = set(entries())
    cited = {
        (name, number)
        for name, text in texts("metrics/*.py", "streams/*.py", "grafana/*.py").items()
        for number in DECISION.findall(text)
    }
    assert {each for each in cited if each[1] not in known} == set()


def test_every_page_and_heading_that_code_cites_is_there():
    missing = []
    for name, text in texts("metrics/*.py", "streams/*.py", "grafana/*.py").items():
        for found in PAGE.finditer(" ".join(text.split())):
            page = ROOT / found[0].partition(",")[0]
            is_there = page.is_file() and (
                found["heading"] is None
                or re.search(rf"^#+ {found['heading']}", page.read_text(), flags=re.MULTILINE)
            )
            if not is_there:
                missing.append(f"{name}: {found[0]}")
    assert missing == []


def test_decisions_stand_in_the_order_of_their_numbers_and_each_has_its_row():
    assert entries() == sorted(entries(), key=in_order)
    assert [number for number, _, _ in rows()] == entries()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_says_in_one_sentence_what_was_decided_and_names_files_that_are_there(row):
    _, sentence, paths = row
    assert len(sentence) < LONGEST_LINE
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_lines_of_the_decisions_have_a_readable_width():
    lines = (ROOT / "DECISIONS.md").read_text().splitlines()
    assert [line for line in lines if len(line) > LONGEST_LINE and not line.startswith("|")] == []
