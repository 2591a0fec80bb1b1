"""Functions, triggers, views and materialized views: what they declare. Pure."""

from dataclasses import replace

from pgwatch.migration.extract import (
    column_names,
    function_name,
    function_values,
    identity_arguments,
    relations_read,
    trigger_values,
    view_query,
)
from pgwatch.migration.figure import output_names
from pgwatch.migration.objects import Key, Kind, Value
from pgwatch.migration.parse import Node, opened, parse_type, pb, strings, type_text
from pgwatch.migration.state import State


def create_function(state: State, node: Node) -> None:
    """CREATE FUNCTION or PROCEDURE."""
    types = [item.function_parameter.arg_type for item in node.parameters]
    for name in (*types, node.return_type):
        if name.pct_type and not _resolved(state, name):
            state.unknown(f"what type {type_text(name)} was is not in the migrations")
            return
    name = function_name(node.funcname, identity_arguments(node))
    key = Key(Kind.FUNCTION, _schema(state, node.funcname), name)
    state.create(key, function_values(node), replaces=node.replace)


def _resolved(state: State, name: Node) -> bool:
    """Put the type of the column in the place of `table.column%TYPE`, as the server does; False: unknown."""
    *schema, table, column = strings(name.names)
    owner = state.relation(schema[-1] if schema else "", table)
    known = state.facet(Key(Kind.COLUMN, owner.schema, column, owner.name), "type")
    if known is None:
        return False
    name.CopyFrom(parse_type(str(known)))
    return True


def function_key(state: State, node: Node) -> Key:
    """Return the key of a function as DROP, ALTER, COMMENT and GRANT name it (ObjectWithArgs)."""
    schema = _schema(state, node.objname)
    if node.args_unspecified:
        name = strings(node.objname)[-1]
        for key in state.objects:
            same = (key.kind, key.schema) == (Kind.FUNCTION, schema)
            if same and key.name.split("(")[0] == name and state.exists(key):
                return key
        return Key(Kind.FUNCTION, schema, f"{name}()")
    types = [type_text(item.type_name, modifiers=False) for item in node.objargs]
    key = Key(Kind.FUNCTION, schema, function_name(node.objname, types))
    others = state.search_path if len(node.objname) == 1 else ()
    return next(filter(state.exists, (replace(key, schema=one) for one in others)), key)


def _schema(state: State, names: Node) -> str:
    *schema, _ = strings(names)
    return schema[-1] if schema else state.search_path[0]


def alter_function(state: State, node: Node) -> None:
    """ALTER FUNCTION: the properties that it names."""
    changed = {item.def_elem.defname for item in node.actions}
    facets = {"strict": "on null input"}
    fake = pb.CreateFunctionStmt()
    fake.options.extend(node.actions)
    values = function_values(fake)
    wanted = {facets.get(name, name) for name in changed}
    said = {n: v for n, v in values.items() if n in wanted or n.startswith("setting ")}
    state.change(function_key(state, node.func), said)


def create_trigger(state: State, node: Node) -> None:
    """CREATE TRIGGER; a constraint trigger, too."""
    table = state.relation(node.relation.schemaname, node.relation.relname)
    key = Key(Kind.TRIGGER, table.schema, node.trigname, table.name)
    values = trigger_values(node, schema=table.schema, table=table.name)
    used = set(strings(node.columns))
    if node.HasField("when_clause"):
        used |= column_names(node.when_clause)
    state.create(key, {**values, "enabled": "enabled"}, columns=used, replaces=node.replace)


def create_view(state: State, node: Node) -> None:
    """CREATE VIEW; a temporary one leaves nothing behind."""
    relation = node.view
    if relation.relpersistence == "t":
        state.without_object += 1
        return
    schema = state.schema_of(relation.schemaname, relation.relname, (Kind.VIEW,))
    key = Key(Kind.VIEW, schema, relation.relname)
    values: dict[str, Value] = {"query": view_query(node.query)}
    columns = strings(node.aliases) or output_names(node.query)
    if columns is not None:
        values["columns"] = columns
    for item in node.options:
        option = item.def_elem
        kind, argument = opened(option.arg)
        given = argument.sval.lower() if kind == "string" else "true"
        values[f"option {option.defname}"] = (
            "true" if given in ("true", "on", "yes", "1") else given
        )
    state.create(key, values, uses=_uses(state, node.query), replaces=node.replace)


def create_table_as(state: State, node: Node) -> None:
    """CREATE MATERIALIZED VIEW, and CREATE TABLE … AS, of which only the table is known."""
    relation = node.into.rel
    if relation.relpersistence == "t":
        state.without_object += 1
        return
    if node.objtype != pb.OBJECT_MATVIEW:
        schema = state.schema_of(relation.schemaname, relation.relname, (Kind.TABLE,))
        state.create(Key(Kind.TABLE, schema, relation.relname), {})
        return
    schema = state.schema_of(relation.schemaname, relation.relname, (Kind.MATERIALIZED_VIEW,))
    # Also WITH NO DATA: one that nobody ever filled cannot be read.
    values: dict[str, Value] = {"query": view_query(node.query), "populated": "yes"}
    columns = strings(node.into.col_names) or output_names(node.query)
    if columns is not None:
        values["columns"] = columns
    key = Key(Kind.MATERIALIZED_VIEW, schema, relation.relname)
    state.create(key, values, uses=_uses(state, node.query))


def refresh(state: State, node: Node) -> None:
    """REFRESH MATERIALIZED VIEW."""
    relation = node.relation
    key = state.relation(relation.schemaname, relation.relname, Kind.MATERIALIZED_VIEW)
    state.change(key, {"populated": "no" if node.skip_data else "yes"})


def _uses(state: State, query: Node) -> set[Key]:
    return {state.relation(schema, name) for schema, name in relations_read(query)}
