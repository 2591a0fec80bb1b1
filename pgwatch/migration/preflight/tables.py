"""CREATE TABLE, with LIKE, inheritance and partitions. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.asking import expression_type
from pgwatch.migration.preflight.columns import (
    Definition,
    check_identity,
    define,
    make_sequence,
    values,
)
from pgwatch.migration.preflight.constraint_parts import kind_of
from pgwatch.migration.preflight.constraints import add_constraint, put_key
from pgwatch.migration.preflight.dependents import drop_relation
from pgwatch.migration.preflight.indexes import check_partition_key
from pgwatch.migration.preflight.names import free_constraint, free_relation
from pgwatch.migration.preflight.objects import Column, Ref, Relation
from pgwatch.migration.preflight.partitions import check_bound, check_partition
from pgwatch.migration.preflight.stage import Stage, qualified
from pgwatch.migration.preflight.typenames import serial
from pgwatch.migration.preflight.volatility import is_immutable

_LIKE_DEFAULTS, _LIKE_GENERATED, _LIKE_IDENTITY = 1 << 3, 1 << 4, 1 << 5
_LIKE_CONSTRAINTS, _LIKE_INDEXES = 1 << 2, 1 << 6
_LIKE_COMPUTED = _LIKE_DEFAULTS | _LIKE_GENERATED
_STRATEGIES = {
    pb.PARTITION_STRATEGY_LIST: "l",
    pb.PARTITION_STRATEGY_RANGE: "r",
    pb.PARTITION_STRATEGY_HASH: "h",
}


def create_table(stage: Stage, node: Node) -> None:
    """CREATE TABLE and CREATE TABLE … PARTITION OF."""
    scene = stage.scene
    relation = node.relation
    temporary = relation.relpersistence == "t"
    schema = "pg_temp" if temporary else stage.place(relation.schemaname)
    if temporary and "pg_temp" not in scene.schemas:
        scene.schemas["pg_temp"] = False
        scene.path = ("pg_temp", *scene.path)
    exists = scene.relation_names.get((schema, relation.relname))
    if exists is not None and node.if_not_exists:
        return
    table = Relation(
        oid=scene.number(),
        kind="p" if node.HasField("partspec") else "r",
        schema=schema,
        name=relation.relname,
        persistence=relation.relpersistence,
        altered=True,
    )
    if node.HasField("partbound"):
        parent = stage.relation(node.inh_relations[0].range_var)
        assert parent is not None
        table = check_partition(stage, parent, table)
    definitions, table, doubled = _columns(stage, table, node)
    _check_keys(stage, table, node, definitions)
    for definition in definitions:
        check_identity(stage, definition.column)
    if doubled:
        raise stage.fail("42701", f'column "{doubled}" specified more than once')
    if exists is not None:
        same = _holds(scene.relations[exists], table)
        raise stage.fail("42P07", f'relation "{table.name}" already exists', harmless=same)
    _check_row_type(stage, table)
    if node.HasField("partspec"):
        table = _partitioned(stage, table, node.partspec)
    scene.put(table)
    _rest(stage, table, node, definitions)
    if node.oncommit == pb.ONCOMMIT_DROP and not stage.in_transaction and not stage.in_block:
        drop_relation(stage, scene.relations[table.oid], cascade=True)  # its own transaction ends


def _check_row_type(stage: Stage, table: Relation) -> None:
    made = stage.scene.type_names.get((table.schema, table.name))
    if made is not None:
        raise stage.fail("42710", f'type "{table.name}" already exists')


def _holds(there: Relation, wanted: Relation) -> bool:
    """Return whether a table has every column that is wanted, of its type."""
    types = {one.name: one.type for one in there.columns}
    return there.kind == wanted.kind and all(
        types.get(one.name) == one.type for one in wanted.columns
    )


def _columns(stage: Stage, table: Relation, node: Node) -> tuple[list[Definition], Relation, str]:
    """Return the definitions, the table with its columns, and a name that is there twice."""
    doubled = ""
    columns: dict[str, Column] = {one.name: one for one in table.columns}
    if node.HasField("of_typename"):
        columns |= {one.name: one for one in _of_type(stage, node.of_typename)}
    if not table.bound:
        table = _inherited(stage, table, node, columns)
    definitions = []
    for item in (*node.table_elts,):
        kind, element = opened(item)
        if kind == "table_like_clause":
            for column in _like(stage, element, table, len(columns)):
                if column.name in columns:
                    doubled = doubled or column.name
                columns[column.name] = replace(column, number=len(columns) + 1)
        elif kind == "column_def":
            definition = define(stage, table, element, len(columns) + 1)
            name = definition.column.name
            definitions.append(definition)
            if name in columns and not columns[name].inherited:
                doubled = doubled or name
                continue
            if table.bound and name not in columns:
                raise stage.fail("42703", f'column "{name}" does not exist')
            if name in columns:
                kept = columns[name]
                if not table.bound and kept.type != definition.column.type:
                    raise stage.fail("42804", f'column "{name}" has a type conflict')
                definition = replace(
                    definition,
                    column=replace(kept, not_null=kept.not_null or definition.column.not_null),
                )
                definitions[-1] = definition
            columns[name] = definition.column
    return definitions, replace(table, columns=tuple(columns.values())), doubled


def _inherited(stage: Stage, table: Relation, node: Node, columns: dict[str, Column]) -> Relation:
    """Return the table with its parents, whose columns are added to `columns`."""
    for item in node.inh_relations:
        parent = stage.table(item.range_var)
        assert parent is not None
        table = replace(table, parents=(*table.parents, parent.oid))
        for column in parent.columns:
            inherited = replace(column, inherited=True, live="", number=len(columns) + 1)
            columns.setdefault(column.name, inherited)
    return table


def _of_type(stage: Stage, node: Node) -> list[Column]:
    """Return the columns of CREATE TABLE … OF a composite type."""
    schema, name = qualified(node.names)
    found = stage.scene.find(schema, name)
    if found is None:
        raise stage.fail("42704", f'type "{name}" does not exist')
    if found.kind != "c":
        raise stage.fail("42809", f"type {name} is the row type of another table")
    return [replace(one, live="", number=place) for place, one in enumerate(found.columns, 1)]


def _like(stage: Stage, node: Node, table: Relation, before: int) -> list[Column]:
    """Return the columns of another table; `before` is how many `table` has already."""
    source = stage.relation(node.relation)
    assert source is not None
    if source.kind not in "rpvmfc":
        raise stage.fail("42809", f'relation "{source.name}" is invalid in LIKE clause')
    options = node.options
    numbers = {one.number: before + place for place, one in enumerate(source.columns, 1)}
    return [
        replace(
            one,
            live="",
            inherited=False,
            default=one.default if options & _LIKE_DEFAULTS else "",
            generated=one.generated if options & _LIKE_GENERATED else "",
            identity=one.identity if options & _LIKE_IDENTITY else "",
            uses=_moved(one.uses, source, table, numbers)
            if options & _LIKE_COMPUTED
            else frozenset(),
        )
        for one in source.columns
    ]


def _moved(
    uses: frozenset[Ref], source: Relation, table: Relation, numbers: Mapping[int, int]
) -> frozenset[Ref]:
    """Return references with the columns of `source` as those of `table`."""
    return frozenset(
        ("relation", table.oid, numbers.get(number, 0))
        if (kind, oid) == ("relation", source.oid)
        else (kind, oid, number)
        for kind, oid, number in uses
    )


def _rest(stage: Stage, table: Relation, node: Node, definitions: list[Definition]) -> None:
    """Everything that refers to the columns, in the order in which the server does it."""
    scene = stage.scene
    if node.HasField("partbound"):
        [parent] = table.parents
        table = scene.put(check_bound(stage, scene.relations[parent], table, node.partbound))
    for definition in definitions:
        column = values(stage, table, definition)
        table = scene.put(table.with_column(column))
        if (definition.node.HasField("type_name") and serial(definition.node.type_name)) or (
            column.identity and not column.inherited
        ):
            make_sequence(stage, table, column)
    listed = [(c, d.column.name) for d in definitions for c in d.constraints]
    listed += [
        (item.constraint, "") for item in node.table_elts if item.WhichOneof("node") == "constraint"
    ]
    listed += [(item.constraint, "") for item in node.constraints]
    for kinds in ("c", "p", "u", "x", "nf"):
        for constraint, column_name in listed:
            if kind_of(constraint) in kinds and kind_of(constraint):
                current = scene.relations[table.oid]
                add_constraint(stage, current, constraint, column=column_name, fresh=True)
    for item in node.table_elts:
        if item.WhichOneof("node") == "table_like_clause":
            _like_more(stage, scene.relations[table.oid], item.table_like_clause)
    if table.bound:
        _from_parent(stage, scene.relations[table.oid])


def _check_keys(stage: Stage, table: Relation, node: Node, definitions: list[Definition]) -> None:
    """Keys are looked at before anything else of the table is made."""
    listed = [c for d in definitions for c in d.constraints]
    listed += [
        item.constraint for item in node.table_elts if item.WhichOneof("node") == "constraint"
    ]
    primary = False
    for one in (*listed, *(item.constraint for item in node.constraints)):
        if one.contype == pb.CONSTR_PRIMARY:
            if primary:
                raise stage.fail(
                    "42P16", f'multiple primary keys for table "{table.name}" are not allowed'
                )
            primary = True
        if kind_of(one) in ("p", "u"):
            for name in strings(one.keys):
                if table.column(name) is None:
                    raise stage.fail("42703", f'column "{name}" named in key does not exist')
                if strings(one.keys).count(name) > 1:
                    raise stage.fail("42701", f'column "{name}" appears twice in unique constraint')


def _partitioned(stage: Stage, table: Relation, node: Node) -> Relation:
    numbers = []
    for item in node.part_params:
        element = item.partition_elem
        if not element.name:
            expression_type(stage, element.expr, table, "partition key expressions")
            if not is_immutable(stage, element.expr, table):
                raise stage.fail(
                    "42P17", "functions in partition key expression must be marked IMMUTABLE"
                )
            numbers.append(0)
            continue
        column = table.column(element.name)
        if column is None:
            raise stage.fail(
                "42703", f'column "{element.name}" named in partition key does not exist'
            )
        if column.generated:
            raise stage.fail("42P17", "cannot use generated column in partition key")
        numbers.append(column.number)
    strategy = _STRATEGIES[node.strategy]
    if strategy == "l" and len(numbers) > 1:
        raise stage.fail("42P17", 'cannot use "list" partition strategy with more than one column')
    return replace(table, strategy=strategy, key=tuple(numbers))


def _like_more(stage: Stage, table: Relation, node: Node) -> None:
    """Add what INCLUDING CONSTRAINTS and INDEXES bring."""
    scene = stage.scene
    source = stage.relation(node.relation)
    assert source is not None
    by_name = {one.name: one.number for one in table.columns}
    numbers = {one.number: by_name.get(one.name, 0) for one in source.columns}
    if node.options & _LIKE_IDENTITY:
        for column in table.columns:
            if column.identity:
                make_sequence(stage, table, column)
    if node.options & _LIKE_CONSTRAINTS:
        for constraint in scene.constraints_of(source.oid):
            if constraint.kind == "c":
                mapped = tuple(numbers[n] for n in constraint.columns)
                name = constraint.name
                if (table.oid, name) in scene.constraints:
                    raise stage.fail("42710", f'check constraint "{name}" already exists')
                scene.constraints[table.oid, name] = replace(
                    constraint,
                    table=table.oid,
                    columns=mapped,
                    inherited=False,
                    uses=_moved(constraint.uses, source, table, numbers),
                )
    if node.options & _LIKE_INDEXES:
        for index in sorted(scene.indexes(source.oid), key=lambda one: one.oid):
            _like_index(stage, table, index, numbers)


def _like_index(stage: Stage, table: Relation, source: Relation, numbers: dict[int, int]) -> None:
    scene = stage.scene
    index = source.index
    assert index is not None
    mapped = tuple(numbers.get(n, 0) for n in index.columns)
    names = [c.name for n in mapped if (c := table.numbered(n)) is not None] or ["expr"]
    if table.kind == "p" and index.unique:
        check_partition_key(stage, table, mapped, "PRIMARY KEY" if index.primary else "UNIQUE")
    if index.constraint and index.unique:
        if index.primary and scene.primary_key(table.oid):
            raise stage.fail(
                "42P16", f'multiple primary keys for table "{table.name}" are not allowed'
            )
        name = free_relation(
            scene,
            table,
            *([] if index.primary else names),
            label="pkey" if index.primary else "key",
        )
        put_key(stage, scene.relations[table.oid], name, mapped, primary=index.primary)
        return
    label = "excl" if index.constraint else "idx"
    name = free_relation(scene, table, *names, label=label)
    if index.constraint:
        name = free_constraint(scene, table, *names, label=label)
    made = replace(index, table=table.oid, columns=mapped, valid=True, parent=0, constraint="")
    kind = "I" if table.kind == "p" else "i"
    scene.put(Relation(oid=scene.number(), kind=kind, schema=table.schema, name=name, index=made))


def _from_parent(stage: Stage, table: Relation) -> None:
    """Give a partition the indexes, constraints and triggers of its parent."""
    attach_parts(stage, stage.scene.relations[table.parents[0]], table)


def attach_parts(stage: Stage, parent: Relation, table: Relation) -> None:
    """Give a partition what its parent has: indexes, foreign keys, triggers."""
    scene = stage.scene
    by_name = {one.name: one.number for one in table.columns}
    for source in sorted(scene.indexes(parent.oid), key=lambda one: one.oid):
        index = source.index
        assert index is not None
        wanted = [c.name for n in index.columns if (c := parent.numbered(n)) is not None]
        mapped = tuple(
            by_name.get(c.name, 0) if (c := parent.numbered(n)) is not None else 0
            for n in index.columns
        )
        own = [i for i in scene.indexes(table.oid) if i.index and not i.index.parent]
        fits = [
            i
            for i in own
            if i.index
            and i.index.columns == mapped
            and i.index.unique == index.unique
            and i.index.plain == index.plain
            and bool(i.index.constraint) == bool(index.constraint)
        ]
        if fits:
            first = fits[0]
            assert first.index is not None
            scene.put(replace(first, index=replace(first.index, parent=source.oid)))
            continue
        label = "pkey" if index.primary else "key" if index.constraint else "idx"
        name = free_relation(
            scene, table, *([] if index.primary else wanted or ["expr"]), label=label
        )
        if index.constraint and index.unique:
            put_key(stage, scene.relations[table.oid], name, mapped, primary=index.primary)
            made = scene.relations[scene.relation_names[table.schema, name]]
            assert made.index is not None
            scene.put(replace(made, index=replace(made.index, parent=source.oid)))
            continue
        made_index = replace(index, table=table.oid, columns=mapped, parent=source.oid)
        kind = "I" if table.kind == "p" else "i"
        scene.put(
            Relation(
                oid=scene.number(), kind=kind, schema=table.schema, name=name, index=made_index
            )
        )
    for constraint in scene.constraints_of(parent.oid):
        if constraint.kind in "cf":
            mapped = tuple(
                by_name.get(c.name, 0) for n in constraint.columns if (c := parent.numbered(n))
            )
            scene.constraints.setdefault(
                (table.oid, constraint.name),
                replace(constraint, table=table.oid, columns=mapped, inherited=True),
            )
    for trigger in [one for one in scene.triggers.values() if one.table == parent.oid]:
        scene.triggers.setdefault(
            (table.oid, trigger.name), replace(trigger, table=table.oid, inherited=True)
        )
