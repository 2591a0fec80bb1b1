"""What cures a problem: the SQL to run, for a person to read first. Pure."""

from pgwatch.migration.compare import Fault, Problem
from pgwatch.migration.objects import Key, Kind, Value

_MOST_LINES = 20  # of a statement that is shown whole


def cure_of(problem: Problem) -> str:
    """Return what would make `problem` go away, "" where no SQL that the migrations hold would."""
    key = problem.key
    if key is None or problem.fault is Fault.UNVERIFIABLE:
        return ""
    if problem.fault is Fault.DEAD:
        return _revive(key, [name for name, *_ in problem.facets])
    sql = problem.place.sql.rstrip().rstrip(";")
    if problem.fault is Fault.MISSING:
        return _ended(_part_of(sql, key)) if problem.again else ""
    if key.kind is Kind.COLUMN and problem.facets:
        return "\n".join(filter(None, (_column(key, sql, *facet) for facet in problem.facets)))
    values = [_values(key, *facet) for facet in problem.facets if facet[0] == "values"]
    return values[0] if values else _ended(_said_again(sql, key))


def _ended(sql: str) -> str:
    return f"{sql};" if sql and sql.count("\n") < _MOST_LINES else ""


def _part_of(sql: str, key: Key) -> str:
    from pgwatch.migration.part import part_of  # noqa: PLC0415 - brings the SQL grammar

    return part_of(sql, key)


def _said_again(sql: str, key: Key) -> str:
    from pgwatch.migration.part import said_again  # noqa: PLC0415 - brings the SQL grammar

    return said_again(sql, key)


def _revive(key: Key, facets: list[str]) -> str:
    name, table = _quoted(key.schema, key.name), _quoted(key.schema, key.table)
    own = _quoted("", key.name)
    sql = {
        "validated": f"ALTER TABLE {table} VALIDATE CONSTRAINT {own};",
        "valid": f"REINDEX INDEX CONCURRENTLY {name};",
        "populated": f"REFRESH MATERIALIZED VIEW {name};",
        "enabled": f"ALTER TABLE {table} ENABLE TRIGGER {own};",
    }
    return "\n".join(sql[facet] for facet in facets)


def _column(key: Key, sql: str, facet: str, wanted: Value, _: Value | None) -> str:
    head = f"ALTER TABLE {_quoted(key.schema, key.table)} ALTER COLUMN {_quoted('', key.name)}"
    if facet == "type":
        own = _part_of(sql, key)
        return f"{own};" if " USING " in own.upper() else f"{head} TYPE {wanted};"
    if facet == "nullable":
        return f"{head} {'SET' if wanted == 'no' else 'DROP'} NOT NULL;"
    if facet == "default":
        return f"{head} DROP DEFAULT;" if wanted == "none" else f"{head} SET DEFAULT {wanted};"
    return _ended(_said_again(sql, key))


def _values(key: Key, _: str, wanted: Value, live: Value | None) -> str:
    """Return the statements that add an enum's values which are not there; none takes one away."""
    if not (isinstance(wanted, tuple) and isinstance(live, tuple)):
        return ""
    if [one for one in wanted if one in live] != list(live):
        return ""
    name, added, last = _quoted(key.schema, key.name), [], ""
    for value in wanted:
        place = f" AFTER {_literal(last)}" if last else f" BEFORE {_literal(live[0])}"
        if value not in live:
            added.append(f"ALTER TYPE {name} ADD VALUE {_literal(value)}{place};")
        last = value
    return "\n".join(added)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(schema: str, name: str) -> str:
    parts = [part for part in (schema if schema != "public" else "", name) if part]
    return ".".join(part if _is_plain(part) else f'"{part}"' for part in parts)


def _is_plain(name: str) -> bool:
    return name.isidentifier() and name.isascii() and name == name.lower()
