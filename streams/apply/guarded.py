"""Around a platform's client: an error nobody foresaw decides nothing, secrets are in no text, and a renewed token is taken up."""

import logging
from collections.abc import Callable
from typing import TypeVar

from metrics.budget.effects.machine import Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import Status
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, PlatformClient, Target

_HIDDEN = "[secret]"
_LONGEST = 300

_Said = TypeVar("_Said", CampaignFound | NotTaken | RefusedThere, Answer)


class GuardedClient:
    """A client that answers always."""

    def __init__(
        self, settings: PlatformSettings, connect: Callable[[PlatformSettings], PlatformClient]
    ) -> None:
        """Connects.

        Args:
            settings: of the platform.
            connect: makes a client of them.

        Raises:
            SettingError: when a secret is missing.
        """
        self._settings = settings
        self._connect = connect
        self._client = connect(settings)
        self._is_expired = False

    def step(self, currency: str) -> int:
        """As the client's."""
        return self._client.step(currency)

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """As the client's; an error that it does not know is one of the connection."""
        try:
            if self._is_expired:
                self._client = self._connect(self._settings)
            return self._said(self._client.read(target))
        except Exception as error:  # noqa: BLE001 - SDKs raise what they like
            return NotTaken("unreachable", _named(error))

    def set_status(self, target: Target, status: Status) -> Answer:
        """As the client's; after an error that it does not know the request may have arrived."""
        return self._written(lambda: self._client.set_status(target, status))

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """As the client's; after an error that it does not know the request may have arrived."""
        return self._written(lambda: self._client.set_budget(target, micros, currency))

    def _written(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self._said(ask())
        except Exception as error:  # noqa: BLE001 - SDKs raise what they like
            return Unknown(_named(error))

    def _said(self, answer: _Said) -> _Said:
        self._is_expired = isinstance(answer, NotTaken) and answer.because == "credentials"
        if isinstance(answer, NotTaken | RefusedThere | Unknown):
            return answer._replace(detail=hidden(answer.detail, self._settings.hidden))
        return answer


def hidden(text: str, secrets: set[str]) -> str:
    """A text without secrets, and not too long."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _named(error: Exception) -> str:
    """Only what kind of error it is: texts of errors may hold addresses with a token in them."""
    return f"the client ended with {type(error).__name__}"


class SecretFilter(logging.Filter):
    """Keeps secrets out of the log, whoever writes."""

    def __init__(self, settings: list[PlatformSettings]) -> None:
        super().__init__()
        self._settings = settings

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace secrets in the text of a line."""
        secrets = {secret for each in self._settings for secret in each.hidden}
        text = record.getMessage()
        if any(secret in text for secret in secrets):
            record.msg, record.args = hidden(text, secrets), ()
        return True


class DryClient:
    """Reads, and refuses every write: what would have been asked."""

    def __init__(self, client: PlatformClient) -> None:
        self._client = client

    def step(self, currency: str) -> int:
        """As the client's."""
        return self._client.step(currency)

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """As the client's."""
        return self._client.read(target)

    def set_status(self, target: Target, status: Status) -> Answer:
        """Nothing is asked."""
        del target, status
        return RefusedThere("dry_run", "it would be sent")

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """Nothing is asked."""
        del target, micros, currency
        return RefusedThere("dry_run", "it would be sent")
