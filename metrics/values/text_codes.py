"""Different texts and their codes."""

from collections.abc import Sequence
from itertools import count
from typing import cast


class TextCodes(list[str]):
    """Different texts; the index of each is its code.

    >>> names = TextCodes(); names.code("a"), names.code("b"), names.code("a"), names.codes(["b", "c"])
    (0, 1, 0, [1, 2])
    >>> names.codes(["d", "a", "d", "e"]), names
    ([3, 0, 3, 4], ['a', 'b', 'c', 'd', 'e'])
    """

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        """The code of a text, which is given one when it is new."""
        self._catch_up()
        found = self._codes.get(text)
        if found is None:
            found = self._codes[text] = len(self)
            self.append(text)
        return found

    def codes(self, texts: Sequence[str]) -> list[int]:
        """The codes of texts, each of which is given one when it is new."""
        self._catch_up()
        known = self._codes
        found = list(map(known.get, texts))
        if None in found:  # rarely
            new = [text for text in dict.fromkeys(texts) if text not in known]
            known.update(zip(new, count(len(self)), strict=False))
            self.extend(new)
            found = list(map(known.get, texts))
        return cast("list[int]", found)

    def _catch_up(self) -> None:
        if len(self._codes) != len(self):  # a list may be filled at once
            self._codes = {known: code for code, known in enumerate(self)}
