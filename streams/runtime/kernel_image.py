"""The kernels' machine code, made before a process imports them: it is then loaded without the compiler."""

import subprocess
import sys

from metrics.kernels import machine_code


def prepare() -> None:
    """Have another process compile the kernels, where none did before; that takes some seconds, and says so.

    The process that starts stays small: compiling takes 250 MB that are not given back. When the other process fails, this one
    compiles as it comes to it.
    """
    if machine_code.is_possible() and machine_code.kept() is None and machine_code.writable_folder():
        subprocess.run([sys.executable, "-m", "streams.runtime.kernel_warmup"], check=False)
