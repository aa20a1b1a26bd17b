"""``roistream replay``: files, mapping and speed in; records and a summary out. The only place that waits."""

import csv
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from metrics.values.errors import RoistreamError
from metrics.values.time import format_instant
from streams import catalogues, topics
from streams.catalogues import said
from streams.mapping.database import opened
from streams.mapping.engine import Engine, MappedRecord
from streams.mapping.lint import LintFinding, findings, ids_with_earlier, overlaps_with_earlier
from streams.mapping.loader import builtin_names, load
from streams.mapping.model import Frame
from streams.replay.earlier_records import earlier_ids, earlier_reports
from streams.replay.pipeline import ReplayPipeline, convert
from streams.replay.producer import KafkaSink, ReplayPace, produce
from streams.replay.registrations import CompletingSink, Registrations, Standing, fields_lost, unregistered
from streams.settings import Settings
from streams.transport.topic_admin import wait_for_broker

EXIT_DONE, EXIT_UNMAPPED, EXIT_FAILED = 0, 1, 2
#: A plain line of progress at least this often, where there is no terminal.
_LINE_EVERY_S = 5.0
_SHOWN = 3


class LintError(RoistreamError):
    """Something is wrong with the records as a whole; nothing was written."""


def run(
    settings: Settings,
    paths: list[Path],
    mapping: Path | str | None = None,
    *,
    speed: float = 0,
    limit: int | None = None,
    progress: bool = True,
    print_only: bool = False,
    frame: Iterable[str] = (),
    strict: bool = False,
    rejects: Path | None = None,
) -> int:
    """Read files, map them, produce the records in event-time order.

    Args:
        settings: broker, security, prefix, partitions, reporting currency.
        paths: files, or folders whose files are taken.
        mapping: a TOML file, the name of a built-in mapping, or None: the built-in one that fits the header.
        speed: 0 = as fast as possible, 1 = spaced as the event times are, N = N times faster.
        limit: at most so many source records (registries are always written).
        progress: show progress on standard error.
        print_only: write JSON lines to standard output and produce nothing.
        frame: ``key=value`` of how the files are written, such as ``decimal=,``.
        strict: warnings stop the replay as errors do.
        rejects: a CSV file for every row that gave no record.

    Returns:
        0 when every row was mapped or left out on purpose, 1 when some row could not be mapped, 2 when the
        replay could not be done; what is wrong is on standard error.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        _check(speed, limit)
        with opened() as database:
            engine = Engine(database)
            mappings = None if mapping is None else load(mapping)
            with reading_progress(console if progress else None) as say:
                conversion = convert(engine, mappings, paths, frame_of(frame), say)
            _say(console, found(conversion))
            if rejects is not None:
                _write_rejects(rejects, engine)
            registered = None if print_only else _registered(settings, engine)
            is_own = mapping is not None and mapping not in builtin_names()
            doubts = [] if registered is None or not is_own else replaced_registrations(engine, registered)
            _lint(engine, settings, console, doubts, strict=strict, print_only=print_only)
            records = engine.records(limit)
            if print_only:
                _print(records)
            else:
                completed = None if is_own else registered
                _produce(settings, engine, records, completed, limit, speed, console if progress else None)
            _say(console, summary(conversion, limit))
            if not print_only:
                _say(console, _unregistered(settings, engine))
            return EXIT_UNMAPPED if has_failures(engine) else EXIT_DONE
    except RoistreamError as error:
        console.print(f"replay: {said(str(error))}", style="red", markup=False)
        return EXIT_FAILED
    except BrokenPipeError:  # `--print | head` has seen enough
        sys.stdout = None  # the interpreter would flush it once more
        return EXIT_DONE


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False)


def _check(speed: float, limit: int | None) -> None:
    if not 0 <= speed < float("inf"):
        raise RoistreamError("--speed is 0 (as fast as possible) or more.")
    if limit is not None and limit < 0:
        raise RoistreamError("--limit is 0 or more.")


def frame_of(said: Iterable[str]) -> Frame:
    r"""What ``--frame key=value`` says; ``nulls`` are separated by ``|``, and ``\t`` is a tab.

    Raises:
        RoistreamError: for a key or value that no frame has.

    >>> frame_of(["delimiter=\\t", "header=3", "nulls=-|k.A."]).nulls
    ['-', 'k.A.']
    """
    values: dict[str, object] = {}
    for part in said:
        name, _, value = part.partition("=")
        values[name] = value.split("|") if name == "nulls" else value.replace("\\t", "\t")
    try:
        return msgspec.convert(values, Frame, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(Frame.__struct_fields__)
        raise RoistreamError(f"--frame: {error}; write key=value with one of {known}.") from error


def _registered(settings: Settings, engine: Engine) -> Standing | None:
    """What is registered now; None where the replay registers nothing."""
    if topics.CAMPAIGNS not in engine.counts():
        return None
    wait_for_broker(settings, settings.broker_wait)
    with closing(Registrations(settings)) as registrations:
        return registrations.now()


def _unregistered(settings: Settings, engine: Engine) -> Iterator[str]:
    """What the replay names and nobody has registered, the replay itself among those who register."""
    named = campaigns_named(engine)
    if named:
        with closing(Registrations(settings)) as registrations:
            names = settings.reserved_names
            yield from (f"  {line}" for line in unregistered(named, registrations.now(), names))


def campaigns_named(engine: Engine) -> dict[str, int]:
    """By campaign how many records name it, registrations left out."""
    found = engine.database.execute(
        "SELECT campaign, count(*) FROM (SELECT json_extract_string(value, '$.campaign_id') AS campaign FROM records "
        "WHERE topic <> 'campaigns') WHERE campaign IS NOT NULL GROUP BY campaign"
    ).fetchall()
    return {str(campaign): int(count) for campaign, count in found}


def replaced_registrations(engine: Engine, registered: Standing) -> list[LintFinding]:
    """What registrations say that is gone once the records of a mapping of one's own are written; at most three are named."""
    records = (record for record in engine.records(0) if record.topic == topics.CAMPAIGNS)
    lost = [
        f"{record.key} ({', '.join(names)})"
        for record in records
        if (names := fields_lost(registered, record))
    ]
    if not lost:
        return []
    shown = ", ".join(lost[:_SHOWN]) + (", …" if len(lost) > _SHOWN else "")
    return [
        LintFinding(
            "warning",
            f"{len(lost)} campaigns are registered already and lose what the mapping does not select: {shown}. A record of "
            "campaigns is whole: select these fields too, or leave campaigns out of the mapping.",
        )
    ]


