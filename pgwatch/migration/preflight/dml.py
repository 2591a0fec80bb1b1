"""SELECT, INSERT, UPDATE, DELETE, MERGE, COPY and TRUNCATE: whether the server understands them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pgwatch.migration.parse import Node, opened, parse_statements, pb, strings
from pgwatch.migration.preflight.added import (
    add_query,
    add_rows,
    add_unknown,
    change_rows,
    set_values,
)
from pgwatch.migration.preflight.asking import Columns, columns_of, forbid_aggregates, is_literal
from pgwatch.migration.preflight.columns import literal_as
from pgwatch.migration.preflight.conflicts import check_inserted
from pgwatch.migration.preflight.dml_parts import Body, check_type
from pgwatch.migration.preflight.fired import (
    check_called,
    check_fired,
    fires_before_insert,
    touches_rows,
)
from pgwatch.migration.preflight.insert import (
    check_conflict,
    check_query,
    check_values,
    query_of,
    rows_of,
    target_columns,
)
from pgwatch.migration.preflight.liverows import deleted, updated
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.rewritten import check_deleted, check_updated
from pgwatch.migration.preflight.stage import CannotTellError, Stage
from pgwatch.migration.preflight.standin import NotYetKnownError
from pgwatch.migration.preflight.views import result_columns, unpopulated

_NOW = Body(runs=True)
_NO_VALUE = ("set_to_default", "multi_assign_ref")


def analyse(stage: Stage, kind: str, node: Node, body: Body = _NOW) -> Columns | None:
    """Fail where the server would refuse a statement on rows; returns what it gives, if that is known.

    Statements of other kinds are not looked at.
    """
    handler = _HANDLERS.get(kind)
    return handler(stage, node, body) if handler is not None else None


def is_dml(kind: str) -> bool:
    """Return whether `analyse` reads statements of that kind."""
    return kind in _HANDLERS


def _select(stage: Stage, node: Node, body: Body) -> Columns | None:
    holder = pb.Node()
    holder.select_stmt.CopyFrom(node)
    into = node.HasField("into_clause")
    holder.select_stmt.ClearField("into_clause")
    _changes_inside(stage, holder, body)
    found = columns_of(stage, partial(body.stand_in(stage).query, holder))
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
    if table.kind in "iIc":
        raise stage.fail("42809", f'cannot open relation "{table.name}"')
    return table


def _touched(
    stage: Stage,
    table: Relation,
    body: Body,
    change: Callable[[Relation], Relation],
    *,
    adds: bool = False,
) -> None:
    """Note what a statement does to the rows of a table and of its children; `adds`: it only adds some."""
    if not body.runs:
        return
    for one in (table, *stage.scene.descendants(table.oid)):
        if one.kind in "rpf":
            current = stage.scene.relations[one.oid]
            after = change(current)
            stage.scene.put(replace(after, rows_changed=True))
            if not adds and after is not current:
                change_rows(stage, current, after)
            if after.gone != current.gone or after.emptied:
                for index in stage.scene.indexes(one.oid):
                    stage.scene.inserted.pop(index.oid, None)


def _insert(stage: Stage, node: Node, body: Body) -> Columns | None:
    table = _target(stage, node.relation)
    columns = target_columns(stage, table, node)
    rows = rows_of(node)
    if rows is None:
        query = query_of(node)
        _changes_inside(stage, query, body)
        check_query(stage, query, table, columns, node, body=body)
    else:
        check_values(stage, rows, columns, node, body)
    if node.HasField("on_conflict_clause"):
        check_conflict(stage, table, node, body)
    if body.runs:
        _fired(stage, table, "INSERT", node, timing="before")
        check_inserted(stage, table, columns, rows, node)
        _fired(stage, table, "INSERT", node, timing="after")
    filled = rows is not None or _brings_rows(stage, table, node, body)
    given = {one.number for one in columns[: len(rows[0])]} if rows else set()
    keyed = rows is None or bool(given & set(stage.scene.primary_key(table.oid)))
    _touched(
        stage,
        table,
        body,
        lambda one: replace(one, filled=one.filled or filled, keyed=one.keyed or keyed),
        adds=True,
    )
    if body.runs:
        _added(stage, table, columns, rows, node)
    return _returning(stage, node, body)


def _added(
    stage: Stage, table: Relation, columns: list[Column], rows: list[list[Node]] | None, node: Node
) -> None:
    conflict = node.on_conflict_clause.action
    if conflict == pb.ONCONFLICT_UPDATE:
        add_unknown(stage, table, f"rows are added to {table.name}, or update others")
    elif fires_before_insert(stage, table):
        add_unknown(stage, table, f"a trigger may change the rows that are added to {table.name}")
    elif rows is None:
        add_query(stage, table, columns, query_of(node).select_stmt)
    else:
        left_out = f"rows are added to {table.name} where no others are in the way"
        maybe = left_out if conflict == pb.ONCONFLICT_NOTHING else ""
        add_rows(stage, table, columns, rows, maybe=maybe)


def _brings_rows(stage: Stage, table: Relation, node: Node, body: Body) -> bool:
    """Return whether the query of an INSERT is known to give a row."""
    try:
        return body.runs and touches_rows(stage, table, node)
    except (CannotTellError, NotYetKnownError):
        return False


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
    # The server looks at the expressions first, then at what they are assigned to.
    found = columns_of(stage, partial(body.stand_in(stage).query, query))
    types = dict(zip((one.name for one in values), (t for _, t in found or ()), strict=False))
    for one in assigned:
        column = stage.column(table, one.name)
        if one in plain:
            _assigned(stage, column, one.val, types)
    if body.runs:
        numbers = frozenset(stage.column(table, one.name).number for one in assigned)
        _fired(stage, table, "UPDATE", node, timing="before", columns=numbers)
        check_updated(stage, table, updated(stage, table, node), node)
        _fired(stage, table, "UPDATE", node, timing="after", columns=numbers)
    _touched(stage, table, body, lambda one: updated(stage, one, node))
    if body.runs and updated(stage, table, node) is not table:
        set_values(stage, table, {stage.column(table, one.name).number for one in assigned})
    return _returned(stage, query, node, body)


def _assigned(stage: Stage, column: Column, value: Node, types: Mapping[str, str]) -> None:
    if column.generated or column.identity == "a":
        raise stage.fail("428C9", f'column "{column.name}" can only be updated to DEFAULT')
    if is_literal(value):
        literal_as(stage, value, column.type)
    elif column.name in types:
        check_type(stage, column, types[column.name])


def _delete(stage: Stage, node: Node, body: Body) -> Columns | None:
    table = _target(stage, node.relation)
    query = _as_select(node, [])
    for item in node.using_clause:
        query.select_stmt.from_clause.add().CopyFrom(item)
    _changes_inside(stage, query, body)
    columns_of(stage, partial(body.stand_in(stage).query, query))
    if body.runs:
        _fired(stage, table, "DELETE", node, timing="before")
        check_deleted(stage, table, node)
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
    returning = _returning_list(node)
    if not returning:
        return ()
    del query.select_stmt.target_list[:]
    for item in returning:
        query.select_stmt.target_list.add().CopyFrom(item)
    return columns_of(stage, partial(body.stand_in(stage).query, query))


def _returning_list(node: Node) -> list[Node]:
    """Return what RETURNING names; the field's name differs between versions of the grammar."""
    if hasattr(node, "returning_list"):
        return list(node.returning_list)
    return list(node.returning_clause.exprs) if node.HasField("returning_clause") else []


def _returning(stage: Stage, node: Node, body: Body) -> Columns | None:
    returning = _returning_list(node)
    if not returning:
        return ()
    query = pb.Node()
    select = query.select_stmt
    select.op, select.limit_option = pb.SETOP_NONE, pb.LIMIT_OPTION_DEFAULT
    for item in returning:
        select.target_list.add().CopyFrom(item)
    select.from_clause.add().range_var.CopyFrom(node.relation)
    return columns_of(stage, partial(body.stand_in(stage).query, query))


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
        _touched(stage, table, _NOW, lambda one: deleted(stage, one, None))


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
        stage.column(table, name)
    if node.is_from:
        _target(stage, node.relation)
        stage.scene.put(replace(stage.scene.relations[table.oid], rows_changed=True))
        add_unknown(stage, table, f"COPY adds rows to {table.name}")


_HANDLERS: Mapping[str, Callable[[Stage, Node, Body], Columns | None]] = {
    "select_stmt": _select,
    "insert_stmt": _insert,
    "update_stmt": _update,
    "delete_stmt": _delete,
}
