"""SELECT, INSERT, UPDATE, DELETE, MERGE, COPY and TRUNCATE: whether the server understands them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgwatch.migration.parse import Node, opened, parse_statements, pb, strings
from pgwatch.migration.preflight.asking import (
    Columns,
    assignable,
    columns_of,
    forbid_aggregates,
    is_literal,
)
from pgwatch.migration.preflight.columns import literal_as
from pgwatch.migration.preflight.conflicts import check_arbiter, check_inserted
from pgwatch.migration.preflight.fired import check_called, check_fired, touches_rows
from pgwatch.migration.preflight.liverows import deleted, updated
from pgwatch.migration.preflight.rewritten import check_selected, check_updated
from pgwatch.migration.preflight.scene import Column, Relation
from pgwatch.migration.preflight.stage import CannotTellError, Stage
from pgwatch.migration.preflight.standin import StandIn
from pgwatch.migration.preflight.views import result_columns, unpopulated

_CHUNK = 400  # expressions in one question; a SELECT has at most 1,664


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The function in whose body a statement stands."""

    function: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    positions: Sequence[str] = ()
    runs: bool = False  # now, as against when the function is called

    def stand_in(self, stage: Stage) -> StandIn:
        """Return what rewrites queries of the body."""
        return StandIn(
            stage,
            parameters=self.parameters,
            positions=self.positions,
            function=self.function,
        )


_NONE = Body(runs=True)
_NO_VALUE = ("set_to_default", "multi_assign_ref")


def analyse(stage: Stage, kind: str, node: Node, body: Body = _NONE) -> Columns | None:
    """Fail where the server would refuse a statement on rows; returns what it gives, if that is known."""
    if kind == "select_stmt":
        return _select(stage, node, body)
    if kind == "insert_stmt":
        return _insert(stage, node, body)
    if kind == "update_stmt":
        return _update(stage, node, body)
    if kind == "delete_stmt":
        return _delete(stage, node, body)
    return None


def is_dml(kind: str) -> bool:
    """Return whether `analyse` reads statements of that kind."""
    return kind in ("select_stmt", "insert_stmt", "update_stmt", "delete_stmt")


def _select(stage: Stage, node: Node, body: Body) -> Columns | None:
    holder = pb.Node()
    holder.select_stmt.CopyFrom(node)
    into = node.HasField("into_clause")
    holder.select_stmt.ClearField("into_clause")
    _changes_inside(stage, holder, body)
    stand_in = body.stand_in(stage)
    found = columns_of(stage, lambda: stand_in.query(holder))
    if body.runs:
        unpopulated(stage, holder)
        check_called(stage, holder.select_stmt, _in_body)
    if into and body.runs:
        _into(stage, node, holder)
    return found


def _into(stage: Stage, node: Node, query: Node) -> None:
    relation = node.into_clause.rel
    schema = stage.place(relation.schemaname)
    if (schema, relation.relname) in stage.scene.relation_names:
        raise stage.fail("42P07", f'relation "{relation.relname}" already exists')
    columns = result_columns(stage, query)
    stage.scene.put(
        Relation(
            oid=stage.scene.number(),
            kind="r",
            schema=schema,
            name=relation.relname,
            columns=tuple(Column(name=n, type=t, number=i) for i, (n, t) in enumerate(columns, 1)),
            altered=True,
            rows_changed=True,
        )
    )


def _changes_inside(stage: Stage, holder: Node, body: Body) -> None:
    """WITH … AS (INSERT …) is analysed by itself, and gives its RETURNING."""
    _kind, node = opened(holder)
    if not node.HasField("with_clause"):
        return
    for item in node.with_clause.ctes:
        inner_kind, inner = opened(item.common_table_expr.ctequery)
        if inner_kind in ("insert_stmt", "update_stmt", "delete_stmt"):
            if inner.HasField("with_clause") or len(node.with_clause.ctes) > 1:
                raise CannotTellError("a change inside WITH is not read")
            found = analyse(stage, inner_kind, inner, body) or ()
            columns = ", ".join(f'NULL::{t} AS "{n}"' for n, t in found if t != "?")
            [(_, select)] = parse_statements(f"SELECT {columns}")
            item.common_table_expr.ctequery.select_stmt.CopyFrom(select)


def _target(stage: Stage, node: Node) -> Relation:
    table = stage.relation(node)
    assert table is not None
    if table.kind == "m":
        raise stage.fail("42809", f'cannot change materialized view "{table.name}"')
    if table.kind == "S":
        raise stage.fail("42809", f'cannot change sequence "{table.name}"')
    if table.kind in "iI":
        raise stage.fail("42809", f'cannot open relation "{table.name}"')
    if table.kind == "c":
        raise stage.fail("42809", f'cannot open relation "{table.name}"')
    return table


