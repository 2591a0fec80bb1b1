"""ALTER TABLE, and the same for views, indexes and sequences. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pgwatch.migration.parse import Node, pb
from pgwatch.migration.preflight.alter_column import (
    add_column,
    any_column,
    drop_column,
    drop_not_null,
    set_default,
    set_storage,
)
from pgwatch.migration.preflight.alter_constraint import (
    alter_constraint,
    drop_constraint,
    validate,
)
from pgwatch.migration.preflight.alter_generated import (
    add_identity,
    drop_expression,
    drop_identity,
)
from pgwatch.migration.preflight.altertype import alter_type, prepare
from pgwatch.migration.preflight.attach import attach, detach, disinherit, inherit
from pgwatch.migration.preflight.constraint_parts import kind_of
from pgwatch.migration.preflight.constraints import add_constraint, set_not_null
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.stage import Stage, StatementFailsError
from pgwatch.migration.preflight.typenames import resolve

# The order in which the server does the parts of one ALTER TABLE (AT_PASS_… in tablecmds.c).
_PASSES = {
    pb.AT_DropColumn: 0,
    pb.AT_DropConstraint: 0,
    pb.AT_DropNotNull: 0,
    pb.AT_DropIdentity: 0,
    pb.AT_AlterColumnType: 1,
    pb.AT_AddColumn: 2,
    pb.AT_AddIdentity: 6,
    pb.AT_SetNotNull: 4,
}
_CONSTRAINT_PASSES = {"n": 4, "p": 5, "u": 5, "x": 5, "c": 7, "f": 7}
_LAST_PASS = 8
_KINDS = {
    pb.OBJECT_TABLE: "rpfvmiIScS",
    pb.OBJECT_VIEW: "v",
    pb.OBJECT_MATVIEW: "m",
    pb.OBJECT_INDEX: "iI",
    pb.OBJECT_SEQUENCE: "S",
    pb.OBJECT_FOREIGN_TABLE: "f",
    pb.OBJECT_TYPE: "c",
}
_ANY_RELATION = frozenset(
    {
        pb.AT_ChangeOwner,
        pb.AT_SetTableSpace,
        pb.AT_SetRelOptions,
        pb.AT_ResetRelOptions,
        pb.AT_SetStatistics,
        pb.AT_ClusterOn,
        pb.AT_DropCluster,
        pb.AT_AttachPartition,
    }
)
_OF_KIND = {  # what can be done beside _ANY_RELATION
    "v": frozenset({pb.AT_ColumnDefault}),
    "m": frozenset({pb.AT_SetStorage, pb.AT_SetOptions, pb.AT_ResetOptions, pb.AT_SetCompression}),
    "c": frozenset({pb.AT_AddColumn, pb.AT_DropColumn, pb.AT_AlterColumnType}),
}


def alter_table(stage: Stage, node: Node) -> None:
    """ALTER TABLE."""
    table = stage.relation(node.relation, missing_ok=node.missing_ok)
    if table is None:
        return
    _check_kind(stage, table, node.objtype)
    commands = [item.alter_table_cmd for item in node.cmds]
    _check_commands(stage, table, commands)
    _prepare_types(stage, table, commands)
    stage.waiting = []
    for command in sorted(commands, key=_pass_of):
        handler = _HANDLERS.get(command.subtype)
        if handler is None:
            continue
        try:
            handler(stage, stage.scene.relations[table.oid], command)
        except StatementFailsError as error:
            others = (_holds(stage, table, one) for one in commands if one is not command)
            own = error.harmless or _holds(stage, table, command)
            error.harmless = own and all(others)
            raise
    # The rows are looked at when all commands are done.
    waiting, stage.waiting = stage.waiting, None
    failed = []
    for rows in waiting:
        try:
            stage.breaks(*rows)
        except StatementFailsError as error:
            failed.append(error)
    if failed:
        raise _together(failed)


def _together(failed: Sequence[StatementFailsError]) -> StatementFailsError:
    """Return one error for all rules that rows break: each is in the way once the others are cured."""
    first = failed[0]
    if len(failed) == 1:
        return first
    return StatementFailsError(
        first.sqlstate,
        "; ".join(map(str, failed)),
        examples=tuple(dict.fromkeys(example for one in failed for example in one.examples)),
        rows=True,
    )


def _check_kind(stage: Stage, table: Relation, wanted: int) -> None:
    if table.kind in _KINDS.get(wanted, "rpf"):
        return
    words = pb.ObjectType.Name(wanted).removeprefix("OBJECT_").lower()
    words = words.replace("matview", "materialized view")
    article = "an" if words[0] in "aeiou" else "a"
    raise stage.fail("42809", f'"{table.name}" is not {article} {words}')


def _check_commands(stage: Stage, table: Relation, commands: Sequence[Node]) -> None:
    if table.kind in "rpf":
        return
    allowed = _ANY_RELATION | _OF_KIND.get(table.kind, frozenset())
    for command in commands:
        if command.subtype == pb.AT_AddIdentity:
            stage.column(table, command.name)
        if command.subtype not in allowed:
            raise stage.fail(
                "42809", f'ALTER action cannot be performed on relation "{table.name}"'
            )


def _prepare_types(stage: Stage, table: Relation, commands: Sequence[Node]) -> None:
    retyped: set[str] = set()
    for command in commands:
        if command.subtype == pb.AT_AlterColumnType:
            prepare(stage, table, command)
            if command.name in retyped:
                raise stage.fail("0A000", f'cannot alter type of column "{command.name}" twice')
            retyped.add(command.name)


def _holds(stage: Stage, table: Relation, command: Node) -> bool:
    """Return whether a command wants what is there already: then it does no harm that it fails."""
    column = table.column(command.name)
    if command.subtype == pb.AT_AlterColumnType:
        return column is not None and column.type == _wanted_type(stage, command)
    if command.subtype == pb.AT_AddColumn:
        found = table.column(getattr(command, "def").column_def.colname)
        return found is not None and found.type == _wanted_type(stage, command)
    if command.subtype == pb.AT_AddConstraint:
        return (table.oid, getattr(command, "def").constraint.conname) in stage.before.constraints
    if command.subtype == pb.AT_DropConstraint:
        return (table.oid, command.name) not in stage.before.constraints
    if command.subtype == pb.AT_SetNotNull:
        return column is not None and column.not_null
    return command.subtype == pb.AT_DropColumn and column is None


def _wanted_type(stage: Stage, command: Node) -> str:
    try:
        return resolve(stage, getattr(command, "def").column_def.type_name)
    except StatementFailsError:
        return ""


def _pass_of(command: Node) -> int:
    if command.subtype == pb.AT_ColumnDefault:
        return 6 if getattr(command, "def").WhichOneof("node") else 0
    if command.subtype == pb.AT_AddConstraint:
        return _CONSTRAINT_PASSES.get(kind_of(getattr(command, "def").constraint), _LAST_PASS)
    return _PASSES.get(command.subtype, _LAST_PASS)


def _set_not_null(stage: Stage, table: Relation, command: Node) -> None:
    set_not_null(stage, table, command.name, fresh=False)


def _add_constraint(stage: Stage, table: Relation, command: Node) -> None:
    add_constraint(stage, table, getattr(command, "def").constraint)


def _trigger(stage: Stage, table: Relation, command: Node) -> None:
    """ENABLE and DISABLE TRIGGER, without a name for all."""
    triggers = stage.scene.triggers
    if command.name and (table.oid, command.name) not in triggers:
        raise stage.fail(
            "42704", f'trigger "{command.name}" for table "{table.name}" does not exist'
        )
    for key, one in list(triggers.items()):
        if one.table == table.oid and command.name in ("", one.name):
            triggers[key] = replace(one, enabled=command.subtype in _ENABLE)


def _owner(stage: Stage, _: Relation, command: Node) -> None:
    stage.role(command.newowner)


def _tablespace(stage: Stage, _: Relation, command: Node) -> None:
    if command.name not in stage.facts.tablespaces:
        raise stage.fail("42704", f'tablespace "{command.name}" does not exist')


def _index_of(stage: Stage, table: Relation, command: Node) -> None:
    _named_index(stage, table, command.name)


def _named_index(stage: Stage, table: Relation, name: str) -> Relation:
    for one in stage.scene.indexes(table.oid):
        if one.name == name:
            return one
    if (table.schema, name) in stage.scene.relation_names:
        raise stage.fail("42809", f'"{name}" is not an index for table "{table.name}"')
    raise stage.fail("42704", f'index "{name}" for table "{table.name}" does not exist')


def _replica_identity(stage: Stage, table: Relation, command: Node) -> None:
    name = getattr(command, "def").replica_identity_stmt.name
    if not name:
        return
    index = _named_index(stage, table, name).index
    assert index is not None
    named = [table.numbered(number) for number in index.columns]
    reasons = {
        "non-unique index": not index.unique,
        "non-immediate index": not index.immediate,
        "expression index": 0 in index.columns,
        "partial index": bool(index.predicate),
    }
    for what, holds in reasons.items():
        if holds:
            raise stage.fail("42809", f'cannot use {what} "{name}" as replica identity')
    for column in named:
        if column is not None and not column.not_null:
            raise stage.fail(
                "42809",
                f'index "{name}" cannot be used as replica identity because column'
                f' "{column.name}" is nullable',
            )


def _persistence(persistence: str) -> Callable[[Stage, Relation, Node], None]:
    def handler(stage: Stage, table: Relation, _: Node) -> None:
        relations = stage.scene.relations
        if table.persistence == "t":
            raise stage.fail(
                "42P16",
                f'cannot change logged status of table "{table.name}" because it is temporary',
            )
        for one in stage.scene.constraints.values():
            if one.kind != "f" or one.table == one.references:
                continue
            # An unlogged table may refer to a logged one, and not the other way round.
            own = one.table if persistence == "p" else one.references
            other = relations.get(one.references if persistence == "p" else one.table)
            if own == table.oid and other is not None and other.persistence != persistence:
                words = {"p": "logged", "u": "unlogged"}
                raise stage.fail(
                    "42P16",
                    f'could not change table "{table.name}" to {words[persistence]} because it'
                    f' references {words[other.persistence]} table "{other.name}"',
                )
        stage.scene.put(replace(table, persistence=persistence))

    return handler


def _security(*, enabled: bool) -> Callable[[Stage, Relation, Node], None]:
    def handler(stage: Stage, table: Relation, _: Node) -> None:
        stage.scene.put(replace(table, row_security=enabled))

    return handler


_ENABLE = (
    pb.AT_EnableTrig,
    pb.AT_EnableAlwaysTrig,
    pb.AT_EnableTrigAll,
    pb.AT_EnableTrigUser,
)
_HANDLERS: dict[int, Callable[[Stage, Relation, Node], None]] = {
    pb.AT_AddColumn: add_column,
    pb.AT_DropColumn: drop_column,
    pb.AT_AlterColumnType: alter_type,
    pb.AT_ColumnDefault: set_default,
    pb.AT_SetNotNull: _set_not_null,
    pb.AT_DropNotNull: drop_not_null,
    pb.AT_AddConstraint: _add_constraint,
    pb.AT_DropConstraint: drop_constraint,
    pb.AT_AlterConstraint: alter_constraint,
    pb.AT_ValidateConstraint: validate,
    pb.AT_EnableTrig: _trigger,
    pb.AT_EnableTrigAll: _trigger,
    pb.AT_EnableTrigUser: _trigger,
    pb.AT_DisableTrig: _trigger,
    pb.AT_DisableTrigAll: _trigger,
    pb.AT_DisableTrigUser: _trigger,
    pb.AT_EnableAlwaysTrig: _trigger,
    pb.AT_EnableReplicaTrig: _trigger,
    pb.AT_ChangeOwner: _owner,
    pb.AT_SetStatistics: any_column,
    pb.AT_SetStorage: set_storage,
    pb.AT_SetOptions: any_column,
    pb.AT_ResetOptions: any_column,
    pb.AT_SetCompression: any_column,
    pb.AT_AddIdentity: add_identity,
    pb.AT_SetIdentity: any_column,
    pb.AT_DropIdentity: drop_identity,
    pb.AT_DropExpression: drop_expression,
    pb.AT_SetTableSpace: _tablespace,
    pb.AT_ClusterOn: _index_of,
    pb.AT_ReplicaIdentity: _replica_identity,
    pb.AT_SetLogged: _persistence("p"),
    pb.AT_SetUnLogged: _persistence("u"),
    pb.AT_EnableRowSecurity: _security(enabled=True),
    pb.AT_DisableRowSecurity: _security(enabled=False),
    pb.AT_AttachPartition: attach,
    pb.AT_DetachPartition: detach,
    pb.AT_AddInherit: inherit,
    pb.AT_DropInherit: disinherit,
}
