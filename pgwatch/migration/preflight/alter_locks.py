"""What ALTER TABLE locks and rewrites, one subcommand after another. Pure.

Modes: https://www.postgresql.org/docs/current/sql-altertable.html and AlterTableGetLockLevel
(src/backend/commands/tablecmds.c); where neither says less, it is ACCESS EXCLUSIVE.
"""

from collections.abc import Callable, Iterator

from pgwatch.migration.parse import Node, expression_text, opened, pb, type_text
from pgwatch.migration.preflight.lock_facts import LockFacts, Relation
from pgwatch.migration.preflight.lock_modes import Demand, LockMode, Work
from pgwatch.migration.preflight.rewrites import proves_not_null, rewrites
from pgwatch.migration.preflight.steps import functions_in

_SHARE_UPDATE = frozenset(
    {
        pb.AT_ValidateConstraint,
        pb.AT_SetStatistics,
        pb.AT_SetOptions,
        pb.AT_ResetOptions,
        pb.AT_ClusterOn,
        pb.AT_DropCluster,
        pb.AT_SetRelOptions,
        pb.AT_ResetRelOptions,
        pb.AT_AttachPartition,
        pb.AT_DetachPartitionFinalize,
    }
)
_SHARE_ROW = frozenset(
    {
        pb.AT_EnableTrig,
        pb.AT_EnableAlwaysTrig,
        pb.AT_EnableReplicaTrig,
        pb.AT_EnableTrigAll,
        pb.AT_EnableTrigUser,
        pb.AT_DisableTrig,
        pb.AT_DisableTrigAll,
        pb.AT_DisableTrigUser,
    }
)
_COPIES = {
    pb.AT_SetLogged: "SET LOGGED writes the table to the WAL",
    pb.AT_SetUnLogged: "SET UNLOGGED copies the table",
    pb.AT_SetTableSpace: "the table moves to another tablespace",
    pb.AT_SetAccessMethod: "the table is written in another access method",
    pb.AT_SetExpression: "the generated column is computed anew",
}
_SERIALS = frozenset({"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"})
_BATCHES = "add a new column, fill it in batches, and swap the two in a short transaction"
_NOT_VALID = (
    "add it NOT VALID, and VALIDATE CONSTRAINT afterwards, which lets others read and write"
)
_INDEX_FIRST = (
    "build the index first with CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"
)
_CHECK_FIRST = (
    "add CHECK ({column} IS NOT NULL) NOT VALID, validate it, then SET NOT NULL, which believes it"
)

Resolve = Callable[[str, str], Relation | None]


def alter_table(node: Node, facts: LockFacts, resolve: Resolve) -> Iterator[Demand]:
    """Iterate over what each subcommand asks of the table, and of those that it refers to."""
    schema, table = node.relation.schemaname, node.relation.relname
    relation = resolve(schema, table)
    if node.objtype == pb.OBJECT_INDEX:
        if relation is not None and relation.index_of:
            schema, table = relation.index_of
        yield Demand(schema=schema, table=table, mode=LockMode.SHARE_UPDATE_EXCLUSIVE)
        return
    for item in node.cmds:
        command = item.alter_table_cmd
        work, reason, cure = _work(command, relation, facts)
        yield Demand(
            schema=schema,
            table=table,
            mode=_mode(command),
            work=work,
            reason=reason,
            cure=cure,
            snapshots=_concurrent(command),
        )
        yield from _others(command, relation)


def _mode(command: Node) -> LockMode:
    if command.subtype in _SHARE_UPDATE or _concurrent(command):
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    if command.subtype in _SHARE_ROW:
        return LockMode.SHARE_ROW_EXCLUSIVE
    if command.subtype == pb.AT_AddConstraint:
        constraint = opened(getattr(command, "def"))[1]
        if constraint.contype == pb.CONSTR_FOREIGN:
            return LockMode.SHARE_ROW_EXCLUSIVE
    return LockMode.ACCESS_EXCLUSIVE


def _concurrent(command: Node) -> bool:
    if command.subtype != pb.AT_DetachPartition:
        return False
    return bool(opened(getattr(command, "def"))[1].concurrent)


_None = (Work.NONE, "", "")
_Found = tuple[Work, str, str]


def _work(command: Node, relation: Relation | None, facts: LockFacts) -> _Found:
    subtype, definition = command.subtype, getattr(command, "def")
    found = _None
    if subtype in _COPIES:
        found = (Work.REWRITE, _COPIES[subtype], "do it in a maintenance window")
    elif subtype == pb.AT_AddColumn:
        column = opened(definition)[1]
        if relation is None or column.colname not in relation.columns:
            found = _added_column(column, facts)
    elif subtype == pb.AT_AddConstraint:
        found = _added_constraint(opened(definition)[1])
    elif subtype == pb.AT_AlterColumnType and relation is not None:
        found = _retyped(command.name, opened(definition)[1], relation, facts)
    elif subtype == pb.AT_SetNotNull and relation is not None:
        found = _not_null(command.name, relation)
    elif subtype == pb.AT_ValidateConstraint:
        found = (Work.SCAN, f"the rows are held against {command.name}", "")
    return found


