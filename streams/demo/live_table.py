"""The demo's live table: what is now true, per campaign. Pure: a state goes in, something to print comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams import catalogues
from streams.demo.story import StoryLine
from streams.demo.table_state import HOURLY, CampaignRow, TableState

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = "–"
#: Spaces between two columns, and letters of a name that are shown however narrow a terminal is.
_GAP, _SHORTEST_NAME = 2, 6
_MICROS = 1_000_000
#: A terminal narrower than this is a phone's; how many lines of the story are shown there, and elsewhere.
_NARROW, _STORY_NARROW, _STORY = 60, 1, 4
#: A CPL up to this share above its target is yellow, beyond it red.
_TOLERANCE = 1.25


@dataclass(frozen=True)
class TableColumn:
    """One column: its heading, the narrowest table that shows it, and the cell of a row."""

    heading: str
    min_width: int
    cell: Callable[[CampaignRow, TableState], Text]


def render(state: TableState, width: int) -> RenderableType:
    """The whole display for a terminal of ``width`` characters; narrow ones get fewer columns."""
    table = Table(expand=True, box=None, pad_edge=False, header_style="bold", show_footer=True)
    totals = _totals(state)
    columns = [column for column in COLUMNS if column.min_width <= width]
    rows = [[column.cell(row, state) for column in columns] for row in _ranked(state)]
    headings = [catalogues.t(column.heading, currency=state.currency) for column in columns]
    sums = [totals.get(column.heading, Text()) for column in columns]
    figures = [
        max([sums[at].cell_len, *(cells[at].cell_len for cells in rows)]) for at in range(1, len(columns))
    ]
    wished = sum(max(figure, cell_len(name)) for figure, name in zip(figures, headings[1:], strict=True))
    names = max([sums[0].cell_len, *(cells[0].cell_len for cells in rows)])
    gaps = _GAP * len(figures)
    # Names and headings may be cut; a figure that is cut is another figure.
    is_narrow = names + wished + gaps > width
    widths = (
        [max(_SHORTEST_NAME, width - sum(figures) - gaps), *figures] if is_narrow else [None] * len(columns)
    )
    for number, heading in enumerate(headings):
        table.add_column(
            heading,
            sums[number],
            justify="left" if number == 0 else "right",
            no_wrap=True,
            overflow="ellipsis",
            width=widths[number],
        )
    for cells in rows:
        table.add_row(*cells)
    return Group(*header(state, width), Text(), *story_lines(state, width), table, Text(), footer(state))


def plain_lines(state: TableState) -> list[str]:
    """The same facts as lines of text without colour, for logs."""
    lines = [f"[{state.phase}] {footer(state).plain}"]
    lines += [_plain_row(row, state) for row in _ranked(state) if row.readings]
    return lines


def header(state: TableState, width: int) -> list[Text]:
    """Where everything is; on a narrow terminal the board alone, and no word is broken."""
    title = Text.assemble(("roistream demo", "bold cyan"), "  ", (state.phase, "dim"))
    shown = {name: url for name, url in state.links.items() if width >= _NARROW or name == "board"}
    links = Text("   ").join(Text.assemble((f"{name} ", "dim"), url) for name, url in shown.items())
    return [title, links] if shown else [title]


def story_text(line: StoryLine) -> str:
    """One line of the story with its time, as ``1:05``."""
    return f"{int(line.at_s // 60)}:{int(line.at_s % 60):02d}  {line.text}"


def story_lines(state: TableState, width: int) -> list[Text]:
    """The newest lines of the story, the newest bright, and an empty one after them; none before it has begun."""
    newest = state.story[-(_STORY_NARROW if width < _NARROW else _STORY) :]
    if not newest:
        return []
    shown = [Text(story_text(line), "dim") for line in newest[:-1]]
    return [*shown, Text(story_text(newest[-1]), "bold yellow"), Text()]


def footer(state: TableState) -> Text:
    """What the pipeline did with what was sent to it."""
    ledger = state.ledger
    parts = [
        catalogues.t("sent {count}", count=_count(state.sent)),
        catalogues.t("read {count}", count=_count(ledger.read)),
        catalogues.t(
            "duplicates {count} (sent twice {sent})",
            count=_count(ledger.duplicate),
            sent=_count(state.sent_twice),
        ),
        catalogues.t(
            "rejected {count} (sent broken {sent})",
            count=_count(ledger.rejected),
            sent=_count(state.sent_broken),
        ),
        catalogues.t(
            "too late {count} (sent minutes late {sent})",
            count=_count(ledger.too_late),
            sent=_count(state.sent_late),
        ),
        catalogues.t(
            "readings {count}, corrections {changed}",
            count=_count(state.published),
            changed=_count(state.corrections),
        ),
    ]
    if state.behind_ms > 1_000:
        seconds = catalogues.number(state.behind_ms / 1_000, 1)
        parts.append(catalogues.t("sending lags {seconds} s: lower --rate", seconds=seconds))
    return Text(" · ".join(parts), style="dim")


def sparkline(values: Sequence[float], length: int = 12) -> str:
    """The course of the last values as bars, lowest to highest.

    >>> sparkline([1, 2, 3, 8])
    '▁▂▃█'
    >>> sparkline([5, 5])
    '▁▁'
    """
    shown = list(values)[-length:]
    if not shown:
        return ""
    low, span = min(shown), max(shown) - min(shown)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / span * steps)] if span else _BARS[0] for value in shown)


def _ranked(state: TableState) -> list[CampaignRow]:
    """Best ROI first; campaigns without one at the end, by name."""
    return sorted(
        state.rows.values(), key=lambda row: (_descending(row.kpi("roi_net_profit")), row.facts.name)
    )


def _descending(value: float | None) -> tuple[bool, float]:
    return (value is None, -(value or 0.0))


def _plain_row(row: CampaignRow, state: TableState) -> str:
    cells = " | ".join(f"{name} {cell(row, state).plain}" for name, cell in _PLAIN)
    return f"  {row.facts.name:<32.32} {cells}"


def _money(micros: float | None) -> str:
    return _NOTHING if micros is None else catalogues.number(micros / _MICROS, 2)


def _count(value: float | None) -> str:
    return _NOTHING if value is None else catalogues.number(value)


def _number(value: float | None) -> str:
    return _NOTHING if value is None else catalogues.number(value, 2)


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else catalogues.percent(value, is_signed=True)


def _sum_cell(name: str, form: Callable[[float | None], str]) -> Callable[[CampaignRow, TableState], Text]:
    return lambda row, _: Text(form(row.sums(name)))


def _cpl(row: CampaignRow, _: TableState) -> Text:
    cpl, target = row.kpi("cpl"), row.facts.target_cpl
    shown = _number(cpl)
    if cpl == 0:
        return Text(catalogues.t("free"), "dim")
    if cpl is None or not target:
        return Text(shown)
    style = "green" if cpl <= target else "yellow" if cpl <= target * _TOLERANCE else "red"
    return Text.assemble((shown, style), (f" / {catalogues.number(target, 2)}", "dim"))


def _roi(row: CampaignRow, _: TableState) -> Text:
    roi = row.kpi("roi_net_profit")
    return Text(_percent(roi), style="" if roi is None else "green" if roi >= 0 else "red")


def _freshness(row: CampaignRow, state: TableState) -> Text:
    """Seconds since the row last changed."""
    if row.changed_ms is None:
        return Text(_NOTHING, "dim")
    return Text(f"{max(0, state.now_ms - row.changed_ms) / 1_000:.0f} s", "dim")


def _trend(row: CampaignRow, _: TableState) -> Text:
    return Text(sparkline(row.trend), "cyan")


COLUMNS: tuple[TableColumn, ...] = (
    TableColumn("campaign", 0, lambda row, _: Text(row.facts.name)),
    TableColumn("channel", 110, lambda row, _: Text(row.facts.channel, "dim")),
    TableColumn("spend {currency}", 80, _sum_cell("spend_micros", _money)),
    TableColumn("clicks", 90, _sum_cell("clicks", _count)),
    TableColumn("leads", 70, _sum_cell("leads", _count)),
    TableColumn("CPL / target", 0, _cpl),
    TableColumn("CPL 1h", 150, lambda row, _: Text(_number(row.kpi("cpl", HOURLY)))),
    TableColumn("orders", 70, _sum_cell("orders", _count)),
    TableColumn("revenue", 100, _sum_cell("revenue_micros", _money)),
    TableColumn("ROAS", 100, lambda row, _: Text(_number(row.kpi("roas")))),
    TableColumn("ROI", 0, _roi),
    TableColumn("CPL trend", 130, _trend),
    TableColumn("fresh", 60, _freshness),
)
_PLAIN: tuple[tuple[str, Callable[[CampaignRow, TableState], Text]], ...] = (
    ("spend", _sum_cell("spend_micros", _money)),
    ("clicks", _sum_cell("clicks", _count)),
    ("leads", _sum_cell("leads", _count)),
    ("CPL", _cpl),
    ("orders", _sum_cell("orders", _count)),
    ("revenue", _sum_cell("revenue_micros", _money)),
    ("ROAS", lambda row, _: Text(_number(row.kpi("roas")))),
    ("ROI", _roi),
    ("CPL trend", _trend),
)


def _totals(state: TableState) -> dict[str, Text]:
    """The last line: sums over all campaigns, and the ratios of those sums (never means of ratios)."""
    spend, leads = state.sum_of("spend_micros"), state.sum_of("leads")
    revenue = state.sum_of("revenue_micros")
    net = revenue - state.sum_of("refunds_micros")
    cost = spend + state.sum_of("other_cost_micros")
    roi = (net - state.sum_of("cost_of_goods_micros") - cost) / cost if cost else None
    cells = {
        "campaign": catalogues.t("all together"),
        "spend {currency}": _money(spend),
        "clicks": _count(state.sum_of("clicks")),
        "leads": _count(leads),
        "CPL / target": _number(spend / leads / _MICROS if leads else None),
        "orders": _count(state.sum_of("orders")),
        "revenue": _money(revenue),
        "ROAS": _number(net / spend if spend else None),
        "ROI": _percent(roi),
    }
    return {heading: Text(text, "bold") for heading, text in cells.items()}
