"""Calls each kernel as an image has it and as numba runs it, on the same arguments: ``python -m tests.metrics.kernels.both_ways``.

Prints the names of the kernels that were called, and each call in which they differ in a single bit.
"""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from metrics.kernels import compiling

calls: Counter[str] = Counter()


def bits(value: Any) -> Any:
    """A value so that equal ones have the same type and the same bits."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, tuple):
        return tuple(bits(each) for each in value)
    return type(value).__name__, np.array(value).tobytes()


def compare(image: Any) -> Callable[..., Any]:
    """``PlacedImage.function``, whose functions call numba too."""
    placed = image.function

    def function(kernel: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any] | None:
        made = placed(kernel, otherwise)
        return None if made is None else twice(compiling.machine_code.name_of(kernel), made, otherwise)

    return function


def twice(name: str, made: Callable[..., Any], numbas: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is called both ways."""

    def call(*arguments: Any) -> Any:
        calls[name] += 1
        copies = copy.deepcopy(arguments)
        for one, other in zip(arguments, copies, strict=True):
            if isinstance(one, np.ndarray):
                other.flags.writeable = one.flags.writeable
        found, wanted = made(*arguments), numbas(*copies)
        if bits((found, arguments)) != bits((wanted, copies)):
            print(f"{name} differs: {found} instead of {wanted}")
        return found

    return call


def main() -> None:
    """A partition's life."""
    image = compiling._image
    if image is None:
        raise SystemExit("there is no image")
    image.function = compare(image)  # type: ignore[method-assign]
    from streams.runtime.kernel_warmup import warm_up  # noqa: PLC0415 - kernels are made where they are imported
    from tests.streams.runtime.late_kernels import live  # noqa: PLC0415

    warm_up(["partition", "journeys", "evidence"])
    live()
    print(*sorted(calls), sep="\n")


if __name__ == "__main__":
    main()
