"""A table: one kind of changelog records, how they are read back, and which of them have changed. Pure."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from streams.state.codec import Entry

#: A changelog record that holds a value: key and value.
Restored = tuple[bytes, bytes]


class Table(Protocol):
    """What a stage keeps under keys of one kind.

    Attributes:
        kind: the first part of the table's keys; no two tables of a stage have the same.
    """

    kind: str

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        ...

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back all records of the kind at once.

        Args:
            entries: the records.
            confirmed: the sequence up to which every change has gone out; what is newer counts as changed.

        Returns:
            Keys of records that are of no use any more; the store removes them from the changelog.
        """
        ...

    def take_changes(self, sequence: int) -> Iterable[Entry]:
        """Records of what has changed since the last call; ``sequence`` is that of the checkpoint."""
        ...
