"""A real worker as a child process, and what the outside sees of it: pages, topics, exit code."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from streams.embedded.child_process import free_ports
from streams.settings import Settings

#: Generous, so that only what never comes fails; several tests run at once.
LIMIT_S = 300
#: Of one name, the samples by their sorted labels.
Labelled = dict[tuple[tuple[str, str], ...], float]
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


def wait_for(what: str, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """The condition's first true value; fails with the last one after a bound."""
    ends = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {limit_s} s: {what} (last: {found!r})"
        time.sleep(0.1)


def variables(settings: Settings, **overrides: str) -> dict[str, str]:
    """The environment that makes a child's settings the same; durations as whole milliseconds."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("ROISTREAM_")}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        kind = str(Settings.model_fields[name].annotation)
        is_duration = isinstance(value, int) and "BeforeValidator" in str(
            Settings.model_fields[name].metadata
        )
        text = f"{value}ms" if is_duration and "bool" not in kind else str(value)
        if isinstance(value, dict):
            text = json.dumps(value)
        found[f"ROISTREAM_{name.upper()}"] = ",".join(value) if isinstance(value, list) else text
    return found | overrides


class Samples(Mapping[str, Labelled]):
    """Samples of a page by name and labels, none for a name that is not there.

    Those of a name are parsed when they are asked for: a page has thousands, and who waits for one figure looks often.
    """

    def __init__(self, page: str) -> None:
        self._parsed: dict[str, Labelled] = {}
        self._lines: dict[str, list[str]] = defaultdict(list)
        for line in page.splitlines():
            name = _NAME.match(line)
            if name is not None:
                self._lines[name[0]].append(line)

    def __getitem__(self, name: str) -> Labelled:
        if name not in self._parsed:
            text = "".join(f"{line}\n" for line in self._lines.get(name, ()))
            self._parsed[name] = {
                tuple(sorted(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class WorkerProcess:
    """One worker; its log is a file."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        name: str = "worker",
        arguments: Sequence[str] = (),
        module: str = "streams",
        **overrides: str,
    ) -> None:
        self.port = free_ports(1)[0]
        self.log = folder / f"{name}.log"
        environment = variables(settings, ROISTREAM_HTTP_PORT=str(self.port), **overrides)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "worker", *arguments],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; status 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        """Whether /readyz says so; fails at once when the process has ended."""
        assert self.process.poll() is None, f"the worker ended: {self.tail()}"
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> None:
        wait_for("the worker is ready", self.is_ready)

    def samples(self) -> Samples:
        """Every sample of /metrics by name and labels."""
        return Samples(self.get("/metrics")[1])

    def ledger(self) -> dict[str, dict[str, int]]:
        """Outcomes by topic, over the partitions of this worker."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for labels, value in self.samples()["roistream_ledger_events"].items():
            named = dict(labels)
            found[named["topic"]][named["outcome"]] += int(value)
        return found

    def facts(self) -> dict[str, Any]:
        return json.loads(self.get("/readyz")[1])

    def is_quiet(self, *stages: str, for_s: float = 1.0) -> bool:
        """Whether stages write no checkpoint for a while.

        It shows an absence, so the while is its measure: ten times the rest of a task between its checkpoints in tests.
        """
        before = self._checkpoints(stages)
        time.sleep(for_s)
        return self._checkpoints(stages) == before

    def _checkpoints(self, stages: Sequence[str]) -> dict[str, float]:
        counts = self.samples()["roistream_checkpoint_duration_seconds_count"]
        named = {dict(labels)["stage"]: count for labels, count in counts.items()}
        return {stage: named[stage] for stage in stages}

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


@contextlib.contextmanager
def running_worker(
    settings: Settings,
    folder: Path,
    name: str = "worker",
    arguments: Sequence[str] = (),
    **overrides: str,
) -> Iterator[WorkerProcess]:
    """A ready worker, ended at the end."""
    worker = WorkerProcess(settings, folder, name, arguments, **overrides)
    try:
        worker.wait_ready()
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()
