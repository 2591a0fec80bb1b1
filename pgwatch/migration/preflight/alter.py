"""ALTER TABLE, and the same for views, indexes and sequences. Pure."""

from collections.abc import Callable
from dataclasses import replace

from pgwatch.migration.parse import Node, UnparsableError, parse_expression, pb
from pgwatch.migration.preflight.altertype import alter_type, prepare
from pgwatch.migration.preflight.attach import attach, detach, disinherit, inherit
from pgwatch.migration.preflight.columns import (
    check_identity,
    define,
    make_sequence,
    values,
    with_default,
)
from pgwatch.migration.preflight.constraint_parts import kind_of
from pgwatch.migration.preflight.constraints import add_constraint, set_not_null
from pgwatch.migration.preflight.dependents import constraint_users, drop_column, forget
from pgwatch.migration.preflight.liverows import has_rows, question
from pgwatch.migration.preflight.row_question import RowRule
from pgwatch.migration.preflight.scene import Column, Constraint, Relation
from pgwatch.migration.preflight.stage import CannotTellError, Stage, StatementFailsError
from pgwatch.migration.preflight.typenames import resolve, serial

# The order in which the server does the parts of one ALTER TABLE (AT_PASS_… in tablecmds.c).
_PASSES = {
    pb.AT_DropColumn: 0,
    pb.AT_DropConstraint: 0,
    pb.AT_DropNotNull: 0,
    pb.AT_DropIdentity: 0,
    pb.AT_AlterColumnType: 1,
    pb.AT_AddColumn: 2,
    pb.AT_AddIdentity: 4,
    pb.AT_SetNotNull: 4,
}
_CONSTRAINT_PASSES = {"n": 4, "p": 5, "u": 5, "x": 5, "c": 6, "f": 6}
# Types of a fixed length, which are never stored out of line (pg_type.typstorage p).
_PLAIN = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "uuid",
        "interval",
    }
)
_LAST_PASS = 7
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
    if table.kind not in _KINDS.get(node.objtype, "rpf"):
        words = (
            pb.ObjectType.Name(node.objtype)
            .removeprefix("OBJECT_")
            .lower()
            .replace("matview", "materialized view")
        )
        article = "an" if words[0] in "aeiou" else "a"
        raise stage.fail("42809", f'"{table.name}" is not {article} {words}')
    commands = [item.alter_table_cmd for item in node.cmds]
    for command in commands:
        allowed = _OF_KIND.get(table.kind, frozenset())
        if command.subtype == pb.AT_AddIdentity:
            column_of(stage, table, command.name)
        if table.kind not in "rpf" and command.subtype not in _ANY_RELATION | allowed:
            raise stage.fail(
                "42809", f'ALTER action cannot be performed on relation "{table.name}"'
            )
    retyped: set[str] = set()
    for command in commands:
        if command.subtype == pb.AT_AlterColumnType:
            prepare(stage, table, command)
            if command.name in retyped:
                raise stage.fail("0A000", f'cannot alter type of column "{command.name}" twice')
            retyped.add(command.name)
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
    for rows in waiting:
        stage.breaks(*rows)


def _holds(stage: Stage, table: Relation, command: Node) -> bool:
    """Return whether a command wants what is there already: then it does no harm that it fails."""
    column = table.column(command.name)
    if command.subtype == pb.AT_AlterColumnType:
        return column is not None and column.type == _wanted_type(stage, command)
    if command.subtype == pb.AT_AddColumn:
        found = table.column(_definition(command).column_def.colname)
        return found is not None and found.type == _wanted_type(stage, command)
    if command.subtype == pb.AT_AddConstraint:
        return (table.oid, _definition(command).constraint.conname) in stage.before.constraints
    if command.subtype == pb.AT_DropConstraint:
        return (table.oid, command.name) not in stage.before.constraints
    if command.subtype == pb.AT_SetNotNull:
        return column is not None and column.not_null
    return command.subtype == pb.AT_DropColumn and column is None


def _wanted_type(stage: Stage, command: Node) -> str:
    try:
        return resolve(stage, _definition(command).column_def.type_name)
    except StatementFailsError:
        return ""


def _pass_of(command: Node) -> int:
    if command.subtype == pb.AT_ColumnDefault:
        return 6 if _definition(command).WhichOneof("node") else 0
    if command.subtype == pb.AT_AddConstraint:
        return _CONSTRAINT_PASSES.get(kind_of(_definition(command).constraint), _LAST_PASS)
    return _PASSES.get(command.subtype, _LAST_PASS)


