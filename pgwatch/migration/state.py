"""The net effect so far: what is created, changed, renamed and dropped, statement after statement. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pgwatch.migration.objects import (
    RELATIONS,
    Declared,
    Expression,
    Facet,
    Key,
    Kind,
    Place,
    Query,
    TypeName,
    Unverifiable,
    Value,
    Values,
)
from pgwatch.migration.parse import identifier, renamed_column

_OF_TABLE = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.TRIGGER, Kind.POLICY})
_TYPES = (Kind.TYPE, Kind.DOMAIN, Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW)
_NAME_BYTES = 63  # NAMEDATALEN - 1


class State:
    """The declared objects, and the session's settings that decide what a name means."""

    def __init__(self) -> None:
        self.objects: dict[Key, Declared] = {}
        self.unverifiable: list[Unverifiable] = []
        self.search_path: tuple[str, ...] = ("public",)
        self.schemas: dict[
            str, None
        ] = {}  # beside public, in which names without a schema were looked up
        self.without_object = 0
        self.optional = False  # the statement says IF EXISTS
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        """The statement that is read."""
        assert self._place is not None
        return self._place

    def at(self, place: Place) -> None:
        """Go on with the statement at `place`."""
        self._place = place
        self.optional = False

    def unknown(self, reason: str) -> None:
        """Note that what this statement does cannot be known."""
        self.unverifiable.append(Unverifiable(place=self.place, reason=reason))

    def set_search_path(self, names: Iterable[str]) -> None:
        """Take over a SET search_path; "$user" and the system's schema decide nothing here."""
        kept = tuple(name for name in names if name not in ("$user", "pg_catalog"))
        self.search_path = kept or ("public",)
        self.schemas.update(dict.fromkeys(name for name in kept if name != "public"))

    def schema_of(self, given: str, name: str, kinds: Iterable[Kind]) -> str:
        """Return the schema in which `name` is found, or would be created."""
        if given:
            return given
        for schema in self.search_path:
            if any(Key(kind, schema, name) in self.objects for kind in kinds):
                return schema
        return self.search_path[0]

    def relation(self, node_schema: str, name: str, kind: Kind = Kind.TABLE) -> Key:
        """Return the key of an existing relation: declared as whatever it was, else as `kind`."""
        schema = self.schema_of(node_schema, name, RELATIONS)
        for known in RELATIONS:
            key = Key(known, schema, name)
            if key in self.objects and not self.objects[key].gone:
                return key
        return Key(kind, schema, name)

    def create(
        self,
        key: Key,
        values: Values,
        *,
        derived: bool = False,
        columns: Iterable[str] = (),
        uses: Iterable[Key] = (),
        replaces: bool = False,
    ) -> None:
        """Declare an object.

        Where an earlier statement declared it already, what this one says otherwise counts, as it is
        what its author wanted; `replaces` is OR REPLACE, where nothing of the earlier one stays but
        its comment and privileges.
        """
        old = self.objects.get(key)
        facets: Mapping[str, Facet] = {}
        if old is not None and not old.gone:
            facets = {n: f for n, f in old.facets.items() if not replaces or _stays(n)}
        fresh = old is None or old.gone or replaces or not old.created
        self.objects[key] = Declared(
            key=key,
            place=self.place if fresh or old is None else old.place,
            optional=self.optional,
            derived=derived,
            facets=self._merged(facets, values),
            columns=frozenset(columns),
            uses=frozenset(uses),
        )

    def change(self, key: Key, values: Values) -> None:
        """Declare facets of an object that is there, made by an earlier statement or long before."""
        old = self.objects.get(key)
        if old is None or old.gone:
            old = Declared(key=key, place=self.place, created=False, optional=self.optional)
        self.objects[key] = replace(old, facets=self._merged(old.facets, values, always=True))

    def exists(self, key: Key) -> bool:
        """Return whether an earlier statement declared the object, and no later one dropped it."""
        return key in self.objects and not self.objects[key].gone

    def facet(self, key: Key, name: str) -> Value | None:
        """Return what is declared of an object so far."""
        known = self.objects.get(key)
        return known.facets[name].value if known and name in known.facets else None

    def drop(self, key: Key, *, cascade: bool = False) -> None:
        """Declare that the object is not there, nor what belongs to it."""
        leaving = [key]
        while leaving:
            one = leaving.pop()
            for other in self._dependents(one, cascade=cascade):
                if self.objects.pop(other, None) is not None:
                    leaving.append(other)
        self.objects.pop(key, None)  # so that the order is that of the last statement
        self.objects[key] = Declared(key=key, place=self.place, gone=True)

    def _dependents(self, key: Key, *, cascade: bool) -> list[Key]:
        return [
            other
            for other, known in self.objects.items()
            if _belongs(known, key) or (cascade and _depends(known, key))
        ]

    def rename(self, key: Key, new: Key) -> None:
        """Move an object, and everything that belongs to it, to another name or schema."""
        renamed: dict[Key, Declared] = {}
        for other, known in self.objects.items():
            if other == key:
                continue
            moved = _moved(other, known, key, new)
            renamed[moved.key] = moved
        old = self.objects.get(key)
        if old is None or old.gone:
            old = Declared(key=key, place=self.place, created=False, optional=self.optional)
        renamed[new] = replace(_moved(key, old, key, new), key=new, place=self.place)
        self.objects = renamed

    def derived_name(self, *parts: str, label: str) -> str:
        """Return what PostgreSQL calls a constraint or index without a name (makeObjectName)."""
        first, second = parts[0].encode(), "_".join(parts[1:]).encode()
        room = _NAME_BYTES - len(label) - 1 - (1 if second else 0)
        while len(first) + len(second) > room:
            if len(first) > len(second):
                first = first[:-1]
            else:
                second = second[:-1]
        words = [word.decode(errors="ignore") for word in (first, second) if word]
        return "_".join([*words, label])

    def _merged(
        self, facets: Mapping[str, Facet], values: Values, *, always: bool = False
    ) -> dict[str, Facet]:
        """Return `facets` with `values`; what is said again keeps its first place unless `always`."""
        return {
            **facets,
            **{
                name: Facet(value, self.place)
                for name, value in values.items()
                if always or name not in facets or facets[name].value != value
            },
        }


