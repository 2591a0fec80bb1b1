"""ADD, DROP and ALTER COLUMN of an ALTER TABLE, types aside. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, pb
from pgwatch.migration.preflight.added import add_value
from pgwatch.migration.preflight.columns import (
    check_identity,
    check_own_column,
    define,
    make_sequence,
    values,
    with_default,
)
from pgwatch.migration.preflight.constraints import add_constraint
from pgwatch.migration.preflight.dependents import drop_column as drop_with_parts
from pgwatch.migration.preflight.liverows import has_rows
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.stage import Stage, StatementFailsError
from pgwatch.migration.preflight.typenames import serial

_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
# Types of a fixed length, which are never stored out of line (pg_type.typstorage p).
_TIMES = frozenset({"date", "time", "timetz", "timestamp", "timestamptz", "interval"})
_PLAIN = _TIMES | {"bool", "int2", "int4", "int8", "float4", "float8", "uuid"}


def add_column(stage: Stage, table: Relation, command: Node) -> None:
    """ADD COLUMN, also below the table."""
    node = getattr(command, "def").column_def
    if table.bound:
        raise stage.fail("42809", "cannot add column to a partition")
    number = 1 + max((one.number for one in table.columns), default=0)
    existing = table.column(node.colname)
    if existing is not None and command.missing_ok:
        return
    if existing is not None:  # before the server looks at the type
        raise stage.fail(
            "42701",
            f'column "{node.colname}" of relation "{table.name}" already exists',
            harmless=_has_type(stage, table, existing, node),
        )
    if node.colname in _SYSTEM_COLUMNS:
        raise stage.fail(
            "42701", f'column name "{node.colname}" conflicts with a system column name'
        )
    definition = define(stage, table, node, number)
    check_identity(stage, definition.column)
    scene = stage.scene
    table = scene.put(replace(table, columns=(*table.columns, definition.column), altered=True))
    column = values(stage, table, definition)
    table = scene.put(table.with_column(column))
    add_value(stage, table, column)
    if serial(node.type_name) or column.identity:
        make_sequence(stage, table, column)
    if column.not_null:
        _needs_value(stage, table, column)
    for child in scene.children(table.oid):
        if child.kind in "rpf":
            _add_below(stage, child, column)
    for constraint in definition.constraints:
        add_constraint(stage, scene.relations[table.oid], constraint, column=column.name)


def _has_type(stage: Stage, table: Relation, there: Column, node: Node) -> bool:
    try:
        return there.type == define(stage, table, node, there.number).column.type
    except StatementFailsError:
        return False


def _needs_value(stage: Stage, table: Relation, column: Column) -> None:
    filled = column.default.upper() not in ("", "NULL") or column.identity or column.generated
    if filled or not has_rows(stage, table):
        return
    if table.emptied:
        stage.note(f"whether {table.name} has rows by then is not known")
        return
    raise stage.fail(
        "23502", f'column "{column.name}" of relation "{table.name}" contains null values'
    )


def _add_below(stage: Stage, child: Relation, column: Column) -> None:
    scene = stage.scene
    if child.column(column.name) is None:
        number = 1 + max((one.number for one in child.columns), default=0)
        added = replace(column, number=number, inherited=True)
        scene.put(replace(child, columns=(*child.columns, added), altered=True))
    for one in scene.children(child.oid):
        if one.kind in "rpf":
            _add_below(stage, one, column)


def drop_column(stage: Stage, table: Relation, command: Node) -> None:
    """DROP COLUMN, also below the table."""
    column = table.column(command.name)
    if column is None:
        if command.missing_ok:
            return
        raise stage.fail(
            "42703",
            f'column "{command.name}" of relation "{table.name}" does not exist',
            harmless=True,
        )
    check_own_column(stage, table, column, "drop")
    cascade = command.behavior == pb.DROP_CASCADE
    for child in list(stage.scene.descendants(table.oid)):
        below = child.column(column.name)
        if below is not None and child.kind in "rpf":
            drop_with_parts(stage, child, below.number, cascade=cascade)
    drop_with_parts(stage, table, column.number, cascade=cascade)


def set_default(stage: Stage, table: Relation, command: Node) -> None:
    """SET and DROP DEFAULT."""
    column = stage.column(table, command.name)
    definition = getattr(command, "def")
    if column.generated:
        raise stage.fail(
            "42601", f'column "{column.name}" of relation "{table.name}" is a generated column'
        )
    if definition.WhichOneof("node") is None:
        if column.identity:
            raise stage.fail(
                "42601", f'column "{column.name}" of relation "{table.name}" is an identity column'
            )
        made = replace(column, default="", uses=frozenset())
    else:
        made = with_default(stage, table, column, definition)
    stage.scene.put(table.with_column(made, altered=False))
    for child in stage.scene.children(table.oid):
        below = child.column(column.name)
        if below is not None:
            stage.scene.put(
                child.with_column(
                    replace(below, default=made.default, uses=made.uses), altered=False
                )
            )


def drop_not_null(stage: Stage, table: Relation, command: Node) -> None:
    """DROP NOT NULL."""
    column = stage.column(table, command.name)
    if column.number in stage.scene.primary_key(table.oid):
        raise stage.fail("42P16", f'column "{column.name}" is in a primary key')
    if column.identity:
        raise stage.fail(
            "42601", f'column "{column.name}" of relation "{table.name}" is an identity column'
        )
    stage.scene.put(table.with_column(replace(column, not_null=False), altered=False))


def any_column(stage: Stage, table: Relation, command: Node) -> None:
    """SET STATISTICS, SET (…), SET COMPRESSION: the column has to be there."""
    if command.name:
        stage.column(table, command.name)


def set_storage(stage: Stage, table: Relation, command: Node) -> None:
    """SET STORAGE."""
    column = stage.column(table, command.name)
    wanted = getattr(command, "def").string.sval.lower()
    if _is_plain(stage, column.type) and wanted not in ("plain", "default"):
        raise stage.fail("0A000", f"column data type {column.type} can only have storage PLAIN")


def _is_plain(stage: Stage, type_: str) -> bool:
    base = type_.split("(", maxsplit=1)[0]
    found, _ = user_type(stage, base)
    if found is not None and found.kind == "d":
        return _is_plain(stage, found.base)
    return base in _PLAIN or (found is not None and found.kind == "e")