def column_of(stage: Stage, table: Relation, name: str) -> Column:
    """Return a column; fails as the server does where it is not there."""
    column = table.column(name)
    if column is None:
        raise stage.fail("42703", f'column "{name}" of relation "{table.name}" does not exist')
    return column


def _definition(command: Node) -> Node:
    return getattr(command, "def")


def _add_column(stage: Stage, table: Relation, command: Node) -> None:
    node = _definition(command).column_def
    if table.bound:
        raise stage.fail("42809", "cannot add column to a partition")
    number = 1 + max((one.number for one in table.columns), default=0)
    existing = table.column(node.colname)
    if existing is not None and command.missing_ok:
        return
    definition = define(stage, table, node, number)
    if existing is not None:
        raise stage.fail(
            "42701",
            f'column "{node.colname}" of relation "{table.name}" already exists',
            harmless=existing.type == definition.column.type,
        )
    check_identity(stage, definition.column)
    scene = stage.scene
    table = scene.put(replace(table, columns=(*table.columns, definition.column), altered=True))
    column = values(stage, table, definition)
    table = scene.put(table.with_column(column))
    if serial(node.type_name) or column.identity:
        make_sequence(stage, table, column)
    if column.not_null:
        _needs_value(stage, table, column)
    for child in scene.children(table.oid):
        if child.kind in "rpf":
            _add_below(stage, child, column)
    for constraint in definition.constraints:
        add_constraint(stage, scene.relations[table.oid], constraint, column=column.name)


def _needs_value(stage: Stage, table: Relation, column: Column) -> None:
    if column.default.upper() in ("", "NULL") and not column.identity and not column.generated:  # noqa: SIM102 - two questions
        if has_rows(stage, table):
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


def _drop_column(stage: Stage, table: Relation, command: Node) -> None:
    column = table.column(command.name)
    if column is None:
        if command.missing_ok:
            return
        raise stage.fail(
            "42703",
            f'column "{command.name}" of relation "{table.name}" does not exist',
            harmless=True,
        )
    if column.inherited:
        raise stage.fail("42P16", f'cannot drop inherited column "{column.name}"')
    if column.number in table.key:
        raise stage.fail(
            "42P16",
            f'cannot drop column "{column.name}" because it is part of the partition key of'
            f' relation "{table.name}"',
        )
    cascade = command.behavior == pb.DROP_CASCADE
    for child in list(stage.scene.descendants(table.oid)):
        below = child.column(column.name)
        if below is not None and child.kind in "rpf":
            drop_column(stage, child, below.number, cascade=cascade)
    drop_column(stage, table, column.number, cascade=cascade)


