"""What adding any constraint needs: names, columns, and a look at the rows. Pure."""

from pgwatch.migration.extract import column_names, constraint_values
from pgwatch.migration.parse import Node, pb, strings
from pgwatch.migration.preflight.liverows import question
from pgwatch.migration.preflight.names import free_constraint
from pgwatch.migration.preflight.objects import Column, Constraint, Relation
from pgwatch.migration.preflight.row_question import RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage

_KINDS = {
    pb.CONSTR_CHECK: "c",
    pb.CONSTR_PRIMARY: "p",
    pb.CONSTR_UNIQUE: "u",
    pb.CONSTR_FOREIGN: "f",
    pb.CONSTR_EXCLUSION: "x",
    pb.CONSTR_NOTNULL: "n",
}


def kind_of(node: Node) -> str:
    """Return the contype of a Constraint node, "" for one that is none in the catalogue."""
    return _KINDS.get(node.contype, "")


def shape_of(node: Node, table: Relation) -> str:
    """Return what tells a constraint from another of its name."""
    values = constraint_values(node, schema=table.schema, table=table.name)
    return "; ".join(f"{key}={value}" for key, value in sorted(values.items()))


def name_of(stage: Stage, table: Relation, node: Node, *parts: str, label: str) -> str:
    """Return the name of a new constraint; fails where it is taken."""
    name: str = node.conname
    if not name:
        return free_constraint(stage.scene, table, *parts, label=label)
    there = stage.scene.constraints.get((table.oid, name))
    if there is not None:
        same = there.shape == shape_of(node, table) or is_alike(there, node, table)
        raise stage.fail(
            "42710",
            f'constraint "{name}" for relation "{table.name}" already exists',
            harmless=same and there.validated,
        )
    return name


def is_alike(there: Constraint, node: Node, table: Relation) -> bool:
    """Return whether the constraint that is there is the one that is declared."""
    if there.kind != kind_of(node):
        return False
    if there.kind == "c":
        names = column_names(node.raw_expr)
        return {c.number for c in table.columns if c.name in names} == set(there.columns)
    wanted = strings(node.fk_attrs) if there.kind == "f" else strings(node.keys)
    named = [table.numbered(number) for number in there.columns]
    return not wanted or tuple(one.name for one in named if one) == wanted


def look_at_rows(
    stage: Stage,
    table: Relation,
    rule: RowRule,
    numbers: tuple[int, ...],
    *,
    sqlstate: str,
    message: str,
    expression: Node | None = None,
) -> None:
    """Ask whether rows break a rule over the columns `numbers`, at the end of the ALTER TABLE."""
    try:
        asked = question(stage, table, rule, numbers, sqlstate=sqlstate, expression=expression)
    except CannotTellError as error:
        stage.note(str(error))
        return
    if asked is not None:
        stage.breaks_later(asked, table, message)


def columns_named(stage: Stage, table: Relation, names: tuple[str, ...], what: str) -> list[Column]:
    """Return columns by their names; `what` tells in the error what they are for."""
    found = []
    for name in names:
        column = table.column(name)
        if column is None:
            raise stage.fail("42703", f'column "{name}" {what} does not exist')
        found.append(column)
    return found