def _lint(
    engine: Engine,
    settings: Settings,
    console: Console,
    doubts: list[LintFinding],
    *,
    strict: bool,
    print_only: bool,
) -> None:
    """Print what is wrong with the records as a whole.

    Args:
        engine: after its mappings.
        settings: reporting currency; the broker is asked for earlier reports unless ``print_only``.
        console: where findings are printed.
        doubts: what was found already.
        strict: warnings count as errors.
        print_only: nothing will be produced.

    Raises:
        LintError: where there is an error.
    """
    found = [*findings(engine, settings.reporting_currency), *doubts]
    if not print_only and topics.REPORTS in engine.counts():
        found += overlaps_with_earlier(engine, earlier_reports(settings))
    for topic in sorted(engine.counts().keys() & {topics.LEADS, topics.ORDERS}) if not print_only else ():
        found += ids_with_earlier(engine, topic, earlier_ids(settings, topic))
    for finding in found:
        style = "red" if finding.level == "error" else "yellow"
        console.print(f"{catalogues.t(finding.level)}: {said(finding.text)}", style=style, markup=False)
    errors = sum(finding.level == "error" for finding in found)
    if errors:
        raise LintError(f"{errors} errors; nothing was written.")
    if strict and found:
        raise LintError(f"{len(found)} warnings with --strict; nothing was written.")


def _print(records: Iterable[MappedRecord]) -> None:
    for record in records:
        line = {"topic": record.topic, "key": record.key, "value": json.loads(record.value)}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _write_rejects(path: Path, engine: Engine) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "line", "reason", "found"])
            writer.writerows(engine.every_left())
    except OSError as error:
        raise RoistreamError(f"--rejects: {path} cannot be written ({error.strerror}).") from error


