"""Which version of PostgreSQL a statement's syntax needs. Pure.

From the release notes, https://www.postgresql.org/docs/release/, "Utility Commands" and "Data Types".
"""

from collections.abc import Iterator

from pgwatch.migration.parse import Node, pb
from pgwatch.migration.preflight.steps import walk

OLDEST = 12  # the oldest version that pgwatch knows


def needs_version(kind: str, node: Node) -> tuple[int, str]:
    """Return the newest version that a statement (name of its node, node) needs, and what for; 0: any."""
    return max(_needs(kind, node), default=(0, ""))


def _needs(kind: str, node: Node) -> Iterator[tuple[int, str]]:
    yield from _of_statement(kind, node)
    for one in walk(node):
        name = one.DESCRIPTOR.name
        if name in _ANYWHERE:
            yield _ANYWHERE[name]
        elif name == "IndexStmt" and one.nulls_not_distinct:
            yield 15, "NULLS NOT DISTINCT"
        elif name == "Constraint":
            yield from _of_constraint(one)
        elif name == "ColumnDef":
            yield from _of_column(one)
        elif name == "AlterTableCmd" and one.subtype in _SUBCOMMANDS:
            yield _SUBCOMMANDS[one.subtype]
        elif name == "PartitionCmd" and one.concurrent:
            yield 14, "DETACH PARTITION CONCURRENTLY"


_ANYWHERE = {
    "CTECycleClause": (14, "CYCLE"),
    "CTESearchClause": (14, "SEARCH"),
    "JsonIsPredicate": (16, "IS JSON"),
    "JsonObjectConstructor": (16, "JSON_OBJECT"),
    "JsonArrayConstructor": (16, "JSON_ARRAY"),
    "JsonFuncExpr": (17, "SQL/JSON's query functions"),
    "JsonTable": (17, "JSON_TABLE"),
}
_SUBCOMMANDS = {
    pb.AT_DropExpression: (13, "DROP EXPRESSION"),
    pb.AT_SetExpression: (17, "SET EXPRESSION"),
}


def _of_statement(kind: str, node: Node) -> Iterator[tuple[int, str]]:
    if kind == "merge_stmt":
        returning = node.HasField("returning_clause")
        yield (17, "MERGE … RETURNING") if returning else (15, "MERGE")
    elif kind == "create_trig_stmt" and node.replace:
        yield 14, "CREATE OR REPLACE TRIGGER"
    elif kind == "create_function_stmt" and node.HasField("sql_body"):
        yield 14, "a function's body without quotes"
    elif kind == "view_stmt":
        options = {item.def_elem.defname for item in node.options}
        if "security_invoker" in options:
            yield 15, "security_invoker"
    elif kind == "grant_stmt":
        privileges = {item.access_priv.priv_name for item in node.privileges}
        if "maintain" in privileges:
            yield 17, "the privilege MAINTAIN"


def _of_constraint(node: Node) -> Iterator[tuple[int, str]]:
    if node.nulls_not_distinct:
        yield 15, "NULLS NOT DISTINCT"
    if node.fk_del_set_cols:
        yield 15, "ON DELETE SET … with columns"
    if node.without_overlaps or node.fk_with_period:
        yield 18, "WITHOUT OVERLAPS and PERIOD"
    if node.generated_kind == "v":
        yield 18, "a generated column that is not STORED"
    if node.contype == pb.CONSTR_ATTR_NOT_ENFORCED or (
        node.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN) and not node.is_enforced
    ):
        yield 18, "NOT ENFORCED"
    if node.contype == pb.CONSTR_NOTNULL and node.keys:
        yield 18, "NOT NULL as a constraint of the table"


def _of_column(node: Node) -> Iterator[tuple[int, str]]:
    if node.compression:
        yield 14, "COMPRESSION of a column"
    if node.storage_name:
        yield 16, "STORAGE of a new column"
