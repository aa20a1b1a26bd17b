"""Ids that are unique only within their source: two shops may both have an order 1001."""

#: Parts several ids in one text: no id holds the character.
PARTED = "\uffff\uffff"


def namespaced(source: str | None, id_: str) -> str:
    """The key of an id that is unique within its source; the plain id where there is one source.

    >>> namespaced(None, "1001"), namespaced("shop", "1001") == namespaced("other shop", "1001")
    ('1001', False)
    """
    return id_ if source is None else f"{source}{PARTED}{id_}"
