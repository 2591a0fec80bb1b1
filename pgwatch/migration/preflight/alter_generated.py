"""Identity and generated columns in an ALTER TABLE. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node
from pgwatch.migration.preflight.columns import make_sequence
from pgwatch.migration.preflight.dependents import forget
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.stage import Stage


def add_identity(stage: Stage, table: Relation, command: Node) -> None:
    """ADD GENERATED … AS IDENTITY."""
    column = stage.column(table, command.name)
    if column.type not in ("int2", "int4", "int8"):
        raise stage.fail("22023", "identity column type must be smallint, integer, or bigint")
    if not column.not_null:
        raise stage.fail(
            "55000",
            f'column "{column.name}" of relation "{table.name}" must be declared NOT NULL before'
            " identity can be added",
        )
    if column.identity or column.default:
        what = "is already an identity column" if column.identity else "already has a default value"
        raise stage.fail(
            "55000",
            f'column "{column.name}" of relation "{table.name}" {what}',
            harmless=bool(column.identity),
        )
    when = getattr(command, "def").constraint.generated_when
    made = replace(column, identity=when)
    make_sequence(stage, stage.scene.put(table.with_column(made, altered=False)), made)


def drop_identity(stage: Stage, table: Relation, command: Node) -> None:
    """DROP IDENTITY."""
    column = stage.column(table, command.name)
    if not column.identity:
        if command.missing_ok:
            return
        raise stage.fail(
            "55000",
            f'column "{column.name}" of relation "{table.name}" is not an identity column',
            harmless=True,
        )
    for one in list(stage.scene.relations.values()):
        if one.identity and one.owned_by == (table.oid, column.number):
            forget(stage.scene, one)
    stage.scene.put(table.with_column(replace(column, identity=""), altered=False))


def drop_expression(stage: Stage, table: Relation, command: Node) -> None:
    """DROP EXPRESSION."""
    column = stage.column(table, command.name)
    if not column.generated:
        if command.missing_ok:
            return
        raise stage.fail(
            "55000",
            f'column "{column.name}" of relation "{table.name}" is not a stored generated column',
            harmless=True,
        )
    stage.scene.put(table.with_column(replace(column, generated=""), altered=False))
