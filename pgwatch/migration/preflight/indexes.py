"""CREATE INDEX and REINDEX. Pure."""

from dataclasses import replace

from pgwatch.migration.extract import column_names, index_values
from pgwatch.migration.figure import output_names
from pgwatch.migration.parse import Node, expression_text, pb, strings
from pgwatch.migration.preflight.added import check_added_keys
from pgwatch.migration.preflight.asking import condition, expression_type
from pgwatch.migration.preflight.extensions import may_bring
from pgwatch.migration.preflight.liverows import can_evaluate, has_rows, live_text, question
from pgwatch.migration.preflight.names import free_relation
from pgwatch.migration.preflight.objects import Index, Ref, Relation
from pgwatch.migration.preflight.opclasses import check_operator_class
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.row_question import RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage, StatementFailsError
from pgwatch.migration.preflight.standin import NotYetKnownError
from pgwatch.migration.preflight.volatility import is_immutable

# Methods that index more than one column, and those that can be unique (amroutine of each).
_MANY = ("btree", "gist", "gin", "brin", "bloom")
_WITHOUT_DEFAULT = ("gin", "gist", "spgist", "btree", "hash", "brin")


def create_index(stage: Stage, node: Node) -> None:
    """CREATE INDEX."""
    if node.concurrent:
        stage.needs_no_block("CREATE INDEX CONCURRENTLY")
    table = stage.relation(node.relation)
    assert table is not None
    index = _index(stage, node, table)
    name = node.idxname
    existing = stage.scene.relation_names.get((table.schema, name)) if name else None
    if existing is not None and node.if_not_exists:
        return
    if existing is not None:
        other = stage.scene.relations[existing]
        same = other.index is not None and other.index.shape == index.shape
        raise stage.fail(
            "42P07",
            f'relation "{name}" already exists',
            harmless=same or _alike(other, node, table),
        )
    name = name or free_relation(stage.scene, table, *_name_parts(node), label="idx")
    _check_rows(stage, node, table, index, name)
    made = _put(stage, table, name, index)
    stage.scene.put(replace(made, uses=_functions(stage, node, table)))
    _on_partitions(stage, table, made)


def _functions(stage: Stage, node: Node, table: Relation) -> frozenset[Ref]:
    """Return the functions that an index leans on."""
    found = [i.index_elem.expr for i in node.index_params if not i.index_elem.name]
    found += [node.where_clause] if node.HasField("where_clause") else []
    refs = frozenset[Ref]().union(*(references(stage, one, (table,)) for one in found))
    return frozenset(ref for ref in refs if ref[0] == "function")


def _name_parts(node: Node) -> list[str]:
    parts: list[str] = []
    for item in node.index_params:
        element = item.index_elem
        part = element.name or "expr"
        if not element.name:
            select = pb.SelectStmt(op="SETOP_NONE", limit_option="LIMIT_OPTION_DEFAULT")
            select.target_list.add().res_target.val.CopyFrom(element.expr)
            names = output_names(pb.Node(select_stmt=select)) or ("expr",)
            part = names[0] if names[0] != "?column?" else "expr"
        wanted, number = part, 0
        while part in parts:
            number += 1
            part = f"{wanted}{number}"
        parts.append(part)
    return parts


def _alike(other: Relation, node: Node, table: Relation) -> bool:
    """Return whether the index that is there is the one that is declared."""
    if other.index is None or other.index.table != table.oid or not other.index.valid:
        return False
    names = tuple(item.index_elem.name for item in node.index_params)
    numbers = tuple(c.number if (c := table.column(one)) else 0 for one in names)
    same_predicate = bool(other.index.predicate) == node.HasField("where_clause")
    method = f"USING {node.access_method or 'btree'} "
    return (
        other.index.columns[: len(numbers)] == numbers
        and len(other.index.columns) == len(numbers)
        and other.index.unique == node.unique
        and same_predicate
        and ("USING " not in other.index.shape or method in other.index.shape)
    )


def shape(node: Node, table: Relation) -> str:
    """Return what tells an index from another of its name."""
    values = index_values(node, schema=table.schema, table=table.name)
    return "; ".join(f"{key}={value}" for key, value in sorted(values.items()))


def _check_method(stage: Stage, node: Node) -> None:
    method = node.access_method or "btree"
    if stage.facts.methods.get(method) != "i":
        if may_bring(stage.scene):
            raise CannotTellError(f"access method {method} may come with an extension")
        raise stage.fail("42704", f'access method "{method}" does not exist')
    if node.unique and method != "btree":
        raise stage.fail("0A000", f'access method "{method}" does not support unique indexes')
    if len(node.index_params) > 1 and method not in _MANY:
        raise stage.fail("0A000", f'access method "{method}" does not support multicolumn indexes')


