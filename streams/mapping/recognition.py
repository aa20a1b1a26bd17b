"""Which built-in mapping a file is for, by the names of its columns and its own."""

from collections.abc import Iterable, Sequence

from streams.mapping.documents import RECEIVED
from streams.mapping.headers import found_name, matches
from streams.mapping.loader import builtin, builtin_names
from streams.mapping.model import Mapping, MappingError, listed


def candidates() -> list[Mapping]:
    """The built-in mappings that read files by themselves."""
    return [mapping for name in builtin_names() if (mapping := builtin(name)).select]


def wanted_names(mapping: Mapping) -> list[str]:
    """Every name under which a mapping looks for a declared column."""
    return [name for spec in mapping.column_specs.values() for name in listed(spec.name)]


def recognised(name: str, header: Sequence[str], known: Iterable[Mapping]) -> Mapping | None:
    """The mapping that fits a file best; None where none does.

    Raises:
        MappingError: where two fit equally well.
    """
    scores = {mapping.name: (_score(mapping, name, header), mapping) for mapping in known}
    best = max((score for score, _ in scores.values()), default=0)
    fitting = [mapping for score, mapping in scores.values() if score == best and score > 0]
    if len(fitting) > 1:
        names = " and ".join(mapping.name for mapping in fitting)
        raise MappingError(f"{name} fits the mappings {names}; say which with --mapping.")
    return fitting[0] if fitting else None


def _score(mapping: Mapping, name: str, header: Sequence[str]) -> int:
    """How many columns a mapping finds; 0 where one that it needs is absent, or the file's name is another's."""
    patterns = [pattern for select in mapping.select for pattern in select.files]
    if patterns and not matches(name, patterns):
        return 0
    if absent(mapping, header):
        return 0
    found = sum(found_name(header, spec) is not None for spec in mapping.column_specs.values())
    return found + bool(patterns)


def absent(mapping: Mapping, header: Sequence[str]) -> list[str]:
    """Columns that a mapping needs and a header lacks, by their first name."""
    return [
        listed(spec.name)[0]
        for spec in mapping.column_specs.values()
        if not spec.optional and spec.name and found_name(header, spec) is None
    ]


def unknown_header(name: str, header: Sequence[str], known: Iterable[Mapping]) -> MappingError:
    """What to say of a file that no built-in mapping fits."""
    lacking = [(absent(mapping, header), mapping) for mapping in known if not _is_by_name(mapping)]
    of_files = [(names, mapping) for names, mapping in lacking if RECEIVED not in names]
    nearest_first = sorted(of_files, key=lambda entry: (_missing_share(*entry), entry[0], entry[1].name))
    near = [
        f"{mapping.name} (lacks {', '.join(names[:4])})"
        for names, mapping in nearest_first[:2]
        if _missing_share(names, mapping) < 1
    ]
    shown = ", ".join(header[:12]) + (", …" if len(header) > 12 else "")
    nearest = f" Nearest: {'; '.join(near)}." if near else ""
    return MappingError(
        f"no built-in mapping knows {name}: its columns are {shown}.{nearest} Choose one with --mapping "
        f"(`roistream mappings` lists them), or begin your own with `roistream mappings suggest {name}`."
    )


def _is_by_name(mapping: Mapping) -> bool:
    return any(select.files for select in mapping.select)


def _missing_share(names: list[str], mapping: Mapping) -> float:
    needed = [spec for spec in mapping.column_specs.values() if not spec.optional and spec.name]
    return len(names) / len(needed) if needed else 1
