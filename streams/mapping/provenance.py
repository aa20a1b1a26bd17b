"""A SELECT over ``rows`` that also says which rows each of its records came from.

The statement is read and written by DuckDB itself (``json_serialize_sql``, ``json_deserialize_sql``); what is added
here is the number of the row, or their list where rows are grouped, to every SELECT on the way from ``rows`` up.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from streams.mapping.model import Mapping, MappingError

Node = dict[str, Any]
#: What a query knows of its rows: the number of one, or a list of them.
Kind = Literal["row", "rows"]
_ORDERINGS = {
    "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_BETWEEN",
}
_EXTREMES = {"min", "max", "arg_min", "arg_max", "min_by", "max_by", "argmin", "argmax", "greatest", "least"}
_SAME = {"any_value", "arbitrary"}
_CHOSEN = {*_SAME, "min", "max", "first", "last", "mode", "arg_max", "arg_min", "max_by", "min_by"}
#: Fields that must be the same for all rows of a group, however one of them is chosen.
_UNMIXED = {"currency", "campaign_id", "source"}
#: Functions that read a time zone, and which of their arguments it is; it too must be the same for all rows of a group.
_ZONED = {"in_zone": 1, "timezone": 0, "known_zone": 0, "microsoft_zone": 0}


@dataclass
class Traced:
    """A rewritten SELECT, and what a reader of its text can tell."""

    sql: str
    kind: Kind
    #: Every column name that it mentions.
    columns: set[str]
    #: Columns that it compares by order.
    ordered: set[str]
    #: What a group takes one value of: SQL text by the name of the added column that is true where values differ.
    mixed: dict[str, str] = field(default_factory=dict)


def traced(database: Any, where: str, sql: str, *, with_hash: bool) -> Traced:
    """A SELECT with its provenance: a column ``_row``, or a list ``_rows`` where rows are grouped.

    Args:
        database: a DuckDB connection.
        where: the mapping and topic, for errors.
        sql: the SELECT of a mapping.
        with_hash: whether ungrouped rows also carry ``_hash``, for ids.

    Raises:
        MappingError: where it is no single SELECT over ``rows``, or hides which rows it uses.
    """
    tree = json.loads(database.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
    if tree["error"]:
        raise MappingError(f"mapping {where}: the SQL is wrong: {tree['error_message']}.")
    if len(tree["statements"]) != 1:
        raise MappingError(f"mapping {where}: give one SELECT, without a semicolon between statements.")
    top = tree["statements"][0]["node"]
    tracer = _Tracer(database, where, _aggregates(), with_hash)
    kind = tracer.kind(top, {})
    if kind is None:
        raise MappingError(f"mapping {where}: the SELECT does not read from rows.")
    mixed = tracer.add_mixed(top) if kind == "rows" else {}
    tracer.add(top, kind, {})
    text = database.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()[0]
    return Traced(text, kind, _columns(top), _ordered(top), mixed)


@dataclass(frozen=True)
class Condition:
    """What a reader of a condition can tell: the columns that it mentions, and those that it compares by order."""

    columns: set[str]
    ordered: set[str]


def read_condition(database: Any, where: str, sql: str) -> Condition:
    """A condition as DuckDB reads it.

    Raises:
        MappingError: where it is no expression.
    """
    tree = json.loads(database.execute("SELECT json_serialize_sql(?)", [f"SELECT ({sql})"]).fetchone()[0])
    if tree["error"]:
        raise MappingError(f"mapping {where}: {sql!r} is no condition: {tree['error_message']}.")
    node = tree["statements"][0]["node"]
    return Condition(_columns(node), _ordered(node))


def mentioned(database: Any, mapping: Mapping) -> set[str]:
    """Every column name in the SQL of a mapping."""
    names: set[str] = set()
    for sql in [*(f"SELECT ({skip.when})" for skip in mapping.skip), *(part.sql for part in mapping.select)]:
        tree = json.loads(database.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
        names |= _columns(tree)
    return names


@cache
def _aggregates() -> frozenset[str]:
    """Names of DuckDB's own aggregate functions; a mapping cannot make others."""
    import duckdb  # noqa: PLC0415 - already imported by whoever made the database

    listed = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
    with duckdb.connect() as own:
        return frozenset(name for (name,) in own.execute(listed).fetchall())


