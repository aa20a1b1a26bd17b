"""``roistream ingest``: a connector is started, read and started again; records, states and a summary out. The only place that waits."""

import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from metrics.values.errors import RoistreamError
from metrics.values.time import parse_duration
from streams import catalogues, topics
from streams.catalogues import said
from streams.ingest.ingestion import Ingestion, check
from streams.ingest.protocols import ConnectorState, Protocol
from streams.ingest.state_store import kept_state
from streams.mapping.database import opened
from streams.mapping.loader import load
from streams.mapping.model import Frame, Mapping
from streams.process import now_ms
from streams.replay.producer import KafkaSink
from streams.replay.registrations import Registrations, unregistered
from streams.replay.run import frame_of, reason_in_words
from streams.settings import Settings

EXIT_DONE, EXIT_REFUSED, EXIT_FAILED = 0, 1, 2
#: Lines wait at most so long for others to be mapped with.
_LINGER_S = 1.0
_PROGRESS_EVERY_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 600.0
_QUEUED = 10_000
_ENDS_WITHIN_S = 5.0


class ConnectorError(RoistreamError):
    """The connector could not be started, or ended with an error."""


def run(
    settings: Settings,
    protocol: Protocol,
    mapping: Path | str,
    command: Sequence[str],
    *,
    connection: str | None = None,
    streams: Iterable[str] = (),
    frame: Iterable[str] = (),
    every: str | None = None,
    shows_state: bool = False,
) -> int:
    """Run a connector, or read its lines from standard input, until it ends.

    Args:
        settings: broker, security, prefix.
        protocol: how the connector speaks.
        mapping: a TOML file, or the name of a built-in mapping.
        command: program and arguments; empty: standard input.
        connection: name under which the state is kept; the mapping's name where None.
        streams: only these streams.
        frame: ``key=value`` of how values are written, such as ``timezone=Europe/Paris``.
        every: run again after so long, such as ``15m``; None: once.
        shows_state: write the kept state to standard output and run nothing.

    Returns:
        0 when every row was mapped or left out on purpose, 1 when some went to the dead letters, 2 when the
        connector or the broker failed; what is wrong is on standard error.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    name = connection or Path(mapping).stem
    try:
        if shows_state:
            sys.stdout.write((kept_state(settings, name) or b"").decode())
            return EXIT_DONE
        mappings = load(mapping)
        pause_s = _pause(every, command)
        runs = _Runs(
            settings, protocol, mappings, command, name, frozenset(streams), frame_of(frame), console
        )
        return runs.once() if pause_s is None else runs.each(pause_s, time.sleep, random.uniform)
    except RoistreamError as error:
        console.print(f"ingest: {said(str(error))}", style="red", markup=False)
        return EXIT_FAILED


def _pause(every: str | None, command: Sequence[str]) -> float | None:
    """Seconds from one run to the next."""
    if every is None:
        return None
    if not command:
        raise ConnectorError("--every needs a command after --, since standard input ends once.")
    try:
        return parse_duration(every) / 1_000
    except ValueError as error:
        raise ConnectorError(f"--every: {error}.") from error


class _Runs:
    def __init__(
        self,
        settings: Settings,
        protocol: Protocol,
        mappings: Sequence[Mapping],
        command: Sequence[str],
        connection: str,
        streams: frozenset[str],
        frame: Frame,
        console: Console,
    ) -> None:
        self._settings = settings
        self._protocol = protocol
        self._mappings = mappings
        self._command = command
        self._connection = connection
        self._streams = streams
        self._frame = frame
        self._console = console

    def each(
        self, every_s: float, sleep: Callable[[float], None], uniform: Callable[[float, float], float]
    ) -> int:
        """Run again and again; after a failure sooner, with pauses that double up to ten minutes."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                self.once()
                failures = 0
                pause = max(every_s - (time.monotonic() - began), 0)
            except RoistreamError as error:
                self._console.print(f"ingest: {said(str(error))}", style="red", markup=False)
                longest = min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S)
                pause = uniform(longest / 2, longest)
                failures += 1
            text = catalogues.t("next run in {seconds} s", seconds=catalogues.number(pause))
            self._console.print(text, markup=False)
            sleep(pause)

    def once(self) -> int:
        """Run the connector from where it stood.

        Raises:
            RoistreamError: where it, the mapping or the broker fails; what was confirmed stays.
        """
        kept = kept_state(self._settings, self._connection)
        with opened() as database:
            check(database, self._mappings)
            sink = KafkaSink(self._settings, self._topics())
            registrations = Registrations(self._settings)
            try:
                state = ConnectorState.of(self._protocol, kept)
                ingestion = Ingestion(
                    database,
                    self._mappings,
                    sink,
                    state,
                    self._connection,
                    now_ms,
                    self._streams,
                    self._frame,
                    registrations,
                )
                try:
                    self._follow(ingestion, kept)
                finally:
                    for line in summary(ingestion):
                        self._console.print(line, markup=False)
                names = self._settings.reserved_names
                for line in unregistered(ingestion.named, registrations.now(), names):
                    self._console.print(f"  {line}", markup=False)
                return EXIT_REFUSED if ingestion.refused else EXIT_DONE
            finally:
                registrations.close()
                sink.close()

    def _topics(self) -> list[str]:
        wanted = {select.topic for mapping in self._mappings for select in mapping.select}
        wanted |= {constant.topic for mapping in self._mappings for constant in mapping.records}
        return sorted({*wanted, topics.DEAD_LETTERS, topics.INGEST_STATE})

    def _follow(self, ingestion: Ingestion, kept: bytes | None) -> None:
        with _started(self._command, kept) as (output, ended):
            written = time.monotonic()
            for line in _lingering(output, ingestion):
                ingestion.take(line)
                if time.monotonic() - written >= _PROGRESS_EVERY_S:
                    written = time.monotonic()
                    text = catalogues.t(
                        "{lines} lines, {records} records written",
                        lines=catalogues.number(ingestion.lines),
                        records=catalogues.number(ingestion.written.total()),
                    )
                    self._console.print(text, markup=False)
            ingestion.flush()
            code = ended()
        if code:
            raise ConnectorError(
                f"the connector ended with code {code}; its own words are above. What it said before is written, and the next "
                "run goes on from its last state."
            )


