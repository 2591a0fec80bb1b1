"""Rows that an INSERT adds: the index of ON CONFLICT, values that are missing, keys that are taken. Pure."""

from collections.abc import Mapping, Sequence

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    expression_text,
    opened,
    parse_expression,
    pb,
)
from pgwatch.migration.preflight.liverows import has_rows
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Column, Constraint, Relation
from pgwatch.migration.preflight.stage import Stage, qualified, quoted

_ROWS = 200  # of one INSERT that are looked for


def check_arbiter(stage: Stage, table: Relation, clause: Node) -> None:
    """Fail where ON CONFLICT names no unique index."""
    infer = clause.infer
    if not clause.HasField("infer"):
        return
    if infer.conname:
        if (table.oid, infer.conname) not in stage.scene.constraints:
            raise stage.fail(
                "42704", f'constraint "{infer.conname}" for table "{table.name}" does not exist'
            )
        return
    numbers = []
    expressions = 0
    for item in infer.index_elems:
        name = item.index_elem.name
        if not name:
            expressions += 1
            continue
        column = table.column(name)
        if column is None:
            raise stage.fail("42703", f'column "{name}" does not exist')
        numbers.append(column.number)
    for one in stage.scene.indexes(table.oid):
        index = one.index
        assert index is not None
        fits = sorted(n for n in index.columns if n) == sorted(set(numbers))
        full = not index.predicate or infer.HasField("where_clause")
        fits = fits and full and index.columns.count(0) == expressions
        if index.unique and index.immediate and index.valid and fits:
            return
    raise stage.fail(
        "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification"
    )


def check_inserted(
    stage: Stage,
    table: Relation,
    columns: Sequence[Column],
    rows: list[list[Node]] | None,
    node: Node,
) -> None:
    """Fail where rows lack a value that they need, or have a key that is there already."""
    if table.kind not in "rp":
        return
    if rows is None:
        _check_query(stage, table, columns, node)
        return
    given = list(columns[: len(rows[0])]) if rows != [[]] else []
    if not fires_before(stage, table):
        _check_values(stage, table, given, rows)
    if not node.HasField("on_conflict_clause"):
        _check_keys(stage, table, given, rows)


def _check_values(
    stage: Stage, table: Relation, given: list[Column], rows: list[list[Node]]
) -> None:
    _check_missing(stage, table, given)
    for row in rows[:_ROWS]:
        for column, value in zip(given, row, strict=True):
            kind, constant = opened(value)
            if kind == "a_const" and constant.isnull and column.not_null and not column.identity:
                raise _no_value(stage, table, column)
    _check_references(stage, table, given, rows)
    _check_conditions(stage, table, given, rows)


def _no_value(stage: Stage, table: Relation, column: Column) -> Exception:
    return stage.fail(
        "23502",
        f'null value in column "{column.name}" of relation "{table.name}" violates not-null constraint',
    )


def fires_before(stage: Stage, table: Relation) -> bool:
    """Return whether a trigger may change a row before it is written, or leave it out."""
    return any(
        "BEFORE" in one.shape or "timing=before" in one.shape
        for one in stage.scene.triggers_of(table.oid)
    )


def _check_missing(stage: Stage, table: Relation, given: Sequence[Column]) -> None:
    there = {one.number for one in given}
    for column in table.columns:
        made = column.default or column.identity or column.generated
        found, _ = user_type(stage, column.type)
        if found is not None and found.default:
            made = made or "domain"
        if column.not_null and column.number not in there and not made:
            raise _no_value(stage, table, column)


def _check_query(stage: Stage, table: Relation, columns: Sequence[Column], node: Node) -> None:
    """INSERT … SELECT: a column without a value matters only if there is a row."""
    select = node.select_stmt.select_stmt
    width = len(select.target_list)
    if any(
        isinstance(m, pb.ColumnRef) and any(f.HasField("a_star") for f in m.fields)
        for item in select.target_list
        for m in walk(item)
    ) or select.HasField("larg"):
        return
    given = list(columns[:width])
    there = {one.number for one in given}
    lacking = [
        one
        for one in table.columns
        if one.not_null
        and one.number not in there
        and not (one.default or one.identity or one.generated)
    ]
    if not lacking:
        return
    if not select.from_clause and not select.HasField("where_clause"):
        raise _no_value(stage, table, lacking[0])
    sources = [
        stage.scene.find(item.range_var.schemaname, item.range_var.relname)
        for item in select.from_clause
        if item.WhichOneof("node") == "range_var"
    ]
    if len(sources) != 1 or sources[0] is None or select.HasField("where_clause"):
        return
    if has_rows(stage, sources[0]):
        raise _no_value(stage, table, lacking[0])


def _is_constant(node: Node) -> bool:
    kind, value = opened(node)
    if kind == "type_cast":
        return _is_constant(value.arg)
    return kind == "a_const" and not value.isnull


