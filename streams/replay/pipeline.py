"""All files of a replay through all its mappings: which mapping reads which file, lookups, what was found."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.mapping.cells import Cells
from streams.mapping.engine import Engine
from streams.mapping.headers import matches
from streams.mapping.model import Frame, Mapping, MappingError, merged
from streams.mapping.provenance import mentioned
from streams.mapping.recognition import candidates, recognised, unknown_header, wanted_names
from streams.replay.file_readers import Source, expand, is_data, sources

Progress = Callable[[str], None]


@dataclass
class ReplayPipeline:
    """What came of the files: the engine holds the records and the rows that gave none."""

    engine: Engine
    files_read: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)
    #: How each file is written, and the mapping that was recognised.
    found: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all files, those included that could not be read."""
        read = sum(cells.rows for cells in self.engine.files if cells.number not in self.engine.lookups)
        return read + sum(len(lines) for lines in self._unread.values())

    _unread: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)


def convert(
    engine: Engine,
    mappings: list[Mapping] | None,
    paths: Iterable[Path],
    frame: Frame | None = None,
    progress: Progress = lambda _: None,
) -> ReplayPipeline:
    """Records of all files, in the engine.

    Args:
        engine: where the rows go.
        mappings: None: the built-in mapping that fits each file's header.
        paths: files and folders.
        frame: what is said outright of how the files are written.
        progress: hears a sentence now and then.

    Raises:
        ReadError: where a file cannot be read.
        MappingError: where a mapping does not fit the files, or none reads a file that was named.
    """
    run = _ReplayRun(engine, mappings, frame or Frame(), progress)
    run.read(expand(paths))
    run.map()
    return run.result


class _ReplayRun:
    def __init__(
        self, engine: Engine, mappings: list[Mapping] | None, frame: Frame, progress: Progress
    ) -> None:
        self._engine = engine
        self._is_said = mappings is not None
        self._known = candidates() if mappings is None else mappings
        self._frame = frame
        self._progress = progress
        self._wanted = [
            [*wanted_names(mapping), *mentioned(engine.database, mapping)] for mapping in self._known
        ]
        lookups = [lookup for mapping in self._known for lookup in mapping.lookups.values()]
        self._lookup_names = [list(lookup.columns) for lookup in lookups]
        self._taken: dict[str, list[tuple[str, Cells]]] = {}
        self._folders: set[Path] = set()
        self._read: dict[Path, list[Cells]] = {}
        self.result = ReplayPipeline(engine)

    def read(self, files: list[tuple[Path, bool]]) -> None:
        """Read the files that a mapping takes."""
        self._folders = {path.parent for path, _ in files}
        unknown: RoistreamError | None = None
        names = Counter(path.name for path, _ in files)
        for path, is_named in files:
            frame = self._framed()
            label = path.name if names[path.name] == 1 else str(path)
            for source in sources(path, frame, self._wanted, label):
                takers = self._takers(source, is_named=is_named)
                if takers:
                    self._fill(path, source, takers)
                    continue
                is_beside = self._is_lookup(source.name)
                self.result.files_left += [] if is_beside else [source.label]
                if is_named and not is_beside:
                    raise self._unread(source)
                unknown = unknown or self._unread(source)
        if unknown is not None and not self.result.files_read:
            raise MappingError(f"of {len(files)} files none is read; the first: {unknown}")

    def _framed(self) -> Frame:
        """What is said outright; of several mappings each may say its own, so only a single one's frame counts."""
        if len(self._known) != 1:
            return self._frame
        return merged(self._known[0].frame, self._frame)

    def _takers(self, source: Source, *, is_named: bool) -> list[Mapping]:
        if not self._is_said:
            found = recognised(source.name, source.header, self._known)
            if found is not None:
                self.result.found.setdefault(source.label, []).append(
                    catalogues.t("mapping {name}", name=found.name)
                )
            return [found] if found else []
        return [mapping for mapping in self._known if self._takes(mapping, source.name, is_named=is_named)]

    def _takes(self, mapping: Mapping, name: str, *, is_named: bool) -> bool:
        kinds = {tuple(select.files) for select in mapping.select}
        if any(not patterns or matches(name, patterns) for patterns in kinds):
            return not any(matches(name, lookup.files) for lookup in mapping.lookups.values()) or any(kinds)
        # A mapping for one kind of file takes a file that was named whatever it is called.
        one_kind = len(self._known) == 1 and len(kinds) == 1
        return one_kind and is_named and not self._is_lookup(name)

    def _is_lookup(self, name: str) -> bool:
        return any(
            matches(name, lookup.files) for mapping in self._known for lookup in mapping.lookups.values()
        )

    def _unread(self, source: Source) -> MappingError:
        if not self._is_said:
            return unknown_header(source.label, source.header, self._known)
        wanted = sorted(
            {pattern for mapping in self._known for part in mapping.select for pattern in part.files}
        )
        return MappingError(f"the mapping does not read {source.label}; it reads {', '.join(wanted)}.")

    def _fill(self, path: Path, source: Source, takers: list[Mapping]) -> None:
        for cells in self._engine.read(
            source.label, source.batches, is_machine=source.is_machine, before=source.before
        ):
            text = catalogues.t(
                "{file}: {count} rows read", file=source.label, count=catalogues.number(cells.rows)
            )
            self._progress(text)
        self._engine.leave(cells, source.left)
        self.result._unread[source.label] = source.left  # noqa: SLF001
        self.result.files_read.append(source.label)
        self.result.found.setdefault(source.label, [])[:0] = source.found
        self._read.setdefault(path, []).append(cells)
        for mapping in takers:
            self._taken.setdefault(mapping.name, []).append((source.name, cells))

    def map(self) -> None:
        """Run each mapping over the files that it takes."""
        for mapping in self._known:
            files = self._taken.get(mapping.name, [])
            if not files and not (self._is_said and mapping.records):
                continue
            self._progress(catalogues.t("mapping {name}", name=mapping.name))
            lookups = {name: self._beside(lookup.files) for name, lookup in mapping.lookups.items()}
            self._engine.run(mapping, files, lookups, self._frame)
        self._engine.finish()
        for label, lines in self._engine.found.items():
            self.result.found.setdefault(label, []).extend(lines)

    def _beside(self, patterns: list[str]) -> list[Cells]:
        """The cells of a lookup's files, from the folders of the given files; read once."""
        found: list[Cells] = []
        for folder in sorted(self._folders):
            for path in sorted(folder.iterdir()):
                if path.is_file() and is_data(path) and matches(path.name, patterns):
                    found += self._cells(path)
        return found

    def _cells(self, path: Path) -> list[Cells]:
        if path not in self._read:
            self._read[path] = []
            for source in sources(path, self._framed(), self._lookup_names):
                *_, cells = self._engine.read(source.label, source.batches, is_machine=source.is_machine)
                self._engine.lookups.add(cells.number)
                self._read[path].append(cells)
        return self._read[path]
