"""What each statement of a migration locks, and the work that it does meanwhile. Pure.

From the pages of the commands, https://www.postgresql.org/docs/current/sql-commands.html, and
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES.
"""

from collections.abc import Callable, Iterator

from pgwatch.migration.parse import Node, pb, strings
from pgwatch.migration.preflight.alter_locks import Resolve, alter_table, referenced
from pgwatch.migration.preflight.lock_facts import LockFacts
from pgwatch.migration.preflight.lock_modes import Demand, LockMode, Work, heavier

_CONCURRENTLY = "say CONCURRENTLY, outside a transaction: others go on reading and writing"
_WINDOW = "do it in a maintenance window"
_OF_TABLES = frozenset({pb.OBJECT_TRIGGER, pb.OBJECT_POLICY, pb.OBJECT_RULE})
_RELATIONS = frozenset({pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW})


def demands(kind: str, node: Node, facts: LockFacts, resolve: Resolve) -> tuple[Demand, ...]:
    """Return what a statement (name of its node, node) asks, once for each table that it locks.

    `resolve` finds a relation of `facts` by schema ("" if left out) and name. Locks that hinder nobody
    but DDL (ACCESS SHARE of what is read) are left out.
    """
    handler = _HANDLERS.get(kind)
    asked: dict[tuple[str, str], Demand] = {}
    for one in handler(node, facts, resolve) if handler else ():
        place = (one.schema, one.table)
        asked[place] = heavier(asked[place], one) if place in asked else one
    return tuple(asked.values())


def _options(items: list[Node]) -> set[str]:
    return {item.def_elem.defname.lower() for item in items}


def _create_index(node: Node, _: LockFacts, resolve: Resolve) -> Iterator[Demand]:
    name = node.idxname or "the index"
    concurrent = node.concurrent
    # One of that name: with IF NOT EXISTS nothing is built, and without it the statement fails.
    there = bool(node.idxname) and resolve(node.relation.schemaname, node.idxname) is not None
    yield Demand(
        schema=node.relation.schemaname,
        table=node.relation.relname,
        mode=LockMode.SHARE_UPDATE_EXCLUSIVE if concurrent else LockMode.SHARE,
        work=Work.NONE if there else Work.BUILD,
        reason=f"{name} is built",
        cure="" if concurrent else _CONCURRENTLY,
        snapshots=concurrent and not there,
    )