def _stays(facet: str) -> bool:
    """Return whether a facet outlives CREATE OR REPLACE."""
    return facet in ("comment", "owner") or facet.startswith("privilege ")


def _belongs(known: Declared, to: Key) -> bool:
    """Return whether an object goes when `to` goes, without any CASCADE."""
    key = known.key
    if key.schema != to.schema:
        return False
    if to.kind is Kind.COLUMN:
        same_table = key.table == to.table or (
            key.kind is Kind.INDEX and _table_of(known) == to.table
        )
        return same_table and to.name in known.columns
    if to.kind in (Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.DOMAIN):
        parent = known.facets.get("partition of")
        if parent is not None and parent.value == str(to):
            return True
        if key.kind is Kind.INDEX:
            return _table_of(known) == to.name
        return key.kind in _OF_TABLE and key.table == to.name
    return False


def _depends(known: Declared, on: Key) -> bool:
    """Return whether DROP … CASCADE of `on` takes an object along."""
    if on in known.uses:
        return True
    texts = {name: str(facet.value) for name, facet in known.facets.items()}
    if on.kind is Kind.COLUMN:
        table = Key(Kind.TABLE, on.schema, on.table)
        return table in known.uses and bool(_mention(on.name).search(texts.get("query", "")))
    if on.kind is Kind.FUNCTION:
        name = on.name.split("(", 1)[0]
        if known.key.kind is Kind.TRIGGER:
            return texts.get("function", "").rsplit(".", 1)[-1] == name
        named = re.compile(rf"(?<![\w\"]){re.escape(name)}\s*\(")
        return known.key.kind in (Kind.CONSTRAINT, Kind.INDEX, Kind.POLICY, Kind.VIEW) and any(
            named.search(text) for text in texts.values()
        )
    if on.kind in (Kind.TYPE, Kind.DOMAIN) and known.key.kind is Kind.COLUMN:
        return texts.get("type", "").removesuffix("[]") == _type_name(on)
    return on.kind is Kind.TABLE and texts.get("references") == str(on)


def _mention(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


def _table_of(known: Declared) -> str:
    facet = known.facets.get("table")
    return str(facet.value).rsplit(".", 1)[-1] if facet else ""


def _moved(key: Key, known: Declared, old: Key, new: Key) -> Declared:
    """Return `known` as it is after `old` has become `new`."""
    if old.kind is Kind.COLUMN:
        return _with_column(key, known, old, new)
    if old.kind is Kind.SCHEMA:
        return _in_schema(known, old.name, new.name)
    if old.kind is Kind.FUNCTION:
        return _with_texts(known, ("function",), _bare(old), _bare(new))
    if old.kind in _TYPES:
        known = _with_type(known, _type_name(old), _type_name(new))
        key = known.key
    of_it = key.schema == old.schema and (
        key.table == old.name if key.kind in _OF_TABLE else _table_of(known) == old.name
    )
    if old.kind in (*RELATIONS, Kind.DOMAIN) and of_it:
        table = new.name if key.kind in _OF_TABLE else key.table
        moved = replace(known, key=replace(key, schema=new.schema, table=table))
        moved = _with_values(moved, lambda value: _in_table(value, new))
        return _with_texts(moved, ("table",), str(old), str(new))
    if old in known.uses:
        uses = known.uses - {old} | {new}
        known = replace(_with_values(known, _uncertain), uses=uses)
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


def _type_name(key: Key) -> str:
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


def _uncertain(value: Value) -> Value:
    """Return a view's query as one that a comparison cannot refute: it was written with other names."""
    return replace(value, star=True) if isinstance(value, Query) else value


def _with_column(key: Key, known: Declared, old: Key, new: Key) -> Declared:
    here = key.schema == old.schema and old.table in (key.table, _table_of(known))
    if not here or old.name not in known.columns:
        uses_it = Key(Kind.TABLE, old.schema, old.table) in known.uses
        return _with_values(known, _uncertain) if uses_it else known
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


def _with_values(known: Declared, change: "Callable[[Value], Value]") -> Declared:
    facets = {
        name: replace(facet, value=change(facet.value)) for name, facet in known.facets.items()
    }
    return replace(known, facets=facets)