def _touched(
    stage: Stage, table: Relation, body: Body, change: Callable[[Relation], Relation]
) -> None:
    """Note what a statement does to the rows of a table and of its children."""
    if not body.runs:
        return
    for one in (table, *stage.scene.descendants(table.oid)):
        if one.kind in "rpf":
            current = stage.scene.relations[one.oid]
            after = change(current)
            stage.scene.put(replace(after, rows_changed=True))
            if after.gone != current.gone or after.emptied:
                for index in stage.scene.indexes(one.oid):
                    stage.scene.inserted.pop(index.oid, None)


def _column(stage: Stage, table: Relation, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise stage.fail("42703", f'column "{name}" of relation "{table.name}" does not exist')
    return column


def _insert(stage: Stage, node: Node, body: Body) -> Columns | None:
    table = _target(stage, node.relation)
    names = [item.res_target.name for item in node.cols]
    columns = [_column(stage, table, name) for name in names] or list(table.columns)
    if len(set(names)) < len(names):
        raise stage.fail("42701", f'column "{names[0]}" specified more than once')
    rows = _values(node)
    if rows is None:
        _insert_query(stage, node, table, columns, named=bool(names), body=body)
    else:
        _insert_values(stage, rows, table, columns, named=bool(names), node=node, body=body)
    if node.HasField("on_conflict_clause"):
        check_arbiter(stage, table, node.on_conflict_clause)
        _on_conflict(stage, table, node, body)
    if body.runs:
        _fired(stage, table, "INSERT", node, timing="before")
        check_inserted(stage, table, columns, rows, node)
        _fired(stage, table, "INSERT", node, timing="after")
    filled = rows is not None
    given = {one.number for one in columns[: len(rows[0])]} if rows else set()
    keyed = not filled or bool(given & set(stage.scene.primary_key(table.oid)))
    _touched(
        stage,
        table,
        body,
        lambda one: replace(one, filled=one.filled or filled, keyed=one.keyed or keyed),
    )
    return _returning(stage, table, node, body)


def _values(node: Node) -> list[list[Node]] | None:
    """Return the rows of VALUES, [[]] of DEFAULT VALUES, None where rows come from a query."""
    if not node.HasField("select_stmt"):
        return [[]]
    select = node.select_stmt.select_stmt
    if not select.values_lists or node.HasField("with_clause"):
        return None
    return [list(item.list.items) for item in select.values_lists]


def _check_count(stage: Stage, given: int, columns: list[Column], *, named: bool) -> list[Column]:
    if given > len(columns):
        raise stage.fail("42601", "INSERT has more expressions than target columns")
    if named and given < len(columns):
        raise stage.fail("42601", "INSERT has more target columns than expressions")
    return columns[:given]


def _insert_values(
    stage: Stage,
    rows: list[list[Node]],
    table: Relation,
    columns: list[Column],
    *,
    named: bool,
    node: Node,
    body: Body,
) -> None:
    asked: list[tuple[Column, Node]] = []
    if rows == [[]]:
        return
    for row in rows:
        if len(row) != len(rows[0]):
            raise stage.fail("42601", "VALUES lists must all be the same length")
        for column, item in zip(
            _check_count(stage, len(row), columns, named=named), row, strict=True
        ):
            if item.WhichOneof("node") == "set_to_default":
                continue
            _settable(stage, column, node)
            if is_literal(item):
                literal_as(stage, item, column.type)
            else:
                forbid_aggregates(stage, item, "VALUES")
                asked.append((column, item))
    for start in range(0, len(asked), _CHUNK):
        chunk = asked[start : start + _CHUNK]
        stand_in = body.stand_in(stage)
        found = columns_of(stage, lambda c=chunk, s=stand_in: s.expressions([n for _, n in c], []))  # type: ignore[misc]
        for (column, _), (_, type_) in zip(chunk, found or (), strict=False):
            _check_type(stage, column, type_)
    del table


def _check_type(stage: Stage, column: Column, type_: str) -> None:
    if not assignable(stage, type_, column.type):
        raise stage.fail(
            "42804",
            f'column "{column.name}" is of type {column.type} but expression is of type {type_}',
        )


def _settable(stage: Stage, column: Column, node: Node) -> None:
    if column.generated or (column.identity == "a" and node.override != pb.OVERRIDING_SYSTEM_VALUE):
        if not column.generated and node.override == pb.OVERRIDING_USER_VALUE:
            return
        raise stage.fail("428C9", f'cannot insert a non-DEFAULT value into column "{column.name}"')


def _insert_query(
    stage: Stage,
    node: Node,
    table: Relation,
    columns: list[Column],
    *,
    named: bool,
    body: Body,
) -> None:
    query = pb.Node()
    query.CopyFrom(node.select_stmt)
    if node.HasField("with_clause"):
        query.select_stmt.with_clause.CopyFrom(node.with_clause)
    literals = {}
    select = query.select_stmt
    if not select.HasField("larg"):
        for number, item in enumerate(select.target_list):
            if is_literal(item.res_target.val):
                literals[number] = item.res_target.val
    _changes_inside(stage, query, body)
    stand_in = body.stand_in(stage)
    found = columns_of(stage, lambda: stand_in.query(query))
    if body.runs:
        unpopulated(stage, query)
    if found is None:
        return
    targets = _check_count(stage, len(found), columns, named=named)
    later = (targets, query) if body.runs and not node.HasField("on_conflict_clause") else None
    for number, (column, (_, type_)) in enumerate(zip(targets, found, strict=True)):
        _settable(stage, column, node)
        if number in literals:
            literal_as(stage, literals[number], column.type)
        else:
            _check_type(stage, column, type_)
    if later is not None:
        check_selected(stage, table, *later)


def _on_conflict(stage: Stage, table: Relation, node: Node, body: Body) -> None:
    clause = node.on_conflict_clause
    alias = node.relation.alias.aliasname or table.name
    rows: list[tuple[Relation | None, str]] = [(table, alias), (table, "excluded")]
    _assignments(stage, table, clause.target_list, rows, body)
    if clause.HasField("where_clause"):
        stand_in = body.stand_in(stage)
        columns_of(stage, lambda: stand_in.expressions([clause.where_clause], rows))


def _assignments(
    stage: Stage,
    table: Relation,
    targets: Sequence[Node],
    rows: Sequence[tuple[Relation | None, str]],
    body: Body,
) -> None:
    pairs = []
    for item in targets:
        target = item.res_target
        column = _column(stage, table, target.name)
        kind = target.val.WhichOneof("node")
        if kind in {"set_to_default", "multi_assign_ref"} or target.indirection:
            continue
        if column.generated or column.identity == "a":
            raise stage.fail("428C9", f'column "{column.name}" can only be updated to DEFAULT')
        if is_literal(target.val):
            literal_as(stage, target.val, column.type)
        else:
            pairs.append((column, target.val))
    if pairs:
        stand_in = body.stand_in(stage)
        # A column of both rows is that of the target (ON CONFLICT DO UPDATE takes it so).
        found = columns_of(stage, lambda: stand_in.expressions([n for _, n in pairs], rows))
        for (column, _), (_, type_) in zip(pairs, found or (), strict=False):
            _check_type(stage, column, type_)


def _update(stage: Stage, node: Node, body: Body) -> Columns | None:
    table = _target(stage, node.relation)
    assigned = [item.res_target for item in node.target_list]
    plain = [one for one in assigned if one.val.WhichOneof("node") not in _NO_VALUE]
    plain = [one for one in plain if not one.indirection]
    values = [one for one in plain if not is_literal(one.val)]
    for one in values:
        forbid_aggregates(stage, one.val, "UPDATE")
    query = _as_select(node, [one.val for one in values])
    for one in assigned:
        if one.val.WhichOneof("node") == "multi_assign_ref" and one.val.multi_assign_ref.colno == 1:
            item = query.select_stmt.target_list.add()
            item.res_target.val.CopyFrom(one.val.multi_assign_ref.source)
    for source in node.from_clause:
        query.select_stmt.from_clause.add().CopyFrom(source)
    _changes_inside(stage, query, body)
    stand_in = body.stand_in(stage)
    # The server looks at the expressions first, then at what they are assigned to.
    found = columns_of(stage, lambda: stand_in.query(query))
    types = dict(zip((one.name for one in values), (t for _, t in found or ()), strict=False))
    for one in assigned:
        column = _column(stage, table, one.name)
        if one in plain:
            _assigned(stage, column, one.val, types)
    if body.runs:
        numbers = frozenset(_column(stage, table, one.name).number for one in assigned)
        _fired(stage, table, "UPDATE", node, timing="before", columns=numbers)
        check_updated(stage, table, updated(stage, table, node), node)
        _fired(stage, table, "UPDATE", node, timing="after", columns=numbers)
    _touched(stage, table, body, lambda one: updated(stage, one, node))
    return _returned(stage, query, node, body)


def _assigned(stage: Stage, column: Column, value: Node, types: Mapping[str, str]) -> None:
    if column.generated or column.identity == "a":
        raise stage.fail("428C9", f'column "{column.name}" can only be updated to DEFAULT')
    if is_literal(value):
        literal_as(stage, value, column.type)
    elif column.name in types:
        _check_type(stage, column, types[column.name])


def _delete(stage: Stage, node: Node, body: Body) -> Columns | None:
    table = _target(stage, node.relation)
    query = _as_select(node, [])
    for item in node.using_clause:
        query.select_stmt.from_clause.add().CopyFrom(item)
    _changes_inside(stage, query, body)
    stand_in = body.stand_in(stage)
    columns_of(stage, lambda: stand_in.query(query))
    if body.runs:
        _fired(stage, table, "DELETE", node, timing="before")
        _fired(stage, table, "DELETE", node, timing="after")
    _touched(stage, table, body, lambda one: deleted(stage, one, node))
    return _returned(stage, query, node, body)


def _in_body(stage: Stage, kind: str, node: Node) -> None:
    analyse(stage, kind, node, Body())


def _fired(
    stage: Stage,
    table: Relation,
    event: str,
    node: Node,
    *,
    timing: str,
    columns: frozenset[int] = frozenset(),
) -> None:
    check_fired(
        stage,
        table,
        event,
        timing=timing,
        columns=columns,
        touches=lambda: touches_rows(stage, table, node),
        analyse=_in_body,
    )


def _as_select(node: Node, values: Sequence[Node]) -> Node:
    """Return a query over the rows that an UPDATE or DELETE reads."""
    holder = pb.Node()
    select = holder.select_stmt
    select.op, select.limit_option = pb.SETOP_NONE, pb.LIMIT_OPTION_DEFAULT
    for value in values:
        select.target_list.add().res_target.val.CopyFrom(value)
    select.from_clause.add().range_var.CopyFrom(node.relation)
    if node.HasField("where_clause"):
        select.where_clause.CopyFrom(node.where_clause)
    if node.HasField("with_clause"):
        select.with_clause.CopyFrom(node.with_clause)
    return holder


def _returned(stage: Stage, query: Node, node: Node, body: Body) -> Columns | None:
    returning = returning_list(node)
    if not returning:
        return ()
    del query.select_stmt.target_list[:]
    for item in returning:
        query.select_stmt.target_list.add().CopyFrom(item)
    stand_in = body.stand_in(stage)
    return columns_of(stage, lambda: stand_in.query(query))


def returning_list(node: Node) -> list[Node]:
    """Return what RETURNING names; the field's name differs between versions of the grammar."""
    if hasattr(node, "returning_list"):
        return list(node.returning_list)
    return list(node.returning_clause.exprs) if node.HasField("returning_clause") else []


def _returning(stage: Stage, table: Relation, node: Node, body: Body) -> Columns | None:
    returning = returning_list(node)
    if not returning:
        return ()
    query = pb.Node()
    select = query.select_stmt
    select.op, select.limit_option = pb.SETOP_NONE, pb.LIMIT_OPTION_DEFAULT
    for item in returning:
        select.target_list.add().CopyFrom(item)
    select.from_clause.add().range_var.CopyFrom(node.relation)
    del table
    stand_in = body.stand_in(stage)
    return columns_of(stage, lambda: stand_in.query(query))


def truncate(stage: Stage, node: Node) -> None:
    """TRUNCATE."""
    tables = [stage.relation(item.range_var) for item in node.relations]
    oids = {one.oid for one in tables if one is not None}
    for table in tables:
        assert table is not None
        if table.kind not in "rpf":
            raise stage.fail("42809", f'"{table.name}" is not a table')
        for constraint in stage.scene.constraints.values():
            outside = constraint.references == table.oid and constraint.table not in oids
            if outside and node.behavior != pb.DROP_CASCADE:
                raise stage.fail(
                    "0A000", "cannot truncate a table referenced in a foreign key constraint"
                )
        _touched(stage, table, _NONE, lambda one: deleted(stage, one, None))


def copy(stage: Stage, node: Node) -> None:
    """COPY: the table and its columns."""
    if node.HasField("query"):
        kind, inner = opened(node.query)
        analyse(stage, kind, inner)
        return
    if not node.HasField("relation"):
        return
    table = stage.relation(node.relation)
    assert table is not None
    for name in strings(node.attlist):
        _column(stage, table, name)
    if node.is_from:
        _target(stage, node.relation)
        stage.scene.put(replace(stage.scene.relations[table.oid], rows_changed=True))
