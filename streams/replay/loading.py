"""Reading and judging of mapping files: built-in ones by name, others by path. Reads no data."""

import tomllib
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from metrics.values.time import parse_duration
from streams.replay.mapping import RECORDS, Field, Mapping, MappingError, Output, ZoneOf, kinds, listed


def builtin_names() -> list[str]:
    """Names of the mappings that come with roistream."""
    folder = resources.files("streams.replay") / "mappings"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(mapping: Path | str) -> list[Mapping]:
    """A mapping and those it includes, checked.

    Args:
        mapping: a path, or the name of a built-in mapping.

    Raises:
        MappingError: the text names the file, the place and what to do.
    """
    name, text = _source(mapping)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping {name} is not TOML: {error}.") from error
    try:
        parsed = msgspec.convert({"name": name, **raw}, Mapping)
    except msgspec.ValidationError as error:
        raise MappingError(
            f"mapping {name}: {error}. See docs/replay.md for the keys it may have."
        ) from error
    check(parsed)
    included = [part for other in parsed.include for part in load(other)]
    return [*included, parsed] if parsed.output or parsed.records else included


def _source(mapping: Path | str) -> tuple[str, str]:
    path = Path(mapping)
    if isinstance(mapping, str) and mapping in builtin_names():
        resource = resources.files("streams.replay") / "mappings" / f"{mapping}.toml"
        return mapping, resource.read_text(encoding="utf-8")
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(builtin_names())
        raise MappingError(
            f"mapping {mapping} cannot be read ({error.strerror}); give a TOML file or one of: {known}."
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(f"mapping {mapping} is not UTF-8; save it as UTF-8.") from error


def check(mapping: Mapping) -> None:
    """Everything that can be wrong before a row is read.

    Raises:
        MappingError: the first thing found.
    """
    _check_zone(mapping.name, mapping.timezone)
    for constant in mapping.records:
        _check_topic(mapping.name, constant.topic)
    for output in mapping.output:
        _check_topic(mapping.name, output.topic)
        _check_keys(mapping, output)
        for name, spec in output.field_specs.items():
            _check_field(f"{mapping.name}: {output.topic}.{name}", mapping, output, name, spec)


def _check_topic(where: str, topic: str) -> None:
    if topic not in RECORDS:
        raise MappingError(f"mapping {where}: topic {topic!r} is none of {', '.join(sorted(RECORDS))}.")


def _check_keys(mapping: Mapping, output: Output) -> None:
    named = [*output.key, *(condition.column for skip in output.having for condition in skip.when)]
    for name in named:
        if name not in kinds(output.topic):
            raise MappingError(f"mapping {mapping.name}: {output.topic} has no field {name!r} (key, having).")


def _check_field(where: str, mapping: Mapping, output: Output, name: str, spec: Field) -> None:
    if name not in kinds(output.topic):
        known = ", ".join(kinds(output.topic))
        raise MappingError(f"mapping {where}: no such field; {output.topic} has {known}.")
    sources = [spec.column, spec.constant, spec.template, spec.product, spec.total]
    count_only = spec.aggregate == "count"
    if sum(source is not None for source in sources) != (0 if count_only else 1):
        raise MappingError(
            f"mapping {where}: give exactly one of column, constant, template, product, total."
        )
    if spec.aggregate not in {"first", "count"} and not output.group_by:
        raise MappingError(f"mapping {where}: aggregate {spec.aggregate!r} needs group_by.")
    if spec.aggregate == "sum" and kinds(output.topic)[name] not in {"money", "count"}:
        raise MappingError(f"mapping {where}: only money and counts can be summed.")
    _check_lookups(where, mapping, spec)
    _check_times(where, spec)


def _check_lookups(where: str, mapping: Mapping, spec: Field) -> None:
    zones = [zone for zone in (spec.timezone, spec.day_zone) if isinstance(zone, ZoneOf)]
    for name in [*listed(spec.lookup), *(name for zone in zones for name in listed(zone.lookup))]:
        if name not in mapping.lookups:
            raise MappingError(f"mapping {where}: lookup {name!r} is not defined under [lookups].")


def _check_times(where: str, spec: Field) -> None:
    for zone in (spec.timezone, spec.day_zone):
        if zone is not None:
            _check_zone(where, zone if isinstance(zone, str) else zone.default)
    if spec.add is not None and spec.add != "1 day":
        try:
            parse_duration(spec.add)
        except ValueError as error:
            raise MappingError(f"mapping {where}: add = {error}, or '1 day' on the calendar.") from error


def _check_zone(where: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(f"mapping {where}: {name!r} is not a time zone such as Europe/Paris.") from error
