"""The file of recipients: who is notified where, of what, in which language and time zone. Pure, but for reading it."""

import re
import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale, UnknownLocaleError

from metrics.values.errors import SettingError
from streams.board.notifications.notices import NoticeKind
from streams.catalogues import ENGLISH, sources

Channel = Literal["mail", "slack", "webhook"]
CHANNELS: tuple[Channel, ...] = ("mail", "slack", "webhook")
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


class SmtpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Table ``[smtp]``: the server that mail goes out by. ``cafile``: whom its certificate is signed by, where the system does not know."""

    host: str
    sender: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    cafile: str | None = None


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``[recipients."name"]``: one address, of one of three channels.

    ``digest`` is a local time of day; ``timezone`` is the setting ``TIMEZONE`` where it is absent.
    """

    mail: str | None = None
    slack: str | None = None
    webhook: str | None = None
    language: str = ENGLISH
    timezone: str | None = None
    about: frozenset[NoticeKind] = frozenset({"waiting", "done", "mentioned"})
    digest: Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None

    @property
    def channel(self) -> Channel:
        """Where the recipient is reached."""
        return next(name for name in CHANNELS if getattr(self, name) is not None)

    @property
    def digest_at(self) -> time | None:
        """The local time of day of the digest; None: no digest."""
        return None if self.digest is None else time.fromisoformat(self.digest)


class RecipientsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; ``board`` is the address by which recipients reach the board."""

    board: str | None = None
    smtp: SmtpServer | None = None
    recipients: dict[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], Recipient] = {}


def read_recipients(path: Path) -> RecipientsFile:
    """The recipients of a TOML file.

    Raises:
        SettingError: when the file cannot be read or used; no value of the file is quoted, since addresses of webhooks are secrets.
    """
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), RecipientsFile)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise SettingError(
            f"ROISTREAM_BOARD_NOTIFICATIONS: {path} cannot be used ({error}). It holds a table for each recipient: "
            '[recipients."Ana"] with mail, slack or webhook; docs/board.md has an example.'
        ) from None
    for where, reason in _faults(found):
        raise SettingError(f"ROISTREAM_BOARD_NOTIFICATIONS: {where} in {path}: {reason}.")
    return found


def _faults(found: RecipientsFile) -> list[tuple[str, str]]:
    faults = [
        (f'recipients."{name}"', reason)
        for name, one in found.recipients.items()
        if (reason := _fault(one, found))
    ]
    if found.board is not None and not _is_address_of_http(found.board):
        faults.append(("board", "it is no address like https://board.example"))
    if found.smtp is not None and (reason := _fault_of_smtp(found.smtp)):
        faults.append(("smtp", reason))
    return faults


def _fault(one: Recipient, file: RecipientsFile) -> str | None:
    given = [name for name in CHANNELS if getattr(one, name) is not None]
    if len(given) != 1:
        return f"it needs one of {', '.join(CHANNELS)}, and has {len(given)}; who is reached twice is two recipients"
    if one.mail is not None and file.smtp is None:
        return "mail needs the table [smtp] with host and from"
    if one.mail is not None and not _ADDRESS.fullmatch(one.mail):
        return "mail is no address like ana@example.com"
    if any(url is not None and not _is_address_of_http(url) for url in (one.slack, one.webhook)):
        return "the address must begin with https:// (or http://) and name a host"
    return _fault_of_place(one)


def _fault_of_place(one: Recipient) -> str | None:
    try:
        language = Locale.parse(one.language.replace("-", "_")).language
    except (ValueError, UnknownLocaleError):
        language = ""
    offered = [ENGLISH, *sorted(sources())]
    if language not in offered:
        return f"language must be one of {', '.join(offered)}, with a region if you like (fr-CA)"
    try:
        ZoneInfo(one.timezone or "UTC")
    except (KeyError, ValueError, OSError):
        return "timezone is not an IANA time zone such as Europe/Paris"
    return None


def _fault_of_smtp(smtp: SmtpServer) -> str | None:
    if not _ADDRESS.fullmatch(smtp.sender):
        return "from is no address like roistream@example.com"
    if (smtp.username is None) != (smtp.password is None):
        return "username and password go together"
    if smtp.password is not None and smtp.security == "none":
        return 'a password is not sent in the clear; use security = "starttls" or "tls"'
    return None


def _is_address_of_http(url: str) -> bool:
    try:
        found = urlsplit(url)
        return found.scheme in {"http", "https"} and bool(found.hostname) and (found.port or 1) > 0
    except ValueError:
        return False