def _create_table(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    for item in node.table_elts:
        if item.HasField("constraint"):
            yield from referenced([item.constraint])
        elif item.HasField("column_def"):
            yield from referenced([one.constraint for one in item.column_def.constraints])
    # A new partition locks its parent against everybody, a child by INHERITS against DDL only.
    parent = (
        LockMode.ACCESS_EXCLUSIVE if node.HasField("partbound") else LockMode.SHARE_UPDATE_EXCLUSIVE
    )
    for item in node.inh_relations:
        yield Demand(schema=item.range_var.schemaname, table=item.range_var.relname, mode=parent)


def _create_trigger(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    relation = node.relation
    mode = LockMode.SHARE_ROW_EXCLUSIVE
    yield Demand(schema=relation.schemaname, table=relation.relname, mode=mode)


def _exclusive(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    """CREATE RULE, ALTER TABLE … RENAME and SET SCHEMA, CREATE OR REPLACE VIEW, policies."""
    relation = next(
        getattr(node, name) for name in ("relation", "table", "view") if name in _fields(node)
    )
    if relation.relname:
        yield Demand(
            schema=relation.schemaname, table=relation.relname, mode=LockMode.ACCESS_EXCLUSIVE
        )


def _fields(node: Node) -> frozenset[str]:
    return frozenset(field.name for field in node.DESCRIPTOR.fields)


def _rename(node: Node, facts: LockFacts, resolve: Resolve) -> Iterator[Demand]:
    if node.rename_type != pb.OBJECT_INDEX:
        yield from _exclusive(node, facts, resolve)


def _drop(node: Node, _: LockFacts, resolve: Resolve) -> Iterator[Demand]:
    for item in node.objects:
        names = strings(item.list.items)
        if node.remove_type in _OF_TABLES:
            names = names[:-1]
        elif node.remove_type not in {*_RELATIONS, pb.OBJECT_INDEX}:
            continue
        schema, table = names[-2] if len(names) > 1 else "", names[-1]
        relation = resolve(schema, table)
        mode = LockMode.ACCESS_EXCLUSIVE
        if node.remove_type == pb.OBJECT_INDEX:
            if relation is None or relation.index_of is None:
                continue
            schema, table = relation.index_of
            mode = LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else mode
        yield Demand(schema=schema, table=table, mode=mode, snapshots=node.concurrent)
        if node.remove_type == pb.OBJECT_TABLE and relation is not None:
            for one, other, _valid in relation.foreign_keys.values():  # their triggers there go too
                yield Demand(schema=one, table=other, mode=LockMode.ACCESS_EXCLUSIVE)


def _truncate(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    for item in node.relations:
        relation = item.range_var
        mode = LockMode.ACCESS_EXCLUSIVE
        yield Demand(schema=relation.schemaname, table=relation.relname, mode=mode)


def _cluster(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    relation = node.relation
    if relation.relname:
        yield Demand(
            schema=relation.schemaname,
            table=relation.relname,
            mode=LockMode.ACCESS_EXCLUSIVE,
            work=Work.REWRITE,
            reason="CLUSTER writes the table in the order of its index",
            cure=_WINDOW,
        )


def _vacuum(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    if not node.is_vacuumcmd or "full" not in _options(node.options):
        return
    for item in node.rels:
        relation = item.vacuum_relation.relation
        yield Demand(
            schema=relation.schemaname,
            table=relation.relname,
            mode=LockMode.ACCESS_EXCLUSIVE,
            work=Work.REWRITE,
            reason="VACUUM FULL writes the table anew",
            cure="VACUUM without FULL lets others read and write, and makes the space usable again",
        )


def _reindex(node: Node, _: LockFacts, resolve: Resolve) -> Iterator[Demand]:
    relation = node.relation
    schema, table = relation.schemaname, relation.relname
    if node.kind == pb.REINDEX_OBJECT_INDEX:
        found = resolve(schema, table)
        if found is None or found.index_of is None:
            return
        schema, table = found.index_of
    elif node.kind != pb.REINDEX_OBJECT_TABLE:
        return
    concurrent = "concurrently" in _options(node.params)
    yield Demand(
        schema=schema,
        table=table,
        mode=LockMode.SHARE_UPDATE_EXCLUSIVE if concurrent else LockMode.SHARE,
        work=Work.BUILD,
        reason="its indexes are built anew",
        cure="" if concurrent else _CONCURRENTLY,
        snapshots=concurrent,
    )


def _refresh(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    relation = node.relation
    yield Demand(
        schema=relation.schemaname,
        table=relation.relname,
        mode=LockMode.EXCLUSIVE if node.concurrent else LockMode.ACCESS_EXCLUSIVE,
        work=Work.NONE if node.concurrent or node.skip_data else Work.REWRITE,
        reason="the query of the view runs",
        cure="REFRESH MATERIALIZED VIEW CONCURRENTLY lets others read; it needs a unique index",
    )


def _lock(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    for item in node.relations:
        relation = item.range_var
        mode = LockMode(node.mode)
        yield Demand(schema=relation.schemaname, table=relation.relname, mode=mode)


def _dml(node: Node, _: LockFacts, __: Resolve) -> Iterator[Demand]:
    """INSERT, UPDATE, DELETE, MERGE; an UPDATE or DELETE without WHERE is work on every row."""
    every = "where_clause" in _fields(node) and not node.HasField("where_clause")
    relation = node.relation
    if every:
        yield Demand(
            schema=relation.schemaname,
            table=relation.relname,
            mode=LockMode.ROW_EXCLUSIVE,
            work=Work.UPDATE,
            reason="it has no WHERE",
            cure="do it in batches, so that no row is locked for long and VACUUM can follow",
        )
        return
    mode = LockMode.ROW_EXCLUSIVE
    yield Demand(schema=relation.schemaname, table=relation.relname, mode=mode)


_HANDLERS: dict[str, Callable[[Node, LockFacts, Resolve], Iterator[Demand]]] = {
    "alter_object_schema_stmt": _exclusive,
    "alter_policy_stmt": _exclusive,
    "alter_table_stmt": alter_table,
    "cluster_stmt": _cluster,
    "create_policy_stmt": _exclusive,
    "create_stmt": _create_table,
    "create_trig_stmt": _create_trigger,
    "delete_stmt": _dml,
    "drop_stmt": _drop,
    "index_stmt": _create_index,
    "insert_stmt": _dml,
    "lock_stmt": _lock,
    "merge_stmt": _dml,
    "refresh_mat_view_stmt": _refresh,
    "reindex_stmt": _reindex,
    "rename_stmt": _rename,
    "rule_stmt": _exclusive,
    "truncate_stmt": _truncate,
    "update_stmt": _dml,
    "vacuum_stmt": _vacuum,
    "view_stmt": _exclusive,
}
