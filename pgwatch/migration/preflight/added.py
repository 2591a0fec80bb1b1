"""Rows that earlier statements of the migrations add, held against the rules that come later. Pure.

Constants are followed to the rule, which the server evaluates over them; what a query, a COPY or a trigger
brings is not known, and a rule over it is told so.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    expression_text,
    opened,
    parse_expression,
    pb,
)
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import AddedRows, Column, Constraint, Relation
from pgwatch.migration.preflight.oracle import Refusal
from pgwatch.migration.preflight.stage import Stage, StatementFailsError, qualified, quoted

_MOST = 1000  # rows of a table that are kept
_UNKNOWN = ""  # a value that is computed
_MADE = "?"  # one that is never NULL
_EACH_ITS_OWN = re.compile("nextval|gen_random_uuid|uuid_generate|uuidv", re.IGNORECASE)
_NEVER_NULL = re.compile(rf"{_EACH_ITS_OWN.pattern}|now\(|current_|clock_timestamp", re.IGNORECASE)
_OWN = "a row that an earlier statement adds"


def add_rows(
    stage: Stage,
    table: Relation,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Node]],
    *,
    maybe: str = "",
) -> None:
    """Note rows of an INSERT … VALUES; the columns that it leaves out get their defaults.

    `maybe`: why it may leave out rows.
    """
    before = stage.scene.added.get(table.oid, AddedRows())
    given = [_row(table, dict(zip((c.number for c in columns), row, strict=False))) for row in rows]
    kept = (*before.rows, *given)
    unknown = before.unknown
    if len(kept) > _MOST:
        unknown = unknown or f"more than {_MOST} rows are added to {table.name}"
    stage.scene.added[table.oid] = replace(
        before, rows=kept[:_MOST], maybe=before.maybe or maybe, unknown=unknown
    )


def add_query(stage: Stage, table: Relation, columns: Sequence[Column], query: Node) -> None:
    """Note the rows of an INSERT from a query: the constants that it gives, and the defaults."""
    why = f"a query adds rows to {table.name}"
    values = [item.res_target.val for item in query.target_list]
    if query.HasField("larg") or query.values_lists or any(_is_star(one) for one in values):
        add_unknown(stage, table, why)
        return
    add_rows(stage, table, columns, [values], maybe=why)
    stage.scene.added[table.oid] = replace(stage.scene.added[table.oid], many=True)


def add_unknown(stage: Stage, table: Relation, why: str) -> None:
    """Note that rows may be added of which nothing is known."""
    before = stage.scene.added.get(table.oid, AddedRows())
    stage.scene.added[table.oid] = replace(before, unknown=before.unknown or why)


def change_rows(stage: Stage, before: Relation, after: Relation) -> None:
    """Take in what an UPDATE, DELETE or TRUNCATE does to rows that were added."""
    if after.gone == "true":
        stage.scene.added.pop(after.oid, None)
    fewer = (after.gone, after.emptied) != (before.gone, before.emptied)
    tables = {
        one.table
        for one in stage.scene.constraints.values()
        if fewer and one.references == after.oid and one.on_delete in ("c", "n", "d")
    }
    for oid in tables & set(stage.scene.added):
        add_unknown(stage, stage.scene.relations[oid], f"rows of {after.name} are deleted")
    added = stage.scene.added.get(after.oid)
    if added is None:
        return
    maybe = f"rows of {after.name} are deleted" if fewer else added.maybe
    stage.scene.added[after.oid] = replace(added, maybe=added.maybe or maybe)


def set_values(stage: Stage, table: Relation, numbers: Collection[int]) -> None:
    """Note that an UPDATE sets columns of rows that were added."""
    added = stage.scene.added.get(table.oid)
    if added is not None:
        rows = tuple(
            tuple((number, _UNKNOWN if number in numbers else text) for number, text in row)
            for row in added.rows
        )
        stage.scene.added[table.oid] = replace(added, rows=rows)


def add_value(stage: Stage, table: Relation, column: Column) -> None:
    """Give the rows that were added the default of a column that comes now."""
    before = stage.scene.added.get(table.oid)
    if before is not None:
        value = (column.number, _default(column))
        rows = tuple((*row, value) for row in before.rows)
        stage.scene.added[table.oid] = replace(before, rows=rows)


def cast_values(stage: Stage, table: Relation, column: Column, *, using: bool) -> None:
    """Take in that a column, whose type was that of `column`, gets another one."""
    before = stage.scene.added.get(table.oid)
    if before is None:
        return

    def cast(number: int, text: str) -> tuple[int, str]:
        if number != column.number or text in (_UNKNOWN, _MADE, "NULL"):
            return number, text
        return number, _UNKNOWN if using else f"({text})::{column.type}"

    rows = tuple(tuple(cast(*value) for value in row) for row in before.rows)
    stage.scene.added[table.oid] = replace(before, rows=rows)


def check_added_values(stage: Stage, table: Relation, column: Column, message: str) -> None:
    """Fail where a column that is to be NOT NULL is NULL in a row that was added."""
    added = stage.scene.added.get(table.oid)
    if added is None:
        return
    values = [dict(row).get(column.number, _UNKNOWN) for row in added.rows]
    if "NULL" in values:
        _tell(stage, added, "23502", message)
    elif added.unknown or _UNKNOWN in values:
        stage.note(_doubt(added, table))


def check_added_condition(
    stage: Stage, table: Relation, numbers: Sequence[int], expression: Node, message: str
) -> None:
    """Fail where a row that was added does not meet the expression of a CHECK."""
    added = stage.scene.added.get(table.oid)
    if added is None:
        return
    rows = _source(stage, table, numbers, added)
    if rows is None or _calls_own(stage, expression):
        stage.note(_doubt(added, table))
        return
    condition = expression_text(expression)
    if rows and _holds(
        stage, f"SELECT FROM ({rows}) AS {quoted(table.name)} WHERE ({condition}) IS FALSE"
    ):
        _tell(stage, added, "23514", message)
    elif added.unknown:
        stage.note(_doubt(added, table))


def check_added_keys(stage: Stage, table: Relation, numbers: Sequence[int], message: str) -> None:
    """Fail where a row that was added has the key of another one."""
    added = stage.scene.added.get(table.oid)
    if added is None:
        return
    columns = [c for n in numbers if (c := table.numbered(n)) is not None]
    if any(_counted(one, added) for one in columns) and not added.unknown:
        return
    rows = _source(stage, table, numbers, added)
    there = _live_rows(table, numbers)
    if rows is None or there is None or added.many:
        stage.note(_doubt(added, table))
        return
    names = ", ".join(quoted(one.name) for one in columns)
    given = " AND ".join(f"{quoted(one.name)} IS NOT NULL" for one in columns)
    every = " UNION ALL ".join(filter(None, (rows, there)))
    if rows and _holds(
        stage,
        f"SELECT FROM ({every}) AS pgwatch_rows WHERE {given} GROUP BY {names} HAVING count(*) > 1",
    ):
        _tell(stage, added, "23505", message)
    elif added.unknown:
        stage.note(_doubt(added, table))


def check_added_references(
    stage: Stage, table: Relation, target: Relation, made: Constraint
) -> None:
    """Fail where a row that was added refers to none that is there or was added."""
    added = stage.scene.added.get(table.oid)
    if added is None:
        return
    others = stage.scene.added.get(target.oid, AddedRows())
    rows = _source(stage, table, made.columns, added)
    there = _live_rows(target, made.referenced)
    more = _source(stage, target, made.referenced, others)
    if rows is None or there is None or more is None or others.unknown:
        stage.note(_doubt(added, table))
        return
    own = [c.name for n in made.columns if (c := table.numbered(n)) is not None]
    referenced = [c.name for n in made.referenced if (c := target.numbered(n)) is not None]
    every = " UNION ALL ".join(filter(None, (more, there)))
    given = " AND ".join(f"pgwatch_own.{quoted(one)} IS NOT NULL" for one in own)
    same = " AND ".join(
        f"pgwatch_there.{quoted(b)} = pgwatch_own.{quoted(a)}"
        for a, b in zip(own, referenced, strict=True)
    )
    missing = (
        f"NOT EXISTS (SELECT FROM ({every}) AS pgwatch_there WHERE {same})" if every else "true"
    )
    if rows and _holds(stage, f"SELECT FROM ({rows}) AS pgwatch_own WHERE {given} AND {missing}"):
        _tell(
            stage,
            added,
            "23503",
            f'insert or update on table "{table.name}" violates foreign key constraint "{made.name}"',
        )
    elif added.unknown:
        stage.note(_doubt(added, table))


def _counted(column: Column, added: AddedRows) -> bool:
    """Return whether every row that was added has a value of its own in a column."""
    made = bool(column.identity) or bool(_EACH_ITS_OWN.search(column.default))
    return made and all(dict(row).get(column.number) == _MADE for row in added.rows)


def _row(table: Relation, given: dict[int, Node]) -> tuple[tuple[int, str], ...]:
    return tuple(
        (one.number, _text(given[one.number], one) if one.number in given else _default(one))
        for one in table.columns
    )


def _text(node: Node, column: Column) -> str:
    kind, value = opened(node)
    if kind == "set_to_default":
        return _default(column)
    if kind == "type_cast":
        known = _text(value.arg, column) not in (_UNKNOWN, _MADE)
        return expression_text(node) if known else _UNKNOWN
    if kind != "a_const":
        return _UNKNOWN
    return "NULL" if value.isnull else expression_text(node)


def _default(column: Column) -> str:
    if column.identity:
        return _MADE
    if column.generated:
        return _UNKNOWN
    if not column.default:
        return "NULL"
    try:
        found = _text(parse_expression(column.default), replace(column, default=""))
    except UnparsableError:
        return _UNKNOWN
    never_null = found == _UNKNOWN and _NEVER_NULL.match(column.default)
    return _MADE if never_null else found


def _is_star(node: Node) -> bool:
    kind, value = opened(node)
    return kind == "column_ref" and any(part.HasField("a_star") for part in value.fields)


def _source(stage: Stage, table: Relation, numbers: Sequence[int], added: AddedRows) -> str | None:
    """Return a query of the rows in these columns, "" of none; None where a value is not known."""
    columns = [c for n in numbers if (c := table.numbered(n)) is not None]
    for one in columns:
        found, _ = user_type(stage, one.type)
        if found is not None and not found.live:
            return None
    texts = []
    for row in added.rows:
        values = dict(row)
        if any(values.get(one.number, _UNKNOWN) in (_UNKNOWN, _MADE) for one in columns):
            return None
        named = (f"({values[c.number]})::{c.type} AS {quoted(c.name)}" for c in columns)
        texts.append(f"SELECT {', '.join(named)}")
    return " UNION ALL ".join(texts)


def _live_rows(table: Relation, numbers: Sequence[int]) -> str | None:
    """Return a query of the rows that are there in these columns, "" of none; None where it is not known."""
    if table.live is None:
        return ""
    if table.emptied or table.gone or table.values or table.doubtful:
        return None
    columns = [c for n in numbers if (c := table.numbered(n)) is not None]
    if not all(one.live for one in columns):
        return None
    named = ", ".join(f"{quoted(one.live)}::{one.type} AS {quoted(one.name)}" for one in columns)
    schema, name = table.live
    return f"SELECT {named} FROM {quoted(schema)}.{quoted(name)}"  # noqa: S608 - quoted


def _holds(stage: Stage, query: str) -> bool:
    answer = stage.oracle.value(f"SELECT EXISTS ({query})")
    if isinstance(answer, Refusal):
        stage.note(f"whether the rows obey it is not known: {answer.message}")
    return answer is True


def _calls_own(stage: Stage, expression: Node) -> bool:
    """Return whether a function of a user is called, which is not run."""
    return any(
        isinstance(message, pb.FuncCall)
        and stage.scene.functions_named(*qualified(message.funcname))
        for message in walk(expression)
    )


def _tell(stage: Stage, added: AddedRows, sqlstate: str, message: str) -> None:
    """Fail; or say that it is not known, where the row may not be there."""
    if added.maybe:
        stage.note(f"{message}, perhaps: {added.maybe}")
    else:
        raise StatementFailsError(sqlstate, f"{message} ({_OWN})", rows=True)


def _doubt(added: AddedRows, table: Relation) -> str:
    why = added.unknown or f"values that are added to {table.name} are computed"
    return f"whether the rows obey it is not known: {why}"
