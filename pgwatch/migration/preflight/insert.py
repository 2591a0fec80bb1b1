"""INSERT: whether its values or its query fit the columns, and what ON CONFLICT assigns. Pure."""

from collections.abc import Sequence
from functools import partial

from pgwatch.migration.parse import Node, pb
from pgwatch.migration.preflight.asking import columns_of, forbid_aggregates, is_literal
from pgwatch.migration.preflight.columns import literal_as
from pgwatch.migration.preflight.conflicts import check_arbiter
from pgwatch.migration.preflight.dml_parts import Body, check_type
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.rewritten import check_selected
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.views import unpopulated

_CHUNK = 400  # expressions in one question; a SELECT has at most 1,664


def target_columns(stage: Stage, table: Relation, node: Node) -> list[Column]:
    """Return the columns that an INSERT names, or all."""
    names = [item.res_target.name for item in node.cols]
    columns = [stage.column(table, name) for name in names]
    if len(set(names)) < len(names):
        raise stage.fail("42701", f'column "{names[0]}" specified more than once')
    return columns or list(table.columns)


def rows_of(node: Node) -> list[list[Node]] | None:
    """Return the rows of VALUES, [[]] of DEFAULT VALUES, None where rows come from a query."""
    if not node.HasField("select_stmt"):
        return [[]]
    select = node.select_stmt.select_stmt
    if not select.values_lists or node.HasField("with_clause"):
        return None
    return [list(item.list.items) for item in select.values_lists]


def query_of(node: Node) -> Node:
    """Return the query from which rows come, with the WITH of the INSERT."""
    query = pb.Node()
    query.CopyFrom(node.select_stmt)
    if node.HasField("with_clause"):
        query.select_stmt.with_clause.CopyFrom(node.with_clause)
    return query


def check_values(
    stage: Stage, rows: list[list[Node]], columns: list[Column], node: Node, body: Body
) -> None:
    """Fail where a value cannot be stored in its column."""
    asked: list[tuple[Column, Node]] = []
    given: dict[int, Column] = {}
    if rows == [[]]:
        return
    for row in rows:
        if len(row) != len(rows[0]):
            raise stage.fail("42601", "VALUES lists must all be the same length")
        for column, item in zip(_targets(stage, len(row), columns, node), row, strict=True):
            if item.WhichOneof("node") == "set_to_default":
                continue
            given[column.number] = column
            if is_literal(item):
                literal_as(stage, item, column.type)
            else:
                forbid_aggregates(stage, item, "VALUES")
                asked.append((column, item))
    for start in range(0, len(asked), _CHUNK):
        chunk = asked[start : start + _CHUNK]
        values = [value for _, value in chunk]
        found = columns_of(stage, partial(body.stand_in(stage).expressions, values, []))
        for (column, _), (_, type_) in zip(chunk, found or (), strict=False):
            check_type(stage, column, type_)
    for column in given.values():
        _settable(stage, column, node)


def check_query(
    stage: Stage, query: Node, table: Relation, columns: list[Column], node: Node, *, body: Body
) -> None:
    """Fail where what a query gives cannot be stored in the columns of `table`."""
    literals = _literals(query.select_stmt)
    found = columns_of(stage, partial(body.stand_in(stage).query, query))
    if body.runs:
        unpopulated(stage, query)
    if found is None:
        return
    targets = _targets(stage, len(found), columns, node)
    for number, (column, (_, type_)) in enumerate(zip(targets, found, strict=True)):
        if number in literals:
            literal_as(stage, literals[number], column.type)
        else:
            check_type(stage, column, type_)
    for column in targets:  # the server looks at that when all fits
        _settable(stage, column, node)
    if body.runs and not node.HasField("on_conflict_clause"):
        check_selected(stage, table, targets, query)


def _literals(select: Node) -> dict[int, Node]:
    """Return the constants without a type that a query gives, by position."""
    if select.HasField("larg"):
        return {}
    values = [item.res_target.val for item in select.target_list]
    return {number: value for number, value in enumerate(values) if is_literal(value)}


def _targets(stage: Stage, given: int, columns: list[Column], node: Node) -> list[Column]:
    if given > len(columns):
        raise stage.fail("42601", "INSERT has more expressions than target columns")
    if node.cols and given < len(columns):
        raise stage.fail("42601", "INSERT has more target columns than expressions")
    return columns[:given]


def _settable(stage: Stage, column: Column, node: Node) -> None:
    if column.generated or (column.identity == "a" and node.override != pb.OVERRIDING_SYSTEM_VALUE):
        if not column.generated and node.override == pb.OVERRIDING_USER_VALUE:
            return
        raise stage.fail("428C9", f'cannot insert a non-DEFAULT value into column "{column.name}"')


def check_conflict(stage: Stage, table: Relation, node: Node, body: Body) -> None:
    """Fail where ON CONFLICT has no index to lean on, or assigns what does not fit."""
    clause = node.on_conflict_clause
    check_arbiter(stage, table, clause)
    alias = node.relation.alias.aliasname or table.name
    rows: list[tuple[Relation | None, str]] = [(table, alias), (table, "excluded")]
    _assignments(stage, table, clause.target_list, rows, body)
    if clause.HasField("where_clause"):
        stand_in = body.stand_in(stage)
        columns_of(stage, partial(stand_in.expressions, [clause.where_clause], rows))


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
        column = stage.column(table, target.name)
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
        values = [value for _, value in pairs]
        # A column of both rows is that of the target (ON CONFLICT DO UPDATE takes it so).
        found = columns_of(stage, partial(body.stand_in(stage).expressions, values, rows))
        for (column, _), (_, type_) in zip(pairs, found or (), strict=False):
            check_type(stage, column, type_)
