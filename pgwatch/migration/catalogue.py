"""Rows of the catalogue → live objects, in the same values as those declared. Pure."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pgwatch.migration.extract import (
    constraint_values,
    function_name,
    function_values,
    identity_arguments,
    index_values,
    partition_bound,
    partition_key,
    statistics_values,
    switch,
    trigger_values,
    view_query,
)
from pgwatch.migration.objects import Expression, Key, Kind, LiveObject, TypeName, Value
from pgwatch.migration.parse import Node, parse_statements, parse_type, type_text
from pgwatch.migration.roles import setting_value

_PERSISTENCE = {"p": "permanent", "u": "unlogged", "t": "temporary"}
_RELATIONS = {
    "r": Kind.TABLE,
    "p": Kind.TABLE,
    "f": Kind.TABLE,
    "v": Kind.VIEW,
    "m": Kind.MATERIALIZED_VIEW,
    "S": Kind.SEQUENCE,
}
_ENABLED = {"O": "enabled", "A": "enabled", "R": "enabled for replicas", "D": "disabled"}
_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}
_REPLICA_IDENTITY = {"d": "default", "n": "nothing", "f": "full", "i": "index"}
_COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}

Row = tuple[str, str, str, str, str | None, dict[str, Any]]


def live_objects(rows: Iterable[Row]) -> dict[Key, LiveObject]:
    """Return the objects of catalogue.sql's rows; raises UnparsableError on a definition nobody can read."""
    objects: dict[Key, LiveObject] = {}
    columns: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for kind, schema, table, name, definition, facts in rows:
        read = _READERS[kind]
        key, values = read(schema, table, name, definition or "", facts)
        if "comment" in facts:
            values["comment"] = facts["comment"] or "none"
        if facts.get("owner"):
            values["owner"] = facts["owner"]
        for privilege, role in facts.get("privileges") or ():
            values[f"privilege {privilege} of {role}"] = "granted"
        objects[key] = LiveObject(key=key, values=values)
        if kind == "column":
            columns.setdefault((schema, table), []).append((facts["number"], name))
    for key, live in objects.items():
        if key.kind in (Kind.VIEW, Kind.MATERIALIZED_VIEW):
            names = tuple(name for _, name in sorted(columns.get((key.schema, key.name), ())))
            objects[key] = LiveObject(key=key, values={**live.values, "columns": names})
    return objects


Read = tuple[Key, dict[str, Value]]


def _node(sql: str) -> Node:
    [(_, node)] = parse_statements(sql)
    return node


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@cache
def _type(text: str) -> TypeName:
    return TypeName(type_text(parse_type(text)))


