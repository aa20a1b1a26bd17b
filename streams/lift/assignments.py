"""Files that say who was assigned to which arm: one person and arm in each row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from metrics.lift.arms import CONTROL, TREATMENT, Arm
from metrics.values.errors import RoistreamError
from metrics.values.time import to_millis
from streams.mapping.model import Frame
from streams.replay.file_readers import Source, expand, sources

_FIELDS = ("person", "arm", "assigned_at")
_WORDS: dict[str, Arm] = {
    "treatment": TREATMENT,
    "test": TREATMENT,
    "exposed": TREATMENT,
    "control": CONTROL,
    "holdout": CONTROL,
    "held out": CONTROL,
}


@dataclass
class People:
    """Who is in the test.

    Attributes:
        arms: the arm and the instant of the assignment (epoch milliseconds; 0 where the file says none) of each person.
        in_both: people with rows of both arms, who are in no figure.
    """

    arms: dict[str, tuple[Arm, int]] = field(default_factory=dict)
    in_both: set[str] = field(default_factory=set)

    def take(self, person: str, arm: Arm, at: int) -> None:
        """Take in one row; of several of a person the earliest counts."""
        before = self.arms.get(person)
        if before is None:
            self.arms[person] = arm, at
        elif before[0] != arm:
            self.in_both.add(person)
        else:
            self.arms[person] = arm, min(at, before[1])

    def in_order(self) -> list[bool]:
        """Whether it is the treatment arm, of each person of one arm, by the time of the assignment."""
        known = [(at, person, arm) for person, (arm, at) in self.arms.items() if person not in self.in_both]
        return [arm == TREATMENT for _, _, arm in sorted(known)]


def read_people(
    paths: Sequence[Path], said: Iterable[str], zone: ZoneInfo, say: Callable[[str], None]
) -> People:
    """Everybody in some files: CSV, JSON, Parquet, spreadsheets, also packed.

    Args:
        paths: files or folders.
        said: ``field=column`` for fields whose column has another name.
        zone: of times without an offset.
        say: hears a sentence now and then.

    Raises:
        RoistreamError: for a file or a row that cannot be read; the text names both.
    """
    names = _names(said)
    found = People()
    for path, _ in expand(paths):
        for source in sources(path, Frame(), [[names["person"], names["arm"]]]):
            _take_all(found, source, names, zone, say)
    if not found.arms:
        raise RoistreamError("There is nobody in the list of people.")
    return found


def _names(said: Iterable[str]) -> dict[str, str]:
    names = {name: name for name in _FIELDS}
    for part in said:
        name, is_given, column = part.partition("=")
        if not is_given or not column or name not in names:
            raise RoistreamError(
                f"--person-column {part}: write field=column, with one of the fields {', '.join(_FIELDS)}."
            )
        names[name] = column
    return names


def _take_all(
    found: People, source: Source, names: dict[str, str], zone: ZoneInfo, say: Callable[[str], None]
) -> None:
    for field_, column in names.items():
        if column not in source.header and (field_ != "assigned_at" or column != field_):
            raise RoistreamError(
                f"{source.label} has no column {column}; it has {', '.join(source.header)}. Name the column with --person-column {field_}=…."
            )
    for lines, columns in source.batches:
        whens = columns.get(names["assigned_at"]) or [None] * len(lines)
        rows = zip(lines, columns[names["person"]], columns[names["arm"]], whens, strict=True)
        for line, person, arm, when in rows:
            place = f"{source.label}:{line}"
            if not person:
                raise RoistreamError(
                    f"{place} names no person; an arm without its people is not what it was."
                )
            found.take(person, _arm(arm, place), _instant(when, zone, place))
        say(f"{len(found.arms):,} people read")
    if source.left:
        line, reason, _ = source.left[0]
        raise RoistreamError(
            f"{len(source.left)} rows of {source.label} cannot be read (line {line}: {reason}); an arm without them is not what it was. Correct them."
        )


def _arm(text: str | None, place: str) -> Arm:
    arm = _WORDS.get((text or "").strip().casefold().replace("-", " ").replace("_", " "))
    if arm is None:
        raise RoistreamError(f"{place}: the arm {text!r} is not known; write one of {', '.join(_WORDS)}.")
    return arm


def _instant(text: str | None, zone: ZoneInfo, place: str) -> int:
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RoistreamError(
            f"{place}: the time {text!r} is not read; write it like 2026-07-01 or 2026-07-01T09:30:00+02:00."
        ) from error
    return to_millis(at if at.tzinfo else at.replace(tzinfo=zone))