def _set_default(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
    definition = _definition(command)
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


def _set_not_null(stage: Stage, table: Relation, command: Node) -> None:
    set_not_null(stage, table, command.name, fresh=False)


def _drop_not_null(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
    if column.number in stage.scene.primary_key(table.oid):
        raise stage.fail("42P16", f'column "{column.name}" is in a primary key')
    if column.identity:
        raise stage.fail(
            "42601", f'column "{column.name}" of relation "{table.name}" is an identity column'
        )
    stage.scene.put(table.with_column(replace(column, not_null=False), altered=False))


def _add_constraint(stage: Stage, table: Relation, command: Node) -> None:
    add_constraint(stage, table, _definition(command).constraint)


def _drop_constraint(stage: Stage, table: Relation, command: Node) -> None:
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


def _no_constraint(
    stage: Stage, table: Relation, name: str, *, harmless: bool = False
) -> Exception:
    return stage.fail(
        "42704",
        f'constraint "{name}" of relation "{table.name}" does not exist',
        harmless=harmless,
    )


def _alter_constraint(stage: Stage, table: Relation, command: Node) -> None:
    kind = _definition(command).WhichOneof("node")
    name = getattr(_definition(command), kind).conname if kind else command.name
    found = stage.scene.constraints.get((table.oid, name))
    if found is None:
        raise _no_constraint(stage, table, name)
    if found.kind != "f":
        raise stage.fail(
            "42809",
            f'constraint "{name}" of relation "{table.name}" is not a foreign key constraint',
        )


def _validate(stage: Stage, table: Relation, command: Node) -> None:
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
    try:
        if found.kind == "c":
            expression = parse_expression(found.expression)
            asked = question(
                stage, table, RowRule.CHECK, found.columns, sqlstate="23514", expression=expression
            )
            message = f'check constraint "{found.name}" of relation "{table.name}" is violated by some row'
        else:
            asked = question(stage, table, RowRule.FOREIGN_KEY, found.columns, sqlstate="23503")
            target = stage.scene.relations[found.references]
            if asked is None or target.live is None:
                return
            names = tuple(c.live for n in found.referenced if (c := target.numbered(n)))
            asked = replace(asked, references=(*target.live, names))
            message = f'insert or update on table "{table.name}" violates foreign key constraint "{found.name}"'  # noqa: E501 - the server's words
    except (CannotTellError, UnparsableError) as error:
        stage.note(str(error))
        return
    if asked is not None:
        stage.breaks_later(asked, table, message)


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


def _any_column(stage: Stage, table: Relation, command: Node) -> None:
    if command.name:
        column_of(stage, table, command.name)


def _set_storage(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
    wanted = _definition(command).string.sval.lower()
    if column.type.split("(")[0] in _PLAIN and wanted not in ("plain", "default"):
        raise stage.fail("0A000", f"column data type {column.type} can only have storage PLAIN")


def _add_identity(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
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
    when = _definition(command).constraint.generated_when
    made = replace(column, identity=when)
    make_sequence(stage, stage.scene.put(table.with_column(made, altered=False)), made)


def _drop_identity(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
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


def _drop_expression(stage: Stage, table: Relation, command: Node) -> None:
    column = column_of(stage, table, command.name)
    if not column.generated:
        if command.missing_ok:
            return
        raise stage.fail(
            "55000",
            f'column "{column.name}" of relation "{table.name}" is not a stored generated column',
            harmless=True,
        )
    stage.scene.put(table.with_column(replace(column, generated=""), altered=False))


def _tablespace(stage: Stage, _: Relation, command: Node) -> None:
    if command.name not in stage.facts.tablespaces:
        raise stage.fail("42704", f'tablespace "{command.name}" does not exist')


def _index_of(stage: Stage, table: Relation, command: Node) -> None:
    name = command.name or _definition(command).replica_identity_stmt.name
    if not name:
        return
    if not any(one.name == name for one in stage.scene.indexes(table.oid)):
        if (table.schema, name) in stage.scene.relation_names:
            raise stage.fail("42809", f'"{name}" is not an index for table "{table.name}"')
        raise stage.fail("42704", f'index "{name}" for table "{table.name}" does not exist')


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
    pb.AT_AddColumn: _add_column,
    pb.AT_DropColumn: _drop_column,
    pb.AT_AlterColumnType: alter_type,
    pb.AT_ColumnDefault: _set_default,
    pb.AT_SetNotNull: _set_not_null,
    pb.AT_DropNotNull: _drop_not_null,
    pb.AT_AddConstraint: _add_constraint,
    pb.AT_DropConstraint: _drop_constraint,
    pb.AT_AlterConstraint: _alter_constraint,
    pb.AT_ValidateConstraint: _validate,
    pb.AT_EnableTrig: _trigger,
    pb.AT_EnableTrigAll: _trigger,
    pb.AT_EnableTrigUser: _trigger,
    pb.AT_DisableTrig: _trigger,
    pb.AT_DisableTrigAll: _trigger,
    pb.AT_DisableTrigUser: _trigger,
    pb.AT_EnableAlwaysTrig: _trigger,
    pb.AT_EnableReplicaTrig: _trigger,
    pb.AT_ChangeOwner: _owner,
    pb.AT_SetStatistics: _any_column,
    pb.AT_SetStorage: _set_storage,
    pb.AT_SetOptions: _any_column,
    pb.AT_ResetOptions: _any_column,
    pb.AT_SetCompression: _any_column,
    pb.AT_AddIdentity: _add_identity,
    pb.AT_SetIdentity: _any_column,
    pb.AT_DropIdentity: _drop_identity,
    pb.AT_DropExpression: _drop_expression,
    pb.AT_SetTableSpace: _tablespace,
    pb.AT_ClusterOn: _index_of,
    pb.AT_ReplicaIdentity: _index_of,
    pb.AT_EnableRowSecurity: _security(enabled=True),
    pb.AT_DisableRowSecurity: _security(enabled=False),
    pb.AT_AttachPartition: attach,
    pb.AT_DetachPartition: detach,
    pb.AT_AddInherit: inherit,
    pb.AT_DropInherit: disinherit,
}
