"""What a role must own, or be allowed, to run a statement. Pure.

From "Description" and "Notes" of the commands, https://www.postgresql.org/docs/current/sql-commands.html,
and https://www.postgresql.org/docs/current/ddl-priv.html.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pgwatch.migration.parse import Node, pb, strings

OWN = "own"  # to own it, or be a member of the role that does
SUPERUSER = "superuser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that a statement needs of the role that runs it."""

    kind: str  # relation, function, type, schema, database, extension, or server
    schema: str = ""  # "" as the statement leaves it out
    name: str = ""
    privilege: str  # OWN, SUPERUSER, or one that GRANT knows: INSERT, REFERENCES, CREATE


def needs(kind: str, node: Node) -> tuple[Need, ...]:
    """Return what a statement (name of its node, node) needs, as far as it can be granted or owned."""
    if kind in _SUPERUSER:
        return (Need(kind="server", name=_SUPERUSER[kind], privilege=SUPERUSER),)
    handler = _HANDLERS.get(kind)
    return tuple(dict.fromkeys(handler(node))) if handler else ()


_SUPERUSER = {
    "alter_system_stmt": "ALTER SYSTEM",
    "create_event_trig_stmt": "CREATE EVENT TRIGGER",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "create_am_stmt": "CREATE ACCESS METHOD",
}
_UNTRUSTED = frozenset({"c", "internal", "plpython3u", "plperlu", "pltclu"})


def _relation(node: Node, privilege: str) -> Need:
    return Need(kind="relation", schema=node.schemaname, name=node.relname, privilege=privilege)


def _named(kind: str, names: tuple[str, ...], privilege: str = OWN) -> Need:
    schema = names[-2] if len(names) > 1 else ""
    return Need(kind=kind, schema=schema, name=names[-1], privilege=privilege)


def _in_schema(schema: str) -> Need:
    return Need(kind="schema", name=schema, privilege="CREATE")


def _owned(node: Node) -> Iterator[Need]:
    """ALTER TABLE, CLUSTER, CREATE POLICY, CREATE RULE: whoever owns the table."""
    names = frozenset(field.name for field in node.DESCRIPTOR.fields)
    relation = next(getattr(node, name) for name in ("relation", "table") if name in names)
    if relation.relname:
        yield _relation(relation, OWN)


def _alter_table(node: Node) -> Iterator[Need]:
    yield from _owned(node)
    for item in node.cmds:
        definition = getattr(item.alter_table_cmd, "def")
        yield from _referenced(definition)


def _referenced(definition: Node) -> Iterator[Need]:
    held = definition.WhichOneof("node")
    constraints = []
    if held == "constraint":
        constraints = [definition.constraint]
    elif held == "column_def":
        constraints = [one.constraint for one in definition.column_def.constraints]
    for one in constraints:
        if one.contype == pb.CONSTR_FOREIGN:
            yield _relation(one.pktable, "REFERENCES")


def _create_table(node: Node) -> Iterator[Need]:
    if node.relation.relpersistence != "t":
        yield _in_schema(node.relation.schemaname)
    for item in node.table_elts:
        yield from _referenced(item)
    for item in node.inh_relations:
        yield _relation(item.range_var, OWN)


def _create_index(node: Node) -> Iterator[Need]:
    yield _relation(node.relation, OWN)


def _create_trigger(node: Node) -> Iterator[Need]:
    yield _relation(node.relation, "TRIGGER")


def _create_view(node: Node) -> Iterator[Need]:
    yield _in_schema(node.view.schemaname)
    if node.replace:
        yield _relation(node.view, OWN)


def _create_as(node: Node) -> Iterator[Need]:
    if node.into.rel.relpersistence != "t":
        yield _in_schema(node.into.rel.schemaname)


def _create_sequence(node: Node) -> Iterator[Need]:
    yield _in_schema(node.sequence.schemaname)


