"""ALTER TABLE, one subcommand after another. Pure."""

from collections.abc import Callable

from pgwatch.migration.extract import deferrability, option_values, partition_bound
from pgwatch.migration.objects import Expression, Key, Kind, TypeName, Value
from pgwatch.migration.parse import Node, expression_text, opened, pb, type_text
from pgwatch.migration.state import State
from pgwatch.migration.tables import add_column, add_constraint, default_value
from pgwatch.migration.types import alter_composite

_TRIGGERS = {
    pb.AT_EnableTrig: "enabled",
    pb.AT_EnableAlwaysTrig: "enabled",
    pb.AT_EnableReplicaTrig: "enabled for replicas",
    pb.AT_DisableTrig: "disabled",
}
_ALL_TRIGGERS = {
    pb.AT_EnableTrigAll: "enabled",
    pb.AT_EnableTrigUser: "enabled",
    pb.AT_DisableTrigAll: "disabled",
    pb.AT_DisableTrigUser: "disabled",
}
_TABLE_FACETS: dict[int, dict[str, Value]] = {
    pb.AT_EnableRowSecurity: {"row security": "enabled"},
    pb.AT_DisableRowSecurity: {"row security": "disabled"},
    pb.AT_ForceRowSecurity: {"row security for the owner": "enabled"},
    pb.AT_NoForceRowSecurity: {"row security for the owner": "disabled"},
    pb.AT_SetLogged: {"persistence": "permanent"},
    pb.AT_SetUnLogged: {"persistence": "unlogged"},
}
_REPLICA_IDENTITY = {"d": "default", "n": "nothing", "f": "full", "i": "index"}


def alter_table(state: State, node: Node) -> None:
    """ALTER TABLE (also INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE) with its subcommands."""
    kinds = {
        pb.OBJECT_VIEW: Kind.VIEW,
        pb.OBJECT_MATVIEW: Kind.MATERIALIZED_VIEW,
        pb.OBJECT_INDEX: Kind.INDEX,
        pb.OBJECT_SEQUENCE: Kind.SEQUENCE,
    }
    if node.objtype == pb.OBJECT_TYPE:
        alter_composite(state, node)
        return
    if node.objtype == pb.OBJECT_FOREIGN_TABLE:
        state.unknown("changes of foreign tables are not verified")
        return
    state.optional = node.missing_ok
    kind = kinds.get(node.objtype, Kind.TABLE)
    table = state.relation(node.relation.schemaname, node.relation.relname, kind)
    for item in node.cmds:
        command = item.alter_table_cmd
        if not _alter(state, table, command):
            name = pb.AlterTableType.Name(command.subtype).removeprefix("AT_")
            state.unknown(f"{name} has no counterpart that is compared")


def _alter(state: State, table: Key, command: Node) -> bool:
    """Take over one subcommand; False if it is not understood."""
    subtype, name = command.subtype, command.name
    column = Key(Kind.COLUMN, table.schema, name, table.name)
    constraint = Key(Kind.CONSTRAINT, table.schema, name, table.name)
    cascade = command.behavior == pb.DROP_CASCADE
    definition = getattr(command, "def")
    if subtype == pb.AT_AddColumn:
        add_column(state, table, opened(definition)[1])
    elif subtype == pb.AT_DropColumn:
        state.drop(column, cascade=cascade)
    elif subtype == pb.AT_AddConstraint:
        add_constraint(state, table, opened(definition)[1])
    elif subtype == pb.AT_DropConstraint:
        state.drop(constraint, cascade=cascade)
    elif subtype == pb.AT_ValidateConstraint:
        state.change(constraint, {"validated": "yes"})
    elif subtype in _TRIGGERS:
        key = Key(Kind.TRIGGER, table.schema, name, table.name)
        state.change(key, {"enabled": _TRIGGERS[subtype]})
    elif subtype in _ALL_TRIGGERS:
        _all_triggers(state, table, _ALL_TRIGGERS[subtype])
    elif subtype in _TABLE_FACETS:
        state.change(table, _TABLE_FACETS[subtype])
    elif subtype in _COLUMN_CHANGES:
        values = _COLUMN_CHANGES[subtype](definition)
        if subtype == pb.AT_ColumnDefault and state.facet(column, "serial") is not None:
            values["serial"] = "yes" if str(values["default"]).startswith("nextval(") else "no"
        state.change(column, values)
    elif subtype in _REST:
        _REST[subtype](state, table, command, opened(definition)[1])
    else:
        return False
    return True


