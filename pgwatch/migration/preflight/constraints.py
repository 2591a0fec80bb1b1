"""ADD CONSTRAINT, in a CREATE TABLE or by ALTER TABLE. Pure."""

from dataclasses import dataclass, replace

from pgwatch.migration.extract import column_names
from pgwatch.migration.parse import Node, expression_text, opened, pb, strings
from pgwatch.migration.preflight.added import (
    check_added_condition,
    check_added_keys,
    check_added_values,
)
from pgwatch.migration.preflight.asking import condition, expression_type
from pgwatch.migration.preflight.constraint_parts import (
    columns_named,
    is_alike,
    kind_of,
    look_at_rows,
    name_of,
    shape_of,
)
from pgwatch.migration.preflight.foreign_keys import add_foreign_key
from pgwatch.migration.preflight.indexes import check_partition_key
from pgwatch.migration.preflight.liverows import has_rows, live_text, question
from pgwatch.migration.preflight.names import free_relation
from pgwatch.migration.preflight.objects import Column, Constraint, Index, Relation
from pgwatch.migration.preflight.opclasses import check_operator_class
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.row_question import RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage
from pgwatch.migration.preflight.standin import NotYetKnownError


def add_constraint(
    stage: Stage, table: Relation, node: Node, *, column: str = "", fresh: bool = False
) -> None:
    """Add a constraint to `table`; `column` of whose definition it is part, `fresh`: no row is there."""
    kind = kind_of(node)
    if kind == "c":
        _check(stage, table, node, column=column, fresh=fresh)
    elif kind in ("p", "u"):
        _key(stage, table, node, column=column, fresh=fresh)
    elif kind == "f":
        add_foreign_key(stage, table, node, column=column, fresh=fresh)
    elif kind == "x":
        _exclusion(stage, table, node, fresh=fresh)
    elif kind == "n" and not column:
        name = strings(node.keys)[0]
        set_not_null(stage, table, name, fresh=fresh)


def _check(stage: Stage, table: Relation, node: Node, *, column: str, fresh: bool) -> None:
    condition(stage, node.raw_expr, table, "check constraints")
    names = column_names(node.raw_expr)
    used = [one for one in table.columns if one.name in names]
    parts = [used[0].name] if len(used) == 1 else [column] if column and not used else []
    name = name_of(stage, table, node, *parts, label="check")
    numbers = tuple(one.number for one in used)
    enforced = node.is_enforced or stage.facts.version < 180000
    if not fresh and not node.skip_validation and enforced:
        message = f'check constraint "{name}" of relation "{table.name}" is violated by some row'
        look_at_rows(
            stage,
            table,
            RowRule.CHECK,
            numbers,
            sqlstate="23514",
            message=message,
            expression=node.raw_expr,
        )
        check_added_condition(stage, table, numbers, node.raw_expr, message)
    constraint = Constraint(
        table=table.oid,
        name=name,
        kind="c",
        columns=numbers,
        expression=expression_text(node.raw_expr),
        validated=not node.skip_validation,
        enforced=enforced,
        uses=references(stage, node.raw_expr, [table]),
        shape=shape_of(node, table),
    )
    stage.scene.constraints[table.oid, name] = constraint
    for child in stage.scene.children(table.oid):
        if child.kind in "rpf" and not node.is_no_inherit:
            stage.scene.constraints.setdefault(
                (child.oid, name), replace(constraint, table=child.oid, inherited=True)
            )


def _key(stage: Stage, table: Relation, node: Node, *, column: str, fresh: bool) -> None:
    primary = node.contype == pb.CONSTR_PRIMARY
    if table.kind == "f":
        raise stage.fail(
            "42809", "primary key or unique constraints are not supported on foreign tables"
        )
    names = strings(node.keys) or ((column,) if column else ())
    columns = [] if node.indexname else _key_columns(stage, table, names)
    if primary:
        _check_only_primary(stage, table, node)
    if node.indexname:
        _using_index(stage, table, node, primary=primary)
        return
    included = columns_named(stage, table, strings(node.including), "named in key")
    numbers = tuple(one.number for one in columns)
    if table.kind == "p":
        check_partition_key(stage, table, numbers, "PRIMARY KEY" if primary else "UNIQUE")
    name = _key_name(stage, table, node, [*columns, *included])
    if not fresh:
        if primary:
            _no_nulls(stage, table, columns)
        _unique_rows(stage, table, numbers, name, nulls_not_distinct=node.nulls_not_distinct)
    put_key(stage, table, name, numbers, primary=primary, deferrable=node.deferrable)


def _key_columns(stage: Stage, table: Relation, names: tuple[str, ...]) -> list[Column]:
    for name in names:
        if names.count(name) > 1:
            raise stage.fail("42701", f'column "{name}" appears twice in unique constraint')
    return columns_named(stage, table, names, "named in key")


