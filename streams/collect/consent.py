"""Whether a visitor may be recognised: only who agreed has an id. Pure.

``required``: an id only where the request says yes. ``assumed``: an id unless the request says no, for sites whose law or contract
allows that. Global Privacy Control (the header ``Sec-GPC: 1``) is a no, whatever else is said.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

ConsentMode = Literal["required", "assumed"]
_YES, _NO = frozenset({"1", "true", "yes", "granted"}), frozenset({"0", "false", "no", "denied"})
_VISITOR = re.compile(r"[A-Za-z0-9_-]{16,64}")


def said_in_words(text: str | None) -> bool | None:
    """A yes or a no as an address writes it; None for anything else.

    >>> said_in_words("granted"), said_in_words("0"), said_in_words("maybe")
    (True, False, None)
    """
    word = (text or "").strip().lower()
    return True if word in _YES else False if word in _NO else None


def said_by_cookie(cookies: Mapping[str, str], name: str | None, pattern: str) -> bool | None:
    """What the cookie of a consent dialogue says; None without one.

    Args:
        cookies: of the request.
        name: of that cookie; None: the site has none.
        pattern: what it holds when the visitor agreed; ``*`` stands for any text.
    """
    if name is None or name not in cookies:
        return None
    return fnmatchcase(cookies[name], pattern)


def joined(said: Iterable[bool | None]) -> bool | None:
    """What several say together: one no is a no; a yes needs all of them.

    >>> joined([True, True]), joined([True, False]), joined([True, None]), joined([])
    (True, False, None, None)
    """
    words = list(said)
    if False in words:
        return False
    return True if words and all(words) else None


def may_identify(mode: ConsentMode, said: bool | None, *, has_privacy_signal: bool) -> bool:
    """Whether an id may be kept in the browser and written into records.

    >>> may_identify("required", None, has_privacy_signal=False), may_identify("assumed", True, has_privacy_signal=True)
    (False, False)
    """
    if has_privacy_signal or said is False:
        return False
    return said is True or mode == "assumed"


def visitor_of(cookie: str | None) -> str | None:
    """The id in a cookie of ours; None where it is none."""
    return cookie if cookie is not None and _VISITOR.fullmatch(cookie) else None
