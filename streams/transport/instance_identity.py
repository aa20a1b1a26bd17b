"""Under which identity a worker joins its consumer group: the same after each start, and of one process at a time.

With an identity of its own (static membership, KIP-345) a worker that ends without leaving and is back within the session timeout
gets its partitions at once, and nobody else has to let go of anything. Two members with one identity would drive each other out,
so an identity is locked as long as its process lives: by an abstract socket where the system has them (Linux; the lock then reaches as
far as the network namespace, which shares the host's name), else by a file.
"""

import contextlib
import hashlib
import os
import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import IO

from metrics.values.errors import SettingError
from streams.settings import Settings

#: Workers of one deployment on one machine that get an identity by themselves.
_MOST = 1024
#: Held until the process ends; the system lets go of them then, however it ends.
_held: list[socket.socket | IO[str]] = []


def claimed(settings: Settings) -> Settings:
    """The settings with an identity that this process has until it ends: that of the settings, else the host's name and a number.

    Raises:
        SettingError: when another process of this machine has the identity that the settings name.
    """
    if settings.instance_id is not None:
        if not _lock(settings, settings.instance_id):
            raise SettingError(
                f"ROISTREAM_INSTANCE_ID: another worker of this deployment runs as {settings.instance_id!r} on this machine; "
                "give each worker a name of its own, or unset it."
            )
        return settings
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:200]
    # The least number that is free: who starts again in the place of a worker that has ended is that worker.
    names = (f"{host}-{number}" for number in range(_MOST))
    name = next((name for name in names if _lock(settings, name)), None)
    # Without an identity it is a member like any other, which costs a rebalance at each start.
    return settings if name is None else settings.model_copy(update={"instance_id": name})


def _lock(settings: Settings, name: str) -> bool:
    """Whether this process has the name now, among those of its deployment."""
    place = f"{','.join(sorted(settings.bootstrap))} {settings.topic(settings.group_id)} {name}"
    key = hashlib.sha256(place.encode()).hexdigest()[:32]
    return _lock_socket(key) if sys.platform == "linux" else _lock_file(key)


def _lock_socket(key: str) -> bool:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.bind(f"\0roistream-{key}")
    except OSError:
        made.close()
        return False
    _held.append(made)
    return True


def _lock_file(key: str) -> bool:
    import fcntl  # noqa: PLC0415 - not on every system

    folder = Path(tempfile.gettempdir()) / f"roistream-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = (folder / key).open("w")
    with contextlib.suppress(OSError):
        fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held.append(made)
        return True
    made.close()
    return False