def _added_constraint(node: Node) -> _Found:
    if node.contype in (pb.CONSTR_PRIMARY, pb.CONSTR_UNIQUE) and not node.indexname:
        return Work.BUILD, f"the index of {node.conname or 'the constraint'} is built", _INDEX_FIRST
    if node.contype == pb.CONSTR_EXCLUSION:
        reason = f"the index of {node.conname or 'the constraint'} is built"
        return Work.BUILD, reason, "do it in a maintenance window"
    if node.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN) and not node.skip_validation:
        name = node.conname or "the constraint"
        return Work.SCAN, f"every row is held against {name}", _NOT_VALID
    return _None


def _added_column(node: Node, facts: LockFacts) -> _Found:
    name, kind = node.colname, type_text(node.type_name)
    found = _None
    if kind in _SERIALS:
        return Work.REWRITE, f"each row gets its own number in {name}", _BATCHES
    if kind in facts.checked_domains:
        return Work.REWRITE, f"{name} has a domain with constraints", _BATCHES
    kinds = [item.constraint for item in node.constraints]
    defaulted = any(one.contype == pb.CONSTR_DEFAULT for one in kinds)
    for one in kinds:
        if one.contype == pb.CONSTR_IDENTITY:
            return Work.REWRITE, f"each row gets its own number in {name}", _BATCHES
        if one.contype == pb.CONSTR_GENERATED and one.generated_kind != "v":
            return Work.REWRITE, f"{name} is computed for each row and stored", _BATCHES
        if one.contype == pb.CONSTR_DEFAULT and (volatile := _volatile(one.raw_expr, facts)):
            cure = f"add {name} without the default, set the default, fill the rows in batches"
            return Work.REWRITE, f"each row gets its own value of {volatile}()", cure
        if one.contype in (pb.CONSTR_PRIMARY, pb.CONSTR_UNIQUE):
            found = (Work.BUILD, f"the index of {name} is built", _INDEX_FIRST)
        elif one.contype == pb.CONSTR_CHECK or (
            one.contype == pb.CONSTR_FOREIGN and defaulted and not one.skip_validation
        ):
            found = (
                found
                if found[0]
                else (Work.SCAN, f"every row is held against {name}'s rule", _NOT_VALID)
            )
    return found


def _volatile(expression: Node, facts: LockFacts) -> str:
    """Return a function in `expression` that gives another value for each row, "" if there is none.

    One that the database does not have is taken for volatile, as a new one is unless it says otherwise.
    """
    return next((name for name in sorted(functions_in(expression)) if name not in facts.steady), "")


def _retyped(name: str, node: Node, relation: Relation, facts: LockFacts) -> _Found:
    if name not in relation.columns:
        return _None
    old, _ = relation.columns[name]
    new = type_text(node.type_name)
    using = expression_text(node.raw_default) if node.HasField("raw_default") else ""
    if not rewrites(name, old, new, using, facts.coercible):
        return _None
    return Work.REWRITE, f"{name} changes from {old} to {new}", _BATCHES


def _not_null(name: str, relation: Relation) -> _Found:
    if name not in relation.columns or relation.columns[name][1]:
        return _None
    if proves_not_null(name, relation.checks):
        return _None
    return Work.SCAN, f"{name} is looked for NULL", _CHECK_FIRST.format(column=name)


def _others(command: Node, relation: Relation | None) -> Iterator[Demand]:
    """Iterate over what a subcommand asks of other tables."""
    subtype, definition = command.subtype, getattr(command, "def")
    kind, node = opened(definition)
    if subtype == pb.AT_AddConstraint:
        yield from referenced([node])
    elif subtype == pb.AT_AddColumn:
        yield from referenced([item.constraint for item in node.constraints])
    elif subtype == pb.AT_DropConstraint and relation is not None:
        if command.name in relation.foreign_keys:
            schema, table, _ = relation.foreign_keys[command.name]
            yield Demand(schema=schema, table=table, mode=LockMode.ACCESS_EXCLUSIVE)
    elif subtype in (pb.AT_AttachPartition, pb.AT_DetachPartition) and kind == "partition_cmd":
        attached = subtype == pb.AT_AttachPartition
        yield Demand(
            schema=node.name.schemaname,
            table=node.name.relname,
            mode=LockMode.ACCESS_EXCLUSIVE,
            work=Work.SCAN if attached else Work.NONE,
            reason="its rows are held against the partition's bounds" if attached else "",
            cure="give it a valid CHECK that says the same as the bounds first",
        )
    elif subtype == pb.AT_AddInherit:
        mode = LockMode.SHARE_UPDATE_EXCLUSIVE
        yield Demand(schema=node.schemaname, table=node.relname, mode=mode)


def referenced(constraints: list[Node]) -> Iterator[Demand]:
    """Iterate over what new foreign keys among `constraints` ask of the tables that they refer to."""
    for one in constraints:
        if one.contype == pb.CONSTR_FOREIGN:
            table = one.pktable
            yield Demand(
                schema=table.schemaname, table=table.relname, mode=LockMode.SHARE_ROW_EXCLUSIVE
            )
