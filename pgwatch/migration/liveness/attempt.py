"""The statements that try whether a table can be written to. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgwatch.migration.liveness.variables import quoted

_MARK = "pgwatch"
_BY_CATEGORY = {  # pg_type.typcategory: what a column of that kind gets where no row can be copied
    "S": f"'{_MARK}'",
    "N": "1",
    "B": "true",
    "D": "now()",
    "T": "'1 hour'",
    "A": "'{}'",
}
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
_BY_TYPE = {
    "uuid": "gen_random_uuid()",
    "json": "'{}'",
    "jsonb": "'{}'",
    "bytea": "''",
    "inet": "'::1'",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One statement that is tried and taken back."""

    event: str
    sql: str


@dataclass(frozen=True, slots=True)
class Probed:
    """A table, and what is tried on it."""

    schema: str
    name: str
    attempts: tuple[Attempt, ...]


def probed(schema: str, name: str, facts: Mapping[str, Any], *, empty: bool) -> Probed:
    """Return what to try: on a table with rows a copy with a new key, an update and a delete of one row."""
    table = f"{quoted(schema)}.{quoted(name)}"
    columns = [one for one in facts["columns"] or () if one["written"]]
    return Probed(schema, name, tuple(_attempts(table, columns, facts, empty=empty)))


def _attempts(
    table: str, columns: list[dict[str, Any]], facts: Mapping[str, Any], *, empty: bool
) -> Iterator[Attempt]:
    row = f"(SELECT tableoid, ctid FROM {table} LIMIT 1)"  # noqa: S608 - names are quoted
    this = f"(tableoid, ctid) = {row}"
    given = [one for one in columns if not (one["default"] and (empty or one["unique"]))]
    names = ", ".join(quoted(one["name"]) for one in given)
    if not given:
        yield Attempt("INSERT", f"INSERT INTO {table} DEFAULT VALUES")
    elif empty:
        values = ", ".join(_made_up(one) for one in given)
        yield Attempt("INSERT", f"INSERT INTO {table} ({names}) VALUES ({values})")  # noqa: S608
    else:
        values = ", ".join(_copied(one, table) for one in given)
        yield Attempt(
            "INSERT",
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} AS old LIMIT 1",  # noqa: S608
        )
    if empty:
        return
    if columns:
        same = ", ".join(f"{quoted(one['name'])} = {quoted(one['name'])}" for one in columns)
        yield Attempt("UPDATE", f"UPDATE {table} SET {same} WHERE {this}")  # noqa: S608
    if not facts["cascades"]:
        yield Attempt("DELETE", f"DELETE FROM {table} WHERE {this}")  # noqa: S608


def _copied(column: Mapping[str, Any], table: str) -> str:
    name = f"old.{quoted(column['name'])}"
    if not column["unique"] or column["references"]:
        return name
    if column["category"] == "S":
        text = f"'{_MARK}-' || md5(random()::text)"
        return f"left({text}, {column['length']})" if column["length"] else text
    if column["type"].split("(")[0] in _NUMBERS:
        return f"(SELECT max({quoted(column['name'])}) + 1 FROM {table})"  # noqa: S608
    if column["category"] == "D":
        return f"{name} + interval '1 day'"
    return "gen_random_uuid()" if column["type"] == "uuid" else name


def _made_up(column: Mapping[str, Any]) -> str:
    if column["references"]:
        schema, table, name = column["references"]
        return f"(SELECT {quoted(name)} FROM {quoted(schema)}.{quoted(table)} LIMIT 1)"  # noqa: S608
    if not column["not_null"]:
        return "NULL"
    if column["label"] is not None:
        label: str = column["label"]
        return "'" + label.replace("'", "''") + "'"
    value = _BY_TYPE.get(column["type"]) or _BY_CATEGORY.get(column["category"], "NULL")
    if column["length"] and value == f"'{_MARK}'":
        value = f"'{_MARK[: column['length']]}'"
    return value