def _produce(
    settings: Settings,
    engine: Engine,
    records: Iterable[MappedRecord],
    registered: Standing | None,
    limit: int | None,
    speed: float,
    console: Console | None,
) -> None:
    counts = counted(engine, limit)
    sink = KafkaSink(settings, sorted(counts))
    try:
        with _progress(console, sum(counts.values())) as advance:
            completing = sink if registered is None else CompletingSink(sink, registered)
            produce(records, completing, ReplayPace(speed, time.monotonic, time.sleep), advance)
    finally:
        sink.close()


@contextmanager
def reading_progress(console: Console | None) -> Iterator[Callable[[str], None]]:
    """What is read and mapped: a status on a terminal, a plain line now and then elsewhere."""
    if console is None:
        yield lambda _: None
    elif console.is_terminal:
        with console.status(catalogues.t("reading")) as status:
            yield status.update
    else:
        written = time.monotonic()

        def say(text: str) -> None:
            nonlocal written
            if time.monotonic() - written >= _LINE_EVERY_S:
                written = time.monotonic()
                console.print(text, markup=False)

        yield say


@contextmanager
def _progress(console: Console | None, total: int) -> Iterator[Callable[[MappedRecord], None]]:
    """A bar on a terminal, a plain line now and then elsewhere, nothing without a console."""
    if console is None:
        yield lambda _: None
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("replay", total=total)
            yield lambda record: bar.update(task, advance=1, description=_at(record))
    else:
        yield plain_progress(total, time.monotonic, lambda line: console.print(line, markup=False))


def plain_progress(
    total: int, clock: Callable[[], float], write: Callable[[str], None]
) -> Callable[[MappedRecord], None]:
    """A callback that writes ``replayed n of total`` at least every few seconds of records, and at the end."""
    done, written = 0, clock()

    def advance(record: MappedRecord) -> None:
        nonlocal done, written
        done += 1
        if done == total or clock() - written >= _LINE_EVERY_S:
            written = clock()
            text = catalogues.t(
                "replayed {done} of {total} records, {place}", done=done, total=total, place=_at(record)
            )
            write(text)

    return advance


def _at(record: MappedRecord) -> str:
    return catalogues.t("registries") if record.at_ms is None else format_instant(record.at_ms)


def has_failures(engine: Engine) -> bool:
    """Whether a row was lost for another reason than those that the mapping or the file's form gives."""
    return any(not left.reason.startswith("skipped: ") for left in engine.left())


def found(conversion: ReplayPipeline) -> Iterator[str]:
    """How each file is written, where that is worth a line."""
    for label, parts in conversion.found.items():
        if parts:
            yield f"{label}: {'; '.join(dict.fromkeys(parts))}"


def reason_in_words(reason: str) -> str:
    """Why rows gave no record, as ``topic: reason`` or ``skipped: reason``, in the language of the process."""
    words = said(reason)
    head, separator, rest = reason.partition(": ")
    if words != reason or not separator:
        return words
    return catalogues.t("{name}: {text}", name=said(head), text=reason_in_words(rest))


def counted(engine: Engine, limit: int | None) -> dict[str, int]:
    """Records by topic; of a limited replay, those within the limit."""
    if limit is None:
        return engine.counts()
    counts: dict[str, int] = {}
    for record in engine.records(limit):
        counts[record.topic] = counts.get(record.topic, 0) + 1
    return counts


def summary(conversion: ReplayPipeline, limit: int | None) -> Iterator[str]:
    """What was read, what was produced per topic, and what was not mapped, with examples."""
    yield catalogues.t(
        "{count} rows of {files} files", count=conversion.rows, files=len(conversion.files_read)
    )
    for topic, count in sorted(counted(conversion.engine, limit).items()):
        yield "  " + catalogues.t("{topic}: {count} records", topic=topic, count=count)
    if conversion.files_left:
        text = catalogues.t(
            "{count} files of the folder are not read by the mapping", count=len(conversion.files_left)
        )
        yield f"  {text}"
    for left in conversion.engine.left():
        text = catalogues.t(
            "not mapped, {count} rows: {reason}; for example {examples}",
            count=left.rows,
            reason=reason_in_words(left.reason),
            examples=", ".join(left.examples),
        )
        yield f"  {text}"
    for note in sorted(conversion.engine.notes):
        yield "  " + catalogues.t("note: {note}", note=said(note))
