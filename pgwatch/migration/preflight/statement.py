"""One statement on the scene: which handler, and what kind of thing it is about. Pure."""

from collections.abc import Callable

from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight import (
    dml,
    generic,
    indexes,
    policies,
    renaming,
    routines,
    sequences,
    types,
    views,
)
from pgwatch.migration.preflight.alter import alter_table
from pgwatch.migration.preflight.asking import judge
from pgwatch.migration.preflight.dml_parts import Body
from pgwatch.migration.preflight.drops import drop, find_routine
from pgwatch.migration.preflight.stage import CannotTellError, Stage, literal
from pgwatch.migration.preflight.tables import create_table

_HANDLERS: dict[str, Callable[[Stage, Node], object]] = {
    "alter_default_privileges_stmt": generic.default_privileges,
    "alter_domain_stmt": types.alter_domain,
    "alter_enum_stmt": types.alter_enum,
    "alter_object_schema_stmt": generic.set_schema,
    "alter_owner_stmt": generic.set_owner,
    "alter_policy_stmt": policies.alter_policy,
    "alter_seq_stmt": sequences.alter_sequence,
    "alter_table_stmt": alter_table,
    "call_stmt": routines.call,
    "comment_stmt": generic.comment,
    "composite_type_stmt": types.create_composite,
    "copy_stmt": dml.copy,
    "create_domain_stmt": types.create_domain,
    "create_enum_stmt": types.create_enum,
    "create_extension_stmt": types.create_extension,
    "create_function_stmt": routines.create_function,
    "create_policy_stmt": policies.create_policy,
    "create_range_stmt": types.create_range,
    "create_role_stmt": generic.create_role,
    "create_seq_stmt": sequences.create_sequence,
    "create_stmt": create_table,
    "create_table_as_stmt": views.create_table_as,
    "create_trig_stmt": routines.create_trigger,
    "create_stats_stmt": types.create_statistics,
    "drop_role_stmt": generic.drop_role,
    "drop_stmt": drop,
    "grant_role_stmt": generic.grant_role,
    "grant_stmt": generic.grant,
    "index_stmt": indexes.create_index,
    "refresh_mat_view_stmt": views.refresh,
    "reindex_stmt": indexes.reindex,
    "rename_stmt": renaming.rename,
    "rule_stmt": generic.create_rule,
    "truncate_stmt": dml.truncate,
    "view_stmt": views.create_view,
}
_NOTHING = frozenset(
    {
        "checkpoint_stmt",
        "close_portal_stmt",
        "constraints_set_stmt",
        "discard_stmt",
        "listen_stmt",
        "load_stmt",
        "notify_stmt",
        "unlisten_stmt",
    }
)


def run(stage: Stage, kind: str, node: Node) -> None:  # noqa: PLR0912 - one for each case of the server
    """Apply one statement to the scene; raises StatementFailsError or CannotTellError."""
    handler = _HANDLERS.get(kind)
    if handler is not None:
        handler(stage, node)
    elif dml.is_dml(kind):
        dml.analyse(stage, kind, node)
    elif kind == "create_schema_stmt":
        for item in types.create_schema(stage, node):
            run(stage, *opened(item))
    elif kind == "vacuum_stmt":
        _vacuum(stage, node)
    elif kind == "lock_stmt":
        _lock(stage, node)
    elif kind == "variable_set_stmt":
        _set(stage, node)
    elif kind == "variable_show_stmt":
        _ask(stage, f"SELECT current_setting({literal(node.name)})")
    elif kind == "alter_function_stmt":
        find_routine(stage, node.func, node.objtype)
    elif kind == "explain_stmt":
        inner, query = opened(node.query)
        if dml.is_dml(inner):
            dml.analyse(stage, inner, query)
    elif kind in ("prepare_stmt", "execute_stmt", "deallocate_stmt"):
        _prepared(stage, kind, node)
    elif kind in ("createdb_stmt", "dropdb_stmt", "alter_system_stmt"):
        stage.needs_no_block(kind.removesuffix("_stmt").upper())
        stage.note("what lies outside the database is not looked at")
    elif kind == "do_stmt":
        raise AssertionError("blocks are run by their own module")
    elif kind not in _NOTHING:
        words = kind.removesuffix("_stmt").replace("_", " ")
        raise CannotTellError(f"what {words!r} would meet is not looked at")


def _vacuum(stage: Stage, node: Node) -> None:
    if node.is_vacuumcmd:
        stage.needs_no_block("VACUUM")
    for item in node.rels:
        relation = stage.relation(item.vacuum_relation.relation)
        assert relation is not None
        for name in strings(item.vacuum_relation.va_cols):
            stage.column(relation, name)


