"""One statement on the scene: which handler. Pure."""

from collections.abc import Callable
from functools import partial

from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight import (
    dml,
    generic,
    indexes,
    policies,
    renaming,
    replication,
    routines,
    sequences,
    types,
    views,
)
from pgwatch.migration.preflight.aggregates import create_aggregate
from pgwatch.migration.preflight.alter import alter_table
from pgwatch.migration.preflight.asking import judge
from pgwatch.migration.preflight.blocks import run_block
from pgwatch.migration.preflight.dml_parts import Body
from pgwatch.migration.preflight.drops import drop, find_routine
from pgwatch.migration.preflight.stage import CannotTellError, Stage, literal
from pgwatch.migration.preflight.tables import create_table

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

# Settings that pg_settings does not tell (GUC_NO_SHOW_ALL), or in another spelling.
_UNLISTED = (
    "TRANSACTION",
    "SESSION",
    "role",
    "session_auth",
    "timezone",
    "TimeZone",
    "default_with_oids",
    "seed",
)


def run(stage: Stage, kind: str, node: Node) -> None:
    """Apply one statement to the scene; raises StatementFailsError or CannotTellError."""
    handler = _HANDLERS.get(kind)
    if handler is not None:
        handler(stage, node)
    elif dml.is_dml(kind):
        dml.analyse(stage, kind, node)
    elif kind not in _NOTHING:
        words = kind.removesuffix("_stmt").replace("_", " ")
        raise CannotTellError(f"what {words!r} would meet is not looked at")


def _block(stage: Stage, node: Node) -> None:
    run_block(stage, node, run)


def _create_schema(stage: Stage, node: Node) -> None:
    for item in types.create_schema(stage, node):
        run(stage, *opened(item))


def _outside(what: str, stage: Stage, _: Node) -> None:
    stage.needs_no_block(what)
    stage.note("what lies outside the database is not looked at")


def _alter_function(stage: Stage, node: Node) -> None:
    find_routine(stage, node.func, node.objtype)


def _explain(stage: Stage, node: Node) -> None:
    kind, query = opened(node.query)
    if dml.is_dml(kind):
        dml.analyse(stage, kind, query)


def _define(stage: Stage, node: Node) -> None:
    if node.kind == pb.OBJECT_AGGREGATE:
        create_aggregate(stage, node)
        return
    words = pb.ObjectType.Name(node.kind).removeprefix("OBJECT_").replace("_", " ").lower()
    raise CannotTellError(f"what 'create {words}' would meet is not looked at")


def _create_language(stage: Stage, node: Node) -> None:
    if node.plname not in stage.facts.languages:
        raise CannotTellError("which languages the server can have is not looked at")
    if not node.replace:
        reason = f'language "{node.plname}" already exists'
        raise stage.fail("42710", reason, harmless=True)


def _show(stage: Stage, node: Node) -> None:
    shape = stage.oracle.shape(f"SELECT current_setting({literal(node.name)})")
    if shape is not None:
        judge(stage, shape)


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
    if name == "default_with_oids" and values not in ([], ["false"], ["off"]):
        raise stage.fail("0A000", "tables declared WITH OIDS are not supported")
    if name and "." not in name and not name.startswith(_UNLISTED):
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


def _prepare(stage: Stage, node: Node) -> None:
    if node.name in stage.scene.prepared:
        raise stage.fail("42P05", f'prepared statement "{node.name}" already exists')
    kind, query = opened(node.query)
    if dml.is_dml(kind) and not node.argtypes:
        dml.analyse(stage, kind, query, Body(function="prepared"))
    stage.scene.prepared = stage.scene.prepared | {node.name}


def _execute(stage: Stage, node: Node) -> None:
    if node.name and node.name not in stage.scene.prepared:
        raise stage.fail("26000", f'prepared statement "{node.name}" does not exist')


def _deallocate(stage: Stage, node: Node) -> None:
    _execute(stage, node)
    stage.scene.prepared = stage.scene.prepared - {node.name} if node.name else frozenset()


_HANDLERS: dict[str, Callable[[Stage, Node], object]] = {
    "alter_database_set_stmt": generic.alter_database,
    "alter_database_stmt": generic.alter_database,
    "alter_default_privileges_stmt": generic.default_privileges,
    "alter_domain_stmt": types.alter_domain,
    "alter_enum_stmt": types.alter_enum,
    "alter_function_stmt": _alter_function,
    "alter_object_schema_stmt": generic.set_schema,
    "alter_owner_stmt": generic.set_owner,
    "alter_policy_stmt": policies.alter_policy,
    "alter_publication_stmt": replication.alter_publication,
    "alter_role_set_stmt": generic.alter_role,
    "alter_role_stmt": generic.alter_role,
    "alter_seq_stmt": sequences.alter_sequence,
    "alter_system_stmt": partial(_outside, "ALTER SYSTEM"),
    "alter_table_stmt": alter_table,
    "call_stmt": routines.call,
    "comment_stmt": generic.comment,
    "composite_type_stmt": types.create_composite,
    "copy_stmt": dml.copy,
    "create_domain_stmt": types.create_domain,
    "create_enum_stmt": types.create_enum,
    "create_event_trig_stmt": replication.create_event_trigger,
    "create_extension_stmt": types.create_extension,
    "create_function_stmt": routines.create_function,
    "create_plang_stmt": _create_language,
    "create_policy_stmt": policies.create_policy,
    "create_publication_stmt": replication.create_publication,
    "create_range_stmt": types.create_range,
    "create_role_stmt": generic.create_role,
    "create_schema_stmt": _create_schema,
    "create_seq_stmt": sequences.create_sequence,
    "create_stats_stmt": types.create_statistics,
    "create_stmt": create_table,
    "create_table_as_stmt": views.create_table_as,
    "create_trig_stmt": routines.create_trigger,
    "createdb_stmt": partial(_outside, "CREATE DATABASE"),
    "deallocate_stmt": _deallocate,
    "define_stmt": _define,
    "do_stmt": _block,
    "drop_role_stmt": generic.drop_role,
    "drop_stmt": drop,
    "dropdb_stmt": partial(_outside, "DROP DATABASE"),
    "execute_stmt": _execute,
    "explain_stmt": _explain,
    "grant_role_stmt": generic.grant_role,
    "grant_stmt": generic.grant,
    "index_stmt": indexes.create_index,
    "lock_stmt": _lock,
    "prepare_stmt": _prepare,
    "refresh_mat_view_stmt": views.refresh,
    "reindex_stmt": indexes.reindex,
    "rename_stmt": renaming.rename,
    "rule_stmt": generic.create_rule,
    "truncate_stmt": dml.truncate,
    "vacuum_stmt": _vacuum,
    "variable_set_stmt": _set,
    "variable_show_stmt": _show,
    "view_stmt": views.create_view,
}