def _check_keys(
    stage: Stage, table: Relation, given: Sequence[Column], rows: list[list[Node]]
) -> None:
    """Fail where a key is taken: by a row of now, by an earlier statement's or by one of the same."""
    position = {column.number: number for number, column in enumerate(given)}
    for one in stage.scene.indexes(table.oid):
        index = one.index
        assert index is not None
        if not (index.unique and index.plain) or not all(n in position for n in index.columns):
            continue
        keys = []
        for row in rows[:_ROWS]:
            values = [row[position[n]] for n in index.columns]
            if all(map(_is_constant, values)):
                keys.append(tuple(expression_text(value) for value in values))
        taken = set(stage.scene.inserted.get(one.oid, ()))
        message = f'duplicate key value violates unique constraint "{one.name}"'
        for key in keys:
            if key in taken:
                raise stage.fail("23505", message)
            taken.add(key)
        if keys and _live_key(stage, table, index.columns, keys):
            if table.emptied or table.gone or table.values or table.doubtful:
                stage.note(f"whether a row of {table.name} is in the way by then is not known")
            else:
                raise stage.fail("23505", message)
        stage.scene.inserted[one.oid] = frozenset(taken)


def _live_key(
    stage: Stage, table: Relation, numbers: Sequence[int], keys: list[tuple[str, ...]]
) -> bool:
    if table.live is None:
        return False
    columns = [c for n in numbers if (c := table.numbered(n)) is not None]
    if not all(one.live for one in columns):
        return False
    for one in columns:
        found, _ = user_type(stage, one.type)
        if found is not None and not found.live:
            return False
    names = ", ".join(quoted(one.live) for one in columns)
    wanted = ", ".join(
        "(" + ", ".join(f"({v})::{c.type}" for v, c in zip(key, columns, strict=True)) + ")"
        for key in keys
    )
    schema, name = table.live
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM {quoted(schema)}.{quoted(name)} WHERE ({names}) IN ({wanted}))"  # noqa: S608 - quoted
    )
    return answer is True


def _check_references(
    stage: Stage, table: Relation, given: Sequence[Column], rows: list[list[Node]]
) -> None:
    """Fail where a constant refers to a row that is not there, and nobody adds rows before."""
    position = {column.number: number for number, column in enumerate(given)}
    for constraint in stage.scene.constraints_of(table.oid):
        if constraint.kind != "f" or len(constraint.columns) != 1 or not constraint.enforced:
            continue
        number = constraint.columns[0]
        target = stage.scene.relations.get(constraint.references)
        if number not in position or target is None or target.rows_changed or target.live is None:
            continue
        column = target.numbered(constraint.referenced[0])
        if column is None or not column.live:
            continue
        values = [row[position[number]] for row in rows[:_ROWS]]
        constants = [expression_text(v) for v in values if _is_constant(v)]
        schema, name = target.live
        for value in dict.fromkeys(constants):
            answer = stage.oracle.value(
                f"SELECT NOT EXISTS (SELECT FROM {quoted(schema)}.{quoted(name)}"  # noqa: S608 - quoted
                f" WHERE {quoted(column.live)} = ({value})::{column.type})"
            )
            if answer is True and not constraint.deferrable:
                raise stage.fail(
                    "23503",
                    f'insert or update on table "{table.name}" violates foreign key constraint'
                    f' "{constraint.name}"',
                )


def _check_conditions(
    stage: Stage, table: Relation, given: Sequence[Column], rows: list[list[Node]]
) -> None:
    """Fail where a row of constants breaks a CHECK."""
    for constraint in stage.scene.constraints_of(table.oid):
        if constraint.kind != "c" or not constraint.enforced or not constraint.columns:
            continue
        for row in rows[:_ROWS]:
            known = {
                column.number: value
                for column, value in zip(given, row, strict=True)
                if opened(value)[0] == "a_const" or _is_constant(value)
            }
            if _broken(stage, table, constraint, known, given):
                raise stage.fail(
                    "23514",
                    f'new row for relation "{table.name}" violates check constraint'
                    f' "{constraint.name}"',
                )


def _broken(
    stage: Stage,
    table: Relation,
    constraint: Constraint,
    known: Mapping[int, Node],
    given: Sequence[Column],
) -> bool:
    values = []
    there = {one.number for one in given}
    for number in constraint.columns:
        column = table.numbered(number)
        if column is None or (number in there and number not in known):
            return False
        found, _ = user_type(stage, column.type)
        if (found is not None and not found.live) or column.identity or column.generated:
            return False
        text = expression_text(known[number]) if number in known else column.default or "NULL"
        if "(" in text and number not in known:
            return False  # a default that is computed
        values.append(f"({text})::{column.type} AS {quoted(column.name)}")
    try:
        names = {
            qualified(message.funcname)
            for message in walk(parse_expression(constraint.expression))
            if isinstance(message, pb.FuncCall)
        }
    except UnparsableError:
        return False
    if any(stage.scene.functions_named(*name) for name in names):
        return False  # a user's function is not run
    answer = stage.oracle.value(
        f"SELECT ({constraint.expression}) IS FALSE"  # noqa: S608 - the constraint's own expression
        f" FROM (SELECT {', '.join(values)}) AS {quoted(table.name)}"
    )
    return answer is True