def _create_function(node: Node) -> Iterator[Need]:
    names = strings(node.funcname)
    yield _in_schema(names[-2] if len(names) > 1 else "")
    if node.replace:
        yield _named("function", names)
    for item in node.options:
        option = item.def_elem
        if option.defname == "language" and option.arg.string.sval.lower() in _UNTRUSTED:
            name = f"LANGUAGE {option.arg.string.sval}"
            yield Need(kind="server", name=name, privilege=SUPERUSER)


def _create_type(node: Node) -> Iterator[Need]:
    names = strings(
        node.domainname if node.DESCRIPTOR.name == "CreateDomainStmt" else node.type_name
    )
    yield _in_schema(names[-2] if len(names) > 1 else "")


def _alter_type(node: Node) -> Iterator[Need]:
    yield _named("type", strings(node.type_name))


def _create_schema(_: Node) -> Iterator[Need]:
    yield Need(kind="database", privilege="CREATE")


def _create_extension(node: Node) -> Iterator[Need]:
    yield Need(kind="extension", name=node.extname, privilege="CREATE")


def _drop(node: Node) -> Iterator[Need]:
    for item in node.objects:
        if node.remove_type in _DROPPED_RELATIONS:
            yield _named("relation", strings(item.list.items))
        elif node.remove_type in (pb.OBJECT_TRIGGER, pb.OBJECT_POLICY, pb.OBJECT_RULE):
            yield _named("relation", strings(item.list.items)[:-1])
        elif node.remove_type in (pb.OBJECT_FUNCTION, pb.OBJECT_PROCEDURE, pb.OBJECT_ROUTINE):
            yield _named("function", strings(item.object_with_args.objname))
        elif node.remove_type in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
            yield _named("type", strings(item.type_name.names))
        elif node.remove_type == pb.OBJECT_SCHEMA:
            yield Need(kind="schema", name=item.string.sval, privilege=OWN)


_DROPPED_RELATIONS = frozenset(
    {pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_INDEX, pb.OBJECT_SEQUENCE}
)


def _comment(node: Node) -> Iterator[Need]:
    names = strings(node.object.list.items)
    if node.objtype in _DROPPED_RELATIONS and names:
        yield _named("relation", names)
    elif node.objtype in (pb.OBJECT_COLUMN, pb.OBJECT_TRIGGER) and len(names) > 1:
        yield _named("relation", names[:-1])


def _truncate(node: Node) -> Iterator[Need]:
    for item in node.relations:
        yield _relation(item.range_var, "TRUNCATE")


def _dml(privilege: str) -> Callable[[Node], Iterator[Need]]:
    def needed(node: Node) -> Iterator[Need]:
        yield _relation(node.relation, privilege)

    return needed


def _copy(node: Node) -> Iterator[Need]:
    if node.is_from and node.relation.relname:
        yield _relation(node.relation, "INSERT")


_HANDLERS: dict[str, Callable[[Node], Iterator[Need]]] = {
    "alter_domain_stmt": _alter_type,
    "alter_enum_stmt": _alter_type,
    "alter_policy_stmt": _owned,
    "alter_table_stmt": _alter_table,
    "cluster_stmt": _owned,
    "comment_stmt": _comment,
    "copy_stmt": _copy,
    "create_domain_stmt": _create_type,
    "create_enum_stmt": _create_type,
    "create_extension_stmt": _create_extension,
    "create_function_stmt": _create_function,
    "create_policy_stmt": _owned,
    "create_schema_stmt": _create_schema,
    "create_seq_stmt": _create_sequence,
    "create_stmt": _create_table,
    "create_table_as_stmt": _create_as,
    "create_trig_stmt": _create_trigger,
    "delete_stmt": _dml("DELETE"),
    "drop_stmt": _drop,
    "index_stmt": _create_index,
    "insert_stmt": _dml("INSERT"),
    "rule_stmt": _owned,
    "truncate_stmt": _truncate,
    "update_stmt": _dml("UPDATE"),
    "view_stmt": _create_view,
}
