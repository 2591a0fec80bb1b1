"""ALTER COLUMN … TYPE: what stands in its way, and whether the values can be converted. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    opened,
    parse_expression,
    pb,
    type_text,
)
from pgwatch.migration.preflight.added import cast_values
from pgwatch.migration.preflight.asking import (
    assignable,
    condition,
    expression_type,
    is_literal,
    plain,
)
from pgwatch.migration.preflight.columns import check_identity, check_own_column
from pgwatch.migration.preflight.foreign_keys import comparable
from pgwatch.migration.preflight.liverows import has_rows, question
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.opclasses import indexable
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage, literal, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError
from pgwatch.migration.preflight.typenames import resolve


def prepare(stage: Stage, table: Relation, command: Node) -> None:
    """Look at what the server does before it begins with any part of the ALTER TABLE."""
    definition = getattr(command, "def").column_def
    using = definition.raw_default if definition.HasField("raw_default") else None
    if using is not None:
        expression_type(stage, using, table, "transform expressions")
    column = stage.column(table, command.name)
    if column.identity:  # its sequence takes the type first
        check_identity(stage, replace(column, type=resolve(stage, definition.type_name)))
    check_own_column(stage, table, column, "alter")
    type_ = resolve(stage, definition.type_name)
    _convertible(stage, table, column, type_, using)


def alter_type(stage: Stage, table: Relation, command: Node) -> None:
    """ALTER COLUMN … TYPE."""
    definition = getattr(command, "def").column_def
    using = definition.raw_default if definition.HasField("raw_default") else None
    column = stage.column(table, command.name)
    type_ = resolve(stage, definition.type_name)
    if column.default and not _default_fits(stage, column, type_):
        raise stage.fail(
            "42804",
            f'default for column "{column.name}" cannot be cast automatically to type {type_}',
        )
    _check_users(stage, table, column)
    changed = replace(column, type=type_)
    after = stage.scene.put(table.with_column(changed))
    _check_parts(stage, after, changed)
    _check_rows(stage, table, column, type_, using)
    cast_values(stage, table, column, using=using is not None)
    for child in list(stage.scene.children(table.oid)):
        below = child.column(column.name)
        if below is not None and child.kind in "rpf":
            _check_users(stage, child, below)
            stage.scene.put(child.with_column(replace(below, type=type_)))


def _convertible(
    stage: Stage, table: Relation, column: Column, type_: str, using: Node | None
) -> None:
    if using is not None:
        found = expression_type(stage, using, table)
        if not is_literal(using) and not assignable(stage, found, type_):
            raise stage.fail(
                "42804",
                f'result of USING clause for column "{column.name}" cannot be cast automatically'
                f" to type {type_}",
            )
    elif not assignable(stage, column.type, type_):
        raise stage.fail(
            "42804", f'column "{column.name}" cannot be cast automatically to type {type_}'
        )


def _default_fits(stage: Stage, column: Column, type_: str) -> bool:
    try:
        node = parse_expression(column.default)
    except UnparsableError:
        return True
    if is_literal(node):
        if node.a_const.isnull:
            return True
        return assignable(stage, column.type, type_)
    kind, value = opened(node)
    if kind == "func_call" and "nextval" in column.default:
        return assignable(stage, "int8", type_)
    if kind == "type_cast":
        del value
    try:
        found = expression_type(stage, node, None)
    except CannotTellError:
        found = column.type
    # A literal of the column's type was stored as just that type.
    return assignable(stage, found, type_) or (
        found is not None and plain(stage, found) == plain(stage, type_)
    )


def _check_users(stage: Stage, table: Relation, column: Column) -> None:
    """Fail where something reads the column that is not made again with it."""
    scene = stage.scene
    ref = ("relation", table.oid, column.number)
    for one in scene.relations.values():
        if one.kind in "vm" and ref in one.uses:
            raise stage.fail(
                "0A000", f"cannot alter type of a column used by a view or rule ({one.name})"
            )
    for rule in scene.rules.values():
        if ref in rule.uses:
            raise stage.fail(
                "0A000", f"cannot alter type of a column used by a view or rule ({rule.name})"
            )
    for trigger in scene.triggers.values():
        if trigger.table == table.oid and column.number in trigger.columns:
            raise stage.fail(
                "0A000",
                f"cannot alter type of a column used in a trigger definition ({trigger.name})",
            )
    for policy in scene.policies.values():
        if ref in policy.uses:
            raise stage.fail(
                "0A000",
                f"cannot alter type of a column used in a policy definition ({policy.name})",
            )
    for function in scene.functions.values():
        if ref in function.uses:
            raise stage.fail(
                "0A000",
                f"cannot alter type of a column used by a function or procedure ({function.name})",
            )
    for other in table.columns:
        if other.generated and other.number != column.number and ref in other.uses:
            raise stage.fail(
                "0A000", f"cannot alter type of a column used by a generated column ({other.name})"
            )


def _check_parts(stage: Stage, table: Relation, column: Column) -> None:
    """Constraints and indexes are made again, over the new type."""
    scene = stage.scene
    for constraint in scene.constraints_of(table.oid):
        if constraint.kind == "c" and column.number in constraint.columns:
            try:
                node = parse_expression(constraint.expression)
            except UnparsableError:
                continue
            condition(stage, node, table, "check constraints")
    for constraint in list(scene.constraints.values()):
        if constraint.kind != "f" or constraint.table not in scene.relations:
            continue
        here = constraint.table == table.oid and column.number in constraint.columns
        there = constraint.references == table.oid and column.number in constraint.referenced
        if not (here or there):
            continue
        mine, other = scene.relations[constraint.table], scene.relations[constraint.references]
        for one, two in zip(constraint.columns, constraint.referenced, strict=False):
            first, second = mine.numbered(one), other.numbered(two)
            if first and second and not comparable(stage, first.type, second.type):
                raise stage.fail(
                    "42804", f'foreign key constraint "{constraint.name}" cannot be implemented'
                )
    for index in scene.indexes(table.oid):
        _check_index(stage, table, column, index)


def _check_index(stage: Stage, table: Relation, column: Column, index: Relation) -> None:
    assert index.index is not None
    if column.number not in (*index.index.columns, *index.index.uses):
        return
    method = "btree"
    for name in stage.facts.methods:
        if f"USING {name} " in index.index.shape or f"method={name};" in index.index.shape:
            method = name
    if column.number in index.index.columns and not indexable(stage, column.type, method):
        raise stage.fail(
            "42704",
            f'data type {column.type} has no default operator class for access method "{method}"',
        )
    for text in (*index.index.expressions, index.index.predicate):
        if not text:
            continue
        try:
            node = parse_expression(f"ROW({text})")
        except UnparsableError:
            continue
        holder = pb.Node()
        holder.CopyFrom(node)
        expression_type(stage, holder, table)


def _check_rows(
    stage: Stage, table: Relation, column: Column, type_: str, using: Node | None
) -> None:
    if table.live is None or (not column.live and column.number not in dict(table.values)):
        return
    if using is None and _always(stage, column.type, type_):
        return
    try:
        asked = _question(stage, table, column, type_, using)
    except NotYetKnownError:
        return
    except CannotTellError as error:
        stage.note(str(error))
        return
    if asked is not None:
        message = f'a value of column "{column.name}" cannot become {type_}'
        stage.breaks_later(asked, table, message)


def _question(
    stage: Stage, table: Relation, column: Column, type_: str, using: Node | None
) -> RowQuestion | None:
    found, _ = user_type(stage, type_)
    if found is None or found.live:
        asked = question(
            stage, table, RowRule.CAST, (column.number,), sqlstate="22000", expression=using
        )
        return replace(asked, type=type_) if asked is not None else None
    value = _labelled(column, type_, using) if found.kind == "e" else None
    if value is None:
        if has_rows(stage, table):
            raise CannotTellError(f"type {found.name} is not there yet")
        return None
    # The database does not have the enum: a value that is none of its labels is in the way.
    labels = ", ".join(literal(one) for one in found.labels)
    expression = parse_expression(f"(x)::text IN ({labels})")
    expression.a_expr.lexpr.type_cast.arg.CopyFrom(value)
    return question(
        stage, table, RowRule.CHECK, (column.number,), sqlstate="22P02", expression=expression
    )


def _labelled(column: Column, type_: str, using: Node | None) -> Node | None:
    """Return what is converted to the enum by its text; None where the USING is of another form."""
    if using is None:
        return parse_expression(quoted(column.name))
    kind, cast = opened(using)
    if kind != "type_cast" or type_text(cast.type_name) != type_:
        return None
    inner: Node = cast.arg
    return inner


def _always(stage: Stage, old: str, new: str) -> bool:
    """Return whether every value of `old` is one of `new`."""
    if new in ("text", "varchar") or old == new:
        return True
    found, _ = user_type(stage, new)
    if found is not None and found.kind == "d":
        return False
    return plain(stage, old) == plain(stage, new) and "(" not in new
