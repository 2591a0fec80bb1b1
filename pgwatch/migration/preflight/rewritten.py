"""What an UPDATE or an INSERT from a query meets in the rows that are there. Pure."""

from collections.abc import Sequence

from pgwatch.migration.extract import column_names, walk
from pgwatch.migration.parse import Node, UnparsableError, parse_expression, pb
from pgwatch.migration.preflight.conflicts import fires_before
from pgwatch.migration.preflight.foreign_keys import foreign_rows
from pgwatch.migration.preflight.liverows import can_evaluate, live_text, question
from pgwatch.migration.preflight.objects import Column, Constraint, Index, Relation
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError, StandIn


def check_updated(stage: Stage, before: Relation, after: Relation, node: Node) -> None:
    """Fail where a row that the UPDATE writes breaks a rule: `after` has the new values."""
    if before.live is None or before.gone or before.emptied or node.from_clause:
        return
    assigned = {
        c.number for t in node.target_list if (c := before.column(t.res_target.name)) is not None
    }
    known = {number for number, _ in after.values}
    if not assigned <= known:
        return
    try:
        where = live_text(stage, node.where_clause, before) if node.HasField("where_clause") else ""
    except (CannotTellError, NotYetKnownError):
        return
    values = [text for number, text in after.values if number in assigned]
    if not can_evaluate(
        stage, before, " AND ".join(f"({one}) IS NULL" for one in values) or "true"
    ):
        return
    _check_values(stage, before, values)
    for constraint in stage.scene.constraints_of(before.oid):
        if constraint.kind != "c" or not constraint.enforced:
            continue
        if constraint.validated and not assigned & set(constraint.columns):
            continue
        message = (
            f'new row for relation "{before.name}" violates check constraint "{constraint.name}"'
        )
        _ask(stage, after, constraint.expression, where=where, sqlstate="23514", message=message)
    for number in assigned:
        column = after.numbered(number)
        if column is not None and column.not_null:
            message = (
                f'null value in column "{column.name}" of relation "{after.name}"'
                " violates not-null constraint"
            )
            given = f"{quoted(column.name)} IS NOT NULL"
            _ask(stage, after, given, where=where, sqlstate="23502", message=message)
    _check_keys(stage, after, assigned)
    for constraint in stage.scene.constraints_of(before.oid):
        target = stage.scene.relations.get(constraint.references)
        told = constraint.validated and constraint.enforced  # old rows of another may break it
        if constraint.kind == "f" and told and target and assigned & set(constraint.columns):
            foreign_rows(stage, after, target, constraint)


def _check_values(stage: Stage, table: Relation, values: Sequence[str]) -> None:
    """Fail where a value cannot be computed for some row: a text that is no number, a division by zero."""
    asked = [one for one in values if "::" in one and _is_steady(stage, one)]
    if not asked or table.live is None:
        return
    tests = " AND ".join(f"(({one}) IS NULL) IS NOT NULL" for one in asked)
    schema, name = table.live
    evaluated = RowQuestion(rule=RowRule.CHECK, schema=schema, table=name, expression=tests)
    stage.breaks(evaluated, table, "")


def _is_steady(stage: Stage, value: str) -> bool:
    """Return whether computing a value changes nothing and calls no user's code."""
    for message in walk(parse_expression(value)):
        if isinstance(message, pb.FuncCall):
            schema, name = qualified(message.funcname)
            known = stage.facts.functions.get(name, ())
            own = stage.scene.functions_named(schema, name)
            if own or not known or any(one.volatility == "v" for one in known):
                return False
    return True


def _check_keys(stage: Stage, after: Relation, assigned: set[int]) -> None:
    """Fail where the rows as they are then have a key twice."""
    for one in stage.scene.indexes(after.oid):
        index = one.index
        assert index is not None
        touched = assigned & {*index.columns, *index.uses}
        if not (index.unique and touched and all(index.columns)) or index.expressions:
            continue
        try:
            asked = question(
                stage,
                after,
                RowRule.UNIQUE,
                index.columns,
                sqlstate="23505",
                expression=parse_expression(index.predicate) if index.predicate else None,
            )
        except (CannotTellError, NotYetKnownError, UnparsableError):
            continue
        message = f'duplicate key value violates unique constraint "{one.name}"'
        if asked is not None:
            stage.breaks(asked, after, message)


def check_deleted(stage: Stage, table: Relation, node: Node) -> None:
    """Fail where rows of other tables refer to a row that the DELETE takes away."""
    where = node.where_clause if node.HasField("where_clause") else None
    if node.using_clause or node.HasField("with_clause") or not _is_as_found(table):
        return
    if where is not None and any(isinstance(m, pb.SubLink) for m in walk(where)):
        return
    if fires_before(stage, table):
        return
    try:
        given = live_text(stage, where, table) if where is not None else "true"
    except (CannotTellError, NotYetKnownError):
        return
    for one in stage.scene.constraints.values():
        keeps = one.kind == "f" and one.references == table.oid and one.on_delete in ("a", "r")
        other = stage.scene.relations.get(one.table)
        if keeps and one.enforced and not one.deferrable and other and other.oid != table.oid:
            _check_referring(stage, table, other, one, given)


