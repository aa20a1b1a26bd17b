"""Boards as SVG, drawn from the answers of a real Prometheus to the boards' own queries.

`python -m grafana.pictures http://127.0.0.1:9090 docs/images` while `make stack` runs. It is no Grafana: it shows
the same panels, queries, units and thresholds, so that the README's pictures cannot show what the boards do not ask.
"""

import itertools
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Protocol

from grafana.boards import budget, campaigns_now, compare, pipeline
from grafana.spec import Dashboard, Panel, Query, Steps, Unit

COLUMN, LINE, GAP, HEAD = 50, 34, 6, 26
_TEXT = "#2b333b"
_COLOURS = {
    "green": "#3a9d5d", "yellow": "#d9a400", "orange": "#e07b1a", "red": "#d43d51", "blue": "#3b78c4", "text": _TEXT,
}  # fmt: skip
_SERIES = ("#3b78c4", "#3a9d5d", "#d9a400", "#d43d51", "#8a5cc2", "#1f9e9e", "#e07b1a", "#7a8794", "#b8478f")
_CHOSEN = {
    "deployment": "roistream", "channel": ".*", "campaign": ".*", "window": "24h", "model": "declared",
    "currency": "EUR", "dimension": "channel", "__rate_interval": "1m",
}  # fmt: skip
_RANGE_S, _STEP_S = 600, 5


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and points of (seconds, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class QuerySource(Protocol):
    """Whoever answers the boards' questions."""

    def now(self, expr: str) -> list[Series]:
        """One point per series."""
        ...

    def over_time(self, expr: str) -> list[Series]:
        """The course of each series."""
        ...


class PrometheusClient:
    """Questions to a Prometheus about one moment, and about the ten minutes before it."""

    def __init__(self, url: str, now: float) -> None:
        """Ask at ``url``; ``now`` in epoch seconds."""
        self._url = url
        self._now = now

    def now(self, expr: str) -> list[Series]:
        """One point per series."""
        return self._get("query", expr, time=self._now)

    def over_time(self, expr: str) -> list[Series]:
        """The course of each series."""
        return self._get("query_range", expr, start=self._now - _RANGE_S, end=self._now, step=_STEP_S)

    def _get(self, path: str, expr: str, **parameters: float) -> list[Series]:
        query = re.sub(r"\$(\w+)", lambda found: _CHOSEN[found[1]], expr)
        address = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode({'query': query, **parameters})}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - the user's own address
            found = json.load(answer)["data"]["result"]
        return [Series(one["metric"], _points(one)) for one in found]


def _points(one: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]]


def shown(value: float, unit: Unit, decimals: int | None = 2) -> str:
    """A value as Grafana would write it.

    >>> shown(0.256, "percentunit", 0), shown(12_345.678, "short"), shown(3_720, "s")
    ('26%', '12.35 K', '1.03 hours')
    """
    if unit == "percentunit":
        return f"{value * 100:,.{decimals or 0}f}%"
    if unit == "s":
        size, name = next(
            ((s, n) for s, n in ((86_400, "days"), (3_600, "hours"), (60, "min")) if value >= s), (1, "s")
        )
        return f"{value / size:.{0 if size == 1 and value >= 1 else 2}f} {name}"
    if unit in {"Bps", "bytes"} and value >= 1_000:
        return f"{value / 1_000:.1f} kB" + ("/s" if unit == "Bps" else "")
    scale, suffix = next(((s, n) for s, n in ((1e6, " Mil"), (1e3, " K")) if abs(value) >= s), (1.0, ""))
    places = 2 if suffix else decimals if decimals is not None else 2
    return f"{value / scale:.{places}f}{suffix}"


def colour_of(value: float, steps: Steps) -> str:
    """The colour that holds at a value.

    >>> colour_of(0.5, ((None, "red"), (0.0, "green"))) == colour_of(9, ((None, "green"),))
    True
    """
    held = [colour for bound, colour in steps if bound is None or value >= bound]
    return _COLOURS[held[-1]]


