"""The words of docs/glossary.md are those of the code: each name is there, once, and words that were given up are gone."""

import ast
import functools
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

#: One process reads the product for all of these tests.
pytestmark = pytest.mark.xdist_group("glossary")
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text()
PRODUCT = [
    name
    for name in subprocess.run(
        ["git", "ls-files", "metrics/*.py", "streams/*.py", "grafana/*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if (ROOT / name).is_file()
]
#: Names that others chose, or that are seen from the outside.
OTHERS = {
    ("streams/commands/doctor.py", "subject"),  # what a finding is about
}


def rows() -> list[tuple[str, str, list[str]]]:
    """Term, meaning and names of each row."""
    found = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, flags=re.MULTILINE)
    return [
        (term, meaning, re.findall(r"`([\w.]+)`", names)) for term, meaning, names in found if term != "term"
    ]


def avoided() -> list[str]:
    part = PAGE.partition("<!-- avoided:begin -->")[2].partition("<!-- avoided:end -->")[0]
    words = re.findall(r"^\| ([\w, ]+) \|", part, flags=re.MULTILINE)
    return [word for row in words if row != "not" for word in row.split(", ")]


@functools.cache
def named(name: str) -> tuple[list[str], set[str]]:
    """The classes of a file, and what it gives names to: modules, classes, functions, arguments, variables, attributes."""
    found, made = {Path(name).stem}, []
    for each in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(each, ast.ClassDef):
            made.append(each.name)
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(each.name)
        elif isinstance(each, ast.arg):
            found.add(each.arg)
        elif isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
    return made, found


def classes() -> list[tuple[str, str]]:
    """Every class of the product, with its file."""
    return [(each, name) for name in PRODUCT for each in named(name)[0]]


@functools.cache
def words(identifier: str) -> frozenset[str]:
    return frozenset(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier).lower().split("_"))


def test_no_class_name_stands_twice_in_the_product():
    counted = Counter(name for name, _ in classes())
    assert [each for each in classes() if counted[each[0]] > 1] == []


def test_no_term_stands_twice():
    counted = Counter(term for term, _, _ in rows())
    assert [term for term, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_term_names_a_class_or_a_module_that_is_there(row):
    _, meaning, names = row
    assert meaning
    assert names
    known = {name for name, _ in classes()}
    for name in names:
        path = ROOT / name.replace(".", "/")
        assert name in known or path.is_dir() or path.with_suffix(".py").is_file(), name


@pytest.mark.parametrize("word", avoided())
def test_a_word_that_was_given_up_is_gone(word):
    found = [
        (name, identifier)
        for name in PRODUCT
        for identifier in sorted(named(name)[1])
        if words(identifier) & {word, f"{word}s"} and (name, identifier) not in OTHERS
    ]
    assert found == []
