"""CREATE and ALTER SEQUENCE. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, strings
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.stage import Stage


def create_sequence(stage: Stage, node: Node) -> None:
    """CREATE SEQUENCE."""
    relation = node.sequence
    schema = stage.place(relation.schemaname)
    if (schema, relation.relname) in stage.scene.relation_names:
        if node.if_not_exists:
            return
        there = stage.scene.relations[stage.scene.relation_names[schema, relation.relname]]
        raise stage.fail(
            "42P07", f'relation "{relation.relname}" already exists', harmless=there.kind == "S"
        )
    made = Relation(oid=stage.scene.number(), kind="S", schema=schema, name=relation.relname)
    stage.scene.put(replace(made, owned_by=_owner(stage, node)))


def alter_sequence(stage: Stage, node: Node) -> None:
    """ALTER SEQUENCE."""
    found = stage.relation(node.sequence, missing_ok=node.missing_ok)
    if found is None:
        return
    if found.kind != "S":
        raise stage.fail("42809", f'cannot open relation "{found.name}"')
    owner = _owner(stage, node)
    if owner is not None:
        stage.scene.put(replace(found, owned_by=owner))


def _owner(stage: Stage, node: Node) -> tuple[int, int] | None:
    for item in node.options:
        option = item.def_elem
        if option.defname != "owned_by":
            continue
        names = strings(option.arg.list.items)
        if names == ("none",):
            return None
        if len(names) < 2:
            raise stage.fail("42601", "invalid OWNED BY option")
        *schema, table_name, name = names
        table = stage.named(schema[-1] if schema else "", table_name)
        assert table is not None
        column = stage.column(table, name)
        return (table.oid, column.number)
    return None
