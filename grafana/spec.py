"""What a board is made of, as plain values: tests, pictures and the Grafana builder read the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "lines", "table", "bars"]
#: Grafana's unit ids. Money is `short`, because its currency is a setting: titles name `$currency`.
Unit = Literal["short", "percentunit", "s", "bytes", "dateTimeFromNow", "none", "reqps", "Bps"]
#: From which value on a colour holds; the first holds from minus infinity.
Steps = tuple[tuple[float | None, str], ...]

CALM: Steps = ((None, "blue"),)
#: Good, near its bound, beyond it.
OVER_ONE: Steps = ((None, "green"), (1.0, "yellow"), (1.25, "red"))
BREAK_EVEN: Steps = ((None, "red"), (0.0, "green"))
ZERO_IS_GOOD: Steps = ((None, "green"), (1.0, "red"))


@dataclass(frozen=True)
class Query:
    """One PromQL expression.

    Attributes:
        expr: with Grafana's variables in it.
        name: legend of a line, or heading of a table's column.
        unit: of a table's column; None takes the panel's.
        steps: colours of a table's column.
        decimals: of a table's column; None takes the panel's.
        is_info: a table's column of labels instead of a value.
    """

    expr: str
    name: str = ""
    unit: Unit | None = None
    steps: Steps | None = None
    decimals: int | None = None
    is_info: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: may name ``$currency``.
        about: what is shown, with its formula; the panel's description.
        queries: at least one.
        width: of 24 columns.
        empty: why the panel shows nothing in the demo; empty text where it must show something.
        sort_by: heading of the column a table is sorted by, largest first.
        key: the label by which the columns of a table are joined; only the info column has others.
        key_heading: of the column of the key; empty text takes the key's name.
        empty_heading: what stands before ``empty`` in the description.
        needs: a sentence on what must be set up for the panel; empty text where nothing must.
    """

    kind: Kind
    title: str
    about: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    width: int = 8
    height: int = 8
    decimals: int | None = 2
    steps: Steps = CALM
    is_stacked: bool = False
    empty: str = ""
    sort_by: str = ""
    key: str = "campaign_id"
    key_heading: str = ""
    empty_heading: str = "Empty as yet"
    needs: str = ""


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a board; its values come from a query of Grafana's variable language."""

    name: str
    label: str
    query: str
    regex: str = ""
    is_multi: bool = False
    preferred: str = ""


@dataclass(frozen=True)
class AxisMark:
    """Marks on the time axis: where the expression has a value."""

    name: str
    expr: str
    title: str
    colour: str


@dataclass(frozen=True)
class DashboardRow:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; ``uid`` is its address for ever."""

    uid: str
    title: str
    folder: str
    about: str
    variables: tuple[Variable, ...]
    rows: tuple[DashboardRow, ...]
    notes: tuple[AxisMark, ...] = ()
    since: str = "now-3h"
    source_label: str = "Data source"
    links_label: str = "Boards"
    language: str = "en"

    @property
    def tag(self) -> str:
        """By which dashboards of one language link to each other."""
        return "roistream" if self.language == "en" else f"roistream-{self.language}"

    @property
    def panels(self) -> Iterator[Panel]:
        """All of them, in order."""
        for row in self.rows:
            yield from row.panels