def _index(stage: Stage, node: Node, table: Relation) -> Index:
    """Return the index; the server looks at its expressions, the method, then the columns."""
    if node.HasField("where_clause"):
        condition(stage, node.where_clause, table, "index predicates")
    for item in node.index_params:
        if not item.index_elem.name:
            expression_type(stage, item.index_elem.expr, table, "index expressions")
    if table.kind not in "rpm":
        raise stage.fail("42809", f'cannot create index on relation "{table.name}"')
    if node.concurrent and table.kind == "p":
        raise stage.fail(
            "0A000", f'cannot create index on partitioned table "{table.name}" concurrently'
        )
    _check_method(stage, node)
    if node.HasField("where_clause") and not is_immutable(stage, node.where_clause, table):
        raise stage.fail("42P17", "functions in index predicate must be marked IMMUTABLE")
    numbers = []
    uses = set()
    for item in node.index_params:
        numbers.append(_element(stage, item.index_elem, table, node.access_method or "btree"))
        if not item.index_elem.name:
            uses |= _numbers(item.index_elem.expr, table)
    if node.HasField("where_clause"):
        uses |= _numbers(node.where_clause, table)
    for item in node.index_including_params:
        uses.add(_column(stage, item.index_elem.name, table))
    _check_partition_key(stage, node, table, tuple(numbers))
    return Index(
        table=table.oid,
        unique=node.unique,
        columns=tuple(numbers),
        shape=shape(node, table),
        plain=not node.HasField("where_clause") and all(numbers),
        predicate=expression_text(node.where_clause) if node.HasField("where_clause") else "",
        expressions=tuple(
            expression_text(i.index_elem.expr) for i in node.index_params if not i.index_elem.name
        ),
        uses=frozenset({*uses, *(number for number in numbers if number)}),
    )


def _column(stage: Stage, name: str, table: Relation) -> int:
    column = table.column(name)
    if column is None:
        raise stage.fail("42703", f'column "{name}" does not exist')
    return column.number


def _numbers(node: Node, table: Relation) -> set[int]:
    names = column_names(node)
    return {one.number for one in table.columns if one.name in names}


def _element(stage: Stage, element: Node, table: Relation, method: str) -> int:
    if element.collation:
        name = strings(element.collation)[-1]
        if name not in stage.facts.collations:
            raise stage.fail("42704", f'collation "{name}" does not exist')
    if element.name:
        number = _column(stage, element.name, table)
        column = table.numbered(number)
        assert column is not None
        check_operator_class(stage, element, column.type, method)
        return number
    found = expression_type(stage, element.expr, table)
    if not is_immutable(stage, element.expr, table):
        raise stage.fail("42P17", "functions in index expression must be marked IMMUTABLE")
    if found is not None:
        check_operator_class(stage, element, found, method)
    return 0


def _check_partition_key(
    stage: Stage, node: Node, table: Relation, numbers: tuple[int, ...]
) -> None:
    """Fail where a unique index of a partitioned table lacks a part of its key (DefineIndex)."""
    if table.kind == "p" and node.unique:
        check_partition_key(stage, table, numbers, "UNIQUE")


def check_partition_key(stage: Stage, table: Relation, numbers: tuple[int, ...], what: str) -> None:
    """Fail where a unique constraint of a partitioned table lacks a column of the partition key."""
    if 0 in table.key:
        raise stage.fail("0A000", f"unsupported {what} constraint with partition key definition")
    if not set(table.key) <= set(numbers):
        raise stage.fail(
            "0A000",
            "unique constraint on partitioned table must include all partitioning columns",
        )


def _check_rows(stage: Stage, node: Node, table: Relation, index: Index, name: str) -> None:
    if table.kind == "m" and not table.populated:
        return
    try:
        if node.unique and index.plain:
            message = f'could not create unique index "{name}"'
            check_added_keys(stage, table, index.columns, message)
        if table.live is None:
            return
        if node.unique:
            _check_unique(stage, node, table, index, name)
        elif index.expressions or index.predicate:
            _check_expressions(stage, node, table, index)
    except StatementFailsError as error:
        if node.concurrent:  # a build that fails leaves its index behind
            _put(stage, table, name, replace(index, valid=False))
            error.leaves = stage.scene
        raise


