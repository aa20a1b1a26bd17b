"""Writes the dashboards: `python -m grafana.generate`. A test holds the committed files to what this makes."""

from pathlib import Path

from grafana.boards import BOARDS
from grafana.building import as_json
from grafana.languages import in_language, languages

ROOT = Path(__file__).resolve().parent / "dashboards"


def files() -> dict[Path, str]:
    """Every dashboard's file, below `dashboards/`, and its text; its folder is Grafana's folder."""
    every = [*BOARDS, *(in_language(board, language) for language in languages() for board in BOARDS)]
    return {Path(board.folder) / f"{board.uid}.json": as_json(board) for board in every}


def write(root: Path = ROOT) -> list[Path]:
    """Write them; the paths of those that changed."""
    changed = []
    for name, text in files().items():
        path = root / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


if __name__ == "__main__":
    for each in write():
        print(f"wrote {each}")  # noqa: T201 - a command of ours
