"""A column's definition: its type, default, identity and expression, and the constraints it brings. Pure."""

from dataclasses import dataclass, replace

from pgwatch.migration.extract import column_names
from pgwatch.migration.parse import Node, expression_text, pb, strings
from pgwatch.migration.preflight.asking import (
    assignable,
    columns_of,
    expression_type,
    is_literal,
)
from pgwatch.migration.preflight.constraint_parts import kind_of
from pgwatch.migration.preflight.labels import check_label
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.names import free_relation
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.standin import NotYetKnownError, StandIn
from pgwatch.migration.preflight.typenames import resolve, serial
from pgwatch.migration.preflight.volatility import is_immutable


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A column, and what its definition says beside it."""

    column: Column
    constraints: tuple[Node, ...]  # those of the catalogue
    node: Node


def define(stage: Stage, table: Relation, node: Node, number: int) -> Definition:
    """Return the column that a ColumnDef of `table` makes; fails where its type is not there."""
    constraints = [item.constraint for item in node.constraints]
    integer = serial(node.type_name) if node.HasField("type_name") else ""
    own = table.column(node.colname)
    if not node.HasField("type_name"):  # a partition's, which has its parent's type
        if own is None:
            raise stage.fail("42703", f'column "{node.colname}" does not exist')
        type_ = own.type
    else:
        type_ = integer or resolve(stage, node.type_name)
    if user_type(stage, type_)[0] is None and type_ in (
        "unknown",
        "void",
        "trigger",
        "record",
        "anyelement",
    ):
        raise stage.fail("42P16", f'column "{node.colname}" has pseudo-type {type_}')
    if node.coll_clause.collname:
        name = strings(node.coll_clause.collname)[-1]
        if name not in stage.facts.collations:
            raise stage.fail("42704", f'collation "{name}" does not exist')
    kinds = {one.contype for one in constraints}
    identity = next((c.generated_when for c in constraints if c.contype == pb.CONSTR_IDENTITY), "")
    column = Column(
        name=node.colname,
        number=number,
        type=type_,
        not_null=bool(integer or identity or {pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY} & kinds),
        default=f"nextval('{table.name}_{node.colname}_seq')" if integer else "",
        identity=identity,
    )
    _check_combination(stage, constraints, integer)
    kept = tuple(one for one in constraints if kind_of(one) not in ("", "n"))
    return Definition(column=column, constraints=kept, node=node)


def check_identity(stage: Stage, column: Column) -> None:
    """Fail where an identity column's type is none of whole numbers."""
    if column.identity and column.type not in ("int2", "int4", "int8"):
        raise stage.fail("22023", "identity column type must be smallint, integer, or bigint")


def _check_combination(stage: Stage, constraints: list[Node], integer: str) -> None:
    kinds = [one.contype for one in constraints]
    if pb.CONSTR_NULL in kinds and (pb.CONSTR_NOTNULL in kinds or integer):
        raise stage.fail("42601", "conflicting NULL/NOT NULL declarations")
    defaults = kinds.count(pb.CONSTR_DEFAULT) + bool(integer)
    if defaults > 1:
        raise stage.fail("42601", "multiple default values specified for column")
    if defaults and pb.CONSTR_IDENTITY in kinds:
        raise stage.fail("42601", "both default and identity specified for column")
    if defaults and pb.CONSTR_GENERATED in kinds:
        raise stage.fail("42601", "both default and generation expression specified for column")


def values(stage: Stage, table: Relation, definition: Definition) -> Column:
    """Return the column with its default or expression, which are checked over `table`."""
    column = definition.column
    for item in definition.node.constraints:
        node = item.constraint
        if node.contype == pb.CONSTR_DEFAULT:
            column = with_default(stage, table, column, node.raw_expr)
        elif node.contype == pb.CONSTR_GENERATED:
            column = _generated(stage, table, column, node.raw_expr)
    return column


def with_default(stage: Stage, table: Relation | None, column: Column, node: Node) -> Column:
    """Return the column with a default; fails where it is none of the column's type."""
    check_value(stage, column.type, node, f'column "{column.name}"')
    if column.identity:
        owner = table.name if table else ""
        raise stage.fail(
            "42601", f'column "{column.name}" of relation "{owner}" is an identity column'
        )
    return replace(column, default=expression_text(node), uses=references(stage, node))


def check_value(stage: Stage, type_: str, node: Node, what: str) -> None:
    """Fail where a DEFAULT of a column or domain is none."""
    if column_names(node):
        raise stage.fail("0A000", "cannot use column reference in DEFAULT expression")
    if is_literal(node):
        literal_as(stage, node, type_)
        return
    found = expression_type(stage, node, None, "DEFAULT expressions")
    if not assignable(stage, found, type_):
        raise stage.fail(
            "42804", f"{what} is of type {type_} but default expression is of type {found}"
        )


def literal_as(stage: Stage, node: Node, type_: str) -> None:
    """Fail where a literal is no value of a type."""
    if node.a_const.isnull:
        return
    found, suffix = user_type(stage, type_)
    while found is not None and found.kind == "d":
        type_ = found.base
        found, suffix = user_type(stage, type_)
    if found is not None and found.kind == "e" and not suffix:
        check_label(stage, found, node.a_const.sval.sval)
        return

    def write() -> str:
        if type_ == "?":
            raise NotYetKnownError
        return f"SELECT {expression_text(node)}::{StandIn(stage).type(type_)}"

    columns_of(stage, write)


def _generated(stage: Stage, table: Relation, column: Column, node: Node) -> Column:
    names = column_names(node)
    if column.name in names:
        raise stage.fail(
            "42P17", f'cannot use generated column "{column.name}" in column generation expression'
        )
    for other in table.columns:
        if other.name in names and other.generated:
            raise stage.fail(
                "42P17",
                f'cannot use generated column "{other.name}" in column generation expression',
            )
    found = expression_type(stage, node, table, "column generation expressions")
    if not is_immutable(stage, node, table):
        raise stage.fail("42P17", "generation expression is not immutable")
    if not is_literal(node) and not assignable(stage, found, column.type):
        raise stage.fail(
            "42804",
            f'column "{column.name}" is of type {column.type} but default expression is of type {found}',
        )
    return replace(column, generated=expression_text(node), uses=references(stage, node, [table]))


def make_sequence(stage: Stage, table: Relation, column: Column) -> None:
    """Make the sequence of a serial or identity column."""
    name = free_relation(stage.scene, table, column.name, label="seq")
    stage.scene.put(
        Relation(
            oid=stage.scene.number(),
            kind="S",
            schema=table.schema,
            name=name,
            owned_by=(table.oid, column.number),
            identity=bool(column.identity),
        )
    )


def check_own_column(stage: Stage, table: Relation, column: Column, verb: str) -> None:
    """Fail where a parent or the partition key forbids to drop a column, or to alter its type."""
    if column.inherited:
        raise stage.fail("42P16", f'cannot {verb} inherited column "{column.name}"')
    if column.number in table.key:
        raise stage.fail(
            "42P16",
            f'cannot {verb} column "{column.name}" because it is part of the partition key of'
            f' relation "{table.name}"',
        )
