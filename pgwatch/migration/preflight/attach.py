"""ATTACH and DETACH PARTITION, INHERIT. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.partitions import check_bound, check_shape
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.tables import attach_parts


def attach(stage: Stage, parent: Relation, command: Node) -> None:
    """ATTACH PARTITION."""
    part = getattr(command, "def").partition_cmd
    if parent.kind in "iI":
        stage.relation(part.name)
        return
    if parent.kind != "p":
        raise stage.fail(
            "42809",
            f'ALTER action ATTACH PARTITION cannot be performed on relation "{parent.name}"',
        )
    check_shape(stage, parent, part.bound)
    child = stage.relation(part.name)
    assert child is not None
    if child.kind not in "rpf":
        raise stage.fail("42809", f'"{child.name}" is not a table')
    if child.bound:
        raise stage.fail(
            "42809", f'"{child.name}" is already a partition', harmless=parent.oid in child.parents
        )
    if child.parents:
        raise stage.fail("42809", "cannot attach inheritance child as partition")
    _check_columns(stage, parent, child)
    table = check_bound(stage, parent, child, part.bound)
    columns = tuple(replace(one, inherited=True) for one in table.columns)
    table = stage.scene.put(replace(table, parents=(parent.oid,), columns=columns))
    attach_parts(stage, parent, table)


def _check_columns(stage: Stage, parent: Relation, child: Relation) -> None:
    for column in child.columns:
        if parent.column(column.name) is None:
            raise stage.fail(
                "42804",
                f'table "{child.name}" contains column "{column.name}" not found in parent "{parent.name}"',
            )
    for column in parent.columns:
        own = child.column(column.name)
        if own is None:
            raise stage.fail("42804", f'child table is missing column "{column.name}"')
        if own.type != column.type:
            raise stage.fail(
                "42804", f'child table "{child.name}" has different type for column "{column.name}"'
            )
        if column.not_null and not own.not_null:
            raise stage.fail(
                "42804",
                f'column "{column.name}" in child table "{child.name}" must be marked NOT NULL',
            )
    for constraint in stage.scene.constraints_of(parent.oid):
        if constraint.kind == "c" and (child.oid, constraint.name) not in stage.scene.constraints:
            raise stage.fail("42804", f'child table is missing constraint "{constraint.name}"')


def detach(stage: Stage, parent: Relation, command: Node) -> None:
    """DETACH PARTITION."""
    part = getattr(command, "def").partition_cmd
    if part.concurrent:
        stage.needs_no_block("ALTER TABLE ... DETACH CONCURRENTLY")
    child = stage.relation(part.name)
    assert child is not None
    if parent.oid not in child.parents:
        raise stage.fail(
            "42P01", f'relation "{child.name}" is not a partition of relation "{parent.name}"'
        )
    columns = tuple(replace(one, inherited=False) for one in child.columns)
    stage.scene.put(replace(child, parents=(), bound="", columns=columns))
    for index in stage.scene.indexes(child.oid):
        assert index.index is not None
        stage.scene.put(replace(index, index=replace(index.index, parent=0)))
    for key, constraint in list(stage.scene.constraints.items()):
        if constraint.table == child.oid:
            stage.scene.constraints[key] = replace(constraint, inherited=False)
    for key, trigger in list(stage.scene.triggers.items()):
        if trigger.table == child.oid and trigger.inherited:
            del stage.scene.triggers[key]


def disinherit(stage: Stage, child: Relation, command: Node) -> None:
    """ALTER TABLE … NO INHERIT."""
    parent = stage.table(getattr(command, "def").range_var)
    assert parent is not None
    if parent.oid not in child.parents:
        raise stage.fail(
            "42P01", f'relation "{parent.name}" is not a parent of relation "{child.name}"'
        )
    left = tuple(one for one in child.parents if one != parent.oid)
    stage.scene.put(replace(child, parents=left))


def inherit(stage: Stage, child: Relation, command: Node) -> None:
    """ALTER TABLE … INHERIT."""
    parent = stage.table(getattr(command, "def").range_var)
    assert parent is not None
    for column in parent.columns:
        own = child.column(column.name)
        if own is None:
            raise stage.fail("42804", f'child table is missing column "{column.name}"')
        if own.type != column.type:
            raise stage.fail(
                "42804", f'child table "{child.name}" has different type for column "{column.name}"'
            )
    stage.scene.put(replace(child, parents=(*child.parents, parent.oid)))
