"""Names that PostgreSQL makes up and that are free (ChooseConstraintName, indexcmds.c). Pure."""

from collections.abc import Iterable

from pgwatch.migration.naming import made_name
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.scene import Scene


def free_constraint(
    scene: Scene, table: Relation, *parts: str, label: str, taken: Iterable[str] = ()
) -> str:
    """Return the name that a constraint of `table` without one gets (ChooseConstraintName)."""
    there = set(taken)
    number, suffix = 0, label
    while (name := made_name(table.name, *parts, label=suffix)) in there or any(
        _same_schema(scene, one.table, table) for one in scene.constraints_named(name)
    ):
        number += 1
        suffix = f"{label}{number}"
    return name


def _same_schema(scene: Scene, oid: int, table: Relation) -> bool:
    other = scene.relations.get(oid)
    return other is not None and other.schema == table.schema


def free_relation(scene: Scene, table: Relation, *parts: str, label: str) -> str:
    """Return the name that an index of `table` without one gets (ChooseRelationName)."""
    number, suffix = 0, label
    while True:
        name = made_name(table.name, *parts, label=suffix)
        constraint = any(c.name == name for c in scene.constraints_of(table.oid))
        if (table.schema, name) not in scene.relation_names and not constraint:
            return name
        number += 1
        suffix = f"{label}{number}"