@contextmanager
def _started(command: Sequence[str], kept: bytes | None) -> Iterator[tuple[Any, Callable[[], int]]]:
    """The output of a connector that knows where it stood, and how it ended."""
    if not command:
        yield sys.stdin.buffer, lambda: 0
        return
    with tempfile.TemporaryDirectory(prefix="roistream-ingest-") as folder:
        arguments = list(command)
        if kept is not None:
            path = Path(folder) / "state.json"
            path.write_bytes(kept)
            arguments += ["--state", str(path)]
        try:
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE)  # noqa: S603 - the operator's own command
        except OSError as error:
            raise ConnectorError(f"{command[0]} cannot be started ({error.strerror}).") from error
        with process:
            try:
                yield process.stdout, process.wait
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a connector that still runs; one that does not listen is killed, since its next run goes on from its state."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _lingering(output: Any, ingestion: Ingestion) -> Iterator[bytes]:
    """Lines as they come; what waits too long for others is written meanwhile."""
    lines: queue.Queue[bytes | None] = queue.Queue(_QUEUED)

    def read() -> None:
        for line in output:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    first_at: float | None = None
    while True:
        try:
            line = lines.get(timeout=_LINGER_S)
        except queue.Empty:
            line = b""
        if line is None:
            return
        if line:
            yield line
        first_at = (first_at or time.monotonic()) if ingestion.is_waiting else None
        if first_at is not None and time.monotonic() - first_at >= _LINGER_S:
            ingestion.flush()
            first_at = None


def summary(ingestion: Ingestion) -> Iterator[str]:
    """What was read, written per topic, and left."""
    yield catalogues.t(
        "{count} lines of {connection}",
        count=catalogues.number(ingestion.lines),
        connection=ingestion.connection,
    )
    for topic, count in sorted(ingestion.written.items()):
        yield "  " + catalogues.t("{topic}: {count} records", topic=topic, count=count)
    for reason, count in ingestion.left.most_common():
        text = catalogues.t("not mapped, {count} rows: {reason}", count=count, reason=reason_in_words(reason))
        yield f"  {text}"
    for note in sorted(ingestion.notes):
        yield "  " + catalogues.t("note: {note}", note=said(note))
    yield "  " + (catalogues.t("its state is kept") if ingestion.states else catalogues.t("no new state"))
