"""Texts that the command line, the dashboards and the rules say to people, besides those of the page (``page_texts``)."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
import yaml

from grafana.boards import BOARDS
from grafana.languages import texts as texts_of
from metrics.kpis.catalogue import KPIS
from streams import catalogues
from streams.__main__ import app
from streams.apply import run as apply_run
from streams.archive import files as archive_files
from streams.commands import tail_table, worlds
from streams.customers import report as customers_report
from streams.customers import run as customers_run
from streams.demo import live_table, run, story, table_state
from streams.forecast import run as forecast_run
from streams.ingest import ingestion
from streams.mapping import engine, shortened_ids
from streams.mapping.loader import builtin, builtin_names
from streams.replay import file_readers, frame
from tests.support import page_texts

ROOT = Path(__file__).parents[2]
#: What a sentence for people is handed to, and the place of its argument.
_SAYERS = {
    "RoistreamError": 0,
    "SettingError": 0,
    "KafkaGatewayError": 0,
    "NoUndo": 0,
    # Other errors of the product. Those whose texts are parts of sentences (of proofs, mail servers, frames) are not here.
    **dict.fromkeys(
        (
            "Ambiguous",
            "ApplyError",
            "BrokerSlow",
            "CheckpointError",
            "ConnectorError",
            "FitError",
            "ForeignOwnerError",
            "LintError",
            "LostRecordsError",
            "MappingError",
            "ProduceError",
            "ReadError",
            "ServerError",
            "StalledError",
            "StateError",
            "TooManyRefusedError",
        ),
        0,
    ),
    "refusal": 1,
    "too_often": 1,
    "Finding": 2,
    "LintFinding": 1,
    "TopicDifference": 2,
    # What became of a budget action on its platform.
    "NotTaken": 1,
    "RefusedThere": 1,
    "Unknown": 0,
    "settled": 3,
}
#: Functions whose own strings are such sentences, by module.
_SPEAKING = {
    "metrics/archive/comparing.py": {"_reasons"},
    "metrics/archive/editions.py": {"why_not_yet"},
    "streams/board/routes.py": {"health", "_why_stale"},
    "streams/commands/sampled_records.py": {
        "_campaigns",
        "_covered_reports",
        "_left_out_costs",
        "_left_out_figures",
        "_split_ids",
    },
    "streams/runtime/key_watch.py": {"judge_keys"},
    "streams/runtime/lineage.py": {"_of_readings", "compare_shown"},
    "streams/state/lineage.py": {
        "_why_not",
        "compare_log",
        "compare_registry",
        "registry_truncated",
        "sentence",
    },
    "streams/sinks/worker_watch.py": {"health", "_problems"},
    "streams/state/settings_table.py": {"refusal"},
}
#: A sentence with fewer letters beside its values is its values.
_LEAST_LETTERS = 8
_PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
#: What Typer says by gettext, and the help of its option ``--help``; a test finds each in its source.
LIBRARIES = (
    "Options", "Arguments", "Commands", "Error", "Aborted.", "Aborted!", "[default: {}]", "[required]",
    "Show this message and exit.", "Try [blue]'{command_path} {help_option}'[/] for help.", "Missing command.",
    "No such command {name!r}.",
)  # fmt: skip


#: What it says about a wrong usage, with a command line that makes it say so.
COMPLAINTS = {
    "No such option: {name}": ("explain", "--nope"),
    "Missing argument {name}.": ("explain",),
    "Missing option {name}.": ("forecast", "plan.toml"),
    "Option {name} requires an argument.": ("demo", "--seconds"),
    "Option {name} does not take a value.": ("status", "--json=3"),
    "Got unexpected extra argument(s) ({names})": ("status", "extra"),
    "{complaint}. Did you mean {names}?": ("statu",),
    "Invalid value for {name}: {reason}": ("demo", "--rate", "x"),
    "Input should be a valid number, unable to parse string as a number": ("demo", "--rate", "x"),
    "Input should be a valid integer, unable to parse string as an integer": ("demo", "--campaigns", "1.5"),
}


@cache
def every() -> frozenset[str]:
    """All texts."""
    return frozenset(
        (*commands(), *errors(), *dashboards(), *alerts(), *table(), *printed(), *LIBRARIES, *COMPLAINTS)
    )


def commands() -> Iterator[str]:
    """Help of every command, argument and option."""
    yield from _helps(typer.main.get_command(app))


def _helps(command: Any) -> Iterator[str]:
    yield inspect.cleandoc(command.help)
    yield from (each.help for each in command.params if getattr(each, "help", None))
    for each in getattr(command, "commands", {}).values():
        yield from _helps(each)


def errors() -> Iterator[str]:
    """Sentences of errors and refusals, with names in braces for their values."""
    for room in ("streams", "metrics"):
        for path in sorted((ROOT / room).rglob("*.py")):
            yield from _said_in(path)


def _said_in(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in _sentences(tree):
        yield from _templates(node)
    for node in ast.walk(tree):
        speaking = _SPEAKING.get(str(path.relative_to(ROOT)), set())
        if isinstance(node, ast.FunctionDef) and node.name in speaking:
            found = [each for part in node.body[1:] for each in ast.walk(part)]
            inner = {id(value) for each in found if isinstance(each, ast.JoinedStr) for value in each.values}
            for each in found:
                if id(each) not in inner:
                    yield from (text for text in _templates(each) if _PROSE.search(text))


def _sentences(tree: ast.AST) -> Iterator[ast.expr]:
    """What a sayer is handed: the expression, or, of a name, what its function assigns to it."""
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node): function for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        place = _SAYERS.get(_name(node.func)) if isinstance(node, ast.Call) else None
        if place is None or len(node.args) <= place:
            continue
        sentence = node.args[place]
        yield sentence
        if isinstance(sentence, ast.Name) and id(node) in inside:
            for each in ast.walk(inside[id(node)]):
                if isinstance(each, ast.Assign) and any(_name(to) == sentence.id for to in each.targets):
                    yield each.value


def _templates(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _templates(node.body)
        yield from _templates(node.orelse)
        return
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        text = _template(node)
    if sum(each.isalpha() for each in re.sub(r"\{\w+\}", "", text)) >= _LEAST_LETTERS:
        yield text


def _template(node: ast.JoinedStr) -> str:
    text, seen = "", {}
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += part.value
        elif isinstance(part, ast.FormattedValue):
            name = _name(part.value)
            seen[name] = seen.get(name, 0) + 1
            text += f"{{{name}{seen[name] if seen[name] > 1 else ''}}}"
    return text


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return _name(node.func)
        case ast.Subscript():
            return _name(node.value)
        case _:
            return "value"


#: The expressions of a mapping's SQL that say something to people, and what each gives.
_SAID_IN_SQL = re.compile(r"CASE(?:(?!\bCASE\b).)*?\bEND AS (?:skipped|note)\b", re.DOTALL)
_THEN = re.compile(r"\b(?:THEN|ELSE) ('[^']*'(?: \|\| (?:'[^']*'|[\w.]+))*)")
_SQL = re.compile(r"(?:CREATE|INSERT|SELECT|COPY) ")
_LOGGING = {"debug", "info", "warning", "error", "exception"}
#: Modules that print for people: each of their texts goes through a catalogue.
PRINTERS = (
    "streams/apply/run.py",
    "streams/archive/files.py",
    "streams/archive/update.py",
    "streams/commands/backtest.py",
    "streams/commands/doctor.py",
    "streams/commands/erase.py",
    "streams/commands/recover.py",
    "streams/commands/status.py",
    "streams/commands/tail.py",
    "streams/commands/tail_table.py",
    "streams/commands/worlds.py",
    "streams/customers/reading.py",
    "streams/customers/report.py",
    "streams/customers/run.py",
    "streams/demo/ground_truth.py",
    "streams/demo/run.py",
    "streams/demo/summary.py",
    "streams/demo/worker_process.py",
    "streams/forecast/run.py",
    "streams/ingest/run.py",
    "streams/lift/run.py",
    "streams/replay/mappings_command.py",
    "streams/replay/pipeline.py",
    "streams/replay/registrations.py",
    "streams/replay/run.py",
)

#: Modules that say some things to people among much that is not for them, such as SQL.
SPEAKERS = (
    "streams/mapping/columns.py",
    "streams/mapping/engine.py",
    "streams/mapping/lint.py",
    "streams/mapping/suggestion.py",
    "streams/replay/file_readers.py",
    "streams/transport/topic_admin.py",
)


def printed() -> Iterator[str]:
    """What commands print besides errors."""
    yield from (
        text for path in (*PRINTERS, *SPEAKERS) for text, _ in page_texts.written((ROOT / path).read_text())
    )
    yield from (spec.title for spec in KPIS)
    yield catalogues.PERCENT
    yield from archive_files.HEADINGS
    yield from worlds.HEADINGS
    yield from (*tail_table.HEADINGS, *tail_table.COLUMNS)
    yield from (*customers_run.TEXTS, customers_report.NO_MARGIN)
    yield from apply_run.TEXTS
    yield from (builtin(name).description for name in builtin_names())
    yield from engine.REASONS
    yield from (
        frame.FOOTER,
        frame.TOTALS,
        file_readers.UNREADABLE,
        *ingestion.REASONS,
        shortened_ids.SHORTENED,
    )
    yield from reasons()
    yield from subjects()
    yield from (title for title in forecast_run.TITLES.values() if not title.isupper())


def reasons() -> Iterator[str]:
    """Why built-in mappings leave rows out, and what they note, with names in braces for what they add."""
    for name in builtin_names():
        mapping = builtin(name)
        yield from (skip.reason for skip in mapping.skip)
        for select in mapping.select:
            for case in _SAID_IN_SQL.findall(select.sql):
                for sentence in _THEN.findall(case):
                    parts = sentence.split(" || ")
                    yield "".join(
                        part[1:-1] if part[0] == "'" else f"{{{part.rpartition('.')[2]}}}" for part in parts
                    )


def subjects() -> Iterator[str]:
    """What findings of ``roistream doctor`` are about, and how they are called."""
    source = (ROOT / "streams/commands/doctor.py").read_text()
    yield from (
        each.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _name(node.func) == "Finding"
        for part in node.args[:2]
        for each in ast.walk(part)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )
    yield from ("keys", "campaigns", "ids", "error", "warning")


def outside(source: str) -> Iterator[str]:
    """Strings of a module that look like prose and reach people by no catalogue: no docstring, no error, no log, not handed to ``t``."""
    tree = ast.parse(source)
    sentences = {id(each) for each in _sentences(tree)}
    for node in ast.walk(tree):
        for name, value in list(ast.iter_fields(node)):
            if isinstance(value, list):
                setattr(node, name, [each for each in value if not _is_known(each)])
            elif _is_known(value) or id(value) in sentences:
                setattr(node, name, ast.Constant(None))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if _PROSE.search(node.value) and not _SQL.match(node.value):
            yield node.value


def _is_known(node: object) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and _name(node.func) in _LOGGING):
        return True  # for who mends the program, and for who reads its log
    is_text = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "t"
    return is_text or (isinstance(node, ast.Call) and _name(node.func) in _SAYERS)


def table() -> Iterator[str]:
    """What the demo's table says."""
    yield from (column.heading for column in live_table.COLUMNS)
    yield from (text for episode in story.EPISODES for text in (episode.what, episode.look))
    for module in (live_table, run, story, table_state):
        yield from (text for text, _ in page_texts.written(Path(inspect.getfile(module)).read_text()))


def dashboards() -> Iterator[str]:
    """Titles, descriptions, legends and labels."""
    for board in BOARDS:
        yield from texts_of(board)


def alerts() -> Iterator[str]:
    """Summaries and descriptions, with names in braces for labels and values; one that leaves a part out is two."""
    for path in sorted((ROOT / "grafana/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                for name in ("summary", "description"):
                    if "alert" in rule:
                        yield from _alert(rule["annotations"][name])


def _alert(text: str) -> Iterator[str]:
    optional = re.compile(r"\{\{ with \$labels\.(\w+) \}\}(.*?)\{\{ end \}\}")
    if optional.search(text):
        yield from _alert(optional.sub("", text))
        text = optional.sub(lambda found: found[2].replace("{{ . }}", f"{{{found[1]}}}"), text)
    yield re.sub(r"\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}", r"{\1}", text)
