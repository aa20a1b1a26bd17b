"""Texts of the board's page and of its notifications: those that go through a catalogue, and strings that look like texts and do not."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

PAGE = Path(__file__).parents[2] / "streams/board/static"
CATALOGUES = Path(__file__).parents[2] / "streams/locale"
#: Modules of the board that write to people.
WRITERS = (PAGE.parent / "notifications/wording.py",)
_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_TEXT = re.compile(rf"(?<![\w.])t\({_STRING}")
_COUNTED = re.compile(rf"(?<![\w.])n\(\s*{_STRING},\s*{_STRING}")
_ANY = re.compile(rf"{_STRING}|`((?:[^`\\]|\\.)*)`")
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`\w])//[^\n]*", re.DOTALL)
_ATTRIBUTES = ("placeholder", "title", "aria-label")
#: Two words with a space between them, the first of letters only: what a person would read.
_PROSE = re.compile(r"[A-Za-z]{3,} [a-z]{2,}")
#: Strings with spaces that are no text: classes, attributes, paths of pictures.
_NO_TEXT = re.compile(
    r"^(?:spark large|primary deciding|card ghost|use strict|0 0 \d|M\d)|^[.#\[]|\[data-|aria-"
)


def modules() -> list[Path]:
    return sorted((PAGE / "js").glob("*.js"))


def texts() -> dict[str, str | None]:
    """English texts of the page and of notifications; those that depend on a count with their plural."""
    found = of_the_page()
    for path in WRITERS:
        found |= dict(written(path.read_text()))
    return found


def of_the_page() -> dict[str, str | None]:
    """English texts of the page; those that depend on a count with their plural."""
    found: dict[str, str | None] = {}
    for path in modules():
        source = _COMMENT.sub("", path.read_text())
        found |= {_plain(one): None for one in _TEXT.findall(source)}
        found |= {_plain(one): _plain(many) for one, many in _COUNTED.findall(source)}
    return found | dict.fromkeys(_Document.read(), None)


def written(source: str) -> Iterator[tuple[str, str | None]]:
    """Texts that a Python module hands to ``t`` or ``n``, the latter with their plural."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"t", "n"}
        ):
            literals = [each.value for each in node.args if isinstance(each, ast.Constant)]
            words = [each for each in literals if isinstance(each, str)]
            if words:  # what is handed on was collected where it stands
                yield words[0], words[1] if node.func.attr == "n" else None


def unwritten(source: str) -> Iterator[str]:
    """Strings of a Python module that look like prose, are no docstring and are not handed to ``t`` or ``n``."""
    tree = ast.parse(source)
    inside = {text for pair in written(source) for text in pair}
    docs = {
        ast.get_docstring(each, clean=False)
        for each in ast.walk(tree)
        if isinstance(each, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and _PROSE.search(node.value) and node.value not in inside | docs:
            yield node.value


def outside() -> Iterator[tuple[str, str]]:
    """Strings of the page's code that look like prose and are not handed to the catalogue, by module."""
    for path in modules():
        source = _COMMENT.sub("", path.read_text())
        inside = {*_TEXT.findall(source), *(each for pair in _COUNTED.findall(source) for each in pair)}
        for double, template in _ANY.findall(source):
            string = double or re.sub(r"\$\{[^}]*\}", "", template)
            if double not in inside and _PROSE.search(string) and not _NO_TEXT.search(string):
                yield path.name, string


#: Modules of the controller whose sentences become reasons of actions and cards.
_REASONING = (
    "board_step", "campaign_updates", "decision_requests", "guards", "operator_decisions", "reallocation_requests", "rule_evaluation", "rules",
)  # fmt: skip


def reasons_of_the_page() -> list[str]:
    """Sentences that the page finds again."""
    return [
        _plain(each) for each in re.findall(rf"sentence\({_STRING}", (PAGE / "js/reasons.js").read_text())
    ]


def reasons_of_the_controller() -> set[str]:
    """Sentences that the controller makes, each value as ``{}``; parts of a sentence stand alone."""
    found = set()
    for name in _REASONING:
        tree = ast.parse((CATALOGUES.parents[1] / f"metrics/budget/{name}.py").read_text())
        skipped = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr | ast.Assert | ast.JoinedStr)
            for part in (node.values if isinstance(node, ast.JoinedStr) else ast.walk(node))
        }
        for node in ast.walk(tree):
            if id(node) in skipped:
                continue
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if isinstance(node, ast.JoinedStr):
                text = "".join(each.value if isinstance(each, ast.Constant) else "{}" for each in node.values)
            if re.search(r"[A-Za-z]{2,} [a-z]{2,}", text.replace("{}", "xx")):
                found.add(text)
    return found


def _plain(text: str) -> str:
    return text.replace('\\"', '"')


class _Document(HTMLParser):
    """Texts of elements with ``data-t``, and of attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.untold: list[str] = []
        self._is_text = False

    @classmethod
    def read(cls) -> list[str]:
        parser = cls()
        parser.feed((PAGE / "index.html").read_text())
        return parser.found

    @classmethod
    def without(cls) -> list[str]:
        """Texts of the document that no ``data-t`` marks."""
        parser = cls()
        parser.feed((PAGE / "index.html").read_text())
        return parser.untold

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self._is_text = any(name == "data-t" for name, _ in attrs)
        self.found += [value for name, value in attrs if name in _ATTRIBUTES and value]

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self._is_text and text:
            self.found.append(text)
        elif re.search(r"[A-Za-z]{3,}", text):
            self.untold.append(text)
        self._is_text = False


document_without = _Document.without
