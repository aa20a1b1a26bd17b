"""State that nobody keeps any more: views that are no longer computed leave the changelogs a part at a time.

So no checkpoint grows with what is removed.
"""

from collections.abc import Collection, Iterable

from metrics.attribution.conversion_credit import split_subject
from streams.state.codec import Entry

_REMOVED_AT_ONCE = 20_000


class Leftovers:
    """Keys of state that nobody keeps any more, and that are removed from the changelog.

    >>> left = Leftovers(); left.add(b"a"); left.add(b"b"); left.take([(b"b", b"new")])
    [(b'a', None)]
    >>> len(left)
    0
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """A key that was read and is not used."""
        self._keys[key] = None

    def take(self, written: Iterable[Entry]) -> list[Entry]:
        """Tombstones of some of them, without those that are written anew."""
        if not self._keys:
            return []
        for key, _ in written:
            self._keys.pop(key, None)
        some = list(self._keys)[:_REMOVED_AT_ONCE]
        for key in some:
            del self._keys[key]
        return [(key, None) for key in some]


def is_kept(name: str, views: Collection[str]) -> bool:
    """Whether the sums of a subject are still computed.

    >>> from metrics.attribution.conversion_credit import subject
    >>> is_kept("c", ()), is_kept(subject("c", "linear"), ()), is_kept(subject("c", "linear"), ("linear",))
    (True, False, True)
    """
    view = split_subject(name)[1]
    return view is None or view in views
