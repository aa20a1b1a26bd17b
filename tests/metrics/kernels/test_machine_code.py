"""Kernels from an image are numba's own code: same results, and nothing else is ever called with it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.kernels import ads, compiling, ids, linking, machine_code, murmur, sums, touches
from metrics.kernels.machine_code import PlacedImage, UnusableImageError

_COMPILED = 600  # seconds, on a busy machine

pytestmark = [
    pytest.mark.server,  # a machine that has no image yet takes half a minute to compile one
    pytest.mark.skipif(
        not machine_code.is_possible(), reason="this platform compiles its kernels at each start"
    ),
]

ELSEWHERE = object()


@pytest.fixture(scope="module")
def path() -> Path:
    if machine_code.kept() is None:
        _run("streams.runtime.kernel_warmup")
    found = machine_code.kept()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def placed(path: Path) -> PlacedImage:
    return PlacedImage(machine_code.read(path))


def _run(module: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", module], capture_output=True, text=True, check=True, timeout=_COMPILED
    )
    return found.stdout


class _Source:
    """What an image asks of a kernel, whatever the decorator has made of it here."""

    def __init__(self, module: Any, name: str) -> None:
        self.__module__, self.__qualname__, self.__name__ = module.__name__, name, name


def _kernel(placed: PlacedImage, module: Any, name: str) -> Callable[..., Any]:
    made = placed.function(_Source(module, name), lambda *_: ELSEWHERE)  # type: ignore[arg-type]
    assert made is not None
    return made


@pytest.mark.usefixtures("path")
def test_each_kernel_gives_what_numba_gives_bit_by_bit() -> None:
    said = _run("tests.metrics.kernels.both_ways").splitlines()
    assert [line for line in said if " " in line] == []
    assert len(said) > 30


def test_arrays_are_made_and_filled(placed: PlacedImage) -> None:
    slots = np.zeros(8, np.uint64)
    hashes = np.array([2, 3, 2], np.uint64)
    assert _kernel(placed, ids, "insert")(slots, hashes) == 2
    found = _kernel(placed, ids, "contains")(slots, np.array([3, 5], np.uint64))
    assert found.dtype == bool
    assert found.tolist() == [True, False]
    codes, periods, added = _kernel(placed, sums, "group")(
        np.array([1, 2, 1], np.int32), np.array([7, 7, 7]), np.array([[10, 20, 30]])
    )
    assert (codes.tolist(), periods.tolist(), added.tolist()) == ([1, 2], [7, 7], [[40, 20]])


def test_an_error_of_a_kernel_is_raised(placed: PlacedImage) -> None:
    choose_one = _kernel(placed, murmur, "choose_one")
    data = np.frombuffer(b"v" + bytes(8), np.uint8)
    assert choose_one(data, 1, 4) in range(4)
    with pytest.raises(ZeroDivisionError):
        choose_one(data, 1, 0)
    with pytest.raises(OverflowError):
        choose_one(data, 1, 1 << 70)
    with pytest.raises(TypeError):
        choose_one(data, 1, partitions=4)


class _Subclass(np.ndarray):
    pass


def _unaligned(values: Any) -> Any:
    room = np.zeros(values.nbytes + 1, np.uint8)[1:]
    made = room.view(values.dtype)
    made[:] = values
    return made


def _read_only(values: Any) -> Any:
    made = values.copy()
    made.flags.writeable = False
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.astype(np.int64),
        lambda values: values.astype(np.float64),
        lambda values: values.astype(">u8"),
        lambda values: np.repeat(values, 2)[::2],
        lambda values: values[None, :],
        lambda values: values[:1].reshape(()),
        lambda values: values.view(_Subclass),
        lambda values: values.view("V8"),
        _unaligned,
        list,
        bytes,
        lambda _: None,
        lambda _: 1,
    ],
)
def test_no_other_array_reaches_the_code(placed: PlacedImage, change: Callable[[Any], Any]) -> None:
    insert, slots = _kernel(placed, ids, "insert"), np.zeros(8, np.uint64)
    hashes = np.array([2, 3], np.uint64)
    assert insert(slots, change(hashes)) is ELSEWHERE
    assert insert(change(slots), hashes) is ELSEWHERE
    assert not slots.any()
    assert insert(slots, hashes) == 2


def test_what_is_written_must_be_writeable_and_what_is_read_may_be(placed: PlacedImage) -> None:
    choose, found = _kernel(placed, murmur, "choose"), np.zeros(1, np.int32)
    data, starts, sizes = np.zeros(9, np.uint8), np.zeros(1, np.int64), np.ones(1, np.int64)
    assert choose(data, starts, sizes, 4, found) is None
    assert choose(_read_only(data), starts, sizes, 4, found) is None
    assert choose(data, starts, sizes, 4, _read_only(found)) is ELSEWHERE


def test_no_other_number_of_arguments_and_no_other_scalar_reaches_the_code(placed: PlacedImage) -> None:
    walk = _kernel(placed, touches, "walk")
    columns = (
        np.zeros(4, np.uint64),
        np.zeros(4, np.int64),
        np.zeros(4, np.int32),
        np.zeros(4, np.uint32),
        np.full(4, touches.FREE, np.int64),
        np.zeros(3, np.int64),
        np.zeros(4, np.int64),
        np.zeros(4, np.int32),
    )
    assert walk(np.uint64(1), 0, 1, *columns) == 0
    assert walk(np.uint64(1), np.int64(0), 1, *columns) == 0
    for visitor, since in ((1, 0), (np.int64(1), 0), (np.uint64(1), 0.0), (np.uint64(1), True), (None, 0)):
        assert walk(visitor, since, 1, *columns) is ELSEWHERE
    assert walk(np.uint64(1), 0, *columns) is ELSEWHERE
    assert walk() is ELSEWHERE


def test_no_other_tuple_reaches_the_code(placed: PlacedImage) -> None:
    scan, nothing = _kernel(placed, ads, "scan"), np.zeros(0, np.int64)
    table = (np.full(2, -1, np.int32), np.zeros(2, np.int64), np.zeros(2, np.int64))
    bits = np.frombuffer(bytes(8), np.uint8)

    def call(texts: Any) -> Any:
        seeds, none = (np.uint64(1), np.uint64(2)), np.zeros(0, np.uint64)
        columns = (np.zeros(0, bool), nothing, nothing, none, none, np.zeros((3, 0), np.int32), texts)
        rest = (np.zeros((2, 0), np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8))
        return scan(bits, nothing, nothing, 100, True, 0, False, *seeds, *columns, *rest)

    assert call((table, table, table)) is None
    assert call([table, table, table]) is ELSEWHERE
    assert call((table, table)) is ELSEWHERE
    assert call((table, table, table[:2])) is ELSEWHERE
    assert call((table, table, (table[0], table[1], table[0]))) is ELSEWHERE


def test_objects_are_given_back(placed: PlacedImage) -> None:
    contains, slots, hashes = _kernel(placed, ids, "contains"), np.zeros(8, np.uint64), np.ones(3, np.uint64)
    before = sys.getrefcount(slots), sys.getrefcount(hashes), sys.getrefcount(np.dtype(bool))
    kept = [contains(slots, hashes) for _ in range(100)]
    assert all(sys.getrefcount(each) == 3 for each in kept)  # of the list, the loop and the call
    kept.clear()
    assert (sys.getrefcount(slots), sys.getrefcount(hashes)) == before[:2]
    assert abs(sys.getrefcount(np.dtype(bool)) - before[2]) < 10


def test_an_image_of_other_sources_has_no_kernel(path: Path) -> None:
    image = machine_code.read(path)
    placed = PlacedImage(replace(image, sources={murmur.__name__: "of another source"}))
    assert placed.function(_Source(murmur, "choose"), print) is None  # type: ignore[arg-type]
    assert placed.function(_Source(ids, "not there"), print) is None  # type: ignore[arg-type]


def test_a_damaged_image_is_not_used(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = path.read_bytes()
    place = len(whole) // 2
    broken = tmp_path / "image"
    for content in (
        b"",
        whole[:100],
        whole[:place],
        whole[:-1],
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        whole.replace(b'"relative": [', b'"relative": [1, ', 1),
        b'["not", "an", "image"]\n',
    ):
        broken.write_bytes(content)
        with pytest.raises(UnusableImageError, match="damaged"):
            machine_code.read(broken)
    monkeypatch.setattr(machine_code, "kept", lambda: broken)
    assert machine_code.find() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{broken} cannot be used (it is damaged)" in caplog.text


@pytest.mark.parametrize("what", ["flags", "model", "numba", "llvmlite", "numpy", "python", "settings"])
def test_an_image_of_another_machine_is_not_used(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    image, here = machine_code.read(path), machine_code._machine()
    monkeypatch.setattr(machine_code, "_machine", lambda: here | {what: "other"})
    other = machine_code.write(image, tmp_path)
    assert other.name != path.name
    monkeypatch.undo()
    with pytest.raises(UnusableImageError, match="another machine"):
        machine_code.read(other)


def test_a_symbol_that_is_not_there_is_said(path: Path) -> None:
    image = machine_code.read(path)
    with pytest.raises(UnusableImageError, match="there is no roistream_of_nowhere"):
        PlacedImage(replace(image, symbols=image.symbols | {"roistream_of_nowhere": [0]}))


def test_only_objects_of_this_kind_are_linked() -> None:
    with pytest.raises(linking.UnknownObjectError, match="not a relocatable ELF file"):
        linking.link([b"\xcf\xfa\xed\xfe" + bytes(100)])


def test_an_image_that_has_lacked_a_kernel_goes_so_that_the_next_start_has_a_whole_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(machine_code, "folders", lambda: iter([tmp_path]))
    monkeypatch.setattr(compiling, "_image", PlacedImage(machine_code.read(copy)))
    monkeypatch.setattr(compiling, "late", [])
    compiling.keep_image()
    assert copy.exists()
    assert compiling.is_complete()
    machine_code.doubt()
    assert not compiling.is_complete()
    compiling.keep_image()
    assert compiling.is_complete()  # a start that looked at all kernels has found nothing
    compiling.LateKernel(_one_more)(1)
    assert not compiling.is_complete()  # so that the next start looks at all kernels, and finds it late again
    compiling.keep_image()
    assert list(tmp_path.glob("image-*")) == []


def _one_more(number: int) -> int:
    return number + 1
