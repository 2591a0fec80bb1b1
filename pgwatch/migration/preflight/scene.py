"""The database as it would be after the statements so far. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from pgwatch.migration.preflight.ledger import Belongs, Ledger, Ledgers
from pgwatch.migration.preflight.objects import (
    AddedRows,
    Constraint,
    Function,
    Name,
    Policy,
    Relation,
    Trigger,
    Type,
)

FIRST_OWN_OID = 1 << 33  # above every oid of a server
_FIRST_SHOWN = 0xF0000000  # where our own numbers begin as oids


@dataclass(slots=True, kw_only=True)
class Scene(Ledgers):
    """All objects, by number and by name."""

    relations: dict[int, Relation] = field(default_factory=dict)
    relation_names: dict[Name, int] = field(default_factory=dict)
    types: dict[int, Type] = field(default_factory=dict)
    type_names: dict[Name, int] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    function_names: dict[Name, tuple[int, ...]] = field(default_factory=dict)
    constraints: dict[tuple[int, str], Constraint] = field(default_factory=dict)
    triggers: dict[tuple[int, str], Trigger] = field(default_factory=dict)
    policies: dict[tuple[int, str], Policy] = field(default_factory=dict)
    rules: dict[tuple[int, str], Policy] = field(default_factory=dict)
    schemas: dict[str, bool] = field(default_factory=dict)  # True: the database has it
    extensions: dict[str, str] = field(default_factory=dict)  # name → schema
    made_extensions: frozenset[str] = frozenset()  # those that the migrations bring
    statistics: frozenset[Name] = frozenset()
    roles: frozenset[str] = frozenset()
    publications: frozenset[str] = frozenset()
    settings: dict[str, str] = field(default_factory=dict)  # of the session, by SET
    inserted: dict[int, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    # keys that earlier statements add, by unique index
    added: dict[int, AddedRows] = field(default_factory=dict)  # by table
    transaction_types: frozenset[int] = frozenset()  # made by the open transaction
    prepared: frozenset[str] = frozenset()  # statements and cursors with a name
    path: tuple[str, ...] = ("public",)
    next_oid: int = FIRST_OWN_OID
    blurred: str = ""  # why anything may be different from what stands here

    def __post_init__(self) -> None:
        """Make every dict a ledger of this scene."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, dict):
                setattr(self, one.name, Ledger(value, _GROUPS.get(one.name)))

    def number(self) -> int:
        """Return a new number."""
        self.next_oid += 1
        return self.next_oid

    # Relations

    def put(self, relation: Relation) -> Relation:
        """Add `relation`, or take it in the place of the one with its number."""
        old = self.relations.get(relation.oid)
        if old is not None:
            self.relation_names.pop((old.schema, old.name), None)
        self.relations[relation.oid] = relation
        self.relation_names[relation.schema, relation.name] = relation.oid
        return relation

    def find(self, schema: str, name: str) -> Relation | None:
        """Return the relation that a name means, without a schema by the search path."""
        for one in (schema,) if schema else self.path:
            oid = self.relation_names.get((one, name))
            if oid is not None:
                return self.relations[oid]
        return None

    def children(self, oid: int) -> Iterator[Relation]:
        """Yield the tables and indexes that inherit directly from `oid`."""
        yield from self._group("relations", ("parent", oid))

    def descendants(self, oid: int) -> Iterator[Relation]:
        """Yield all tables below `oid`."""
        for one in self.children(oid):
            yield one
            yield from self.descendants(one.oid)

    def indexes(self, table: int) -> list[Relation]:
        """Return the indexes of a table."""
        return self._group("relations", ("table", table))

    def constraints_of(self, table: int) -> list[Constraint]:
        """Return the constraints of a table or domain."""
        return self._group("constraints", table)

    def constraints_named(self, name: str) -> list[Constraint]:
        """Return the constraints of a name, of all tables."""
        return self._group("constraints", ("name", name))

    def triggers_of(self, table: int) -> list[Trigger]:
        """Return the triggers of a table."""
        return self._group("triggers", table)

    def _group(self, name: str, group: Any) -> list[Any]:
        ledger: Ledger = getattr(self, name)
        return ledger.group(group)

    def primary_key(self, table: int) -> tuple[int, ...]:
        """Return the columns of a table's primary key, () without one."""
        return next((c.columns for c in self.constraints_of(table) if c.kind == "p"), ())

    # Types and functions

    def put_type(self, made: Type) -> Type:
        """Add a type, or take it in the place of the one with its number."""
        old = self.types.get(made.oid)
        if old is not None:
            self.type_names.pop((old.schema, old.name), None)
        self.types[made.oid] = made
        self.type_names[made.schema, made.name] = made.oid
        return made

    def find_type(self, schema: str, name: str) -> Type | None:
        """Return the user's type that a name means."""
        for one in (schema,) if schema else self.path:
            oid = self.type_names.get((one, name))
            if oid is not None:
                return self.types[oid]
        return None

    def put_function(self, function: Function) -> Function:
        """Add a function, or take it in the place of the one with its number."""
        self.drop_function(function.oid)
        self.functions[function.oid] = function
        name = (function.schema, function.name)
        self.function_names[name] = (*self.function_names.get(name, ()), function.oid)
        return function

    def drop_function(self, oid: int) -> None:
        """Forget a function."""
        old = self.functions.pop(oid, None)
        if old is not None:
            name = (old.schema, old.name)
            left = tuple(one for one in self.function_names.get(name, ()) if one != oid)
            self.function_names[name] = left
            if not left:
                del self.function_names[name]

    def functions_named(self, schema: str, name: str) -> list[Function]:
        """Return the functions of that name, those of earlier schemas of the path first."""
        return [
            self.functions[oid]
            for one in ((schema,) if schema else self.path)
            for oid in self.function_names.get((one, name), ())
        ]

    def creation_schema(self) -> str:
        """Return where a name without a schema is created; "" if nowhere."""
        places = (one for one in self.path if one in self.schemas and one != "pg_temp")
        return next(places, "")


def _of_relation(one: Relation) -> tuple[Any, ...]:
    parents = [*one.parents, *([one.index.parent] if one.index and one.index.parent else [])]
    groups = [("parent", oid) for oid in dict.fromkeys(parents)]
    return (*groups, ("table", one.index.table)) if one.index else tuple(groups)


def _of_constraint(one: Constraint) -> tuple[Any, ...]:
    return (one.table, ("name", one.name))


def _of_table(one: Any) -> tuple[Any, ...]:
    return (one.table,)


_GROUPS: dict[str, Belongs] = {
    "relations": _of_relation,
    "constraints": _of_constraint,
    "triggers": _of_table,
}


def shown_oid(oid: int) -> int:
    """Return the number under which a query sees an object."""
    return oid if oid < 1 << 32 else (oid & 0xFFFFFFF) | _FIRST_SHOWN
