"""A rule about the rows that are there, and how many break it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class RowRule(StrEnum):
    """What the rows are asked to obey."""

    CHECK = "check"
    NOT_NULL = "not_null"
    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    EXCLUSION = "exclusion"
    CAST = "cast"  # to the type that a column is to have


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuestion:
    """One rule about the rows of one table, in the names that the database has now."""

    rule: RowRule
    schema: str
    table: str
    columns: tuple[str, ...] = ()
    # of the constraint, in order; CHECK: those to show in an example; CAST: the one
    expression: str = ""
    # SQL: the CHECK's condition, the CAST's USING, the predicate of a partial unique index or exclusion
    references: tuple[str, str, tuple[str, ...]] | None = None
    # FOREIGN_KEY: schema, table and columns; no columns: its primary key
    type: str = ""  # CAST: the type to come, with its length
    nulls_not_distinct: bool = False  # UNIQUE
    sqlstate: str = ""  # what the server raises where a row breaks the rule
    match_full: bool = False  # FOREIGN_KEY
    keys: tuple[str, ...] = ()  # UNIQUE and EXCLUSION: each key as SQL, where one is not a column
    operators: tuple[str, ...] = ()  # EXCLUSION: one for each key, such as `&&`


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """How many rows break the rule: 0 is a yes only if it is not `sampled`."""

    count: int  # UNIQUE and EXCLUSION: rows that another one is in the way of
    at_least: bool = False  # the counting stopped
    sampled: bool = False  # only a sample of the table was read; the count is of the sample
    examples: tuple[str, ...] = ()
    # up to 3, such as `id 7: budget = -3`; a value is cut after 60 characters
    sqlstate: str = ""  # what the server would raise; "" if no row breaks the rule