def legend(query: Query, labels: Mapping[str, str]) -> str:
    """The legend of a series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), query.name) or "value"


def text(x: float, y: float, words: str, size: int = 12, fill: str = _TEXT, more: str = "") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" {more}>{escape(words)}</text>'


def draw_stat(panel: Panel, ask: QuerySource, width: float, height: float) -> list[str]:
    """One large value."""
    found = ask.now(panel.queries[0].expr)
    value = found[0].last if found else None
    words = "–" if value is None else shown(value, panel.unit, panel.decimals)
    fill = "#7a8794" if value is None else colour_of(value, panel.steps)
    return [text(width / 2, height / 2 + 22, words, 26, fill, 'text-anchor="middle" font-weight="600"')]


def draw_bars(panel: Panel, ask: QuerySource, width: float, height: float) -> list[str]:
    """Horizontal bars."""
    rows = [(legend(query, one.labels), one.last) for query in panel.queries for one in ask.now(query.expr)]
    if not rows:
        return [text(width / 2, height / 2, "no data", 13, "#7a8794", 'text-anchor="middle"')]
    step = min(30.0, (height - HEAD - 10) / len(rows))
    most = max(abs(value) for _, value in rows) or 1
    parts = []
    for number, (name, value) in enumerate(rows):
        y = HEAD + 6 + number * step
        length = abs(value) / most * (width - 250)
        fill = colour_of(value, panel.steps)
        parts += [
            text(150, y + step * 0.66, name[:24], 11, more='text-anchor="end"'),
            f'<rect x="158" y="{y + 3:.1f}" width="{max(length, 1):.1f}" height="{step - 6:.1f}" rx="2" fill="{fill}"/>',
            text(164 + length, y + step * 0.66, shown(value, panel.unit, panel.decimals), 11, fill),
        ]
    return parts


def draw_table(panel: Panel, ask: QuerySource, width: float, height: float) -> list[str]:
    """Rows joined by the panel's key, sorted by its column."""
    columns = [query for query in panel.queries if not query.is_info]
    answers = [{one.labels.get(panel.key, ""): one for one in ask.now(query.expr)} for query in columns]
    info = {
        one.labels.get(panel.key, ""): one.labels
        for query in panel.queries
        if query.is_info
        for one in ask.now(query.expr)
    }
    names = [
        name
        for name in ("alertname", "channel")
        if any(name in labels for labels in info.values()) and name != panel.key
    ]
    keys = sorted(info or (answers[0] if answers else {}))
    if not keys:
        return [text(width / 2, height / 2, "no data", 13, "#7a8794", 'text-anchor="middle"')]
    order = next((number for number, query in enumerate(columns) if query.name == panel.sort_by), None)
    if order is not None:
        keys.sort(key=lambda key: -answers[order][key].last if key in answers[order] else 0)
    first = 190.0 if len(columns) > 6 or not columns else 150.0
    cell = (width - first - 20) / max(len(columns) + len(names), 1)
    parts = [text(10, HEAD + 16, panel.key.removesuffix("_id"), 11, "#7a8794")]
    heads = [*names, *(query.name for query in columns)]
    parts += [
        text(first + (n + 1) * cell, HEAD + 16, head, 10, "#7a8794", 'text-anchor="end"')
        for n, head in enumerate(heads)
    ]
    step = min(26.0, (height - HEAD - 26) / max(len(keys), 1))
    for row, key in enumerate(keys):
        y = HEAD + 20 + (row + 0.7) * step
        parts.append(text(10, y, key[:28], 12))
        cells = [(info[key].get(name, ""), _TEXT) for name in names] if info else []
        cells += [
            _cell(panel, query, answer.get(key)) for query, answer in zip(columns, answers, strict=True)
        ]
        parts += [
            text(first + (n + 1) * cell, y, words, 12, fill, 'text-anchor="end"')
            for n, (words, fill) in enumerate(cells)
        ]
    return parts


def _cell(panel: Panel, query: Query, found: Series | None) -> tuple[str, str]:
    if found is None:
        return "–", "#7a8794"
    unit = query.unit or panel.unit
    decimals = panel.decimals if query.decimals is None else query.decimals
    return shown(found.last, unit, decimals), colour_of(found.last, query.steps) if query.steps else _TEXT


