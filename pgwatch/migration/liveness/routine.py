"""What liveness looks at: routines, the triggers that call them, views that do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pgwatch.migration.objects import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type as SQL that needs no search_path, "" for a pseudo-type that only a call decides."""

    sql: str
    composite: bool = False
    record: bool = False  # its fields are those of whatever is put into it
    oid: int = 0  # of a domain that of its base type, as the server describes results


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument or result column; `mode` as in pg_proc.proargmodes."""

    name: str
    mode: str
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function or procedure."""

    oid: int
    key: Key
    language: str
    source: str
    arguments: tuple[Argument, ...]
    returns: str  # trigger, event_trigger, void, or any other type's name
    columns: tuple[tuple[int, int], ...] = ()  # of a set that it returns: (type's oid, typmod)
    returns_set: bool = False
    composite: bool = False  # it returns rows of a table's or a composite type
    bound: bool = False  # BEGIN ATOMIC: the server keeps what it names from being dropped
    path: str | None = None  # its own search_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that triggers are on."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger that fires."""

    key: Key
    table: Table
    function: int  # its oid
    events: tuple[str, ...]  # INSERT, UPDATE, DELETE, TRUNCATE
    timing: str  # BEFORE, AFTER, INSTEAD OF
    level: str  # ROW, STATEMENT
    arguments: tuple[str, ...] = ()
    transition_tables: tuple[str, ...] = ()
    conditional: bool = False  # it has a WHEN, or an UPDATE OF


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view or materialized view, and what is run or read whenever it is read (or refreshed)."""

    key: Key
    functions: tuple[int, ...]  # oids
    unfilled: tuple[Key, ...]  # materialized views without data


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the catalogue says of everything that the migrations declare or touch."""

    routines: Mapping[int, Routine]
    triggers: tuple[Trigger, ...]
    views: tuple[View, ...]
    uses: Mapping[int, tuple[str, ...]]  # of a function: constraints, defaults … that call it
    relations: frozenset[str]  # names of all that has rows, in whatever schema
    functions: frozenset[str]  # names of all functions and procedures outside pg_catalog
    schemas: tuple[str, ...]  # of the databases' and roles' own search_path
    hidden: frozenset[str]  # schemas that we may not look into
