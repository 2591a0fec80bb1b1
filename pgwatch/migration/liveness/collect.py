"""What a walk through a body collects: pieces of SQL, and which query gives a record its fields. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from pgwatch.migration.liveness.guards import Known
from pgwatch.migration.liveness.tree import Body, Handler, Piece, Tree, query_of
from pgwatch.migration.liveness.variables import Scope, Shape, Variable


class Collector:
    """Collects the pieces of SQL that are met, and which queries fill the records."""

    def __init__(self, body: Body, scope: Scope, known: Known) -> None:
        self.pieces: list[Piece] = []
        self.leaves: list[int] = []  # how many pieces stand before each RETURN and EXIT
        self._body = body
        self._datums = body.tree.get("datums", [])
        self._known = dict(known)
        self._block = 0
        self._scope = scope
        self._conditions: tuple[str, ...] = ()
        self._caught: tuple[tuple[Handler, ...], ...] = ()
        self._cases: dict[str, str] = {}
        self._returns = False
        self._shapes: dict[tuple[int, str], list[Shape | None]] = {}
        self._filled: Mapping[tuple[int, str], Shape | None] = {}
        self._assigned: set[str] = set()
        self._constants = False  # in the second walk it is known which variables keep their default

    def _add(
        self, kind: str, sql: str, line: int, *, into: bool = False, loose: bool = False
    ) -> None:
        self.pieces.append(
            Piece(
                kind=kind,
                sql=sql,
                line=line,
                scope=self._scope,
                conditions=self._conditions,
                caught=self._caught,
                into=into,
                loose=loose,
            )
        )

    def _expression(self, holder: Any, line: int, kind: str = "expression") -> str:
        sql = query_of(holder)
        for name, case in self._cases.items():
            sql = sql.replace(f'"{name}"', f"({case})")
        if sql:
            self._add(kind, sql, line)
        return sql

    def _cursor(self, number: int, node: Tree) -> Shape | None:
        datum = self._datums[number].get("PLpgSQL_var", {})
        sql = query_of(datum.get("cursor_explicit_expr"))
        if not sql:
            return None
        row = self._datums[datum.get("cursor_explicit_argrow", 0)].get("PLpgSQL_row", {})
        names = [one["name"] for one in row.get("fields", [])]
        outer = self._scope
        scope = outer.inside("", {name: Variable(name=name) for name in names})
        self._scope = scope
        self._add("statement_into", sql, node.get("lineno", 0))
        self._scope = outer
        return Shape(sql, scope)

    def _target(self, target: Any, line: int, sql: str, shape: Shape | str | None = None) -> None:
        for kind, datum in (target or {}).items():
            if kind == "PLpgSQL_row":
                for one in datum.get("fields", []):
                    self._filled_by(self._datums[one.get("varno", 0)], None)
                    if "." in one["name"]:
                        self._field(self._datums[one.get("varno", 0)], line)
            elif kind == "PLpgSQL_recfield":
                self._field({kind: datum}, line)
            else:
                found = shape if isinstance(shape, Shape) else None
                if found is None and re.match(r"\s*(select|values|with)\b", sql, re.IGNORECASE):
                    found = Shape(sql, self._scope)
                self._filled_by({kind: datum}, found)

    def _field(self, datum: Tree, line: int) -> None:
        field = datum.get("PLpgSQL_recfield")
        if field is not None:
            parent = self._datums[field.get("recparentno", 0)].get("PLpgSQL_rec", {})
            name = '"' + parent.get("refname", "") + '"."' + field["fieldname"] + '"'
            self._add("target", name, line)

    def _datum(self, node: Tree) -> Tree:
        datum: Tree = self._datums[node.get("varno", 0)]
        return datum

    def _filled_by(self, datum: Tree, shape: Shape | None) -> None:
        """Remember which query gives a record its fields; None: something else does."""
        for one in datum.values():
            name = one.get("refname", "") if isinstance(one, Mapping) else ""
            self._assigned.add(name)
            for number in reversed(range(self._block + 1)):
                if name in self._body.variables.get(number, {}):
                    self._shapes.setdefault((number, name), []).append(shape)
                    return
