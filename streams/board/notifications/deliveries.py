"""The wire of notifications: a webhook, a Slack-compatible message, a mail by SMTP. No error quotes an address or a password."""

import asyncio
import contextlib
import hashlib
import smtplib
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NamedTuple, assert_never

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from metrics.values.errors import RoistreamError
from metrics.values.time import format_instant
from streams.board.notifications.notices import Mention, Notice
from streams.board.notifications.recipients import Recipient, SmtpServer
from streams.board.notifications.wording import Message, as_slack, as_text

SCHEMA = "board-notice/1"
_ANSWER_WITHIN_S = 10.0
#: A whole conversation with a mail server.
_MAIL_WITHIN_S = 60.0


class DeliveryError(RoistreamError):
    """A message was not delivered, as far as can be known; one sentence without secrets."""


class Parcel(NamedTuple):
    """A message with what stands behind it; ``parcel_id`` names it to receivers that know what they have."""

    parcel_id: str
    message: Message
    notices: Sequence[Notice]
    language: str
    made_ms: int
    mentions: Sequence[Mention] = ()


def parcel_id_of(recipient: str, notice_ids: Sequence[str]) -> str:
    """The same for the same notices to the same recipient."""
    return hashlib.sha256("\n".join([recipient, *sorted(notice_ids)]).encode()).hexdigest()[:32]


async def deliver(parcel: Parcel, recipient: Recipient, smtp: SmtpServer | None, http: ClientSession) -> None:
    """Deliver once.

    Raises:
        DeliveryError: when the receiver did not confirm.
    """
    match recipient.channel:
        case "webhook":
            assert recipient.webhook is not None, "of the channel"
            await _post(http, recipient.webhook, _body(parcel), parcel.parcel_id)
        case "slack":
            assert recipient.slack is not None, "of the channel"
            await _post(http, recipient.slack, {"text": as_slack(parcel.message)}, parcel.parcel_id)
        case "mail":
            assert recipient.mail is not None, "of the channel"
            assert smtp is not None, "checked with the file"
            letter = letter_of(parcel, smtp.sender, recipient.mail)
            await _in_thread(lambda: _send(letter, smtp))
        case channel:
            assert_never(channel)


def _body(parcel: Parcel) -> dict[str, Any]:
    """What a machine gets: the words of the message, and the actions as they stand on ``budget-actions``."""
    return {
        "schema": SCHEMA,
        "id": parcel.parcel_id,
        "title": parcel.message.title,
        "text": as_text(parcel.message),
        "language": parcel.language,
        "made_at": format_instant(parcel.made_ms),
        "notices": [
            *({"id": each.notice_id, "kind": each.kind, "action": each.action} for each in parcel.notices),
            *(
                {"id": each.notice_id, "kind": "mentioned", "comment": each.comment}
                for each in parcel.mentions
            ),
        ],
    }


async def _post(http: ClientSession, url: str, body: dict[str, Any], parcel_id: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": parcel_id}
    try:
        async with http.post(
            url,
            data=msgspec.json.encode(body),
            headers=headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=_ANSWER_WITHIN_S),
        ) as answer:
            status = answer.status
    except (ClientError, OSError, TimeoutError, ValueError) as error:  # whose texts quote the address
        raise DeliveryError(f"it does not answer ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise DeliveryError(f"it answers {status}")


def letter_of(parcel: Parcel, sender: str, to: str) -> EmailMessage:
    """The mail of a message. A mail that comes twice has one ``Message-ID`` (RFC 5322, 3.6.4), so that readers show it once."""
    letter = EmailMessage()
    letter["From"], letter["To"] = sender, to
    letter["Subject"] = parcel.message.title
    letter["Date"] = format_datetime(datetime.fromtimestamp(parcel.made_ms / 1_000, UTC))
    letter["Message-ID"] = f"<{parcel.parcel_id}@{sender.rpartition('@')[2]}>"
    letter["Content-Language"] = parcel.language
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no reply of an absent reader
    letter.set_content(as_text(parcel.message))
    return letter


def _send(letter: EmailMessage, smtp: SmtpServer) -> None:
    context = ssl.create_default_context(cafile=smtp.cafile)
    try:
        if smtp.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                smtp.host, smtp.port, timeout=_ANSWER_WITHIN_S, context=context
            )
        else:
            server = smtplib.SMTP(smtp.host, smtp.port, timeout=_ANSWER_WITHIN_S)
        with server:
            if smtp.security == "starttls":
                server.starttls(context=context)
            if smtp.username is not None and smtp.password is not None:
                server.login(smtp.username, smtp.password)
            server.send_message(letter)
    except smtplib.SMTPResponseException as error:  # whose text may quote what was sent
        raise DeliveryError(f"the mail server answers {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise DeliveryError(f"the mail server refuses the address ({', '.join(map(str, codes))})") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise DeliveryError(f"the mail server cannot be used ({type(error).__name__})") from None


async def _in_thread(call: Callable[[], None]) -> None:
    """Run what blocks in a thread that keeps no process alive.

    Raises:
        DeliveryError: also when it takes longer than a minute; it may then still come to be delivered.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - handed over to who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the board has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="board-mail", daemon=True).start()
    try:
        async with asyncio.timeout(_MAIL_WITHIN_S):
            await ended
    except TimeoutError:
        raise DeliveryError("the mail server takes longer than a minute") from None
