"""Complaints of the command line's library about options and arguments, in the language of the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from streams import catalogues

#: What the library raises about how a command was written; it has no public name of its own.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class SpokenGroup(TyperGroup):
    """Commands whose usage errors are said by the catalogues; the library itself has them in English alone."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """As the library does it: options before the command are read here."""
        with _spoken():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """As the library does it: the command and what stands after it are read here."""
        with _spoken():
            return super().invoke(ctx)


@contextmanager
def _spoken() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        complaint: Any = error
        text = catalogues.said(complaint.format_message())
        complaint.format_message = lambda: text
        raise
