"""From rows to source records: fields, groups, ids, keys, checks. Pure: rows in, records and verdicts out.

Held in memory: the finished records, and one accumulator per open group; never the rows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from metrics.values import money
from metrics.values.time import format_instant
from streams import topics
from streams.replay.fields import FieldReader, Tables
from streams.replay.mapping import IDENTITY, ORDERED_BY, RECORDS, Mapping, Output, Skip, kinds
from streams.replay.reading import Row
from streams.replay.values import EXACT, Unusable, holds

_EXAMPLES = 3
Value = str | int | bool | Decimal


@dataclass(frozen=True)
class Record:
    """One record to produce: where, under which key, its JSON, and the time that orders it (None: first)."""

    topic: str
    key: str | None
    value: bytes
    at_ms: int | None


@dataclass
class Unmapped:
    """Rows that gave no record, counted by reason, with the first few as examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    #: Things worth knowing that cost no row, such as a time zone that was taken for granted.
    notes: set[str] = field(default_factory=set)

    def add(self, reason: str, place: str, found: str = "", rows: int = 1) -> None:
        """Count rows under a reason."""
        self.counts[reason] += rows
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _EXAMPLES:
            shown.append(f"{place} ({found})" if found else place)


@dataclass
class _Group:
    """Rows that become one record: what each field has gathered so far, or why there will be none."""

    place: str
    gathered: dict[str, Value | None]
    rows: int = 1
    refused: Unusable | None = None


class OutputRunner:
    """One output of a mapping at work: takes rows, gives records."""

    def __init__(self, mapping: Mapping, output: Output, tables: Tables, unmapped: Unmapped) -> None:
        self.output = output
        self._mapping = mapping
        self._unmapped = unmapped
        self._readers = [
            FieldReader(
                mapping, name, spec, kind=kinds(output.topic)[name], tables=tables, notes=unmapped.notes
            )
            for name, spec in output.field_specs.items()
        ]
        # Fields that a group takes from its first row are not read again; they are most of them.
        self._later = [reader for reader in self._readers if reader.spec.aggregate != "first"]
        self._groups: dict[tuple[str, ...], _Group] = {}

    def take(self, place: str, row: Row) -> Iterator[Record]:
        """Records that this row completes (none while its group is open).

        Args:
            place: file and line, for the report.
            row: a row that ``wants`` has accepted.
        """
        reason = skipped(self.output.skip, row)
        if reason is not None:
            self._unmapped.add(f"skipped: {reason}", place)
        elif self.output.group_by:
            self._gather(place, row)
        else:
            yield from self._single(place, row)

    def wants(self, row: Row) -> bool:
        """Whether the conditions of the output let the row in."""
        return all(holds(condition, row) for condition in self.output.when)

    def _single(self, place: str, row: Row) -> Iterator[Record]:
        try:
            fields = {reader.name: reader.read(row) for reader in self._readers}
            names = self.output.id_from or sorted(row)
            yield from self._finish(place, fields, [row.get(name, "") for name in names], rows=1)
        except Unusable as verdict:
            self._refuse(place, verdict, rows=1)

    def _gather(self, place: str, row: Row) -> None:
        key = tuple(row.get(name, "").strip() for name in self.output.group_by)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(place, {})
            readers = self._readers
        else:
            group.rows += 1
            readers = self._later
        if group.refused is not None:
            return
        try:
            for reader in readers:
                reader.gather(group.gathered, row)
        except Unusable as verdict:
            # A sum without one of its lines would be wrong and look right: the whole group is refused.
            group.refused, group.place = verdict, place

    def close(self) -> Iterator[Record]:
        """Records of the groups, once every row has been seen."""
        for key, group in self._groups.items():
            try:
                if group.refused is not None:
                    raise group.refused
                yield from self._finish(group.place, group.gathered, list(key), rows=group.rows)
            except Unusable as verdict:
                self._refuse(group.place, verdict, rows=group.rows)
        self._groups.clear()

    def _refuse(self, place: str, verdict: Unusable, rows: int) -> None:
        self._unmapped.add(f"{self.output.topic}: {verdict.reason}", place, verdict.found, rows)

    def _finish(
        self, place: str, fields: dict[str, Value | None], identity: list[str], rows: int
    ) -> Iterator[Record]:
        given = {name: value for name, value in fields.items() if value is not None}
        reason = skipped(self.output.having, {name: _plain(value) for name, value in given.items()})
        if reason is not None:
            self._unmapped.add(f"skipped: {reason}", place, rows=rows)
            return
        yield finished(self._mapping.name, self.output, given, identity)


