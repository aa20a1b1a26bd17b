"""``roistream mappings``: the built-in mappings, one of them, or a first mapping for a file."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.mapping.database import opened
from streams.mapping.engine import Engine
from streams.mapping.loader import builtin, builtin_names, load, text_of
from streams.mapping.model import Frame
from streams.mapping.recognition import candidates, recognised, wanted_names
from streams.mapping.suggestion import suggestion
from streams.replay.file_readers import sources


def run(name: str | None, file: Path | None) -> int:
    """List, show or suggest.

    Args:
        name: a built-in mapping or a file to show; ``suggest`` with ``file``; None lists.
        file: what a mapping is begun for.

    Returns:
        0; what is wrong is raised.
    """
    if name is None:
        _list()
    elif name == "suggest":
        if file is None:
            raise RoistreamError("mappings suggest needs a file: roistream mappings suggest report.csv")
        sys.stdout.write(_suggested(file))
    else:
        load(name)
        sys.stdout.write(text_of(name))
    return 0


def _list() -> None:
    rows = []
    for name in builtin_names():
        mapping = builtin(name)
        topics = ", ".join(sorted({select.topic for select in mapping.select})) or catalogues.t("see include")
        rows.append((name, topics, catalogues.t(mapping.description)))
    console = Console()
    if not console.is_terminal:
        # One line for each mapping: `roistream mappings | grep hubspot` finds whole ones.
        sys.stdout.writelines("\t".join(row) + "\n" for row in rows)
        return
    table = Table(box=None, pad_edge=False)
    for title in (catalogues.t("mapping"), catalogues.t("gives"), catalogues.t("what it reads")):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _suggested(path: Path) -> str:
    known = candidates()
    wanted = [wanted_names(mapping) for mapping in known]
    with opened() as database:
        engine = Engine(database)
        source = next(iter(sources(path, Frame(), wanted)))
        *_, cells = engine.read(source.label, source.batches, is_machine=source.is_machine)
        fitting = recognised(source.name, source.header, known)
        return suggestion(database, cells, source.found, None if fitting is None else fitting.name)
