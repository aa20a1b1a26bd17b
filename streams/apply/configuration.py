"""The file that says how each ad platform is reached. Secrets come from files or the environment, never from the file itself.

```toml
[meta]
access_token = { file = "/run/secrets/meta_token" }

[google]
developer_token = { env = "GOOGLE_DEVELOPER_TOKEN" }
```
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from metrics.records.events import Platform
from metrics.values.errors import SettingError

_SOURCES = ("file", "env")
#: Shorter values could be part of any text, so that hiding them would hide everything.
_LEAST_HIDDEN = 6


class PlatformSettings:
    """The table of one platform; secrets are read anew each time, so that one that was renewed counts."""

    def __init__(self, name: Platform, table: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self.name = name
        self._table = table
        self._variables = variables
        #: Every secret that was read, to be kept out of texts.
        self.hidden: set[str] = set()

    def secret(self, name: str) -> str:
        """A secret.

        Raises:
            SettingError: when it is not there; the sentence says what to write.
        """
        where = self._table.get(name)
        if not isinstance(where, dict) or len(where) != 1 or next(iter(where)) not in _SOURCES:
            raise SettingError(
                f'[{self.name}] {name}: say where the secret is, as {{ file = "/run/secrets/{name}" }} or {{ env = "{name.upper()}" }}.'
            )
        kind, place = next(iter(where.items()))
        try:
            value = (
                self._variables.get(str(place), "")
                if kind == "env"
                else Path(place).read_text(encoding="utf-8")
            )
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(
                f"[{self.name}] {name}: {place} cannot be read ({type(error).__name__})."
            ) from None
        value = value.strip()
        if not value:
            raise SettingError(f"[{self.name}] {name}: {kind} {place} is empty.")
        if len(value) >= _LEAST_HIDDEN:
            self.hidden.add(value)
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A value that is no secret.

        Raises:
            SettingError: when it is absent without a default, or no text.
        """
        value = self._table.get(name, default)
        if not isinstance(value, str) or not value:
            raise SettingError(f'[{self.name}] {name}: write a text, as {name} = "…".')
        return value

    def has(self, name: str) -> bool:
        """Whether the table names it."""
        return name in self._table


def read_platforms(path: Path, variables: Mapping[str, str] = os.environ) -> dict[Platform, PlatformSettings]:
    """The platforms of a file.

    Raises:
        SettingError: one sentence that names what is wrong.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"--platforms: {path} cannot be read as TOML ({error}).") from error
    known = {name: name for name in get_args(Platform)}
    for name, table in found.items():
        if name not in known or not isinstance(table, dict):
            raise SettingError(
                f"--platforms: [{name}] in {path} is no platform; there are {', '.join(known)}."
            )
    return {known[name]: PlatformSettings(known[name], table, variables) for name, table in found.items()}
