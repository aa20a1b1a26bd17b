"""Who a comment speaks to: ``@`` and the name of somebody whom the board knows. Pure.

The page finds the same names by the same rule (``static/js/mentions.js``); a test holds both to one table.
"""

from collections.abc import Iterable, Iterator


def mentioned(text: str, names: Iterable[str]) -> list[str]:
    """The names that a text mentions, each once, in the order of the text.

    A mention begins where no letter or digit stands before ``@``, and ends where none goes on; of two names the longer one
    counts. Letters count alike in both cases.

    >>> mentioned("@ana maria and @Ben, not me@ben.example or @Benedict", ["Ana", "Ana Maria", "Ben"])
    ['Ana Maria', 'Ben']
    """
    known = sorted({name for name in names if name}, key=lambda name: (-len(name), name))
    return list(dict.fromkeys(_found(text, known)))


def _found(text: str, known: list[str]) -> Iterator[str]:
    for at, letter in enumerate(text):
        if letter != "@" or (at > 0 and text[at - 1].isalnum()):
            continue
        for name in known:
            end = at + 1 + len(name)
            is_whole = end >= len(text) or not text[end].isalnum()
            if text[at + 1 : end].lower() == name.lower() and is_whole:
                yield name
                break
