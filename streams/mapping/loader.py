"""Reading and judging of mapping files: built-in ones by name, others by path. Reads no data."""

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from streams.mapping.contract import RECORDS
from streams.mapping.model import Mapping, MappingError, long_form

_OLD = (
    "mapping {name} is written in the language before SQL ([[output]] and field tables). Declare its columns under "
    "[columns] and turn each [[output]] into a [[select]] with SQL; docs/replay.md, Old mapping files, shows each key."
)


def builtin_names() -> list[str]:
    """Names of the mappings that come with roistream."""
    folder = resources.files("streams.mapping") / "mappings"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


@cache
def builtin(name: str) -> Mapping:
    """One built-in mapping, without those that it includes."""
    return _parsed(
        name, (resources.files("streams.mapping") / "mappings" / f"{name}.toml").read_text("utf-8")
    )


def load(mapping: Path | str) -> list[Mapping]:
    """A mapping and those it includes, checked.

    Args:
        mapping: a path, or the name of a built-in mapping.

    Raises:
        MappingError: the text names the file, the place and what to do.
    """
    is_builtin = isinstance(mapping, str) and mapping in builtin_names()
    parsed = builtin(str(mapping)) if is_builtin else _parsed(Path(mapping).stem, text_of(mapping))
    included = [part for other in parsed.include for part in load(other)]
    return [*included, parsed] if parsed.select or parsed.records else included


def text_of(mapping: Path | str) -> str:
    """The text of a mapping file, built-in or not.

    Raises:
        MappingError: where there is none, or it is not UTF-8.
    """
    if mapping in builtin_names():
        return (resources.files("streams.mapping") / "mappings" / f"{mapping}.toml").read_text("utf-8")
    try:
        return Path(mapping).read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(builtin_names())
        raise MappingError(
            f"mapping {mapping} cannot be read ({error.strerror}); give a TOML file or one of: {known}."
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(f"mapping {mapping} is not UTF-8; save it as UTF-8.") from error


def _parsed(name: str, text: str) -> Mapping:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping {name} is not TOML: {error}.") from error
    if "output" in raw or "optional_columns" in raw:
        raise MappingError(_OLD.format(name=name))
    try:
        parsed = msgspec.convert({"name": name, **raw}, Mapping)
    except msgspec.ValidationError as error:
        raise MappingError(
            f"mapping {name}: {error}. See docs/replay.md for the keys it may have."
        ) from error
    _check(parsed)
    return parsed


def check_zone(where: str, zone: str) -> None:
    """Refuse what is no name of a time zone.

    Raises:
        MappingError: with an example.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(f"{where}: {zone!r} is not a time zone such as Europe/Paris.") from error


def _check(mapping: Mapping) -> None:
    check_zone(f"mapping {mapping.name}", mapping.timezone or "UTC")
    for topic in [
        *(constant.topic for constant in mapping.records),
        *(part.topic for part in mapping.select),
    ]:
        if topic not in RECORDS:
            known = ", ".join(sorted(RECORDS))
            raise MappingError(f"mapping {mapping.name}: topic {topic!r} is none of {known}.")
    for name, lookup in mapping.lookups.items():
        for column in filter(None, [lookup.key, lookup.latest]):
            if column not in lookup.columns:
                raise MappingError(f"mapping {mapping.name}: lookup {name} has no column {column!r}.")
        if lookup.latest and long_form(lookup.columns)[lookup.latest].type in {"text", "flag"}:
            raise MappingError(
                f"mapping {mapping.name}: lookup {name} cannot tell the latest by {lookup.latest!r}, which is a text: '9' "
                'would be later than \'10\'. Declare it as "time", "date" or "number".'
            )
