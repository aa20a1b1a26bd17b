"""What connectors say on their standard output: the messages of Singer and of Airbyte. Pure.

Numbers are texts as they are written, so that money never goes through a binary number; a state is handed back as the
bytes that it came in.

Sources: the Singer specification (hub.meltano.com/singer/spec) and the Airbyte protocol, version 0
(docs.airbyte.com/understanding-airbyte/airbyte-protocol).
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Protocol = Literal["singer", "airbyte"]
#: An empty one would be refused where JSON is written.
_ABSENT = msgspec.Raw(b"null")


@dataclass(frozen=True)
class RecordLine:
    """One record of a stream; numbers are texts."""

    stream: str
    document: dict[str, Any]


@dataclass(frozen=True)
class StateLine:
    """Where the connector stands after all that it said before."""

    message: msgspec.Raw


class _SingerLine(msgspec.Struct):
    type: str
    stream: str = ""
    record: msgspec.Raw = _ABSENT
    value: msgspec.Raw = _ABSENT


class _AirbyteRecord(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _AirbyteLine(msgspec.Struct):
    type: str
    record: _AirbyteRecord | None = None
    state: msgspec.Raw = _ABSENT


class _StreamState(msgspec.Struct):
    stream_descriptor: msgspec.Raw


class _AirbyteState(msgspec.Struct):
    type: str = "LEGACY"
    stream: _StreamState | None = None
    data: msgspec.Raw = _ABSENT


_SINGER, _AIRBYTE = msgspec.json.Decoder(_SingerLine), msgspec.json.Decoder(_AirbyteLine)
_AIRBYTE_STATE = msgspec.json.Decoder(_AirbyteState)


def read_line(protocol: Protocol, line: bytes) -> RecordLine | StateLine | None:
    """A line of a connector; None for what says nothing of records (schemas, catalogs, logs).

    Raises:
        ValueError: where the line is no message; the text says why.

    >>> read_line("singer", b'{"type": "RECORD", "stream": "deals", "record": {"id": 7, "amount": 0.10}}')
    RecordLine(stream='deals', document={'id': '7', 'amount': '0.10'})
    """
    try:
        if protocol == "singer":
            return _singer(_SINGER.decode(line))
        said = _AIRBYTE.decode(line)
    except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if said.type == "RECORD" and said.record is not None:
        return RecordLine(said.record.stream, _document(said.record.data))
    return StateLine(said.state) if said.type == "STATE" else None


def _singer(said: _SingerLine) -> RecordLine | StateLine | None:
    if said.type == "BATCH":
        raise ValueError("BATCH names files; switch batches off in the tap's configuration")
    if said.type == "RECORD":
        return RecordLine(said.stream, _document(said.record))
    return StateLine(said.value) if said.type == "STATE" else None


def _document(raw: msgspec.Raw) -> dict[str, Any]:
    loaded = json.loads(bytes(raw), parse_float=str, parse_int=str, parse_constant=lambda _: None)
    if not isinstance(loaded, dict):
        raise ValueError("the record is no JSON object")  # noqa: TRY004 - as every line that is no message
    return loaded


@dataclass
class ConnectorState:
    """The state to hand back, made of all that came: Singer's last one, of Airbyte the last one of each stream."""

    protocol: Protocol
    _parts: dict[bytes, msgspec.Raw] = field(default_factory=dict)

    @classmethod
    def of(cls, protocol: Protocol, kept: bytes | None) -> "ConnectorState":
        """The state that a run before has kept; None: none."""
        state = cls(protocol)
        if kept is not None and protocol == "singer":
            state.take(StateLine(msgspec.Raw(kept)))
        elif kept is not None:
            for part in msgspec.json.decode(kept, type=list[msgspec.Raw]):
                state.take(StateLine(part))
        return state

    def take(self, line: StateLine) -> None:
        """Take in a later state.

        Raises:
            ValueError: where it is none of the protocol's.
        """
        if self.protocol == "singer":
            self._parts = {b"": line.message}
            return
        try:
            said = _AIRBYTE_STATE.decode(bytes(line.message))
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        if said.type == "STREAM" and said.stream is not None:
            self._parts[bytes(said.stream.stream_descriptor)] = line.message
        else:  # one state of all streams
            self._parts = {b"": line.message}

    def to_hand_back(self) -> bytes | None:
        """The content of the file that the connector takes under ``--state``; None at the first run."""
        if not self._parts:
            return None
        if self.protocol == "singer":
            return bytes(self._parts[b""])
        return b"[" + b",".join(map(bytes, self._parts.values())) + b"]"