def _check_expressions(stage: Stage, node: Node, table: Relation, index: Index) -> None:
    """Fail where an expression of the index cannot be evaluated on some row."""
    if table.emptied or table.doubtful & index.uses:
        return
    try:
        keys = [
            _key(stage, i.index_elem, table) for i in node.index_params if not i.index_elem.name
        ]
        where = [live_text(stage, node.where_clause, table)] if index.predicate else []
        given = " AND ".join(f"(({one}) IS NULL) IS NOT NULL" for one in keys or where)
        if keys and where:
            given = f"({where[0]}) IS NOT TRUE OR ({given})"
        asked = question(stage, table, RowRule.CHECK, (), sqlstate="")
    except (CannotTellError, NotYetKnownError):
        return  # of what the migration makes itself
    left = f"({table.gone}) IS TRUE OR ({given})" if table.gone else given
    if asked is not None and can_evaluate(stage, table, left):
        stage.breaks(replace(asked, expression=left), table, "")


def _check_unique(stage: Stage, node: Node, table: Relation, index: Index, name: str) -> None:
    try:
        asked = question(stage, table, RowRule.UNIQUE, index.columns, sqlstate="23505")
        assert asked is not None
        keys = [_key(stage, item.index_elem, table) for item in node.index_params]
        rows = [asked.expression] if asked.expression else []  # those that are left
        if node.HasField("where_clause"):
            rows.append(live_text(stage, node.where_clause, table))
        spelled = asked.keys or 0 in index.columns or len(asked.columns) < len(keys)
        asked = replace(
            asked,
            keys=tuple(keys) if spelled else (),
            expression=" AND ".join(f"({one})" for one in rows),
            nulls_not_distinct=node.nulls_not_distinct,
        )
    except (CannotTellError, NotYetKnownError) as error:
        if has_rows(stage, table):
            stage.note(str(error))
        return
    stage.breaks(asked, table, f'could not create unique index "{name}"')


def _key(stage: Stage, element: Node, table: Relation) -> str:
    node = pb.Node()
    if element.name:
        node.column_ref.fields.add().string.sval = element.name
    else:
        node.CopyFrom(element.expr)
    return live_text(stage, node, table)


def _put(stage: Stage, table: Relation, name: str, index: Index, parent: int = 0) -> Relation:
    kind = "I" if table.kind == "p" else "i"
    made = Relation(
        oid=stage.scene.number(),
        kind=kind,
        schema=table.schema,
        name=name,
        index=replace(index, parent=parent),
        persistence=table.persistence,
    )
    return stage.scene.put(made)


def _on_partitions(stage: Stage, table: Relation, made: Relation) -> None:
    """Each partition gets an index of its own."""
    assert made.index is not None
    for child in [one for one in stage.scene.children(table.oid) if one.kind in "rp"]:
        names = [c.name for n in made.index.columns if (c := table.numbered(n)) is not None]
        name = free_relation(stage.scene, child, *(names or ["expr"]), label="idx")
        by_name = {one.name: one.number for one in child.columns}
        columns = tuple(
            by_name.get(c.name, 0) if (c := table.numbered(n)) is not None else 0
            for n in made.index.columns
        )
        below = _put(
            stage, child, name, replace(made.index, table=child.oid, columns=columns), made.oid
        )
        _on_partitions(stage, child, below)


def reindex(stage: Stage, node: Node) -> None:
    """REINDEX."""
    concurrent = any(item.def_elem.defname == "concurrently" for item in node.params)
    if concurrent:
        stage.needs_no_block("REINDEX CONCURRENTLY")
    if node.kind in (
        pb.REINDEX_OBJECT_SCHEMA,
        pb.REINDEX_OBJECT_DATABASE,
        pb.REINDEX_OBJECT_SYSTEM,
    ):
        if not concurrent:
            stage.needs_no_block(
                "REINDEX " + ("SCHEMA" if node.kind == pb.REINDEX_OBJECT_SCHEMA else "DATABASE")
            )
        if node.kind == pb.REINDEX_OBJECT_SCHEMA and node.name not in stage.scene.schemas:
            raise stage.fail("3F000", f'schema "{node.name}" does not exist')
        return
    found = stage.relation(node.relation)
    assert found is not None
    if node.kind == pb.REINDEX_OBJECT_INDEX and found.kind not in "iI":
        raise stage.fail("42809", f'"{found.name}" is not an index')
    if node.kind == pb.REINDEX_OBJECT_TABLE and found.kind not in "rpm":
        raise stage.fail("42809", f'"{found.name}" is not a table or materialized view')