def skipped(skips: Iterable[Skip], row: Row) -> str | None:
    """The reason of the first skip whose conditions all hold."""
    for skip in skips:
        if all(holds(condition, row) for condition in skip.when):
            return skip.reason
    return None


def finished(mapping: str, output: Output, given: dict[str, Value], identity: list[str]) -> Record:
    """A checked record with its id and key.

    Args:
        mapping: name of the mapping; part of derived ids.
        output: what it is an output of.
        given: its fields.
        identity: the texts that a derived id stands for.

    Raises:
        Unusable: where roistream would refuse the record.
    """
    topic = output.topic
    body = {name: _on_wire(value, kinds(topic)[name]) for name, value in given.items()}
    id_field = IDENTITY.get(topic)
    if id_field is not None and id_field not in body:
        # A restated report has other figures under the same period: its id must differ.
        restated = [repr(item) for item in sorted(body.items())] if topic == topics.REPORTS else []
        body[id_field] = stable_id(
            mapping, topic, str(body.get("kind") or body.get("stage", "")), *identity, *restated
        )
    encoded = msgspec.json.encode(body)
    _judge(topic, encoded, given)
    ordered_by = ORDERED_BY.get(topic)
    at_ms = int(given[ordered_by]) if ordered_by else None
    return Record(topic, key_of(topic, output.key, body), encoded, at_ms)


def _judge(topic: str, encoded: bytes, given: dict[str, Value]) -> None:
    try:
        msgspec.json.decode(encoded, type=RECORDS[topic])
    except msgspec.ValidationError as error:
        raise Unusable("refused", str(error)) from error
    for name, value in given.items():
        if isinstance(value, Decimal) and topic != topics.FX_RATES:  # rates may have more decimals than money
            _judge_money(name, value)
    if topic == topics.REPORTS and int(given["period_end"]) <= int(given["period_start"]):
        raise Unusable("period_end is not after period_start", str(given["period_end"]))
    if topic == topics.ORDERS and given.get("kind") != "cancelled" and "revenue" not in given:
        raise Unusable("revenue is missing", "")


def _judge_money(name: str, amount: Decimal) -> None:
    try:
        money.to_micros(amount)
    except ValueError as error:
        raise Unusable(f"{name} is no amount", str(error)) from error


def key_of(topic: str, names: list[str], body: dict[str, Any]) -> str | None:
    """The Kafka key of a record (docs/contract.md, Records in): fixed for registries, else the first of the named fields it has."""
    if topic == topics.FX_RATES:
        return f"{body['currency']}|{body['valid_from']}"
    defaults = ["campaign_id"] if topic in {topics.CAMPAIGNS, topics.REPORTS} else ["visitor_id"]
    return next((str(body[name]) for name in names or defaults if name in body), None)


def stable_id(*parts: str) -> str:
    """The same parts always give the same id; 128 bits, so that two rows never share one by chance."""
    return blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def _on_wire(value: Value, kind: str) -> Any:
    if kind == "time" and isinstance(value, int):
        return format_instant(value)
    return _plain(value) if isinstance(value, Decimal) else value


def _plain(value: Value) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(EXACT), "f")
    return str(value)