def _check_referring(
    stage: Stage, table: Relation, other: Relation, constraint: Constraint, given: str
) -> None:
    own = [c for n in constraint.referenced if (c := table.numbered(n)) is not None]
    theirs = [c for n in constraint.columns if (c := other.numbered(n)) is not None]
    if other.live is None or table.live is None or not _is_as_found(other) or other.filled:
        return
    if any(_took_along(stage, one) for one in stage.scene.constraints_of(other.oid)):
        return
    if not all(one.live for one in (*own, *theirs)):
        return
    same = " AND ".join(
        f"pgwatch_referring.{quoted(b.live)} = pgwatch_deleted.{quoted(a.live)}"
        for a, b in zip(own, theirs, strict=True)
    )
    deleted, referring = (".".join(map(quoted, one.live)) for one in (table, other) if one.live)
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM {deleted} AS pgwatch_deleted WHERE ({given}) AND {_left(table)} AND EXISTS"  # noqa: E501, S608 - quoted
        f" (SELECT FROM {referring} AS pgwatch_referring WHERE {same} AND {_left(other)}))"
    )
    if answer is True:
        by_restrict = constraint.on_delete == "r" and stage.facts.version >= 180000
        raise stage.fail(
            "23001" if by_restrict else "23503",
            f'update or delete on table "{table.name}" violates foreign key constraint'
            f' "{constraint.name}" on table "{other.name}"',
        )


def _is_as_found(table: Relation) -> bool:
    """Return whether the rows have the values that they have now."""
    return not (table.live is None or table.emptied or table.values or table.doubtful)


def _left(table: Relation) -> str:
    """Return the condition of the rows that no earlier statement deletes."""
    return f"({table.gone}) IS NOT TRUE" if table.gone else "true"


def _took_along(stage: Stage, constraint: Constraint) -> bool:
    """Return whether an earlier DELETE may have deleted or changed rows by a foreign key's action."""
    target = stage.scene.relations.get(constraint.references)
    acts = constraint.kind == "f" and constraint.on_delete in ("c", "n", "d")
    return acts and target is not None and bool(target.gone or target.emptied)


def _ask(
    stage: Stage, table: Relation, expression: str, *, where: str, sqlstate: str, message: str
) -> None:
    """Fail with `message` where a row of those that `where` selects does not obey an expression."""
    assert table.live is not None
    try:
        node = parse_expression(expression)
        text = live_text(stage, node, table)
    except (UnparsableError, CannotTellError, NotYetKnownError):
        return
    names = column_names(node)
    shown = tuple(one.live for one in table.columns if one.name in names and one.live)
    asked = RowQuestion(
        rule=RowRule.CHECK,
        schema=table.live[0],
        table=table.live[1],
        columns=shown,
        expression=f"({where}) IS NOT TRUE OR ({text})" if where else text,
        sqlstate=sqlstate,
    )
    stage.breaks(asked, table, message)


def check_selected(stage: Stage, table: Relation, columns: Sequence[Column], query: Node) -> None:
    """Fail where a query brings a row whose key is there already."""
    if table.live is None or table.gone or table.emptied or table.values:
        return
    source = _source(stage, query)
    if not source:
        return
    given = {one.number: one for one in columns}
    for one in stage.scene.indexes(table.oid):
        index = one.index
        assert index is not None
        if not index.unique or not index.columns or not all(n in given for n in index.columns):
            continue
        if _taken(stage, table, columns, index, source):
            raise stage.fail(
                "23505", f'duplicate key value violates unique constraint "{one.name}"'
            )


def _source(stage: Stage, query: Node) -> str:
    """Return the query where it gives the same now as when it is run, else ""."""
    for message in walk(query):
        if isinstance(message, pb.FuncCall) and stage.scene.functions_named(
            *qualified(message.funcname)
        ):
            return ""
    try:
        stand_in = StandIn(stage)
        sql = stand_in.query(query)
        same = all(
            stand_in.live_name(one) is not None
            and one.kind in "rp"
            and not (one.values or one.gone or one.emptied or one.doubtful)
            for one in stand_in.read
        )
    except (CannotTellError, NotYetKnownError):
        return ""
    return sql if same else ""


def _taken(
    stage: Stage, table: Relation, columns: Sequence[Column], index: Index, source: str
) -> bool:
    names = [c for n in index.columns if (c := table.numbered(n)) is not None]
    if table.live is None or not all(one.live for one in names):
        return False
    predicate = f"({index.predicate})" if index.predicate else "true"
    if index.predicate:
        used = column_names(parse_expression(index.predicate))
        if not used <= {one.name for one in columns} or any(
            c.name != c.live for c in table.columns
        ):
            return False
    same = " AND ".join(
        f"pgwatch_there.{quoted(one.live)} = {quoted(table.name)}.{quoted(one.name)}"
        for one in names
    )
    schema, name = table.live
    alias = ", ".join(quoted(one.name) for one in columns)
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM ({source}) AS {quoted(table.name)} ({alias}) WHERE {predicate}"  # noqa: S608 - quoted
        f" AND EXISTS (SELECT FROM (SELECT * FROM {quoted(schema)}.{quoted(name)}"
        f" WHERE {predicate}) AS pgwatch_there WHERE {same}))"
    )
    return answer is True
