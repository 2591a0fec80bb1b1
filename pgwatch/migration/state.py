"""The net effect so far: what is created, changed, renamed and dropped, statement after statement. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pgwatch.migration.objects import (
    RELATIONS,
    Declared,
    Facet,
    Key,
    Kind,
    Place,
    Unverifiable,
    Value,
    Values,
)
from pgwatch.migration.related import Related
from pgwatch.migration.renames import OF_TABLE, moved, table_of, type_name

_ON_A_TABLE = (Kind.INDEX, Kind.STATISTICS)  # with a name in a schema


class State:
    """The declared objects, and the session's settings that decide what a name means."""

    def __init__(self) -> None:
        self.objects: dict[Key, Declared] = {}
        self._related = Related()
        self.unverifiable: list[Unverifiable] = []
        self.search_path: tuple[str, ...] = ("public",)
        self.schemas: dict[
            str, None
        ] = {}  # beside public, in which names without a schema were looked up
        self.without_object = 0
        self.optional = False  # the statement says IF EXISTS
        self.condition = ""  # of the branch of a block in which it stands
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        """The statement that is read."""
        assert self._place is not None
        return self._place

    def at(self, place: Place, condition: str = "") -> None:
        """Go on with the statement at `place`, which runs only under `condition` if there is one."""
        self._place = place
        self.optional = False
        self.condition = condition

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
        self._put(
            Declared(
                key=key,
                place=self.place if fresh or old is None else old.place,
                optional=self.optional,
                condition=self.condition if fresh or old is None else old.condition,
                derived=derived,
                facets=self._merged(facets, values),
                columns=frozenset(columns),
                uses=frozenset(uses),
            )
        )

    def change(self, key: Key, values: Values) -> None:
        """Declare facets of an object that is there, made by an earlier statement or long before."""
        old = self.objects.get(key)
        if old is None or old.gone:
            old = self._found_there(key)
        self._put(replace(old, facets=self._merged(old.facets, values, always=True)))

    def _put(self, declared: Declared) -> None:
        self.objects[declared.key] = declared
        self._related.note(declared)

    def of_table(self, kind: Kind, table: Key) -> Iterator[tuple[Key, Declared]]:
        """Yield the objects of one kind that a table has."""
        for key in self._related.to(table):
            known = self.objects.get(key)
            same = (key.kind, key.schema, key.table) == (kind, table.schema, table.name)
            if same and known is not None and not known.gone:
                yield key, known

    def _found_there(self, key: Key) -> Declared:
        """Return an object that was there before, of which this statement is the first to speak."""
        return Declared(
            key=key,
            place=self.place,
            created=False,
            optional=self.optional,
            condition=self.condition,
        )

    def functions_named(self, name: str) -> list[Key]:
        """Return the declared functions of a name, of whatever schema and arguments."""
        found = self._related.to(Key(Kind.FUNCTION, "", name))
        return [
            key
            for key in found
            if key.kind is Kind.FUNCTION and key.name.split("(")[0] == name and self.exists(key)
        ]

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
            dependents = self._dependents(one, cascade=cascade)
            leaving += [other for other in dependents if self.objects.pop(other, None) is not None]
        self.objects.pop(key, None)  # so that the order is that of the last statement
        self.objects[key] = Declared(key=key, place=self.place, gone=True)

    def _dependents(self, key: Key, *, cascade: bool) -> list[Key]:
        return [
            other
            for other in self._related.to(key)
            if (known := self.objects.get(other)) is not None
            and (_belongs(known, key) or (cascade and _depends(known, key)))
        ]

    def rename(self, key: Key, new: Key) -> None:
        """Move an object, and everything that belongs to it, to another name or schema.

        Of one that no statement speaks of, to a name that a statement made: that fails, and changes nothing.
        """
        if not self.exists(key) and self.exists(new) and self.objects[new].created:
            return
        others = tuple(self.objects) if key.kind is Kind.SCHEMA else self._related.to(key)
        leaving = {k: self.objects[k] for k in others if k in self.objects and k != key}
        old = self.objects.pop(key, None)
        if old is None or old.gone:
            old = self._found_there(key)
        for other in leaving:
            del self.objects[other]
        for other, known in leaving.items():
            self._put(moved(other, known, key, new))
        self._put(replace(moved(key, old, key, new), key=new, place=self.place))

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
            key.kind in _ON_A_TABLE and table_of(known) == to.table
        )
        return same_table and to.name in known.columns
    if to.kind in (Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.DOMAIN):
        texts = {
            n: str(known.facets[n].value) for n in ("partition of", "owned by") if n in known.facets
        }
        if texts:
            owner = texts.get("owned by", "").startswith(f"{to.name}.")
            return owner or texts.get("partition of") == str(to)
        if key.kind in _ON_A_TABLE:
            return table_of(known) == to.name
        return key.kind in OF_TABLE and key.table == to.name
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
    if on.kind in (Kind.TYPE, Kind.DOMAIN):
        _, _, arguments = known.key.name.partition("(")
        types = [texts.get("type", ""), texts.get("returns", ""), *arguments[:-1].split(", ")]
        of_one = known.key.kind in (Kind.COLUMN, Kind.FUNCTION)
        return of_one and type_name(on) in {one.removesuffix("[]") for one in types}
    return on.kind is Kind.TABLE and texts.get("references") == str(on)


def _mention(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
