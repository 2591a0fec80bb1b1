"""Tables of the scene under GROUP BY, of which the server would know that a key decides the row. Pure."""

from collections.abc import Callable

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, parse_expression, pb, strings
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.stage import Stage, quoted


def complete_groups(
    stage: Stage,
    select: Node,
    *,
    is_cte: Callable[[Node], bool],
    stands_in: Callable[[Relation], bool],
) -> None:
    """Add to GROUP BY the columns that a whole key in it decides; `stands_in` for tables not live."""
    if not select.group_clause:
        return
    named = set()
    for item in select.group_clause:
        kind, value = opened(item)
        if kind == "column_ref":
            parts = strings(f for f in value.fields if f.HasField("string"))
            named.add(parts[-2:] if len(parts) > 1 else ("", *parts))
    ranges = [m for item in select.from_clause for m in _ranges(item)]
    for one in ranges:
        found = None if is_cte(one) else stage.scene.find(one.schemaname, one.relname)
        if found is None or not stands_in(found):
            continue
        alias = one.alias.aliasname or one.relname
        key = [found.numbered(n) for n in stage.scene.primary_key(found.oid)]
        if not key or not all(k and {(alias, k.name), ("", k.name)} & named for k in key):
            continue
        wanted, rows = _named_columns(select)
        if alias in wanted or alias in rows:
            select.group_clause.add().CopyFrom(parse_expression(quoted(alias)))
        for column in found.columns:
            if {(alias, column.name), ("", column.name)} & named:
                continue
            if column.name in wanted or alias in rows or "" in rows:
                reference = parse_expression(f"{quoted(alias)}.{quoted(column.name)}")
                select.group_clause.add().CopyFrom(reference)


def _named_columns(select: Node) -> tuple[set[str], set[str]]:
    """Return the last names of columns below a query, and whose `*` it has ("": everyone's)."""
    names, rows = set(), set()
    for message in walk(select):
        if isinstance(message, pb.ColumnRef):
            parts = strings(field for field in message.fields if field.HasField("string"))
            if len(parts) < len(message.fields):
                rows.add(parts[-1] if parts else "")
            else:
                names.add(parts[-1])
    return names, rows


def _ranges(item: Node) -> list[Node]:
    kind, node = opened(item)
    if kind == "range_var":
        return [node]
    if kind == "join_expr":
        return [*_ranges(node.larg), *_ranges(node.rarg)]
    return []