def draw_lines(panel: Panel, ask: QuerySource, width: float, height: float) -> list[str]:
    """Lines over time with their legend; where a value is absent, the line has a gap."""
    lines = [(legend(query, one.labels), one) for query in panel.queries for one in ask.over_time(query.expr)]
    if not lines:
        return [text(width / 2, height / 2, "no data", 13, "#7a8794", 'text-anchor="middle"')]
    values = [value for _, one in lines for _, value in one.points]
    low, high = min(0.0, *values), max(*values, 1e-9)
    begins, ends = min(one.points[0][0] for _, one in lines), max(one.points[-1][0] for _, one in lines)
    rows = -(-min(len(lines), 12) // 4)
    left, top, right, bottom = 58.0, HEAD + 8.0, width - 12, height - 26 - 15 * rows

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x = left + (point[0] - begins) / max(ends - begins, 1) * (right - left)
        return x, bottom - (point[1] - low) / ((high - low) or 1) * (bottom - top)

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = low + share * (high - low)
        y = at((begins, value))[1]
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e7eb"/>')
        parts.append(
            text(
                left - 6, y + 4, shown(value, panel.unit, panel.decimals), 10, "#7a8794", 'text-anchor="end"'
            )
        )
    for share in (0, 0.5, 1):
        moment = time.strftime("%H:%M:%S", time.gmtime(begins + share * (ends - begins)))
        anchor = f'text-anchor="{"end" if share == 1 else "middle"}"'
        parts.append(text(left + share * (right - left), bottom + 14, moment, 10, "#7a8794", anchor))
    for number, (name, one) in enumerate(lines[:12]):
        fill = _SERIES[number % len(_SERIES)]
        parts += [_path(piece, at, fill) for piece in _pieces(one.points)]
        x, y = left + (number % 4) * (right - left) / 4, bottom + 30 + 15 * (number // 4)
        parts.append(f'<rect x="{x:.1f}" y="{y - 8:.1f}" width="10" height="3" fill="{fill}"/>')
        parts.append(text(x + 14, y - 3, name[:22], 10))
    return parts


def _pieces(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    pieces = [[points[0]]]
    for before, after in itertools.pairwise(points):
        if after[0] - before[0] > _STEP_S * 1.5:
            pieces.append([])
        pieces[-1].append(after)
    return pieces


def _path(
    points: Sequence[tuple[float, float]], at: Callable[[tuple[float, float]], tuple[float, float]], fill: str
) -> str:
    where = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, points))
    return f'<polyline points="{where}" fill="none" stroke="{fill}" stroke-width="1.8"/>'


_DRAW = {"stat": draw_stat, "bars": draw_bars, "table": draw_table, "lines": draw_lines}


def draw(board: Dashboard, ask: QuerySource, rows: Sequence[str]) -> str:
    """The named rows of a board as one SVG."""
    parts: list[str] = []
    y = 40.0
    for row in board.rows:
        if row.title not in rows:
            continue
        x, tallest = 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, tallest = 0, y + tallest * LINE, 0
            width, height = panel.width * COLUMN - GAP, panel.height * LINE - GAP
            inside = [
                text(
                    10,
                    18,
                    panel.title.replace("$currency", _CHOSEN["currency"]),
                    13,
                    more='font-weight="600"',
                )
            ]
            inside += _DRAW[panel.kind](panel, ask, width, height)
            frame = f'<rect width="{width}" height="{height}" rx="4" fill="#ffffff" stroke="#d5dbe1"/>'
            parts.append(f'<g transform="translate({x * COLUMN + 3},{y:.0f})">{frame}{"".join(inside)}</g>')
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest * LINE
    size = (24 * COLUMN + 3, y + 6)
    head = text(8, 26, f"roistream / {board.title}", 17, more='font-weight="600"')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]:.0f}" '
        f'font-family="Inter, Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="#f3f5f7"/>'
        f"{head}\n{chr(10).join(parts)}\n</svg>\n"
    )


#: Which rows of which boards the documentation shows.
PICTURES = {
    "board-campaigns-now": (campaigns_now.BOARD, ("All together", "Decide", "Each")),
    "board-compare": (compare.BOARD, ("Channels",)),
    "board-budget": (budget.BOARD, ("Money",)),
    "board-pipeline": (pipeline.BOARD, ("Now", "Reading")),
}


def main(url: str, folder: Path) -> None:
    """Draw all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    ask = PrometheusClient(url, time.time())
    for name, (board, rows) in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw(board, ask, rows))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
