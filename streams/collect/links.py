"""Where a link of the site leads: to hosts that are listed, and nowhere else. Pure."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

_LONGEST = 4_000


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link: the address that it leads to, and what is counted.

    Attributes:
        url: the address.
        campaign_id: the campaign of whoever follows the link; without it the rules go by the parameters.
        channel: the channel, alike.
        is_open: whether ``?to=`` may name another address on a listed host.
    """

    url: str
    campaign_id: str | None = None
    channel: str | None = None
    is_open: bool = False


def is_listed(url: str, hosts: Collection[str]) -> bool:
    r"""Whether an address is on a listed host, as every browser would read it.

    Browsers read a backslash as a slash and drop tabs and line ends; an address with one of them is none of ours.

    Args:
        url: the address.
        hosts: names, with a port where it is not the usual one; ``*.shop.example`` stands for all below a name.

    >>> is_listed("https://shop.example/a", ["shop.example"]), is_listed("https://shop.example@evil.example/", ["shop.example"])
    (True, False)
    >>> is_listed("https:/\\evil.example", ["shop.example"]), is_listed("//shop.example", ["shop.example"])
    (False, False)
    """
    if (
        len(url) > _LONGEST
        or "\\" in url
        or not url.isascii()
        or any(sign <= " " or sign == "\x7f" for sign in url)
    ):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return False
    usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    name = parts.hostname if usual else f"{parts.hostname}:{port}"
    return any(_matches(name, host.lower()) for host in hosts)


def _matches(name: str, host: str) -> bool:
    return name.endswith(host[1:]) and len(name) >= len(host) if host.startswith("*.") else name == host


def target_of(link: Link, hosts: Collection[str], said: Mapping[str, str]) -> str | None:
    """Where a visitor goes: the link's address with the parameters that the visitor came with; None: nowhere.

    Args:
        link: of the file.
        hosts: those that are listed.
        said: parameters of the visit; of the same name the address's own stay.

    >>> target_of(Link("https://shop.example/a?utm_id=7"), ["shop.example"], {"gclid": "G", "utm_id": "8"})
    'https://shop.example/a?utm_id=7&gclid=G'
    """
    wanted = said.get("to") if link.is_open else None
    url = wanted or link.url
    if not is_listed(url, hosts):
        return None
    parts = urlsplit(url)
    own = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = [
        (name, value) for name, value in said.items() if name not in own and name not in {"to", "consent"}
    ]
    query = "&".join(filter(None, [parts.query, urlencode(added, quote_via=quote)]))
    return urlunsplit(parts._replace(query=query))
