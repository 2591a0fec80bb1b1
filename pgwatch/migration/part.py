"""The part of a statement that is about one object: one command of an ALTER TABLE, one element of a table."""

from collections.abc import Iterator

from pgwatch.migration.objects import Key, Kind
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    opened,
    parse_statements,
    pb,
    query_text,
)

_MADE_AGAIN = {
    "index_stmt": Kind.INDEX,
    "create_trig_stmt": Kind.TRIGGER,
    "create_policy_stmt": Kind.POLICY,
}
_SAID_AGAIN = frozenset(
    {"alter_enum_stmt", "alter_function_stmt", "alter_owner_stmt", "comment_stmt", "grant_stmt"}
)
_ENDINGS = {
    "_pkey": pb.CONSTR_PRIMARY,
    "_key": pb.CONSTR_UNIQUE,
    "_check": pb.CONSTR_CHECK,
    "_fkey": pb.CONSTR_FOREIGN,
}


def part_of(sql: str, key: Key) -> str:
    """Return a statement that does for `key` alone what `sql` does, "" where there is none."""
    kind, node = _read(sql)
    if kind == "alter_table_stmt":
        return _commands(node, key, sql)
    if kind == "create_stmt" and key.table:
        return _element(node, key)
    return sql


def said_again(sql: str, key: Key) -> str:
    """Return what makes an object that differs as `sql` wants it, "" where that takes more than SQL says."""
    kind, node = _read(sql)
    if kind == "alter_table_stmt" and key.kind is Kind.CONSTRAINT:
        part = _commands(node, key, sql)
        return part and f"{_dropped(key)}{part}"
    if kind == "alter_table_stmt":
        adds = any(one.subtype == pb.AT_AddColumn for one in _alter_commands(node))
        return "" if adds else _commands(node, key, sql)
    if kind == "create_stmt" and key.kind is Kind.CONSTRAINT:
        part = _element(node, key)
        return part and f"{_dropped(key)}{part}"
    if _MADE_AGAIN.get(kind) is key.kind:
        return f"{_dropped(key)}{sql}"
    if kind == "drop_stmt" and len(node.objects) == 1:
        return sql
    replaces = kind in ("create_function_stmt", "view_stmt") and node.replace
    return sql if kind in _SAID_AGAIN or replaces else ""


def _read(sql: str) -> tuple[str, Node]:
    try:
        [(kind, node)] = parse_statements(sql)
    except (UnparsableError, ValueError):
        return "", None
    return kind, node


def _dropped(key: Key) -> str:
    schema = "" if key.schema == "public" else key.schema
    name = ".".join(quoted(part) for part in (schema, key.name) if part)
    table = ".".join(quoted(part) for part in (schema, key.table) if part)
    if key.kind is Kind.CONSTRAINT:
        return f"ALTER TABLE {table} DROP CONSTRAINT {quoted(key.name)};\n"
    if key.kind is Kind.INDEX:
        return f"DROP INDEX {name};\n"
    return f"DROP {str(key.kind).upper()} {quoted(key.name)} ON {table};\n"


def quoted(name: str) -> str:
    """Return a name as SQL needs it."""
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def _commands(statement: Node, key: Key, sql: str) -> str:
    """Return the ALTER TABLE with those of its commands that are about `key`."""
    if not key.table:
        return sql
    wanted = [cmd for cmd in _alter_commands(statement) if _named(cmd) == key.name]
    if len(wanted) == len(statement.cmds):
        return sql
    return _altered(statement.relation, wanted)


def _alter_commands(statement: Node) -> Iterator[Node]:
    for node in statement.cmds:
        yield opened(node)[1]


def _named(command: Node) -> str:
    kind, definition = opened(getattr(command, "def"))
    if kind == "constraint":
        return str(definition.conname)
    return str(definition.colname if kind == "column_def" and definition.colname else command.name)


def _altered(relation: Node, commands: list[Node]) -> str:
    if not commands:
        return ""
    made = pb.Node()
    alter = made.alter_table_stmt
    alter.objtype = pb.OBJECT_TABLE
    alter.relation.CopyFrom(relation)
    for command in commands:
        alter.cmds.add().alter_table_cmd.CopyFrom(command)
    return query_text(made)


def _element(statement: Node, key: Key) -> str:
    """Return the ALTER TABLE that adds the column or constraint `key` of a CREATE TABLE."""
    for node in statement.table_elts:
        kind, element = opened(node)
        if kind == "column_def" and key.kind is Kind.COLUMN and element.colname == key.name:
            command = pb.AlterTableCmd(subtype=pb.AT_AddColumn, behavior=pb.DROP_RESTRICT)
            getattr(command, "def").column_def.CopyFrom(element)
            return _altered(statement.relation, [command])
        for constraint in _constraints(kind, element) if key.kind is Kind.CONSTRAINT else ():
            if _is_meant(constraint, kind, element, key):
                return _altered(statement.relation, [_adding(constraint, kind, element)])
    return ""


def _constraints(kind: str, element: Node) -> list[Node]:
    if kind == "constraint":
        return [element]
    return [opened(one)[1] for one in element.constraints] if kind == "column_def" else []


def _is_meant(constraint: Node, kind: str, element: Node, key: Key) -> bool:
    if constraint.conname:
        return bool(constraint.conname == key.name)
    for ending, type_ in _ENDINGS.items():
        middle = f"_{element.colname}" if kind == "column_def" and ending != "_pkey" else ""
        if constraint.contype == type_ and key.name == f"{key.table}{middle}{ending}":
            return True
    return False


def _adding(constraint: Node, kind: str, element: Node) -> Node:
    command = pb.AlterTableCmd(subtype=pb.AT_AddConstraint, behavior=pb.DROP_RESTRICT)
    added = getattr(command, "def").constraint
    added.CopyFrom(constraint)
    if kind == "column_def" and added.contype == pb.CONSTR_FOREIGN:
        added.fk_attrs.add().string.sval = element.colname
    elif kind == "column_def" and added.contype != pb.CONSTR_CHECK:
        added.keys.add().string.sval = element.colname
    return command
