"""The settings that a state was made with, and since when each has the value that it has. Pure."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from metrics.values.errors import StateError
from metrics.values.time import format_instant
from streams.setting_changes import SETTING_CHANGES, is_refused
from streams.state.codec import Entry, decode_as, encode, state_key
from streams.state.table import Restored

log = logging.getLogger(__name__)

#: So many values of a setting are remembered, the newest last.
_REMEMBERED = 16


class SettingValue(NamedTuple):
    """A value of a setting as JSON text, and the instant from which it holds, in epoch ms."""

    text: str
    since: int


History = dict[str, list[SettingValue]]


class SettingsTable:
    """One record: of each setting that the state depends on, its values so far.

    Args:
        values: those settings that what is kept depends on, by name, as JSON would have them.
        now: epoch ms; from when values hold that the state has not seen.
    """

    kind = "s"
    weight = 0

    def __init__(self, values: Mapping[str, Any], now: int) -> None:
        self._values = {name: json_text(value) for name, value in values.items()}
        self._now = now
        self.history: History = {}
        self._has_changed = False
        self._begin()

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the values so far, and compare them with the settings.

        Raises:
            StateError: when a setting differs that may not change; the sentence says what to do.
        """
        del confirmed
        for _, value in entries:
            self.history = decode_as(History, value)
            self._has_changed = False
        refused = refusal(self.history, self._values)
        if refused is not None:
            raise StateError(refused)
        self._begin()
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The record, when a value is new."""
        del sequence
        if not self._has_changed:
            return []
        self._has_changed = False
        return [(state_key(self.kind), encode(self.history))]

    def _begin(self) -> None:
        """Values that differ from the latest hold from now on."""
        for name, text in self._values.items():
            known = self.history.get(name, [])
            if known and known[-1].text == text:
                continue
            if known:
                since = format_instant(known[-1].since)
                log.info(
                    "ROISTREAM_%s is %s from now on; since %s it was %s.",
                    name.upper(),
                    text,
                    since,
                    known[-1].text,
                )
            self.history[name] = [*known, SettingValue(text, self._now)][-_REMEMBERED:]
            self._has_changed = True


def refusal(history: Mapping[str, Sequence[SettingValue]], values: Mapping[str, str]) -> str | None:
    """Why a worker with these settings may not go on with a state; None where it may.

    Args:
        history: what the state was made with.
        values: settings by name, as JSON text.
    """
    for name, text in values.items():
        change = SETTING_CHANGES[name]
        before = _latest(history, name) or (change.before if history else "")
        if before in ("", text) or not is_refused(name, before, text, values):
            continue
        if change.only_with and _latest(history, change.only_with) in ("", "null"):
            continue
        shown = f"ROISTREAM_{name.upper()}"
        if change.only_with:
            without = f"ROISTREAM_{change.only_with.upper()}"
            return (
                f"The state was made with {shown}={_plain(before)}, the settings say {_plain(text)}; set it back, or "
                f"start once without {without}, which forgets all that depends on it."
            )
        return (
            f"The state was made with {shown}={_plain(before)}, the settings say {_plain(text)}; set it back, or "
            "start anew with another ROISTREAM_TOPIC_PREFIX and a replay."
        )
    return None


def _latest(history: Mapping[str, Sequence[SettingValue]], name: str) -> str:
    """The value that a state was last made with; empty where it knows none."""
    known = history.get(name)
    return known[-1].text if known else ""


def read_history(entries: Iterable[Entry]) -> History:
    """What the records of a changelog say of settings; nothing where a state is older than the table."""
    found: History = {}
    for key, value in entries:
        if key == state_key(SettingsTable.kind) and value is not None:
            found = decode_as(History, value)
    return found


def json_text(value: Any) -> str:
    """A value of a setting as it is kept and compared."""
    return msgspec.json.encode(value, order="deterministic").decode()


def _plain(text: str) -> str:
    return text.strip('"')