def _check_only_primary(stage: Stage, table: Relation, node: Node) -> None:
    own = next((c for c in stage.scene.constraints_of(table.oid) if c.kind == "p"), None)
    if own is not None and own.columns:
        raise stage.fail(
            "42P16",
            f'multiple primary keys for table "{table.name}" are not allowed',
            harmless=is_alike(own, node, table) and own.name == (node.conname or own.name),
        )


def _key_name(stage: Stage, table: Relation, node: Node, columns: list[Column]) -> str:
    """Return the name of a new key, which its index has too; fails where it is taken."""
    if not node.conname:
        if node.contype == pb.CONSTR_PRIMARY:
            return free_relation(stage.scene, table, label="pkey")
        return free_relation(stage.scene, table, *(one.name for one in columns), label="key")
    if (table.schema, node.conname) in stage.scene.relation_names:
        there = stage.scene.constraints.get((table.oid, node.conname))
        raise stage.fail(
            "42P07",
            f'relation "{node.conname}" already exists',
            harmless=there is not None and is_alike(there, node, table),
        )
    return name_of(stage, table, node, label="")


def _no_nulls(stage: Stage, table: Relation, columns: list[Column]) -> None:
    for one in columns:
        if not one.not_null:
            message = f'column "{one.name}" of relation "{table.name}" contains null values'
            check_added_values(stage, table, one, message)
            look_at_rows(
                stage, table, RowRule.NOT_NULL, (one.number,), sqlstate="23502", message=message
            )


def _unique_rows(
    stage: Stage, table: Relation, numbers: tuple[int, ...], name: str, *, nulls_not_distinct: bool
) -> None:
    message = f'could not create unique index "{name}"'
    check_added_keys(stage, table, numbers, message)
    named = [table.numbered(number) for number in numbers]
    set_before = {number for number, _ in table.values}
    if any(one and not one.live and one.number not in set_before for one in named):
        if table.live and not _varying(named) and has_rows(stage, table):
            added = [one for one in named if one is not None and not one.live]
            if all(one.default for one in added) or nulls_not_distinct:
                stage.note(f"rows of {table.name} may be equal in a column that is added")
        return
    asked = question(stage, table, RowRule.UNIQUE, numbers, sqlstate="23505")
    if asked is not None:
        stage.breaks(replace(asked, nulls_not_distinct=nulls_not_distinct), table, message)


def _varying(columns: list[Column | None]) -> bool:
    volatile = ("nextval", "gen_random_uuid", "uuid_generate", "random")
    return any(
        one is not None and (one.identity or any(word in one.default for word in volatile))
        for one in columns
    )


def put_key(
    stage: Stage,
    table: Relation,
    name: str,
    numbers: tuple[int, ...],
    *,
    primary: bool,
    deferrable: bool = False,
) -> None:
    """Add a primary key or unique constraint with its index, also to the partitions."""
    scene = stage.scene
    index = Index(
        table=table.oid,
        unique=True,
        columns=numbers,
        shape="",
        plain=True,
        uses=frozenset(numbers),
        primary=primary,
        constraint=name,
        immediate=not deferrable,
    )
    kind = "I" if table.kind == "p" else "i"
    made = scene.put(
        Relation(oid=scene.number(), kind=kind, schema=table.schema, name=name, index=index)
    )
    scene.constraints[table.oid, name] = Constraint(
        table=table.oid,
        name=name,
        kind="p" if primary else "u",
        columns=numbers,
        index=made.oid,
        deferrable=deferrable,
    )
    if primary:
        current = scene.relations[table.oid]
        columns = tuple(
            replace(c, not_null=True) if c.number in numbers else c for c in current.columns
        )
        scene.put(replace(current, columns=columns, altered=True))
    for child in [one for one in scene.children(table.oid) if one.kind in "rp" and one.bound]:
        parts = [] if primary else [c.name for n in numbers if (c := table.numbered(n))]
        below = free_relation(scene, child, *parts, label="pkey" if primary else "key")
        names = {c.name: c.number for c in child.columns}
        mapped = tuple(names.get(c.name, 0) for n in numbers if (c := table.numbered(n)))
        put_key(stage, child, below, mapped, primary=primary, deferrable=deferrable)


