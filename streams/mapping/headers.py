"""Names: which of a file's names a declared column means, and whether a file has a name that a mapping reads."""

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import lru_cache

from streams.mapping.model import Column, listed


@lru_cache(maxsize=65_536)
def plain(name: str) -> str:
    """A name as it is compared: no marks of order, one space, lower case.

    >>> plain(" Amount\u00a0 spent ")
    'amount spent'
    """
    return " ".join(name.replace("\ufeff", "").split()).casefold()


@lru_cache(maxsize=65_536)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("(.+)".join(map(re.escape, plain(name).split("*"))))


def found_name(names: Iterable[str], spec: Column) -> str | None:
    """The file's name for a column: the first of the column's names that the file has."""
    known = {plain(name): name for name in reversed(list(names))}
    for wanted in listed(spec.name):
        if "*" not in wanted:
            if plain(wanted) in known:
                return known[plain(wanted)]
            continue
        for candidate, name in known.items():
            if _pattern(wanted).fullmatch(candidate):
                return name
    return None


def captured(names: Iterable[str], spec: Column) -> str | None:
    """The text that ``*`` stands for in a name of the file, as the file writes it."""
    for wanted in listed(spec.from_header):
        pattern = re.compile("(.+)".join(map(re.escape, wanted.split("*"))), re.IGNORECASE)
        for name in names:
            match = pattern.fullmatch(" ".join(name.split()))
            if match:
                return match[1]
    return None


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file's name is one of a mapping's; ``.gz`` does not count.

    >>> matches("orders_2026.csv.gz", ["orders*.csv"])
    True
    """
    bare = name.removesuffix(".gz")
    return any(fnmatch(name, pattern) or fnmatch(bare, pattern) for pattern in patterns)
