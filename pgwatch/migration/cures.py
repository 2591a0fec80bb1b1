"""What cures a problem: the SQL to run, for a person to read first. Pure."""

from pgwatch.migration.compare import Fault, Problem
from pgwatch.migration.objects import Key, Kind, Value

_MOST_LINES = 20  # of a statement that is shown whole


def cure_of(problem: Problem) -> str:
    """Return the statement that would make `problem` go away, "" where no single one would."""
    if problem.key is None or problem.fault is Fault.UNVERIFIABLE:
        return ""
    if problem.fault is Fault.DEAD:
        return _revive(problem.key, [name for name, *_ in problem.facets])
    if problem.fault is Fault.DIFFERENT and problem.key.kind is Kind.COLUMN:
        return "\n".join(_column(problem.key, name, wanted) for name, wanted, _ in problem.facets)
    sql = problem.place.sql.rstrip().rstrip(";")
    if problem.fault is Fault.MISSING and problem.again and sql.count("\n") < _MOST_LINES:
        return f"{sql};"
    return ""


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


def _column(key: Key, facet: str, wanted: Value) -> str:
    head = f"ALTER TABLE {_quoted(key.schema, key.table)} ALTER COLUMN {_quoted('', key.name)}"
    if facet == "type":
        return f"{head} TYPE {wanted};"
    if facet == "nullable":
        return f"{head} {'SET' if wanted == 'no' else 'DROP'} NOT NULL;"
    if facet == "default":
        return f"{head} DROP DEFAULT;" if wanted == "none" else f"{head} SET DEFAULT {wanted};"
    return ""


def _quoted(schema: str, name: str) -> str:
    parts = [part for part in (schema if schema != "public" else "", name) if part]
    return ".".join(part if _is_plain(part) else f'"{part}"' for part in parts)


def _is_plain(name: str) -> bool:
    return name.isidentifier() and name.isascii() and name == name.lower()
