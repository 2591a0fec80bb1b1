"""Enums, domains, composite types, sequences, schemas and extensions: what they declare. Pure."""

from pgwatch.migration.extract import column_names, constraint_values
from pgwatch.migration.naming import made_name
from pgwatch.migration.objects import Expression, Key, Kind, TypeName, Value
from pgwatch.migration.parse import Node, expression_text, opened, pb, strings, type_text
from pgwatch.migration.state import State
from pgwatch.migration.tables import default_value


def named(state: State, kind: Kind, names: Node) -> Key:
    """Return the key of something that may be written with its schema."""
    *schema, name = strings(names)
    return Key(kind, state.schema_of(schema[-1] if schema else "", name, (kind,)), name)


def create_enum(state: State, node: Node) -> None:
    """CREATE TYPE … AS ENUM."""
    state.create(named(state, Kind.TYPE, node.type_name), {"values": strings(node.vals)})


def alter_enum(state: State, node: Node) -> None:
    """ALTER TYPE … ADD VALUE and RENAME VALUE."""
    key = named(state, Kind.TYPE, node.type_name)
    known = state.facet(key, "values")
    if not isinstance(known, tuple):  # its other values are not ours to know
        if node.old_val:
            state.change(key, {f"value {node.old_val!r}": "no"})
        state.change(key, {f"value {node.new_val!r}": "yes"})
        return
    values = list(known)
    if node.old_val:
        values = [node.new_val if value == node.old_val else value for value in values]
    elif node.new_val not in values:
        at = len(values)
        if node.new_val_neighbor in values:
            at = values.index(node.new_val_neighbor) + int(node.new_val_is_after)
        values.insert(at, node.new_val)
    state.change(key, {"values": tuple(values)})


def create_composite(state: State, node: Node) -> None:
    """CREATE TYPE … AS (…)."""
    relation = node.typevar
    schema = state.schema_of(relation.schemaname, relation.relname, (Kind.TYPE,))
    columns = [item.column_def for item in node.coldeflist]
    attributes = tuple(f"{column.colname} {type_text(column.type_name)}" for column in columns)
    state.create(Key(Kind.TYPE, schema, relation.relname), {"attributes": attributes})


def alter_composite(state: State, node: Node) -> None:
    """ALTER TYPE … ADD, DROP and ALTER ATTRIBUTE."""
    key = state.relation(node.relation.schemaname, node.relation.relname, Kind.TYPE)
    known = state.facet(key, "attributes")
    if not isinstance(known, tuple):
        state.unknown("what attributes the type had is not in the migrations")
        return
    types = dict(one.split(" ", 1) for one in known)
    for item in node.cmds:
        command = item.alter_table_cmd
        column = opened(getattr(command, "def"))[1]
        if command.subtype == pb.AT_DropColumn:
            types.pop(command.name, None)
        elif command.subtype == pb.AT_AddColumn:
            types.setdefault(column.colname, type_text(column.type_name))
        elif command.subtype == pb.AT_AlterColumnType:
            types[command.name] = type_text(column.type_name)
    state.change(key, {"attributes": tuple(f"{name} {types[name]}" for name in types)})


def rename_attribute(state: State, node: Node) -> None:
    """ALTER TYPE … RENAME ATTRIBUTE."""
    key = state.relation(node.relation.schemaname, node.relation.relname, Kind.TYPE)
    known = state.facet(key, "attributes")
    if not isinstance(known, tuple):
        state.unknown("what attributes the type had is not in the migrations")
        return
    pairs = (one.split(" ", 1) for one in known)
    renamed = (f"{node.newname if name == node.subname else name} {of}" for name, of in pairs)
    state.change(key, {"attributes": tuple(renamed)})


def create_range(state: State, node: Node) -> None:
    """CREATE TYPE … AS RANGE: that it exists."""
    state.create(named(state, Kind.TYPE, node.type_name), {})


def create_domain(state: State, node: Node) -> None:
    """CREATE DOMAIN with its constraints."""
    key = named(state, Kind.DOMAIN, node.domainname)
    base = type_text(node.type_name)
    values: dict[str, Value] = {"type": TypeName(base), "nullable": "yes", "default": "none"}
    constraints = [item.constraint for item in node.constraints]
    for constraint in constraints:
        if constraint.contype == pb.CONSTR_NOTNULL:
            values["nullable"] = "no"
        elif constraint.contype == pb.CONSTR_DEFAULT:
            values["default"] = default_value(constraint.raw_expr)
    state.create(key, values)
    for constraint in constraints:
        if constraint.contype == pb.CONSTR_CHECK:
            _domain_check(state, key, constraint)


