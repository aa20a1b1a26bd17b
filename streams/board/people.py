"""Who may do what on the board: people with tokens of their own, and people whom a proxy names. Pure, but for one file."""

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from metrics.values.errors import SettingError

Role = Literal["look", "decide", "administer"]
#: What a role may do, the least first; each may do what the ones before it may.
ROLES: tuple[Role, ...] = ("look", "decide", "administer")
MIN_TOKEN_LENGTH = 16


class BoardUser(NamedTuple):
    """Who asks: ``name`` is None for the shared token, whose users name themselves."""

    name: str | None
    role: Role

    def may(self, needed: Role) -> bool:
        """Whether the role is enough.

        >>> BoardUser("Ana", "decide").may("look"), BoardUser("Ana", "decide").may("administer")
        (True, False)
        """
        return ROLES.index(self.role) >= ROLES.index(needed)


class BoardUserEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of people says of one; without a token a person comes by the proxy only."""

    role: Role
    token: Annotated[str, msgspec.Meta(min_length=MIN_TOKEN_LENGTH)] | None = None


class _PeopleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    people: dict[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], BoardUserEntry] = {}


def read_people(path: Path | None, shared: str) -> Mapping[str, BoardUserEntry]:
    """The people of a TOML file, by name; of no file: nobody.

    Raises:
        SettingError: when the file cannot be read, says what is not known, or gives two people one token.
    """
    if path is None:
        return {}
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _PeopleFile).people
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise SettingError(
            f'ROISTREAM_BOARD_PEOPLE: {path} cannot be used ({error}). It holds a table for each person: [people."Ana"] with '
            f'role = "look", "decide" or "administer", and token of at least {MIN_TOKEN_LENGTH} characters.'
        ) from error
    tokens = [shared, *(each.token for each in found.values() if each.token is not None)]
    if len(set(tokens)) < len(tokens):
        raise SettingError(
            f"ROISTREAM_BOARD_PEOPLE: {path} gives two people one token, or one the shared token; each needs one of their own."
        )
    return found


class IdentityHeader(NamedTuple):
    """The header in which a proxy names who asks, and the addresses of proxies that are believed."""

    name: str
    proxies: tuple[IPv4Network | IPv6Network, ...]

    def holds(self, address: str | None) -> bool:
        """Whether a connection from this address comes from such a proxy."""
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        return any(found in network for network in self.proxies)


def identity_header(name: str | None, proxies: list[str]) -> IdentityHeader | None:
    """The header of the settings; None where none is set.

    Raises:
        SettingError: for a header without proxies, or an address that is none.
    """
    if name is None:
        return None
    if not proxies:
        raise SettingError(
            "ROISTREAM_BOARD_PROXIES: ROISTREAM_BOARD_IDENTITY_HEADER is believed from listed addresses only; name them, "
            "as 10.0.0.7 or 10.0.0.0/24."
        )
    try:
        return IdentityHeader(name, tuple(ip_network(each) for each in proxies))
    except ValueError as error:
        raise SettingError(
            f"ROISTREAM_BOARD_PROXIES: {error}; write addresses as 10.0.0.7 or 10.0.0.0/24."
        ) from error
