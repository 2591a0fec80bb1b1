"""Declared and live objects: what identifies them, and the facets they are compared by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What an object is."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    TYPE = "type"  # enum, composite or range
    DOMAIN = "domain"
    SEQUENCE = "sequence"
    TABLE = "table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    STATISTICS = "statistics"  # an extended statistics object
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FUNCTION = "function"
    TRIGGER = "trigger"
    POLICY = "policy"
    ROLE = "role"


RELATIONS = (Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE, Kind.INDEX)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The identity of an object."""

    kind: Kind
    schema: str  # empty for what is in no schema
    name: str  # of a function with its argument types: `f(int4, text)`
    table: str = (
        ""  # whose column, constraint, trigger or policy it is; of a constraint also a domain
    )

    def __str__(self) -> str:
        """Return the name as people write it: `users.email`, other schemas than public in front."""
        schema = "" if self.schema in ("", "public") else f"{self.schema}."
        return f"{schema}{self.table}.{self.name}" if self.table else f"{schema}{self.name}"


@dataclass(frozen=True, slots=True)
class Expression:
    """SQL that is compared as the server understands it, over the columns of `table` if it has any."""

    sql: str
    schema: str = ""
    table: str = ""
    rows: tuple[str, ...] = ()  # under which names a row of the table is known; empty: the table's
    cast: str = ""  # the type of what it is for

    def __str__(self) -> str:
        """Return the SQL."""
        return self.sql


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type with its modifiers, compared as the server understands it."""

    sql: str

    def __str__(self) -> str:
        """Return the type as it was written."""
        return self.sql


@dataclass(frozen=True, slots=True)
class Query:
    """A view's query, compared by the plan that the server makes of it."""

    sql: str
    star: bool = False  # has a `*`, which stands for the columns there were when the view was made

    def __str__(self) -> str:
        """Return the SQL."""
        return self.sql


Value = str | tuple[str, ...] | Expression | TypeName | Query
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A statement of a migration."""

    migration: str
    file: Path
    line: int  # of the first token, from 1
    sql: str
    refused: str = (
        ""  # why PostgreSQL's grammar refuses it as it was written; `sql` is what it meant
    )


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing that is declared of an object, and by which statement."""

    value: Value
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the migrations together say about one object."""

    key: Key
    place: Place  # where it was created, or first spoken of
    created: bool = True  # False: an object that was there before, changed by the migrations
    gone: bool = False  # dropped, and not created again
    optional: bool = False  # said with IF EXISTS: where its table is not there, nothing is declared
    condition: str = ""  # of a block's branch: where it did not hold, nothing is declared
    derived: bool = False  # the name is what PostgreSQL makes up where none is given
    facets: Mapping[str, Facet] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()  # of its table, that it goes with
    uses: frozenset[Key] = frozenset()  # tables and views that it is dropped with by CASCADE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverifiable:
    """A statement whose effect cannot be known from its text."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """The net effect of all migrations."""

    objects: tuple[Declared, ...]
    unverifiable: tuple[Unverifiable, ...]
    files: tuple[Path, ...]  # in the order in which they were applied
    statements: int
    without_object: int  # statements that change rows or the session: nothing to look for
    schemas: tuple[str, ...]  # beside public, in which names without a schema were looked up


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveObject:
    """What the database has."""

    key: Key
    values: Values
