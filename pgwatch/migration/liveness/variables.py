"""Variables of a body, and what stands for them where the server is to analyse a statement. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pgwatch.migration.extract import walk
from pgwatch.migration.liveness.routine import Type
from pgwatch.migration.parse import Node, UnparsableError, parse_statements, pb, strings

_PART = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
_CHANGING = (pb.InsertStmt, pb.UpdateStmt, pb.DeleteStmt, pb.MergeStmt)
_RANGES = (pb.RangeFunction, pb.RangeSubselect)
_MOST_NESTED = 3  # records whose shape is that of a query over records …
_SYSTEM_COLUMNS = {
    "tableoid": "oid",
    "ctid": "tid",
    "xmin": "xid",
    "xmax": "xid",
    "cmin": "cid",
    "cmax": "cid",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The query that fills a record, and what its own variables mean."""

    sql: str
    scope: "Scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable or parameter."""

    name: str
    sql: str = ""  # an expression of its type; "" where the type cannot be known
    composite: bool = False
    shape: Shape | None = None  # of a record that one query fills
    columns: tuple[str, ...] | None = None  # of NEW and OLD: to tell what is missing


@dataclass(frozen=True, slots=True)
class Frame:
    """The variables of one block, loop or of the function itself."""

    label: str
    variables: Mapping[str, Variable]


@dataclass(frozen=True, slots=True)
class Scope:
    """The frames that can be seen, the outermost first, and the relations that have another name."""

    frames: tuple[Frame, ...] = ()
    positional: tuple[Variable, ...] = ()
    relations: Mapping[str, str] = field(default_factory=dict)  # transition table → its table
    conflict: str = "error"

    def inside(self, label: str, variables: Mapping[str, Variable]) -> "Scope":
        """Return the scope within one more block."""
        frames = (*self.frames, Frame(label, variables))
        return Scope(frames, self.positional, self.relations, self.conflict)

    def find(self, names: Sequence[str], *, star: bool = False) -> "tuple[Variable, str] | None":
        """Return the variable that a dotted name means, and the field; as plpgsql_ns_lookup does."""
        for frame in reversed(self.frames):
            if (found := _matches(frame.variables.get(names[0]), names[1:], star=star)) is not None:
                return found
            if frame.label == names[0] and len(names) > 1:
                inner = _matches(frame.variables.get(names[1]), names[2:], star=star)
                if inner is not None:
                    return inner
        return None


def _matches(
    variable: Variable | None, rest: Sequence[str], *, star: bool
) -> tuple[Variable, str] | None:
    if variable is None or len(rest) > 1:
        return None
    record = variable.composite or variable.shape is not None or not variable.sql
    if (rest or star) and not record:
        return None
    return variable, rest[0] if rest else ""


def typed(name: str, kind: Type) -> Variable:
    """Return a variable of a type that the catalogue names."""
    sql = f"NULL::{kind.sql}" if kind.sql else ""
    return Variable(name=name, sql=sql, composite=kind.composite)


@dataclass(frozen=True, slots=True, kw_only=True)
class Substituted:
    """A statement with NULLs of the right types for its variables."""

    sql: str
    loose: bool  # a type is not known, so that only names can be judged
    ambiguous: tuple[
        tuple[int, str, str], ...
    ]  # (number, name, the statement with it left as it is)
    clash: str = ""  # the name of a variable where only a column may be meant
    missing: tuple[tuple[str, str], ...] = ()  # (record, field) that NEW or OLD does not have
    relations: frozenset[str] = frozenset()  # that it names without a schema
    schemas: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    start: int
    end: int
    text: str
    name: str = ""  # of a variable that may be meant as a column


def substitute(
    sql: str, scope: Scope, *, columns: frozenset[int] = frozenset(), depth: int = 0
) -> Substituted:
    """Return `sql`, one statement, without variables.

    `columns` are the numbers of the references that mean columns, as the server was asked. Raises
    UnparsableError.
    """
    [(_, tree)] = parse_statements(sql)
    return _Substitution(sql, tree, scope, depth).result(columns)