def _using_index(stage: Stage, table: Relation, node: Node, *, primary: bool) -> None:
    scene = stage.scene
    oid = scene.relation_names.get((table.schema, node.indexname))
    found = scene.relations.get(oid) if oid else None
    if found is None or found.index is None:
        raise stage.fail("42704", f'index "{node.indexname}" does not exist')
    if found.index.table != table.oid:
        raise stage.fail("55000", f'"{node.indexname}" does not belong to table "{table.name}"')
    if found.index.constraint:
        raise stage.fail(
            "55000", f'index "{node.indexname}" is already associated with a constraint'
        )
    if not found.index.unique or not found.index.plain:
        raise stage.fail("42809", f'"{node.indexname}" is not a unique index')
    name = node.conname or node.indexname
    if scene.relation_names.get((table.schema, name), found.oid) != found.oid:
        raise stage.fail("42P07", f'relation "{name}" already exists')
    if primary:
        for number in found.index.columns:
            column = table.numbered(number)
            if column is not None and not column.not_null:
                set_not_null(stage, scene.relations[table.oid], column.name, fresh=False)
    scene.put(
        replace(found, name=name, index=replace(found.index, constraint=name, primary=primary))
    )
    scene.constraints[table.oid, name] = Constraint(
        table=table.oid,
        name=name,
        kind="p" if primary else "u",
        columns=found.index.columns,
        index=found.oid,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    """One `key WITH operator` of an exclusion constraint."""

    number: int  # of the column, 0: an expression
    name: str
    key: Node
    operator: str


def _element(stage: Stage, table: Relation, item: Node) -> _Element:
    element, operator = (part for part in item.list.items)
    name = element.index_elem.name
    symbol = strings(opened(operator)[1].items)[-1]
    key = pb.Node()
    if not name:
        key.CopyFrom(element.index_elem.expr)
        return _Element(number=0, name="expr", key=key, operator=symbol)
    [column] = columns_named(stage, table, (name,), "")
    key.column_ref.fields.add().string.sval = name
    return _Element(number=column.number, name=name, key=key, operator=symbol)


def _exclusion(stage: Stage, table: Relation, node: Node, *, fresh: bool) -> None:
    scene = stage.scene
    elements = [_element(stage, table, item) for item in node.exclusions]
    if node.HasField("where_clause"):
        condition(stage, node.where_clause, table, "index predicates")
    for item in node.exclusions:
        element = item.list.items[0].index_elem
        column = table.column(element.name)
        found = column.type if column else expression_type(stage, element.expr, table)
        if found is not None:
            check_operator_class(stage, element, found, node.access_method or "gist")
    name = node.conname or free_relation(scene, table, *(e.name for e in elements), label="excl")
    if (table.schema, name) in scene.relation_names:
        raise stage.fail("42P07", f'relation "{name}" already exists')
    if not fresh:
        _exclusion_rows(stage, table, node, elements, name)
    numbers = tuple(one.number for one in elements)
    index = Index(
        table=table.oid, unique=False, columns=numbers, shape="", plain=False, constraint=name
    )
    made = scene.put(
        Relation(oid=scene.number(), kind="i", schema=table.schema, name=name, index=index)
    )
    scene.constraints[table.oid, name] = Constraint(
        table=table.oid, name=name, kind="x", columns=numbers, index=made.oid
    )


def _exclusion_rows(
    stage: Stage, table: Relation, node: Node, elements: list[_Element], name: str
) -> None:
    try:
        asked = question(stage, table, RowRule.EXCLUSION, (), sqlstate="23P01")
        if asked is None:
            return
        where = node.HasField("where_clause")
        asked = replace(
            asked,
            keys=tuple(live_text(stage, one.key, table) for one in elements),
            operators=tuple(one.operator for one in elements),
            expression=live_text(stage, node.where_clause, table) if where else "",
        )
    except (CannotTellError, NotYetKnownError) as error:
        stage.note(str(error))
        return
    stage.breaks(asked, table, f'could not create exclusion constraint "{name}"')


def set_not_null(stage: Stage, table: Relation, name: str, *, fresh: bool) -> None:
    """Make a column NOT NULL."""
    column = stage.column(table, name)
    if not column.not_null and not fresh:
        _null_rows(stage, table, column)
    current = stage.scene.relations[table.oid]
    stage.scene.put(current.with_column(replace(column, not_null=True), altered=False))
    for child in list(stage.scene.children(table.oid)):
        if child.kind in "rpf" and child.column(name) is not None:
            set_not_null(stage, child, name, fresh=True)


def _null_rows(stage: Stage, table: Relation, column: Column) -> None:
    message = f'column "{column.name}" of relation "{table.name}" contains null values'
    check_added_values(stage, table, column, message)
    set_before = column.number in {number for number, _ in table.values}
    if column.live or table.live is None or set_before:
        look_at_rows(
            stage, table, RowRule.NOT_NULL, (column.number,), sqlstate="23502", message=message
        )
        return
    if column.default or column.identity or column.generated or not has_rows(stage, table):
        return
    if table.emptied or column.number in table.doubtful:
        stage.note(f"whether every row of {table.name} has {column.name} by then is not known")
        return
    raise stage.fail("23502", message)