@dataclass
class _Tracer:
    database: Any
    where: str
    aggregates: frozenset[str]
    with_hash: bool

    def kind(self, node: Node, known: dict[str, Kind]) -> Kind | None:
        """What a query knows of its rows, None where it does not read them."""
        known = self._with_ctes(node, known)
        self._refuse_hiding(node)
        if node["type"] == "SET_OPERATION_NODE":
            kinds = {self.kind(child, known) for child in node["children"]}
            if None in kinds:
                raise MappingError(f"mapping {self.where}: each part of a UNION ALL must read from rows.")
            return "rows" if "rows" in kinds else "row"
        if node["type"] != "SELECT_NODE":
            raise MappingError(f"mapping {self.where}: {node['type']} is not understood; write a SELECT.")
        source = self._from(node["from_table"], known)
        return "rows" if source and self._is_grouped(node) else source

    def _with_ctes(self, node: Node, known: dict[str, Kind]) -> dict[str, Kind]:
        named = dict(known)
        for entry in node["cte_map"]["map"]:
            kind = self.kind(_inner(entry["value"]["query_node"]), named)
            if kind is not None:
                named[entry["key"]] = kind
        return named

    def _refuse_hiding(self, node: Node) -> None:
        kinds = {modifier["type"] for modifier in node["modifiers"]}
        if "DISTINCT_MODIFIER" in kinds or node.get("setop_all") is False:
            raise MappingError(
                f"mapping {self.where}: DISTINCT and UNION hide which rows a record comes from; use GROUP BY ALL and UNION ALL."
            )
        if "LIMIT_MODIFIER" in kinds:
            raise MappingError(
                f"mapping {self.where}: LIMIT loses rows in silence; use --limit, or a [[skip]]."
            )

    def _from(self, table: Node, known: dict[str, Kind]) -> Kind | None:
        if table["type"] == "BASE_TABLE":
            name = table["table_name"].lower()
            return "row" if name == "rows" else known.get(table["table_name"])
        if table["type"] == "SUBQUERY":
            return self.kind(table["subquery"]["node"], known)
        if table["type"] == "JOIN":
            left, right = self._from(table["left"], known), self._from(table["right"], known)
            return left or right
        return None

    def _is_grouped(self, node: Node) -> bool:
        if node["group_expressions"] or node["aggregate_handling"] == "FORCE_AGGREGATES":
            return True
        shown = [*node["select_list"], node["having"]]
        return any(
            part.get("type") == "FUNCTION" and part["function_name"].lower() in self.aggregates
            for tree in shown
            for part in _outside_queries(tree)
        )

    def add(self, node: Node, wanted: Kind, known: dict[str, Kind]) -> None:
        """Add the numbers of the rows to a query and to all that it reads them through."""
        outer = known
        for entry in node["cte_map"]["map"]:
            inner = _inner(entry["value"]["query_node"])
            kind = self.kind(inner, outer)
            if kind is not None:
                self.add(inner, kind, outer)
                outer = {**outer, entry["key"]: kind}
        if node["type"] == "SET_OPERATION_NODE":
            for child in node["children"]:
                self.add(child, wanted, outer)
            return
        source = self._from(node["from_table"], outer)
        self._add_below(node["from_table"], outer)
        if source == "row" and self._is_grouped(node):
            added = ["list(_row) AS _rows"]
        elif source == "row":
            added = (
                ["list_value(_row) AS _rows"] if wanted == "rows" else ["_row", "_hash"][: 1 + self.with_hash]
            )
        else:
            added = ["flatten(list(_rows)) AS _rows" if self._is_grouped(node) else "_rows"]
        node["select_list"] += self._parsed(added)

    def _add_below(self, table: Node, known: dict[str, Kind]) -> None:
        if table["type"] == "SUBQUERY":
            inner = table["subquery"]["node"]
            kind = self.kind(inner, known)
            if kind is not None:
                self.add(inner, kind, known)
        elif table["type"] == "JOIN":
            self._add_below(table["left"], known)
            self._add_below(table["right"], known)

    def add_mixed(self, top: Node) -> dict[str, str]:
        """Ask of each group whether what it takes one value of has several; gives the SQL text by added column."""
        parts = top["children"] if top["type"] == "SET_OPERATION_NODE" else [top]
        wanted = [self._taken_once(part) for part in parts]
        most = max(map(len, wanted))
        texts = {}
        for part, taken in zip(parts, wanted, strict=True):
            for place in range(most):
                name = f"_mixed_{place}"
                if place >= len(taken):
                    part["select_list"] += self._parsed([f"false AS {name}"])
                    continue
                (counted,) = self._parsed([f"count(DISTINCT x) > 1 AS {name}"])
                counted["left"]["arguments"][0]["expression"] = taken[place]
                part["select_list"].append(counted)
                texts[name] = self._text(taken[place])
        return texts

    def _taken_once(self, node: Node) -> list[Node]:
        if node["type"] != "SELECT_NODE" or not self._is_grouped(node):
            return []
        found: list[Node] = []
        for output in node["select_list"]:
            found += _chosen_in(output, _CHOSEN if output["alias"] in _UNMIXED else _SAME)
            for part in _calls(output):
                place = _ZONED.get(part["function_name"].lower())
                if place is not None and place < len(part["arguments"]):
                    found += _chosen_in(part["arguments"][place], _CHOSEN)
        return [node for place, node in enumerate(found) if _columns(node) and node not in found[:place]]

    def _parsed(self, expressions: list[str]) -> list[Node]:
        sql = f"SELECT {', '.join(expressions)}"
        tree = json.loads(self.database.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
        parsed: list[Node] = tree["statements"][0]["node"]["select_list"]
        return parsed

    def _text(self, expression: Node) -> str:
        tree = json.loads(self.database.execute("SELECT json_serialize_sql('SELECT 1')").fetchone()[0])
        tree["statements"][0]["node"]["select_list"] = [{**expression, "alias": ""}]
        text: str = self.database.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)]).fetchone()[0]
        return text.removeprefix("SELECT ")


