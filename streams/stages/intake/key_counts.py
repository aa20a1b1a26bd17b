"""What the keys of each source are to their records: counted, so that a source whose keys are not its visitors' is found."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from metrics.records.partition_keys import KEY_KINDS, KeyKind


class KeyCounts:
    """Records with a visitor, by source topic and by what their key is.

    >>> keys = KeyCounts(); keys.count("ad-clicks", np.array([1, 1, 3], np.uint8)); sorted(keys.found.items())
    [(('ad-clicks', 'other'), 1), (('ad-clicks', 'visitor'), 2)]
    """

    def __init__(self) -> None:
        self.found: Counter[tuple[str, str]] = Counter()

    def count(self, topic: str, kinds: npt.NDArray[np.uint8]) -> None:
        """Count the keys of a slice, as indexes into ``KEY_KINDS``; those of records without a visitor are 0."""
        if not kinds.any():
            return
        for index, count in enumerate(np.bincount(kinds, minlength=len(KEY_KINDS)).tolist()):
            if index and count:
                self.found[topic, KEY_KINDS[index]] += count

    def add(self, topic: str, kind: KeyKind) -> None:
        """Count one key."""
        if kind != "none":
            self.found[topic, kind] += 1