def _expression(text: str | None, schema: str = "", table: str = "") -> Value:
    return Expression(text, schema=schema, table=table) if text else "none"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _relation(schema: str, _: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    key = Key(_RELATIONS[facts["relkind"]], schema, name)
    values: dict[str, Value] = {
        "persistence": _PERSISTENCE[facts["persistence"]],
        "row security": "enabled" if facts["row_security"] else "disabled",
        "row security for the owner": "enabled" if facts["force_row_security"] else "disabled",
    }
    values["replica identity"] = _REPLICA_IDENTITY[facts["replica_identity"]]
    for option in facts["options"]:
        option_name, _, value = option.partition("=")
        values[f"option {option_name}"] = switch(value)
    if key.kind in (Kind.VIEW, Kind.MATERIALIZED_VIEW):
        values["query"] = view_query_of(definition)
        values["populated"] = _yes(facts["populated"])
    elif key.kind is Kind.SEQUENCE and facts["sequence"]:
        sequence = facts["sequence"]
        values |= {name: sequence[name] for name in sequence if name not in ("type", "cycle")}
        values |= {"type": _type(sequence["type"]), "cycle": _yes(sequence["cycle"])}
        values["owned by"] = facts["owned_by"] or "none"
    elif definition:
        spec = _node(f"CREATE TABLE t () PARTITION BY {definition}").partspec
        values |= partition_key(spec, schema=schema, table=name)
    parent = facts["parent"]
    values["partition of"] = str(Key(Kind.TABLE, *parent)) if parent else "none"
    values["partition bound"] = "none"
    if facts["bound"]:
        node = _node(f"CREATE TABLE t PARTITION OF p {facts['bound']}").partbound
        values["partition bound"] = partition_bound(node)
        values["partition key types"] = tuple(facts["key_types"] or ())
    return key, values


def view_query_of(definition: str) -> Value:
    """Return the query of a view as pg_get_viewdef tells it."""
    [(kind, _)] = parse_statements(definition)
    assert kind == "select_stmt"
    return view_query(_statement(definition))


def _statement(sql: str) -> Node:
    return _node(f"CREATE VIEW v AS {sql}").query


def _column(schema: str, table: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    default = facts["default"]
    if default and default.startswith("NULL::"):  # as a length leaves it of DEFAULT NULL
        default = None
    generated = bool(facts["generated"].strip())
    identity = {"a": "always", "d": "by default"}.get(facts["identity"].strip(), "none")
    values: dict[str, Value] = {
        "type": _type(definition),
        "nullable": _yes(not facts["not_null"]),
        "default": "none" if generated else _expression(default),
        "generated": _expression(default) if generated else "none",
        "serial": _yes((default or "").startswith("nextval(")),
        "identity": identity,
        "collation": facts["collation"] or "none",
        "statistics": str(facts["statistics"]),
        "storage": _STORAGE[facts["storage"]],
    }
    return Key(Kind.COLUMN, schema, name, table), values


def _constraint(schema: str, table: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    command = _node(f"ALTER TABLE t ADD CONSTRAINT c {definition}").cmds[0].alter_table_cmd
    node = getattr(command, "def").constraint
    values = constraint_values(node, schema=schema, table=table)
    values |= {"validated": _yes(facts["validated"]), "enforced": _yes(facts["enforced"])}
    return Key(Kind.CONSTRAINT, schema, name, table), values


def _index(schema: str, table: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    values = index_values(_node(definition), schema=facts["table_schema"], table=table)
    values["table"] = str(Key(Kind.TABLE, facts["table_schema"], table))
    values["valid"] = _yes(facts["valid"])
    for number, (opclass, default) in enumerate(facts["operator_classes"], 1):
        values[f"operator class {number}"] = opclass
        values[f"default operator class {number}"] = _yes(default)
    return Key(Kind.INDEX, schema, name), values


def _statistics(schema: str, table: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    values = statistics_values(_node(definition), schema=facts["table_schema"], table=table)
    values["table"] = str(Key(Kind.TABLE, facts["table_schema"], table))
    return Key(Kind.STATISTICS, schema, name), values


def _trigger(schema: str, table: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    values = trigger_values(_node(definition), schema=schema, table=table)
    values["enabled"] = _ENABLED[facts["enabled"]]
    return Key(Kind.TRIGGER, schema, name, table), values


def _policy(schema: str, table: str, name: str, _: str, facts: dict[str, Any]) -> Read:
    values: dict[str, Value] = {
        "kind": "permissive" if facts["permissive"] else "restrictive",
        "command": _COMMANDS[facts["command"]],
        "roles": tuple(sorted(facts["roles"])),
        "using": _expression(facts["using"], schema, table),
        "with check": _expression(facts["with_check"], schema, table),
    }
    return Key(Kind.POLICY, schema, name, table), values


def _function(schema: str, _: str, __: str, definition: str, ___: dict[str, Any]) -> Read:
    node = _node(definition)
    key = Key(Kind.FUNCTION, schema, function_name(node.funcname, identity_arguments(node)))
    return key, function_values(node)


def _type_object(schema: str, _: str, name: str, __: str, facts: dict[str, Any]) -> Read:
    values: dict[str, Value] = {}
    if facts["values"]:
        values["values"] = tuple(facts["values"])
        values |= {f"value {value!r}": "yes" for value in facts["values"]}
    if facts["attributes"]:
        pairs = facts["attributes"]
        values["attributes"] = tuple(f"{attribute} {_type(text)}" for attribute, text in pairs)
    return Key(Kind.TYPE, schema, name), values


def _domain(schema: str, _: str, name: str, definition: str, facts: dict[str, Any]) -> Read:
    values: dict[str, Value] = {
        "type": _type(definition),
        "nullable": _yes(not facts["not_null"]),
        "default": _expression(facts["default"]),
    }
    return Key(Kind.DOMAIN, schema, name), values


def _schema(_: str, __: str, name: str, ___: str, ____: dict[str, Any]) -> Read:
    return Key(Kind.SCHEMA, "", name), {}


def _extension(_: str, __: str, name: str, ___: str, facts: dict[str, Any]) -> Read:
    return Key(Kind.EXTENSION, "", name), {"schema": facts["schema"], "version": facts["version"]}


def _role(_: str, __: str, name: str, ___: str, facts: dict[str, Any]) -> Read:
    values: dict[str, Value] = {one: _yes(facts["options"][one]) for one in facts["options"]}
    values["connection limit"] = str(facts["limit"])
    values |= {f"member of {role}": "yes" for role in facts["member_of"] or ()}
    for setting in facts["settings"] or ():
        setting_name, _, value = setting.partition("=")
        values[f"setting {setting_name}"] = setting_value([value])
    return Key(Kind.ROLE, "", name), values


_READERS: dict[str, Callable[[str, str, str, str, dict[str, Any]], Read]] = {
    "relation": _relation,
    "column": _column,
    "constraint": _constraint,
    "index": _index,
    "statistics": _statistics,
    "trigger": _trigger,
    "policy": _policy,
    "function": _function,
    "type": _type_object,
    "domain": _domain,
    "schema": _schema,
    "extension": _extension,
    "role": _role,
}
