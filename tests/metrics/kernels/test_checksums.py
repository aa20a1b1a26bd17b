"""CRC-32C as others compute it, with the processor's instruction and without."""

import os
import subprocess
import sys

import numpy as np
import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from metrics.kernels.checksums import crc32c
from tests.support.examples import examples

CHECK = b"123456789", 0xE3069283
"""The check value of CRC-32C, https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-32-iscsi."""

_WITHOUT = """
import numpy as np
from metrics.kernels import compiling
from metrics.kernels.checksums import crc32c
from numba.core.registry import cpu_target
assert "+crc" not in cpu_target.target_context.codegen()._tm_features
data = np.frombuffer(b"123456789" * 9, np.uint8)
print(crc32c(data, 0, 9), crc32c(data, 2, 81))
"""


@pytest.mark.server
def test_without_the_instruction_it_is_the_same() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        env={**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "-crc32"},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert [int(each) for each in found.stdout.split()] == [CHECK[1], calc_crc32c((CHECK[0] * 9)[2:81])]


def test_the_check_value_is_that_of_the_catalogue() -> None:
    assert crc32c(np.frombuffer(CHECK[0], np.uint8), 0, 9) == CHECK[1]


@examples(1)
@given(st.binary(max_size=100), st.integers(0, 9), st.integers(0, 9))
def test_of_any_bytes_at_any_place_it_is_that_of_aiokafka(data: bytes, before: int, after: int) -> None:
    bits = np.frombuffer(bytes(before) + data + bytes(after), np.uint8)
    assert crc32c(bits, before, before + len(data)) == calc_crc32c(data)
