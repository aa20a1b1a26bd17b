"""Parts of kernels that count no references let no array out: numba refuses to compile one that would (D128c)."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError
from numba.typed import List

from metrics.kernels.numba_compiler import borrowing_part, part

ARRAY = np.arange(5)
REFUSED = "counts no references"


@part
def same(array: Any) -> Any:
    return array


def returns_its_argument(array: Any) -> Any:
    return array


def returns_a_view(array: Any) -> Any:
    return array[1:]


def returns_one_in_a_tuple(array: Any) -> Any:
    return array[0], (array, 1)


def returns_one_of_two(array: Any) -> Any:
    other = array[2:]
    return array if array[0] else other


def has_one_from_a_call(array: Any) -> Any:
    return same(array)[0]


def has_one_from_numpy(array: Any) -> Any:
    return np.asarray(array)[0]


def has_one_in_a_tuple(array: Any) -> Any:
    array, _ = (same(array), 1)
    return array[0]


def makes_one(array: Any) -> Any:
    return np.empty(len(array))[0]


@pytest.mark.parametrize(
    "function",
    [
        returns_its_argument,
        returns_a_view,
        returns_one_in_a_tuple,
        returns_one_of_two,
        has_one_from_a_call,
        has_one_from_numpy,
        has_one_in_a_tuple,
        makes_one,
    ],
)
def test_a_part_that_lets_an_array_out_is_refused(function: Callable[..., Any]) -> None:
    refused = _caller(borrowing_part(function))
    with pytest.raises(TypingError):
        refused(ARRAY)


def appends(array: Any, kept: Any) -> Any:
    kept.append(array)
    return 1


def sets(array: Any, kept: Any) -> Any:
    kept[0] = array
    return 1


@pytest.mark.parametrize("function", [appends, sets])
def test_a_part_that_keeps_an_array_in_a_list_is_refused(function: Callable[..., Any]) -> None:
    made = borrowing_part(function)
    with pytest.raises(TypingError):
        _caller(made)(ARRAY, List([ARRAY]))


def test_a_part_that_a_borrowing_part_calls_may_let_none_out_either() -> None:
    @part
    def called(array: Any) -> Any:
        return array

    @borrowing_part
    def calling(array: Any) -> Any:
        return called(array)[0]

    with pytest.raises(TypingError, match=f"called {REFUSED}"):
        _caller(calling)(ARRAY)


def test_a_part_that_counts_references_may_return_an_array() -> None:
    assert _caller(part(returns_its_argument))(ARRAY).tolist() == ARRAY.tolist()


def test_a_borrowing_part_may_use_arrays_views_and_tuples_of_them() -> None:
    @borrowing_part
    def uses(array: Any, pairs: Any, row: Any) -> Any:
        one, _ = pairs[row]
        part_of_it = array[1:]
        one[0] = 7
        array[3:] = part_of_it[0]
        return one[0] + array[4], (row, True)

    def call(array: Any) -> Any:
        return uses(array, ((array, array), (array, array)), 1)

    assert numba.njit(call)(ARRAY.copy()) == (8, (1, True))


def _caller(made: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is nothing but the part."""

    def kernel(*arguments: Any) -> Any:
        return made(*arguments)

    made_of_it: Callable[..., Any] = numba.njit(kernel)
    return made_of_it