class _Substitution:
    def __init__(self, sql: str, tree: Node, scope: Scope, depth: int) -> None:
        self._bytes = sql.encode()
        self._tree = tree
        self._scope = scope
        self._depth = depth
        self._loose = False
        self._missing: list[tuple[str, str]] = []
        self._outputs: set[int] = set()  # where a name means a result column
        self._expanding: set[int] = set()  # where `x.*` becomes several columns
        self._relations: set[str] = set()
        self._schemas: set[str] = set()
        self._clash = ""
        self._ranges = False

    def result(self, columns: frozenset[int]) -> Substituted:
        nodes = list(walk(self._tree))
        for node in nodes:
            self._look(node)
        # The tree holds the row of `SET (a, b) = (…)` once for each of its columns.
        found = {change.start: change for node in nodes for change in self._changes(node)}
        changes = [found[start] for start in sorted(found)]
        kept = [c for number, c in enumerate(changes) if number not in columns]
        ambiguous = [
            (number, change.name, self._replaced(changes[:number] + changes[number + 1 :]))
            for number, change in enumerate(changes)
            if change.name and self._ranges
        ]
        return Substituted(
            sql=self._replaced(kept),
            loose=self._loose,
            ambiguous=tuple(ambiguous),
            clash=self._clash,
            missing=tuple(self._missing),
            relations=frozenset(self._relations),
            schemas=frozenset(self._schemas),
        )

    def _replaced(self, changes: Sequence[_Change]) -> str:
        parts, copied = [], 0
        for change in changes:
            parts += [self._bytes[copied : change.start], change.text.encode()]
            copied = change.end
        return b"".join([*parts, self._bytes[copied:]]).decode()

    def _look(self, node: Node) -> None:
        """Note what decides how a name is meant."""
        if isinstance(node, pb.SelectStmt):
            self._select(node)
        elif isinstance(node, pb.RowExpr):
            self._expanding |= set(_columns(node.args))
        elif isinstance(node, _CHANGING):
            self._ranges = True
            self._expanding |= set(_columns(t.res_target.val for t in node.returning_clause.exprs))
        elif isinstance(node, pb.RangeVar):
            self._ranges = True
            if node.schemaname:
                self._schemas.add(node.schemaname)
            else:
                self._relations.add(node.relname)
        elif isinstance(node, _RANGES):
            self._ranges = True
        elif isinstance(node, pb.InferClause):
            names = [item.index_elem.name for item in node.index_elems]
            found = [name for name in names if name and self._scope.find([name])]
            if found and self._scope.conflict == "error":
                self._clash = found[0]

    def _select(self, node: Node) -> None:
        first = node
        while first.HasField("larg"):  # of UNION and the like the first part names the columns
            first = first.larg
        targets = [item.res_target for item in first.target_list]
        self._expanding |= set(_columns(target.val for target in targets))
        for values in node.values_lists:
            self._expanding |= set(_columns(values.list.items))
        names = {target.name for target in targets if target.name}
        star = False
        for reference in _references(target.val for target in targets if not target.name):
            star = star or reference.fields[-1].HasField("a_star")
            names |= set(strings(f for f in reference.fields[-1:] if f.HasField("string")))
        names |= {
            strings(target.val.func_call.funcname)[-1]
            for target in targets
            if not target.name and target.val.HasField("func_call")
        }
        ordered = [item.sort_by.node for item in node.sort_clause]
        for reference in _references([*ordered, *node.group_clause, *node.distinct_clause]):
            if len(reference.fields) == 1 and (star or strings(reference.fields)[0] in names):
                self._outputs.add(reference.location)

    def _changes(self, node: Node) -> Iterator[_Change]:
        if isinstance(node, pb.ColumnRef) and node.location not in self._outputs:
            yield from self._reference(node)
        elif isinstance(node, pb.ParamRef) and 0 < node.number <= len(self._scope.positional):
            variable = self._scope.positional[node.number - 1]
            end = node.location + len(f"${node.number}")
            yield _Change(node.location, end, self._text(variable, "", star=False))
        elif isinstance(node, pb.RangeVar) and not node.schemaname:
            table = self._scope.relations.get(node.relname)
            if table is not None:
                end = self._end(node.location, 1)
                alias = "" if node.HasField("alias") else f' AS "{node.relname}"'
                yield _Change(node.location, end, table + alias)

    def _reference(self, node: Node) -> Iterator[_Change]:
        star = node.fields[-1].HasField("a_star")
        names = strings(part for part in node.fields if part.HasField("string"))
        if not names:
            return
        found = self._scope.find(names, star=star)
        if found is None:
            return
        variable, name = found
        end = self._end(node.location, len(node.fields))
        expands = star and node.location in self._expanding
        text = self._text(variable, name, star=expands)
        candidate = "" if variable.columns is not None else names[-1]
        yield _Change(node.location, end, text, "" if star else candidate)

    def _end(self, start: int, parts: int) -> int:
        text = self._bytes[start:].decode()
        chain = rf"{_PART}(?:\s*\.\s*(?:{_PART}|\*)){{{parts - 1}}}"
        match = re.match(chain, text)
        if match is None:
            raise UnparsableError("a name is written in a way that is not read")
        return start + len(match.group().encode())

    def _text(self, variable: Variable, name: str, *, star: bool) -> str:
        if name and variable.columns is not None and name not in variable.columns:
            if name in _SYSTEM_COLUMNS:
                return f"(NULL::pg_catalog.{_SYSTEM_COLUMNS[name]})"
            self._missing.append((variable.name, name))
        if variable.shape is not None:
            return self._of_shape(variable.shape, variable.name, name, star=star)
        if not variable.sql:
            self._loose = True
            return "NULL"
        text = f"({variable.sql})"
        if name:
            text += f".{quoted(name)}"
        return f"{text}.*" if star else f"({text})" if name else text

    def _of_shape(self, shape: Shape, record: str, name: str, *, star: bool) -> str:
        if star or self._depth >= _MOST_NESTED:
            self._loose = True
            return "NULL"
        inner = substitute(shape.sql, shape.scope, depth=self._depth + 1)
        self._loose = self._loose or inner.loose
        self._relations |= inner.relations
        alias = quoted(record)
        field_text = f"{alias}.{quoted(name)}" if name else alias
        return f"(SELECT {field_text} FROM ({inner.sql}) AS {alias})"  # noqa: S608 - analysed only


def _references(nodes: "Iterator[Node] | Sequence[Node]") -> Iterator[Node]:
    for node in nodes:
        if node.HasField("column_ref"):
            yield node.column_ref


def _columns(nodes: "Iterator[Node] | Sequence[Node]") -> Iterator[int]:
    for reference in _references(nodes):
        yield reference.location


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