def _lock(stage: Stage, node: Node) -> None:
    if not stage.in_transaction and not stage.in_block:
        raise stage.fail("25P01", "LOCK TABLE can only be used in transaction blocks")
    for item in node.relations:
        relation = stage.relation(item.range_var)
        if relation is not None and relation.kind not in "rpv":
            raise stage.fail("42809", f'"{relation.name}" is not a table or view')


def _set(stage: Stage, node: Node) -> None:
    name = node.name
    values = [_setting(item) for item in node.args]
    if name == "search_path":
        kept = tuple(one for one in values if one not in ("$user", "pg_catalog"))
        front = ("pg_temp",) if "pg_temp" in stage.scene.schemas else ()
        stage.scene.path = (*front, *kept) if values else (*front, "public")
        return
    if node.kind == pb.VAR_SET_VALUE and name:
        if name == "role" and values and values[0] not in (*stage.scene.roles, "none"):
            raise stage.fail("22023", f'role "{values[0]}" does not exist')
        stage.scene.settings[name] = values[0] if values else ""
    elif node.kind == pb.VAR_RESET:
        stage.scene.settings.pop(name, None)
    if (
        name
        and "." not in name
        and not name.startswith(
            ("TRANSACTION", "SESSION", "role", "session_auth", "timezone", "TimeZone")
        )
    ):
        answer = stage.oracle.value(
            f"SELECT count(*) FROM pg_catalog.pg_settings WHERE lower(name) = lower({literal(name)})"  # noqa: S608 - quoted
        )
        if answer == 0:
            raise stage.fail("42704", f'unrecognized configuration parameter "{name}"')


def _setting(item: Node) -> str:
    constant = item.a_const
    kind = constant.WhichOneof("val")
    if kind == "sval":
        return str(constant.sval.sval)
    if kind == "ival":
        return str(constant.ival.ival)
    return str(constant.fval.fval) if kind == "fval" else ""


def _ask(stage: Stage, sql: str) -> None:
    shape = stage.oracle.shape(sql)
    if shape is not None:
        judge(stage, shape)


def _prepared(stage: Stage, kind: str, node: Node) -> None:
    name = node.name
    there = name in stage.scene.prepared
    if kind == "prepare_stmt":
        if there:
            raise stage.fail("42P05", f'prepared statement "{name}" already exists')
        inner, query = opened(node.query)
        if dml.is_dml(inner) and not node.argtypes:
            body = Body(function="prepared")
            dml.analyse(stage, inner, query, body)
        stage.scene.prepared = stage.scene.prepared | {name}
    elif not there and name:
        raise stage.fail("26000", f'prepared statement "{name}" does not exist')
    elif kind == "deallocate_stmt":
        stage.scene.prepared = stage.scene.prepared - {name} if name else frozenset()


def subject(kind: str, node: Node) -> tuple[str, str]:  # noqa: PLR0911 - one for each kind
    """Return the kind and the name of what a statement is about, as far as it says."""
    for field in ("relation", "view", "sequence", "typevar", "table"):
        if field in node.DESCRIPTOR.fields_by_name and node.HasField(field):
            value = getattr(node, field)
            name = getattr(value, "relname", "")
            if name and kind == "index_stmt":
                return "index", node.idxname or name
            if name and kind == "create_trig_stmt":
                return "trigger", f"{name}.{node.trigname}"
            if name:
                return _RELATION_KINDS.get(kind, "table"), name
    if kind == "create_table_as_stmt":
        return (
            "materialized view" if node.objtype == pb.OBJECT_MATVIEW else "table",
            node.into.rel.relname,
        )
    if kind == "create_function_stmt":
        return "function", strings(node.funcname)[-1]
    if kind in ("create_enum_stmt", "alter_enum_stmt", "create_range_stmt"):
        return "type", strings(node.type_name)[-1]
    if kind == "create_domain_stmt":
        return "domain", strings(node.domainname)[-1]
    if kind == "create_extension_stmt":
        return "extension", node.extname
    if kind == "create_schema_stmt":
        return "schema", node.schemaname
    if kind == "drop_stmt":
        words = pb.ObjectType.Name(node.remove_type).removeprefix("OBJECT_").lower()
        return words, _dropped(node)
    return kind.removesuffix("_stmt").replace("_", " "), ""


_RELATION_KINDS = {
    "view_stmt": "view",
    "create_seq_stmt": "sequence",
    "alter_seq_stmt": "sequence",
    "refresh_mat_view_stmt": "materialized view",
    "composite_type_stmt": "type",
    "create_policy_stmt": "policy",
}


def _dropped(node: Node) -> str:
    kind, value = opened(node.objects[0])
    if kind == "list":
        return ".".join(strings(value.items))
    if kind == "string":
        return str(value.sval)
    if kind == "object_with_args":
        return strings(value.objname)[-1]
    return strings(value.names)[-1] if kind == "type_name" else ""
