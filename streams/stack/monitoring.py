"""Prometheus and Alertmanager as child processes, with the configuration of ``grafana/prometheus``.

The files are those of docker-compose.yml; only addresses are replaced. A file that no longer holds what is to be
replaced is an error, so that the two ways of running cannot drift apart.
"""

import contextlib
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.values.errors import RoistreamError
from streams.embedded.child_process import LOOPBACK, Command, Server, free_ports, server_folder, start_server

PROMETHEUS = "prometheus"
#: Debian's name, then that of the project's own archives.
ALERTMANAGERS = ("prometheus-alertmanager", "alertmanager")

_WORKERS = "dns_sd_configs: [{names: [worker], type: A, port: 6066, refresh_interval: 5s}]"
_BOARD = '"board:6067"'
#: The stack has none: nobody sends anything to it.
_COLLECTOR = '"collect:6069"'
_APPLY = '"apply:6070"'
_ALERTMANAGER, _ITSELF = '"alertmanager:9093"', '"localhost:9090"'
#: Where rules say that the board is reached, which serves the runbooks of alerts.
RUNBOOKS = "http://localhost:6067/"
_BOARD_URL, _TOKEN_FILE = "http://board:6067/alerts", "/run/secrets/board_token"


@dataclass(frozen=True)
class Monitor:
    """A running Prometheus or Alertmanager."""

    port: int
    server: Server

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://{LOOPBACK}:{self.port}"


def program(*names: str) -> str:
    """Path of the first of these programs that is installed.

    Raises:
        RoistreamError: when none is; the text says what to install.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise RoistreamError(f"{names[0]} is not installed; on Debian and Ubuntu: apt-get install {names[0]}.")


def replaced(text: str, changes: Mapping[str, str], origin: str) -> str:
    """The text with every key replaced by its value.

    Raises:
        RoistreamError: when a key is not in it.

    >>> replaced("a: 1", {"1": "2"}, "x.yml")
    'a: 2'
    """
    for old, new in changes.items():
        if old not in text:
            raise RoistreamError(
                f"{origin} no longer holds {old!r}, which the stack replaces; adapt streams/stack."
            )
        text = text.replace(old, new)
    return text


def targets(by_job: Mapping[str, Sequence[str]]) -> str:
    """Static scrape targets as Prometheus reads them.

    >>> targets({"roistream": ["127.0.0.1:1"]})
    'static_configs: [{"targets": ["127.0.0.1:1"], "labels": {"job": "roistream"}}]'
    """
    each = [{"targets": list(those), "labels": {"job": job}} for job, those in by_job.items()]
    return f"static_configs: {json.dumps(each)}"


@contextlib.contextmanager
def prometheus(
    source: Path,
    workers: Mapping[str, Sequence[str]],
    alertmanager: str,
    adapt: Callable[[str], str] = str,
    board: str | None = None,
) -> Iterator[Monitor]:
    """Prometheus on a free port, scraping these workers and the board.

    Args:
        source: the folder ``grafana/prometheus``.
        workers: ``host:port`` of each worker's pages, by the job that names their deployment.
        alertmanager: ``host:port`` of Alertmanager.
        adapt: changes the text of the configuration and of the rules further, for instance their intervals.
        board: ``host:port`` of the board; None: there is none.

    Raises:
        RoistreamError: when it is not installed or does not start.
    """
    path = program(PROMETHEUS)
    with server_folder("prometheus") as folder:
        (folder / "rules").mkdir()
        for rules in (source / "rules").glob("*.yml"):
            text = rules.read_text()
            if board is not None:
                text = (
                    replaced(text, {RUNBOOKS: f"http://{board}/"}, rules.name) if RUNBOOKS in text else text
                )
            (folder / "rules" / rules.name).write_text(adapt(text))
        text = (source / "prometheus.yml").read_text()

        def command_at(port: int) -> Command:
            own = {
                _WORKERS: targets(workers),
                _BOARD: "" if board is None else json.dumps(board),
                _COLLECTOR: "",
                _APPLY: "",
                _ALERTMANAGER: json.dumps(alertmanager),
                _ITSELF: f'"{LOOPBACK}:{port}"',
            }
            (folder / "prometheus.yml").write_text(adapt(replaced(text, own, "prometheus.yml")))
            arguments = [
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--log.level=warn",
            ]
            return Command([path, *arguments])

        with _running("Prometheus", command_at, folder) as monitor:
            yield monitor


@contextlib.contextmanager
def alertmanager(
    source: Path, board_url: str, token: str, adapt: Callable[[str], str] = str
) -> Iterator[Monitor]:
    """Alertmanager on a free port; alerts on campaigns go to ``board_url`` with the token.

    Args:
        source: the folder ``grafana/prometheus``.
        board_url: where ``POST /alerts`` of the board is.
        token: the board's.
        adapt: changes the text of the configuration further.

    Raises:
        RoistreamError: when it is not installed or does not start.
    """
    path = program(*ALERTMANAGERS)
    with server_folder("alertmanager") as folder:
        secret = folder / "board_token"
        secret.touch(mode=0o600)
        secret.write_text(token)
        own = {_BOARD_URL: board_url, _TOKEN_FILE: str(secret)}
        text = replaced((source / "alertmanager.yml").read_text(), own, "alertmanager.yml")
        (folder / "alertmanager.yml").write_text(adapt(text))

        def command_at(port: int) -> Command:
            arguments = [
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/data",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ]
            return Command([path, *arguments])

        with _running("Alertmanager", command_at, folder) as monitor:
            yield monitor


@contextlib.contextmanager
def _running(name: str, command_at: Callable[[int], Command], folder: Path) -> Iterator[Monitor]:
    server, port = start_server(name, command_at, is_ready, folder, within_s=30)
    try:
        yield Monitor(port, server)
    finally:
        server.stop()


def is_ready(port: int) -> bool:
    """Whether the monitor at that port says so."""
    return answers(f"http://{LOOPBACK}:{port}/-/ready")


def answers(url: str) -> bool:
    """Whether a page answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - http on loopback
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def addresses(count: int) -> list[str]:
    """Free addresses on loopback."""
    return [f"{LOOPBACK}:{port}" for port in free_ports(count)]
