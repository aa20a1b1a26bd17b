"""The TOML file of ``roistream collect``: the site, its links and rules, and the webhooks with where their secrets are.

Secrets stand in files or in the environment, never in this file, so that it can be kept with the rest of a configuration.
"""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import msgspec

from metrics.values.errors import RoistreamError, SettingError
from streams.collect.campaign_rules import DEFAULT_RULES, CampaignRule
from streams.collect.consent import ConsentMode
from streams.collect.links import Link, is_listed
from streams.collect.proofs import Proof, check_secret
from streams.collect.senders import SENDERS, Sender
from streams.collect.site_events import EventType
from streams.mapping.loader import load
from streams.mapping.model import Frame
from streams.mapping.model import Mapping as RoomMapping

_SETTING = "ROISTREAM_COLLECT_FILE"
Rate = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every table shares: an unknown key is an error."""


class Site(_Table, frozen=True):
    """What browsers of a site may send.

    Attributes:
        origins: pages that may send events, such as ``https://shop.example``.
        accepts: what they may send. Orders are not among it unless they are named: whoever reads the page can send one.
        hosts: where links may lead.
        consent: when a visitor may be recognised.
        consent_cookie: a cookie of the site's consent dialogue, and what it holds when the visitor agreed.
        consent_value: the same.
        cookie: name of the visitor's cookie.
        cookie_domain: its domain, such as ``shop.example``; without it the host alone.
        cookie_days: how long it is kept after the last visit.
        rate: requests a second that one address may make, and three times as many at once.
    """

    origins: list[str] = []
    accepts: tuple[EventType, ...] = ("click", "impression", "lead")
    hosts: list[str] = []
    consent: ConsentMode = "required"
    consent_cookie: str | None = None
    consent_value: str = "*"
    cookie: Name = "roistream_visitor"
    cookie_domain: str | None = None
    cookie_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 390
    rate: Rate = 20


class WebhookEntry(_Table, frozen=True):
    """One webhook, at ``/in/NAME``.

    Attributes:
        sender: which of the senders it is.
        secret_file: a file with the secret; several lines are several secrets, of which each proves.
        secret_env: or the variable that holds it.
        verify_token_file: the token of Meta's handshake, alike.
        verify_token_env: the same.
        mapping: a TOML file or a built-in mapping; without it the sender's own.
        proof: what proves a delivery; without it the sender's own.
        frame: how values are written, such as ``timezone`` and ``currency``.
        rate: deliveries a second, and three times as many at once.
    """

    sender: str = "generic"
    secret_file: str | None = None
    secret_env: str | None = None
    verify_token_file: str | None = None
    verify_token_env: str | None = None
    mapping: str | None = None
    proof: Proof | None = None
    frame: Frame = Frame()
    rate: Rate = 100


class _WrittenFile(_Table, frozen=True):
    public_url: str = ""
    proxies: list[str] = []
    site: Site = Site()
    campaigns: list[CampaignRule] = []
    links: dict[Name, Link] = {}
    webhooks: dict[Name, WebhookEntry] = {}


class OpenWebhook(_Table, frozen=True):
    """A webhook with everything that it needs at hand."""

    name: str
    sender: Sender
    proof: Proof
    secrets: tuple[str, ...]
    verify_tokens: tuple[str, ...]
    mappings: list[RoomMapping]
    frame: Frame
    rate: int

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"OpenWebhook({self.name!r})"


class CollectFile(_Table, frozen=True):
    """The file, read and checked."""

    public_url: str
    proxies: tuple[IPv4Network | IPv6Network, ...]
    site: Site
    rules: tuple[CampaignRule, ...]
    links: dict[str, Link]
    webhooks: dict[str, OpenWebhook]


def read_collect_file(path: Path, environment: Mapping[str, str] = os.environ) -> CollectFile:
    """Read and check the file, its secrets and its mappings.

    Args:
        path: of the file; other files are named from its folder.
        environment: where variables are.

    Raises:
        SettingError: one sentence that names the place and says what to do, without a word of a secret.
    """
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _WrittenFile)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise SettingError(
            f"{_SETTING}: {path} cannot be used ({error}). See docs/collect.md for what it holds."
        ) from error
    try:
        proxies = tuple(ip_network(each) for each in found.proxies)
        for rule in found.campaigns:
            rule.check()
        _check_site(found)
    except ValueError as error:
        raise SettingError(f"{_SETTING}: {path}: {error}.") from error
    return CollectFile(
        public_url=found.public_url.rstrip("/"),
        proxies=proxies,
        site=found.site,
        rules=tuple(found.campaigns) or DEFAULT_RULES,
        links=found.links,
        webhooks={
            name: _opened(name, webhook, path.parent, environment, found.public_url)
            for name, webhook in found.webhooks.items()
        },
    )


def _check_site(found: _WrittenFile) -> None:
    for origin in found.site.origins:
        if origin.count("/") != 2 or not origin.startswith(("http://", "https://")):
            raise ValueError(f"origin {origin!r} is not like https://shop.example, without a path")
    if found.public_url and not found.public_url.startswith(("http://", "https://")):
        raise ValueError(f"public_url {found.public_url!r} is not like https://collect.shop.example")
    for name, link in found.links.items():
        if not is_listed(link.url, found.site.hosts):
            raise ValueError(
                f"link {name} leads to {link.url}, whose host is not among hosts of [site]; add it there"
            )


def _opened(
    name: str, webhook: WebhookEntry, folder: Path, environment: Mapping[str, str], public_url: str
) -> OpenWebhook:
    where = f"{_SETTING}: webhook {name}"
    sender = SENDERS.get(webhook.sender)
    if sender is None:
        raise SettingError(f"{where}: sender {webhook.sender!r} is none of {', '.join(SENDERS)}.")
    proof = webhook.proof or sender.proof
    if proof is None:
        raise SettingError(
            f'{where}: a generic sender needs proof, as in proof = {{ kind = "token" }} or proof = {{ kind = "hmac", header = "X-Signature" }}.'
        )
    mapping = webhook.mapping or sender.mapping
    if mapping is None:
        raise SettingError(
            f"{where}: name a mapping, a TOML file or one of those that `roistream mappings` lists."
        )
    if webhook.sender == "hubspot" and not public_url:
        raise SettingError(
            f'{where}: HubSpot signs the address that it calls; say public_url = "https://collect.shop.example" at the head of the file.'
        )
    secrets = _secrets(where, "secret", webhook.secret_file, webhook.secret_env, folder, environment)
    if not secrets:
        raise SettingError(f"{where}: it needs secret_file or secret_env.")
    for secret in secrets:
        try:
            check_secret(proof, secret)
        except ValueError as error:
            raise SettingError(f"{where}: the secret {error}.") from error
    tokens = _secrets(
        where, "verify_token", webhook.verify_token_file, webhook.verify_token_env, folder, environment
    )
    if webhook.sender == "meta" and not tokens:
        raise SettingError(
            f"{where}: Meta's handshake needs verify_token_file or verify_token_env, a text of your own."
        )
    file = folder / mapping
    try:
        mappings = load(file if file.is_file() else mapping)
    except RoistreamError as error:
        raise SettingError(f"{where}: {error}") from error
    return OpenWebhook(
        name=name,
        sender=sender,
        proof=proof,
        secrets=secrets,
        verify_tokens=tokens,
        mappings=mappings,
        frame=webhook.frame,
        rate=webhook.rate,
    )


def _secrets(
    where: str,
    what: str,
    file: str | None,
    variable: str | None,
    folder: Path,
    environment: Mapping[str, str],
) -> tuple[str, ...]:
    """The lines of a file or a variable that are not empty."""
    if file is not None and variable is not None:
        raise SettingError(f"{where}: it has both {what}_file and {what}_env; keep one.")
    if variable is not None:
        if variable not in environment:
            raise SettingError(f"{where}: {what}_env names {variable}, which is not set.")
        text = environment[variable]
    elif file is not None:
        try:
            text = (folder / file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(
                f"{where}: {what}_file {file} cannot be read ({type(error).__name__})."
            ) from error
    else:
        return ()
    return tuple(filter(None, map(str.strip, text.splitlines())))
