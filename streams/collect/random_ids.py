"""Ids that nobody can guess, drawn from the system's chance by many at once: asking it for each costs as much as an answer's head."""

import os
from base64 import urlsafe_b64encode

_BYTES, _AT_ONCE = 16, 256


class RandomIds:
    """Makes ids of 128 bits as 22 letters, digits, hyphens and underscores, as ``secrets.token_urlsafe(16)`` does."""

    def __init__(self) -> None:
        self._left: list[bytes] = []

    def __call__(self) -> str:
        """The next id; none comes twice."""
        if not self._left:
            drawn = os.urandom(_BYTES * _AT_ONCE)
            self._left = [drawn[at : at + _BYTES] for at in range(0, len(drawn), _BYTES)]
        return urlsafe_b64encode(self._left.pop())[:22].decode()
