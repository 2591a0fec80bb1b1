"""The database as it would be after the statements so far. Pure.

Objects have numbers (the server's oids, numbers of our own for what only the migrations make), so that a
rename changes nothing for what depends on them. Every object is frozen: a scene's copy shares them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pgwatch.migration.preflight.ledger import Belongs, Ledger, Ledgers

Ref = tuple[
    str, int, int
]  # ("relation", oid, column's number or 0), ("function", oid, 0), ("type", oid, 0)
Name = tuple[str, str]  # schema, name

FIRST_OWN_OID = 1 << 33  # above every oid of a server
_FIRST_SHOWN = 0xF0000000  # where our own numbers begin as oids


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a relation."""

    name: str
    type: str  # as type_text spells it: `int4`, `varchar(20)`, `roof.kind[]`; "?": not known yet
    number: int
    not_null: bool = False
    default: str = ""
    identity: str = ""  # a, d
    generated: str = ""  # its expression
    inherited: bool = False
    uses: frozenset[Ref] = frozenset()  # what its default or expression names
    live: str = ""  # its name in the database; "": an earlier statement adds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What makes a relation an index."""

    table: int
    unique: bool
    columns: tuple[int, ...]  # numbers of the key's columns, 0 for an expression
    shape: str  # method, columns, predicate as text, to tell the same from another
    plain: bool  # neither expression nor predicate
    predicate: str = ""
    expressions: tuple[str, ...] = ()
    uses: frozenset[int] = frozenset()  # numbers of all columns that it names
    primary: bool = False
    valid: bool = True
    constraint: str = ""  # the constraint that it serves
    immediate: bool = True
    parent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, view, materialized view, sequence, index or composite type."""

    oid: int
    kind: str  # relkind: r p v m S i I f c
    schema: str
    name: str
    columns: tuple[Column, ...] = ()
    index: Index | None = None
    persistence: str = "p"
    populated: bool = True
    strategy: str = ""  # r l h: how it is partitioned
    key: tuple[int, ...] = ()  # columns of the partition key, 0 for an expression
    parents: tuple[int, ...] = ()
    bound: str = ""  # as a partition
    uses: frozenset[Ref] = frozenset()  # of a view
    owned_by: tuple[int, int] | None = None  # a sequence's column
    identity: bool = False  # a sequence that belongs to an identity column
    row_security: bool = False
    extension: str = ""
    live: Name | None = None  # its name in the database
    altered: bool = False  # its columns or keys are not those of the database any more
    rows_changed: bool = False  # an earlier statement changes its rows
    keyed: bool = False  # rows are added whose keys are not counted up by a sequence
    filled: bool = False  # it has a row for certain
    emptied: bool = False  # rows are deleted, it is not known which
    gone: str = ""  # SQL over a row of the database: it is deleted
    values: tuple[
        tuple[int, str], ...
    ] = ()  # column's number, SQL over a row: what it is updated to
    doubtful: frozenset[int] = frozenset()  # columns that are updated to what is not known
    unknown: str = ""  # why its columns are not known

    @property
    def words(self) -> str:
        """What PostgreSQL's messages call it."""
        return _WORDS[self.kind]

    def column(self, name: str) -> Column | None:
        """Return the column called `name`."""
        return next((one for one in self.columns if one.name == name), None)

    def numbered(self, number: int) -> Column | None:
        """Return the column of that number."""
        return next((one for one in self.columns if one.number == number), None)

    def with_column(self, column: Column, *, altered: bool = True) -> "Relation":
        """Return the relation with `column` in the place of that of its number."""
        columns = tuple(column if one.number == column.number else one for one in self.columns)
        return replace(self, columns=columns, altered=self.altered or altered)


_WORDS = {
    "r": "table",
    "p": "table",
    "f": "foreign table",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "c": "composite type",
    "t": "TOAST table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint of a table or, with its oid, of a domain."""

    table: int
    name: str
    kind: str  # contype: c f p u x n t
    columns: tuple[int, ...] = ()
    expression: str = ""
    references: int = 0
    referenced: tuple[int, ...] = ()
    index: int = 0  # its own, or the one a foreign key leans on
    validated: bool = True
    enforced: bool = True
    inherited: bool = False
    deferrable: bool = False
    match_full: bool = False  # of a foreign key
    uses: frozenset[Ref] = frozenset()
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger that a user made."""

    table: int
    name: str
    function: int
    columns: frozenset[int] = frozenset()  # those of UPDATE OF and WHEN
    definition: str = ""  # CREATE TRIGGER
    enabled: bool = True
    shape: str = ""
    inherited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy of row security, or (`rule`) a rewrite rule other than a view's."""

    table: int
    name: str
    uses: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type that a user made, tables' row types aside."""

    oid: int
    kind: str  # typtype: e d r b (base), c for one of CREATE TYPE … AS (…)
    schema: str
    name: str
    labels: tuple[str, ...] = ()
    fresh: frozenset[str] = frozenset()  # labels that the open transaction added
    base: str = ""  # of a domain
    not_null: bool = False
    live: bool = False  # the database has it, with these labels
    extension: str = ""
    default: str = ""
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function, procedure or aggregate that a user made."""

    oid: int
    schema: str
    name: str
    kind: str  # prokind: f p a w
    arguments: tuple[str, ...]  # types of what a call gives
    names: tuple[str, ...] = ()  # of these, "" where it has none
    defaults: int = 0
    variadic: bool = False
    returns: str = ""  # type; "" of a procedure
    returns_set: bool = False
    outputs: tuple[tuple[str, str], ...] = ()  # name and type of OUT and TABLE columns
    language: str = ""
    volatility: str = "v"
    live: bool = False  # the database has it with this result
    extension: str = ""
    uses: frozenset[Ref] = frozenset()
    shape: str = ""


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

    def free_name(self, schema: str, wanted: str, taken: Iterable[str] = ()) -> str:
        """Return `wanted`, or it with the first number that is free: ChooseRelationName."""
        name, number = wanted, 0
        while (schema, name) in self.relation_names or name in taken:
            number += 1
            name = f"{_cut(wanted, 63 - len(str(number)))}{number}"
        return name


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


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def shown_oid(oid: int) -> int:
    """Return the number under which a query sees an object."""
    return oid if oid < 1 << 32 else (oid & 0xFFFFFFF) | _FIRST_SHOWN