def _inner(query: Node) -> Node:
    node: Node = query.get("node", query)
    return node


def _walk(tree: Any, closed: frozenset[str] = frozenset()) -> Iterator[Node]:
    """Every node of a tree, but those of the ``closed`` classes and what is in them."""
    if isinstance(tree, list):
        for part in tree:
            yield from _walk(part, closed)
    elif isinstance(tree, dict) and tree.get("class") not in closed:
        yield tree
        for part in tree.values():
            yield from _walk(part, closed)


def _outside_queries(tree: Any) -> Iterator[Node]:
    """Parts of an expression, not those of a query or a window in it."""
    return _walk(tree, frozenset({"SUBQUERY", "WINDOW"}))


def _calls(tree: Any) -> Iterator[Node]:
    """Calls of functions, not those of a query or a window."""
    return (part for part in _outside_queries(tree) if part.get("type") == "FUNCTION")


def _chosen_in(tree: Any, functions: set[str]) -> list[Node]:
    """What some aggregates choose one value of."""
    return [
        part["arguments"][0]["expression"]
        for part in _calls(tree)
        if part["function_name"].lower() in functions and part["arguments"]
    ]


def _columns(tree: Any) -> set[str]:
    """Names of columns; ``*`` where all are asked for."""
    if any(node.get("class") == "STAR" and node.get("type") == "STAR" for node in _walk(tree)):
        return _columns_named(tree) | {"*"}
    return _columns_named(tree)


def _columns_named(tree: Any) -> set[str]:
    return {node["column_names"][-1] for node in _walk(tree) if node.get("type") == "COLUMN_REF"}


def _ordered(tree: Any) -> set[str]:
    """Columns that are compared by order as they stand."""
    compared: list[Any] = []
    for node in _walk(tree):
        if node.get("type") in _ORDERINGS:
            compared += [node.get(side) for side in ("left", "right", "input", "lower", "upper")]
        elif node.get("type") == "FUNCTION" and node["function_name"].lower() in _EXTREMES:
            compared += [argument["expression"] for argument in node["arguments"]][-1:]
        elif node.get("type") in {"ORDER_DEFAULT", "ASCENDING", "DESCENDING"} and "expression" in node:
            compared.append(node["expression"])
    return {
        part["column_names"][-1]
        for part in compared
        if isinstance(part, dict) and part.get("type") == "COLUMN_REF"
    }
