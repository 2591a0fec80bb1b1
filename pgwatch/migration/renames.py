"""What a rename, or a move to another schema, does to every other declared object. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from pgwatch.migration.objects import (
    RELATIONS,
    Declared,
    Expression,
    Key,
    Kind,
    Query,
    TypeName,
    Value,
)
from pgwatch.migration.parse import identifier, renamed_column

OF_TABLE = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.TRIGGER, Kind.POLICY})
TYPES = (Kind.TYPE, Kind.DOMAIN, Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW)


def moved(key: Key, known: Declared, old: Key, new: Key) -> Declared:
    """Return `known` as it is after `old` has become `new`."""
    if old.kind is Kind.COLUMN:
        return _with_column(key, known, old, new)
    if old.kind is Kind.SCHEMA:
        return _in_schema(known, old.name, new.name)
    if old.kind is Kind.FUNCTION:
        return _with_texts(known, ("function",), _bare(old), _bare(new))
    if old.kind in TYPES:
        known = _with_type(known, type_name(old), type_name(new))
        key = known.key
    of_it = key.schema == old.schema and (
        key.table == old.name if key.kind in OF_TABLE else table_of(known) == old.name
    )
    if old.kind in (*RELATIONS, Kind.DOMAIN) and of_it:
        table = new.name if key.kind in OF_TABLE else key.table
        moved = replace(known, key=replace(key, schema=new.schema, table=table))
        moved = _with_values(moved, lambda value: _in_table(value, new))
        return _with_texts(moved, ("table",), str(old), str(new))
    if old in known.uses:
        uses = known.uses - {old} | {new}
        known = replace(_uncertain(known, old.name, new.name), uses=uses)
    return _with_texts(known, ("references", "partition of"), str(old), str(new))


def _bare(function: Key) -> str:
    return str(function).split("(", 1)[0]


def _with_texts(known: Declared, names: Iterable[str], old: str, new: str) -> Declared:
    """Return `known` with `new` where one of the named facets is `old`."""
    facets = {
        name: replace(facet, value=new)
        for name in names
        if (facet := known.facets.get(name)) is not None and facet.value == old
    }
    return replace(known, facets={**known.facets, **facets}) if facets else known


def _in_schema(known: Declared, old: str, new: str) -> Declared:
    """Return `known` after its schema, or that of something it names, got another name."""
    prefix = re.compile(rf"(?<![\w\".]){re.escape(identifier(old))}\.")

    def renamed(value: Value) -> Value:
        if isinstance(value, tuple):
            return value
        if isinstance(value, str):
            return prefix.sub(lambda _: f"{identifier(new)}.", value)
        sql = prefix.sub(lambda _: f"{identifier(new)}.", value.sql)
        if isinstance(value, Expression) and value.schema == old:
            return replace(value, sql=sql, schema=new)
        return replace(value, sql=sql)

    key = known.key
    moved = replace(key, schema=new) if key.schema == old else key
    uses = frozenset(replace(one, schema=new) if one.schema == old else one for one in known.uses)
    return _with_values(replace(known, key=moved, uses=uses), renamed)


def type_name(key: Key) -> str:
    """Return how `type_text` writes a type."""
    schema = "" if key.schema == "public" else f"{identifier(key.schema)}."
    return schema + identifier(key.name)


def _with_type(known: Declared, old: str, new: str) -> Declared:
    """Return `known` after the type `old` got another name: of columns, arguments and casts."""
    if old not in known.key.name and not any(old in str(f.value) for f in known.facets.values()):
        return known
    word = re.escape(old)
    whole = re.compile(rf"(?<![\w\".]){word}(?=(?:\[\])*(?:[,)]|$))")
    cast = re.compile(rf"(?<=::){word}(?![\w\".])")

    def renamed(value: Value) -> Value:
        if isinstance(value, TypeName):
            return TypeName(whole.sub(lambda _: new, value.sql))
        if isinstance(value, Expression):
            sql, of = (cast.sub(lambda _: new, value.sql), whole.sub(lambda _: new, value.cast))
            return replace(value, sql=sql, cast=of)
        return value

    key = known.key
    if key.kind is not Kind.FUNCTION:
        return _with_values(known, renamed)
    name, bracket, arguments = key.name.partition("(")
    moved = replace(key, name=name + bracket + whole.sub(lambda _: new, arguments))
    facets = {
        name: replace(facet, value=_signature(facet.value, whole, new))
        for name, facet in known.facets.items()
        if name in ("arguments", "returns")
    }
    known = replace(known, key=moved, facets={**known.facets, **facets})
    return _with_values(known, renamed)


def _signature(value: Value, whole: re.Pattern[str], new: str) -> Value:
    if isinstance(value, tuple):
        return tuple(whole.sub(lambda _: new, part) for part in value)
    return whole.sub(lambda _: new, value) if isinstance(value, str) else value


def _in_table(value: Value, table: Key) -> Value:
    if isinstance(value, Expression):
        return replace(value, schema=table.schema, table=table.name)
    return value


def _uncertain(known: Declared, old: str, new: str) -> Declared:
    """Return a view after what it reads got another name.

    A comparison cannot refute its query any more: a column may have had the same name as a table.
    """

    def renamed(value: Value) -> Value:
        if not isinstance(value, Query):
            return value
        return Query(renamed_column(value.sql, old, new), star=True)

    return _with_values(known, renamed)


def _with_column(key: Key, known: Declared, old: Key, new: Key) -> Declared:
    here = key.schema == old.schema and old.table in (key.table, table_of(known))
    if not here or old.name not in known.columns:
        uses_it = Key(Kind.TABLE, old.schema, old.table) in known.uses
        return _uncertain(known, old.name, new.name) if uses_it else known
    columns = known.columns - {old.name} | {new.name}

    def renamed(value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(_word(part, old.name, new.name) for part in value)
        if isinstance(value, Expression):
            return replace(value, sql=renamed_column(value.sql, old.name, new.name))
        return value

    return _with_values(replace(known, columns=columns), renamed)


def _word(text: str, old: str, new: str) -> str:
    """Return a column as an index or a constraint lists it, maybe with `DESC`."""
    return re.sub(rf"^{re.escape(old)}(?= DESC| NULLS|$)", lambda _: new, text)


def _with_values(known: Declared, change: Callable[[Value], Value]) -> Declared:
    facets = {
        name: replace(facet, value=change(facet.value)) for name, facet in known.facets.items()
    }
    return replace(known, facets=facets)


def table_of(known: Declared) -> str:
    """Return the name of the table that an index is on, "" for anything else."""
    facet = known.facets.get("table")
    return str(facet.value).rsplit(".", 1)[-1] if facet else ""
