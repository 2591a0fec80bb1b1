"""DROP, ALTER and VALIDATE CONSTRAINT of an ALTER TABLE. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, UnparsableError, parse_expression, pb
from pgwatch.migration.preflight.added import check_added_condition, check_added_references
from pgwatch.migration.preflight.dependents import constraint_users, forget
from pgwatch.migration.preflight.foreign_keys import foreign_rows
from pgwatch.migration.preflight.liverows import question
from pgwatch.migration.preflight.objects import Constraint, Relation
from pgwatch.migration.preflight.row_question import RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage


def drop_constraint(stage: Stage, table: Relation, command: Node) -> None:
    """DROP CONSTRAINT, with the index of a key and what leans on it."""
    scene = stage.scene
    found = scene.constraints.get((table.oid, command.name))
    if found is None:
        if command.missing_ok:
            return
        raise _no_constraint(stage, table, command.name, harmless=True)
    if found.inherited:
        raise stage.fail(
            "42P16",
            f'cannot drop inherited constraint "{found.name}" of relation "{table.name}"',
        )
    users = constraint_users(stage, table, command.name)
    if users and command.behavior != pb.DROP_CASCADE:
        raise stage.fail(
            "2BP01",
            f"cannot drop constraint {found.name} on table {table.name} because other objects"
            f" depend on it: {users[0]}",
        )
    for one in list(scene.constraints.values()):
        if one.kind == "f" and found.kind in "pu" and one.index == found.index and found.index:
            del scene.constraints[one.table, one.name]
    for child in scene.descendants(table.oid):
        scene.constraints.pop((child.oid, found.name), None)
    if found.kind in "pux" and found.index in scene.relations:
        forget(scene, scene.relations[found.index])
    scene.constraints.pop((table.oid, found.name), None)
    if found.kind == "n":
        columns = tuple(
            replace(c, not_null=False) if c.number in found.columns else c for c in table.columns
        )
        scene.put(replace(table, columns=columns))


def alter_constraint(stage: Stage, table: Relation, command: Node) -> None:
    """ALTER CONSTRAINT."""
    kind = getattr(command, "def").WhichOneof("node")
    name = getattr(getattr(command, "def"), kind).conname if kind else command.name
    found = stage.scene.constraints.get((table.oid, name))
    if found is None:
        raise _no_constraint(stage, table, name)
    if found.kind != "f":
        raise stage.fail(
            "42809",
            f'constraint "{name}" of relation "{table.name}" is not a foreign key constraint',
        )


def _no_constraint(
    stage: Stage, table: Relation, name: str, *, harmless: bool = False
) -> Exception:
    return stage.fail(
        "42704",
        f'constraint "{name}" of relation "{table.name}" does not exist',
        harmless=harmless,
    )


def validate(stage: Stage, table: Relation, command: Node) -> None:
    """VALIDATE CONSTRAINT: the rows that are there have to obey it."""
    found = stage.scene.constraints.get((table.oid, command.name))
    if found is None:
        raise _no_constraint(stage, table, command.name)
    if found.kind not in "cfn":
        raise stage.fail(
            "42809",
            f'constraint "{found.name}" of relation "{table.name}" is not a foreign key or check constraint',
        )
    if not found.validated:
        _validate_rows(stage, table, found)
    stage.scene.constraints[table.oid, found.name] = replace(found, validated=True)


def _validate_rows(stage: Stage, table: Relation, found: Constraint) -> None:
    if found.kind == "f":
        target = stage.scene.relations[found.references]
        foreign_rows(stage, table, target, found)
        check_added_references(stage, table, target, found)
        return
    message = f'check constraint "{found.name}" of relation "{table.name}" is violated by some row'
    try:
        expression = parse_expression(found.expression)
        asked = question(
            stage, table, RowRule.CHECK, found.columns, sqlstate="23514", expression=expression
        )
    except (CannotTellError, UnparsableError) as error:
        stage.note(str(error))
        return
    if asked is not None:
        stage.breaks_later(asked, table, message)
    check_added_condition(stage, table, found.columns, expression, message)
