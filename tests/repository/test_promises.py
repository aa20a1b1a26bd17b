"""Each promise of the README has tests that show it, and `make test` runs some of them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| \*\*(?P<promise>.+?)\*\* \| (?P<test>.*?) \| (?P<verify>.*?) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_KIND = re.compile(r"^\| (?P<kind>[a-z][^|]*) \| (?P<law>`tests[^|]*) \| (?P<inputs>[^|]*) \|$", re.MULTILINE)
_TEXT = (ROOT / "docs" / "promises.md").read_text()
KINDS = {row["kind"]: row for row in _KIND.finditer(_TEXT)}
PAGE = {row["promise"]: row for row in _ROW.finditer(_TEXT)}


def marks(path: str, name: str) -> set[str] | None:
    """The marks of a test; None where there is no such test."""
    if not (ROOT / path).is_file():
        return None
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            written = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            return set(re.findall(r"pytest\.mark\.(\w+)", written))
    return None


def test_every_promise_of_the_readme_has_a_row() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("\n## What it promises\n")[2].partition("\n## ")[0]
    assert list(PAGE) == re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE)


@pytest.mark.parametrize("promise", PAGE)
def test_the_tests_that_are_named_exist_and_stand_in_their_column(promise: str) -> None:
    in_test, in_verify = (_TEST.findall(PAGE[promise][column]) for column in ("test", "verify"))
    assert in_test
    for path, name in [*in_test, *in_verify]:
        assert marks(path, name) is not None, f"{path} has no {name}"
    for path, name in in_test:
        found = marks(path, name) or set()
        assert "verify" not in found, f"make test leaves {name} out"
        assert "smoke" in found or not path.startswith(("tests/system/", "tests/faults/")), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_has_a_law_and_three_inputs(kind: str) -> None:
    laws, inputs = (_TEST.findall(KINDS[kind][column]) for column in ("law", "inputs"))
    assert laws
    assert len(inputs) >= 3
    for path, name in [*laws, *inputs]:
        assert marks(path, name) is not None, f"{path} has no {name}"


def test_kinds_of_inputs_are_found() -> None:
    assert (
        len(KINDS)
        == len(re.findall(r"^\| [a-z]", _TEXT.partition("## The same money once")[2], re.MULTILINE)) - 1
    )
