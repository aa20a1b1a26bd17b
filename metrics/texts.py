"""Different texts and their codes."""


class Texts(list[str]):
    """Different texts; the index of each is its code.

    >>> names = Texts(); names.code("a"), names.code("b"), names.code("a")
    (0, 1, 0)
    """

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        """The code of a text, which is given one when it is new."""
        if len(self._codes) != len(self):  # a list may be filled at once
            self._codes = {known: code for code, known in enumerate(self)}
        found = self._codes.get(text)
        if found is None:
            found = self._codes[text] = len(self)
            self.append(text)
        return found
