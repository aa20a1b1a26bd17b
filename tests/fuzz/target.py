"""The process that fuzzes: libFuzzer's loop around the law. Started by ``python -m tests.fuzz``.

The compiled kernels hide their branches; interpreted, they show them, with every read checked against its array.
"""

import importlib
import sys
import zlib
from typing import Any

import atheris

from tests.fuzz import interpreted

_OUTCOMES = 512
_KERNELS = (
    "metrics.kernels.ads",
    "metrics.kernels.ids",
    "metrics.kernels.sums",
    "streams.transport.record_batch_kernel",
)


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    if "--interpreted" in sys.argv:
        sys.argv.remove("--interpreted")
        interpreted.install()
    else:
        for name in _KERNELS:  # numba cannot compile what is instrumented
            importlib.import_module(name)
    with atheris.instrument_imports(include=["metrics", "streams"]):
        from tests.fuzz import law  # noqa: PLC0415 - what is imported here is instrumented
    note = atheris.instrument_func(_brancher())

    def one(data: bytes) -> None:
        note(zlib.crc32(law.check(data).encode()) % _OUTCOMES)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


def _brancher() -> Any:
    """A function with a branch per outcome, so that an input with a new outcome is new coverage."""
    source = "def note(n):\n" + "".join(f"    if n == {n}:\n        return\n" for n in range(_OUTCOMES))
    made: dict[str, Any] = {}
    exec(compile(source, "outcomes", "exec"), made)  # noqa: S102 - the source is the line above
    return made["note"]


if __name__ == "__main__":
    main()
