"""All files of a replay through all its mappings: which output reads which file, lookups, the order of records."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from metrics.values.time import to_millis
from streams import topics
from streams.replay.mapping import IDENTITY, ORDERED_BY, RECORDS, Lookup, Mapping, MappingError, listed
from streams.replay.reading import Row, expand, kind_of, read
from streams.replay.transform import OutputRunner, Record, Unmapped, key_of, skipped, stable_id
from streams.replay.values import Version, holds, version

#: Ties in event time: what must be known first goes first.
_TOPIC_ORDER = {
    name: place for place, name in enumerate((topics.FX_RATES, topics.CAMPAIGNS, *topics.SOURCES))
}


@dataclass
class Conversion:
    """What came of the files: records in the order to produce them, and what was not mapped."""

    records: list[Record] = field(default_factory=list)
    unmapped: Unmapped = field(default_factory=Unmapped)
    rows: int = 0
    files_read: list[Path] = field(default_factory=list)
    files_left: list[Path] = field(default_factory=list)

    @property
    def by_topic(self) -> Counter[str]:
        """Records per topic."""
        return Counter(record.topic for record in self.records)


def convert(mappings: list[Mapping], paths: Iterable[Path]) -> Conversion:
    """Records of all files: registries first, then by event time.

    Raises:
        ReadError: where a file cannot be read.
        MappingError: where a file lacks a column, or no output reads a file that was named.
    """
    files = expand(paths)
    result = Conversion()
    for mapping in mappings:
        _convert_one(mapping, files, result, alone=len(mappings) == 1)
    read_files = set(result.files_read)
    result.files_left = [
        path for path, _ in files if path not in read_files and not _is_lookup(mappings, path)
    ]
    _refuse_unread(mappings, files, result)
    result.records = sorted(_latest_registries(result.records), key=_order)
    return result


def _latest_registries(records: list[Record]) -> Iterator[Record]:
    """Source records as they are; of registry records with the same key only the last, as compaction would."""
    registries = {(record.topic, record.key): record for record in records if record.at_ms is None}
    yield from registries.values()
    yield from (record for record in records if record.at_ms is not None)


def _order(record: Record) -> tuple[int, int]:
    return (-(2**63) if record.at_ms is None else record.at_ms, _TOPIC_ORDER[record.topic])


def _refuse_unread(mappings: list[Mapping], files: list[tuple[Path, bool]], result: Conversion) -> None:
    named = [path for path, by_name in files if by_name and path in result.files_left]
    if named or (files and not result.files_read):
        wanted = sorted(
            {pattern for mapping in mappings for output in mapping.output for pattern in output.files}
        )
        shown = ", ".join(str(path) for path in named[:3]) or "any file of the folder"
        raise MappingError(f"the mapping does not read {shown}; it reads {', '.join(wanted)}.")


def _is_lookup(mappings: list[Mapping], path: Path) -> bool:
    patterns = [
        pattern for mapping in mappings for lookup in mapping.lookups.values() for pattern in lookup.files
    ]
    return _matches(path, patterns)


def _matches(path: Path, patterns: list[str]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def _convert_one(
    mapping: Mapping, files: list[tuple[Path, bool]], result: Conversion, *, alone: bool
) -> None:
    tables = {name: _table(mapping, lookup, files) for name, lookup in mapping.lookups.items()}
    runners = [OutputRunner(mapping, output, tables, result.unmapped) for output in mapping.output]
    # A mapping for one kind of file takes a file that was named whatever it is called.
    one_kind = alone and len({tuple(output.files) for output in mapping.output}) == 1
    for constant in mapping.records:
        result.records.append(_constant(mapping, constant.topic, constant.value))
    for path, by_name in files:
        takers = [
            runner
            for runner in runners
            if not runner.output.files or _matches(path, runner.output.files) or (one_kind and by_name)
        ]
        if takers and not (
            one_kind and _is_lookup([mapping], path) and not _matches(path, takers[0].output.files)
        ):
            result.files_read.append(path)
            result.records.extend(_convert_file(mapping, path, takers, result))
    result.records.extend(chain.from_iterable(runner.close() for runner in runners))


def _constant(mapping: Mapping, topic: str, value: dict[str, Any]) -> Record:
    """A record that the mapping itself writes, held to the same rules as one from a row."""
    id_field = IDENTITY.get(topic)
    body = {id_field: stable_id(mapping.name, topic, repr(value)), **value} if id_field else value
    encoded = msgspec.json.encode(body)
    try:
        record = msgspec.json.decode(encoded, type=RECORDS[topic])
    except msgspec.ValidationError as error:
        raise MappingError(f"mapping {mapping.name}: a record of {topic} is wrong: {error}.") from error
    at = getattr(record, ORDERED_BY[topic]) if id_field else None
    at_ms = to_millis(at) if isinstance(at, datetime) else at
    names = ["visitor_id", "customer_id"] if topic in topics.EVENT_SOURCES else []
    return Record(topic, key_of(topic, names, json.loads(encoded)), encoded, at_ms)


def _convert_file(
    mapping: Mapping, path: Path, takers: list[OutputRunner], result: Conversion
) -> Iterator[Record]:
    rows = read(path, encoding=mapping.encoding, delimiter=mapping.delimiter)
    is_checked = kind_of(path) == "jsonl"  # objects may leave out what is empty
    for number, row in rows:
        result.rows += 1
        if not is_checked:
            _check_columns(mapping, path, takers, row)
            is_checked = "" not in row
        yield from _convert_row(mapping, f"{path.name}:{number}", row, takers, result.unmapped)


def _convert_row(
    mapping: Mapping, place: str, row: Row, takers: list[OutputRunner], unmapped: Unmapped
) -> Iterator[Record]:
    if "" in row and len(row) == 1:
        unmapped.add("unreadable row", place, row[""])
        return
    reason = skipped(mapping.skip, row)
    if reason is not None:
        unmapped.add(f"skipped: {reason}", place)
        return
    is_taken = False
    for runner in takers:
        if runner.wants(row):
            # Registries describe; a row that only did that has still not been mapped.
            is_taken = is_taken or runner.output.topic in IDENTITY or _only_registries(takers)
            yield from runner.take(place, row)
    if not is_taken:
        unmapped.add("no output takes this row", place)


def _only_registries(takers: list[OutputRunner]) -> bool:
    return all(runner.output.topic not in IDENTITY for runner in takers)


def _check_columns(mapping: Mapping, path: Path, takers: list[OutputRunner], row: Row) -> None:
    if "" in row and len(row) == 1:
        return
    wanted = [condition.column for skip in mapping.skip for condition in skip.when]
    wanted += [column for runner in takers for column in runner.output.columns]
    for column in wanted:
        name = column.removesuffix("|slug")
        if name not in row and name not in mapping.optional_columns:
            has = ", ".join(list(row)[:20])
            raise MappingError(
                f"mapping {mapping.name}: {path.name} has no column {name!r} (it has {has}); correct the mapping,"
                " or list the column under optional_columns."
            )


def _table(mapping: Mapping, lookup: Lookup, files: list[tuple[Path, bool]]) -> dict[str, str]:
    """A lookup's table, from the given files and those beside them; empty where there is none."""
    folders = sorted({path.parent for path, _ in files})
    beside = [item for folder in folders for item in sorted(folder.iterdir()) if _matches(item, lookup.files)]
    latest: dict[str, tuple[Version, str]] = {}
    for path in beside:
        for _, row in read(path, encoding=mapping.encoding, delimiter=mapping.delimiter):
            _tabulate(lookup, mapping, row, latest)
    return {key: value for key, (_, value) in latest.items()}


def _tabulate(lookup: Lookup, mapping: Mapping, row: Row, latest: dict[str, tuple[Version, str]]) -> None:
    key = row.get(lookup.key, "").strip()
    value = next((cell for name in listed(lookup.value) if (cell := row.get(name, "").strip())), "")
    if not key or not value or not all(holds(condition, row) for condition in lookup.when):
        return
    at = row.get(lookup.latest_by, "") if lookup.latest_by else ""
    order = version(at, tuple(mapping.date_formats), mapping.timezone)
    if key not in latest or order >= latest[key][0]:
        latest[key] = (order, lookup.values.get(value, value))
