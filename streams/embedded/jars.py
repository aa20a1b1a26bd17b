"""The jars of the embedded broker: named and hashed in kafka.lock, fetched once into the user's cache.

A Maven repository serves them: the one that the user's own settings.xml names as a mirror of Maven Central, else that.
A file whose SHA-256 is not that of the lock is refused, also when it comes out of the cache.
"""

import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import platformdirs
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from metrics.values.errors import RoistreamError

_LOCK = Path(__file__).with_name("kafka.lock")
_AT_ONCE = 6
_PATIENCE_S = 30
#: A mirror of one of these serves what Maven Central does.
_MIRRORED = {"*", "external:*", "central"}


class Jar(NamedTuple):
    """One file of the lock: its path in a Maven repository, its length, its SHA-256."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, which holds its version.

        >>> Jar("org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar", 41125, "d3…").name
        'slf4j-api-1.7.36.jar'
        """
        return self.path.rpartition("/")[2]

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """Group, artifact and version.

        >>> Jar("org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar", 41125, "d3…").coordinates
        ('org.slf4j', 'slf4j-api', '1.7.36')
        """
        *group, artifact, version, _ = self.path.split("/")
        return ".".join(group), artifact, version


@cache
def locked_jars() -> tuple[Jar, ...]:
    """What the lock names."""
    lines = (line.split() for line in _LOCK.read_text().splitlines())
    return tuple(Jar(path, int(size), sha256) for path, size, sha256 in lines)


def kafka_version() -> str:
    """The version of Apache Kafka."""
    return next(jar.coordinates[2] for jar in locked_jars() if "/kafka-clients/" in jar.path)


def jars_folder() -> Path:
    """Where the jars are kept."""
    return platformdirs.user_cache_path("roistream") / f"kafka-{kafka_version()}"


@cache
def kafka_jars() -> list[Path]:
    """Paths of all jars, each with the hash of the lock; what is missing is fetched, with a progress bar.

    Raises:
        RoistreamError: when a file cannot be had or is another one; the text says what to do.
    """
    folder = jars_folder()
    missing = [jar for jar in locked_jars() if not _is_whole(folder / jar.name, jar)]
    if missing:
        _fetch(missing, folder)
    return [folder / jar.name for jar in locked_jars()]


def _is_whole(file: Path, jar: Jar) -> bool:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _fetch(jars: list[Jar], folder: Path) -> None:
    if find_spec("jgo") is None:
        raise RoistreamError(
            "The embedded broker is not installed: pip install 'roistream[embedded]', "
            "or name a Kafka broker in ROISTREAM_BROKER."
        )
    # Packages of an optional extra; and neither is needed where the jars are there.
    from requests import RequestException  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    try:
        # What is fetched becomes part of the cache when it is whole: another process may fetch the same.
        with tempfile.TemporaryDirectory(dir=folder) as unfinished, _shown(jars) as show:
            download = _downloader(Path(unfinished), show)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for jar, file in zip(jars, pool.map(download, jars), strict=True):
                    _check(jar, file)
                    file.replace(folder / jar.name)
    except (RequestException, RuntimeError) as error:
        raise RoistreamError(
            f"Apache Kafka {kafka_version()} cannot be fetched ({_cause(error)}). The embedded broker needs it once: connect "
            "to a network that reaches Maven Central, name a mirror of it in ~/.m2/settings.xml or a proxy in HTTPS_PROXY; "
            "or name a Kafka broker in ROISTREAM_BROKER."
        ) from error
    except OSError as error:
        raise RoistreamError(
            f"Apache Kafka cannot be kept in {folder} ({error.strerror}); make room there, or set XDG_CACHE_HOME."
        ) from error


def _downloader(repository: Path, show: Callable[[int], None]) -> Callable[[Jar], Path]:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    @contextlib.contextmanager
    def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield show

    context = MavenContext(
        PythonResolver(progress_callback=progress),
        repo_cache=repository,
        local_repos=[],
        remote_repos=_mirror(),
        timeout=_PATIENCE_S,
    )

    def download(jar: Jar) -> Path:
        group, artifact, version = jar.coordinates
        return Path(context.project(group, artifact).at_version(version).artifact().resolve())

    return download


def _check(jar: Jar, file: Path) -> None:
    if not _is_whole(file, jar):
        raise RoistreamError(
            f"{jar.name} is not the file that roistream was made with (its SHA-256 is another one): the Maven repository "
            "serves a changed file, or the download was cut off. Run it again, or use another mirror in ~/.m2/settings.xml."
        )


def _cause(error: BaseException) -> str:
    """The innermost reason, in a few words: clients wrap it several times.

    >>> try:
    ...     raise RuntimeError("Max retries exceeded") from OSError(101, "Network is unreachable")
    ... except RuntimeError as error:
    ...     _cause(error)
    'Network is unreachable'
    """
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _mirror() -> dict[str, str] | None:
    """The mirror of Maven Central in the user's Maven settings; None leaves it to the public one."""
    return mirror_of_central(Path("~/.m2/settings.xml").expanduser())


def mirror_of_central(settings: Path) -> dict[str, str] | None:
    """Name and address of the first mirror of Maven Central in a ``settings.xml``; None without one.

    Raises:
        RoistreamError: when the file is no XML.
    """
    try:
        mirrors = ET.parse(settings).iterfind("{*}mirrors/{*}mirror")  # noqa: S314 - the user's own file
    except OSError:
        return None
    except ET.ParseError as error:
        raise RoistreamError(f"{settings} is not XML ({error}); correct it.") from error
    for mirror in mirrors:
        mirrored = {each.strip() for each in (mirror.findtext("{*}mirrorOf") or "").split(",")}
        address = (mirror.findtext("{*}url") or "").strip()
        if address and _MIRRORED & mirrored and "!central" not in mirrored:
            return {"mirror": address.rstrip("/")}
    return None


@contextlib.contextmanager
def _shown(jars: list[Jar]) -> Iterator[Callable[[int], None]]:
    """A progress bar over all files; yields what to call with each further number of bytes."""
    console = Console(stderr=True, highlight=False)
    what = f"Fetching Apache Kafka {kafka_version()} (once)"
    if not console.is_terminal:
        console.print(f"{what}, {sum(jar.size for jar in jars) / 1e6:.0f} MB …", soft_wrap=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=sum(jar.size for jar in jars))
        yield lambda size: bar.advance(task, size)


if __name__ == "__main__":  # while the package is installed
    try:
        kafka_jars()
    except RoistreamError as error:
        sys.exit(str(error))
