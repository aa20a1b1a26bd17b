"""What failures of HTTP libraries say of whether a request arrived."""

import requests

from metrics.budget.effects.machine import NotTaken, Unknown

#: Seconds in which a platform answers.
TIMEOUT_S = 30.0


def failed(error: object) -> NotTaken | Unknown:
    """A request that surely never left is not taken; any other may have arrived."""
    name = type(error).__name__
    never_left = (requests.ConnectTimeout, requests.exceptions.SSLError)
    if isinstance(error, never_left) or (isinstance(error, BaseException) and _is_refused(error)):
        return NotTaken("unreachable", f"no connection ({name})")
    return Unknown(f"no answer ({name})")


def _is_refused(error: BaseException | None) -> bool:
    """Whether no connection was made: every cause is looked at, since libraries wrap them."""
    seen = 0
    while error is not None and seen < 10:
        if "NewConnectionError" in repr(error) or isinstance(error, ConnectionRefusedError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def retry_after_ms(headers: object) -> int:
    """Milliseconds of a ``Retry-After`` in seconds; 0 without one."""
    value = headers.get("Retry-After", "") if hasattr(headers, "get") else ""
    return int(value) * 1_000 if isinstance(value, str) and value.isdecimal() else 0
