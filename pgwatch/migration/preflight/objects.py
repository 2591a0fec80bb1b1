"""What a scene holds: relations with their columns, constraints, triggers, policies, types, functions. Pure.

Objects have numbers (the server's oids, numbers of our own for what only the migrations make), so that a
rename changes nothing for what depends on them. Every object is frozen: a scene's copy shares them.
"""

from dataclasses import dataclass, replace

Ref = tuple[
    str, int, int
]  # ("relation", oid, column's number or 0), ("function", oid, 0), ("type", oid, 0)
Name = tuple[str, str]  # schema, name


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
    on_delete: str = ""  # of a foreign key: confdeltype
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRows:
    """The rows that earlier statements add to a table."""

    rows: tuple[tuple[tuple[int, str], ...], ...] = ()
    # of each row: column's number and its constant as SQL, "": not known, "?": not known and not NULL
    many: bool = False  # a row may stand for several
    maybe: str = ""  # why some of them may not be there
    unknown: str = ""  # why there may be other rows, or these may be different
