"""Messages that stay in the changelog until they are confirmed. Pure."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from streams.state.codec import Entry, decode_as, encode, read_key, state_key
from streams.state.table import Restored

M = TypeVar("M")


class Outbox(Generic[M]):
    """Messages of one kind, stored with the checkpoint that sends them, under its sequence.

    A successor sends those again whose checkpoint was not confirmed.

    >>> outbox = Outbox("d", list[str]); outbox.take(["a"])
    ['a']
    >>> stored = outbox.take_changes(7); successor = Outbox("d", list[str]); successor.restore(stored, 6)
    ()
    >>> successor.take(["b"])
    ['a', 'b']
    """

    #: Whoever gathers the messages knows what they weigh.
    weight = 0

    def __init__(self, kind: str, shape: type[list[M]]) -> None:
        self.kind = kind
        self._shape = shape
        self._unconfirmed: list[M] = []
        self._sending: list[M] = []
        #: Of what the changelog holds.
        self._keys: list[bytes] = []

    def take(self, fresh: Iterable[M]) -> list[M]:
        """What the next checkpoint sends: what may be unsent, and fresh messages."""
        self._sending, self._unconfirmed = [*self._unconfirmed, *fresh], []
        return self._sending

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the messages that may not have been sent."""
        for key, value in entries:
            self._keys.append(key)
            if read_key(key)[1] > confirmed:
                self._unconfirmed += decode_as(self._shape, value)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Tombstones of what went out before, and the record of what goes out now."""
        entries: list[Entry] = [(key, None) for key in self._keys]
        self._keys = []
        if self._sending:
            key = state_key(self.kind, sequence)
            entries.append((key, encode(self._sending)))
            self._keys.append(key)
            self._sending = []
        return entries
