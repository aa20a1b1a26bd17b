"""``roistream replay``: files, mapping and speed in; records and a summary out. The only place that waits."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from metrics.values.errors import RoistreamError
from metrics.values.time import format_instant
from streams import topics
from streams.replay.conversion import Conversion, convert
from streams.replay.loading import load
from streams.replay.producing import KafkaSink, Pace, produce
from streams.replay.transform import Record
from streams.settings import Settings

EXIT_DONE, EXIT_UNMAPPED, EXIT_FAILED = 0, 1, 2
#: A plain line of progress at least this often, where there is no terminal.
_LINE_EVERY_S = 5.0


def run(
    settings: Settings,
    paths: list[Path],
    mapping: Path | str,
    *,
    speed: float = 0,
    limit: int | None = None,
    progress: bool = True,
    print_only: bool = False,
) -> int:
    """Read files, map them, produce the records in event-time order.

    Args:
        settings: broker, security, prefix, partitions, reporting currency.
        paths: files, or folders whose files are taken.
        mapping: a TOML file, or the name of a built-in mapping.
        speed: 0 = as fast as possible, 1 = spaced as the event times are, N = N times faster.
        limit: at most so many source records (registries are always written).
        progress: show progress on standard error.
        print_only: write JSON lines to standard output and produce nothing.

    Returns:
        0 when every row was mapped or left out on purpose, 1 when some row could not be mapped, 2 when the
        replay could not be done; what is wrong is on standard error.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        _check(speed, limit)
        with console.status("reading") if progress else nullcontext():
            conversion = convert(load(mapping), paths)
        records = limited(conversion.records, limit)
        if print_only:
            _print(records)
        else:
            _warn_of_currencies(settings, records, console)
            _produce(settings, records, speed, console if progress else None)
    except RoistreamError as error:
        console.print(f"replay: {error}", style="red", markup=False)
        return EXIT_FAILED
    except BrokenPipeError:  # `--print | head` has seen enough
        sys.stdout = None  # the interpreter would flush it once more
        return EXIT_DONE
    for line in summary(conversion, records):
        console.print(line, markup=False)
    return EXIT_UNMAPPED if has_failures(conversion) else EXIT_DONE


def _check(speed: float, limit: int | None) -> None:
    if not 0 <= speed < float("inf"):
        raise RoistreamError("--speed is 0 (as fast as possible) or more.")
    if limit is not None and limit < 0:
        raise RoistreamError("--limit is 0 or more.")


def limited(records: list[Record], limit: int | None) -> list[Record]:
    """Registries, and the first ``limit`` source records."""
    first = next((place for place, record in enumerate(records) if record.at_ms is not None), len(records))
    return records if limit is None else [*records[:first], *islice(records, first, first + limit)]


def _print(records: list[Record]) -> None:
    for record in records:
        line = {"topic": record.topic, "key": record.key, "value": json.loads(record.value)}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _produce(settings: Settings, records: list[Record], speed: float, console: Console | None) -> None:
    sink = KafkaSink(settings, sorted({record.topic for record in records}))
    try:
        with _progress(console, len(records)) as advance:
            produce(records, sink, Pace(speed, time.monotonic, time.sleep), advance)
    finally:
        sink.close()


@contextmanager
def _progress(console: Console | None, total: int) -> Iterator[Callable[[Record], None]]:
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
) -> Callable[[Record], None]:
    """A callback that writes ``replayed n of total`` at least every few seconds of records, and at the end."""
    done, written = 0, clock()

    def advance(record: Record) -> None:
        nonlocal done, written
        done += 1
        if done == total or clock() - written >= _LINE_EVERY_S:
            written = clock()
            write(f"replayed {done} of {total} records, {_at(record)}")

    return advance


def _at(record: Record) -> str:
    return "registries" if record.at_ms is None else format_instant(record.at_ms)


def _warn_of_currencies(settings: Settings, records: list[Record], console: Console) -> None:
    for currency in foreign_currencies(records, settings.reporting_currency):
        console.print(
            f"These records are in {currency} and the reporting currency is {settings.reporting_currency}: without "
            f"a rate for {currency} on {settings.topic(topics.FX_RATES)} they become dead letters (unknown_currency). "
            f"Replay rates first (--mapping fx_rates), or set ROISTREAM_REPORTING_CURRENCY={currency}.",
            style="yellow",
            markup=False,
        )


def foreign_currencies(records: list[Record], reporting: str) -> list[str]:
    """Currencies of the records for which the replay itself brings no rate."""
    used: set[str] = set()
    known = {reporting}
    for record in records:
        if b'"currency"' in record.value:
            target = known if record.topic == topics.FX_RATES else used
            target.add(json.loads(record.value)["currency"])
    return sorted(used - known)


def has_failures(conversion: Conversion) -> bool:
    """Whether a row was lost for another reason than the mapping's own ``skip`` and ``having``."""
    return any(not reason.startswith("skipped: ") for reason in conversion.unmapped.counts)


def summary(conversion: Conversion, records: list[Record]) -> list[str]:
    """What was read, what was produced per topic, and what was not mapped, with examples."""
    produced = conversion.by_topic if len(records) == len(conversion.records) else None
    counts = produced or Conversion(records=records).by_topic
    lines = [f"{conversion.rows} rows of {len(conversion.files_read)} files"]
    lines += [f"  {topic}: {count} records" for topic, count in sorted(counts.items())]
    if conversion.files_left:
        lines.append(f"  {len(conversion.files_left)} files of the folder are not read by the mapping")
    for reason, count in conversion.unmapped.counts.most_common():
        examples = ", ".join(conversion.unmapped.examples[reason])
        lines.append(f"  not mapped, {count} rows: {reason}; for example {examples}")
    lines += [f"  note: {note}" for note in sorted(conversion.unmapped.notes)]
    return lines