def _domain_check(state: State, domain: Key, node: Node) -> None:
    values = constraint_values(node, schema=domain.schema, table=domain.name)
    # The first word decides alone, as the name of a domain's check holds no column.
    name = node.conname or made_name(domain.name, label="check")
    key = Key(Kind.CONSTRAINT, domain.schema, name, domain.name)
    state.create(
        key,
        {**values, "validated": "yes"},
        derived=not node.conname,
        columns=column_names(node.raw_expr),
    )


def alter_domain(state: State, node: Node) -> None:
    """ALTER DOMAIN."""
    key = named(state, Kind.DOMAIN, node.type_name)
    constraint = Key(Kind.CONSTRAINT, key.schema, node.name, key.name)
    definition = getattr(node, "def")
    match node.subtype:
        case "T":
            has = bool(definition.WhichOneof("node"))
            state.change(key, {"default": default_value(definition) if has else "none"})
        case "N":
            state.change(key, {"nullable": "yes"})
        case "O":
            state.change(key, {"nullable": "no"})
        case "C":
            _domain_check(state, key, opened(definition)[1])
        case "X":
            state.drop(constraint)
        case "V":
            state.change(constraint, {"validated": "yes"})
        case _:
            state.unknown("this change of a domain has no counterpart that is compared")


_SEQUENCE: dict[str, Value] = {"type": TypeName("int8"), "increment": "1", "cycle": "no"}


def create_sequence(state: State, node: Node) -> None:
    """CREATE SEQUENCE: the options that it names, and of the others what counts everywhere."""
    relation = node.sequence
    if relation.relpersistence == "t":
        return
    schema = state.schema_of(relation.schemaname, relation.relname, (Kind.SEQUENCE,))
    key = Key(Kind.SEQUENCE, schema, relation.relname)
    unsaid = {} if state.exists(key) else _SEQUENCE
    state.create(key, {**unsaid, **_sequence_values(node)})


def alter_sequence(state: State, node: Node) -> None:
    """ALTER SEQUENCE: the options that it names."""
    key = state.relation(node.sequence.schemaname, node.sequence.relname, Kind.SEQUENCE)
    state.change(key, _sequence_values(node))


def _sequence_values(node: Node) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for item in node.options:
        option = item.def_elem
        kind, argument = opened(option.arg)
        if option.defname == "as":
            values["type"] = TypeName(type_text(argument))
        elif option.defname == "cycle":
            values["cycle"] = "yes" if argument.boolval else "no"
        elif option.defname == "owned_by":
            names = strings(argument.items)
            values["owned by"] = ".".join(names[-2:]) if names != ("none",) else "none"
        elif option.defname in ("increment", "minvalue", "maxvalue", "start", "cache") and kind:
            number = argument.ival if kind == "integer" else argument.fval
            values[option.defname] = str(number)
    return values


def create_schema(state: State, node: Node) -> None:
    """CREATE SCHEMA."""
    state.create(Key(Kind.SCHEMA, "", node.schemaname or node.authrole.rolename), {})


def create_extension(state: State, node: Node) -> None:
    """CREATE EXTENSION, with its schema and version where they are named."""
    values: dict[str, Value] = {}
    for item in node.options:
        option = item.def_elem
        if option.defname in ("schema", "new_version"):
            values[option.defname.removeprefix("new_")] = option.arg.string.sval
    state.create(Key(Kind.EXTENSION, "", node.extname), values)


def create_policy(state: State, node: Node) -> None:
    """CREATE POLICY."""
    table = state.relation(node.table.schemaname, node.table.relname)
    key = Key(Kind.POLICY, table.schema, node.policy_name, table.name)
    state.create(
        key,
        {
            "kind": "permissive" if node.permissive else "restrictive",
            "command": node.cmd_name,
            **_policy_values(node, table),
        },
    )


def alter_policy(state: State, node: Node) -> None:
    """ALTER POLICY: what it names."""
    table = state.relation(node.table.schemaname, node.table.relname)
    values = _policy_values(node, table)
    named_here = {
        "roles": bool(node.roles),
        "using": node.HasField("qual"),
        "with check": node.HasField("with_check"),
    }
    key = Key(Kind.POLICY, table.schema, node.policy_name, table.name)
    state.change(key, {name: value for name, value in values.items() if named_here[name]})


def _policy_values(node: Node, table: Key) -> dict[str, Value]:
    def expression(field: str) -> Value:
        if not node.HasField(field):
            return "none"
        text = expression_text(getattr(node, field))
        return Expression(text, schema=table.schema, table=table.name)

    values = {"using": expression("qual"), "with check": expression("with_check")}
    roles = [item.role_spec for item in node.roles]
    if all(role.rolename or role.roletype == pb.ROLESPEC_PUBLIC for role in roles):
        values["roles"] = tuple(sorted(role.rolename or "public" for role in roles))
    return values  # whose CURRENT_USER is, only the one knows who ran it