def _owner(state: State, table: Key, command: Node, _: Node) -> None:
    if command.newowner.rolename:  # else whoever ran it
        state.change(table, {"owner": command.newowner.rolename})


def _partition(state: State, table: Key, command: Node, definition: Node) -> None:
    if table.kind is Kind.INDEX:
        return  # whether all partitions have theirs is told by the index's validity
    child = state.relation(definition.name.schemaname, definition.name.relname, table.kind)
    if command.subtype == pb.AT_DetachPartition:
        state.change(child, {"partition of": "none", "partition bound": "none"})
    else:
        bound = partition_bound(definition.bound)
        state.change(child, {"partition of": str(table), "partition bound": bound})


def _replica_identity(state: State, table: Key, _: Node, definition: Node) -> None:
    state.change(table, {"replica identity": _REPLICA_IDENTITY[definition.identity_type]})


def _alter_constraint(state: State, table: Key, _: Node, definition: Node) -> None:
    constraint = Key(Kind.CONSTRAINT, table.schema, definition.conname, table.name)
    if definition.alter_deferrability:
        state.change(constraint, {"deferrable": deferrability(definition)})
    if definition.alter_enforceability:
        state.change(constraint, {"enforced": "yes" if definition.is_enforced else "no"})


def _alter_identity(state: State, table: Key, command: Node, definition: Node) -> None:
    column = Key(Kind.COLUMN, table.schema, command.name, table.name)
    for item in definition.items:
        if item.def_elem.defname == "generated":
            always = item.def_elem.arg.integer.ival == ord("a")
            state.change(column, {"identity": "always" if always else "by default"})


def _options(state: State, table: Key, _: Node, definition: Node) -> None:
    state.change(table, option_values(definition.items))


_REST: dict[int, Callable[[State, Key, Node, Node], None]] = {
    pb.AT_AlterConstraint: _alter_constraint,
    pb.AT_AttachPartition: _partition,
    pb.AT_ChangeOwner: _owner,
    pb.AT_DetachPartition: _partition,
    pb.AT_ReplicaIdentity: _replica_identity,
    pb.AT_SetIdentity: _alter_identity,
    pb.AT_SetRelOptions: _options,
}


def _all_triggers(state: State, table: Key, enabled: str) -> None:
    for key, _ in list(state.of_table(Kind.TRIGGER, table)):
        state.change(key, {"enabled": enabled})


def _type(definition: Node) -> dict[str, Value]:
    return {"type": TypeName(type_text(opened(definition)[1].type_name))}


def _default(definition: Node) -> dict[str, Value]:
    if not definition.WhichOneof("node"):
        return {"default": "none"}
    return {"default": default_value(definition)}


def _identity(definition: Node) -> dict[str, Value]:
    _, constraint = opened(definition)
    return {"identity": "always" if constraint.generated_when == "a" else "by default"}


def _statistics(definition: Node) -> dict[str, Value]:
    kind, number = opened(definition)  # 0 is left out of the tree, DEFAULT is none
    return {"statistics": str(number.ival) if kind else "-1"}


def _storage(definition: Node) -> dict[str, Value]:
    return {"storage": opened(definition)[1].sval.lower()}


def _set_expression(definition: Node) -> dict[str, Value]:
    return {"generated": Expression(expression_text(definition))}


_COLUMN_CHANGES: dict[int, Callable[[Node], dict[str, Value]]] = {
    pb.AT_AlterColumnType: _type,
    pb.AT_ColumnDefault: _default,
    pb.AT_SetNotNull: lambda _: {"nullable": "no"},
    pb.AT_DropNotNull: lambda _: {"nullable": "yes"},
    pb.AT_AddIdentity: _identity,
    pb.AT_DropIdentity: lambda _: {"identity": "none"},
    pb.AT_SetExpression: _set_expression,
    pb.AT_SetStatistics: _statistics,
    pb.AT_SetStorage: _storage,
    pb.AT_DropExpression: lambda _: {"generated": "none"},
}
