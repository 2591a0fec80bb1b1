"""The SQL that finds rows which break a rule. Pure.

What the server itself runs for a new foreign key is in RI_Initial_Check
(src/backend/utils/adt/ri_triggers.c); a CHECK is broken by FALSE alone, NULL passes
(https://www.postgresql.org/docs/current/ddl-constraints.html).
"""

from dataclasses import dataclass
from typing import assert_never

from pgwatch.migration.preflight.casts import conversion
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule

COUNTED = 1000  # rows, or groups of equal rows, after which the counting stops
EXAMPLES = 3
_READ = 200  # characters of a value that are fetched for an example


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The table that is read, and how much of it."""

    schema: str
    table: str
    key: tuple[str, ...]  # columns of its primary key; empty: it has none
    partitioned: bool
    bytes: int  # of the main forks, with all children
    only: bool = False  # without the tables that inherit from it
    sample: float | None = None  # percent of its pages
    referenced_only: bool = False  # FOREIGN_KEY: rows of the other table's children do not count

    @property
    def clause(self) -> str:
        """The table in a FROM clause, under its own name as expressions of constraints know it."""
        only = "ONLY " if self.only else ""
        # The same seed each time, so that the same rows are told again.
        sample = f" TABLESAMPLE SYSTEM ({self.sample:.6f}) REPEATABLE (1)" if self.sample else ""
        return f"{only}{identifier(self.schema)}.{identifier(self.table)}{sample}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """How rows that break a rule are found."""

    condition: str = ""  # true of such a row
    groups: tuple[str, ...] = ()  # expressions in which such rows are equal
    within: str = ""  # which rows take part in that
    attempt: str = ""  # a statement that the server refuses if a row breaks the rule
    shown: tuple[str, ...] = ()  # expressions for an example
    labels: tuple[str, ...] = ()  # their names
    sqlstate: str = ""  # where it differs from the question's
    silent: bool = False  # only `condition` tells, also where the server takes the attempt


def facts_query(schema: str, table: str) -> str:
    """Return what a Source needs: version, kind, bytes, primary key; no row where there is no table."""
    return f"""
WITH RECURSIVE relation AS (
  SELECT c.oid, c.relkind
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = {literal(schema)} AND c.relname = {literal(table)}
), tree (oid) AS (
  SELECT oid FROM relation
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree AS t ON i.inhparent = t.oid
)
SELECT
  pg_catalog.current_setting('server_version_num')::int AS version_num,
  r.relkind::text,
  (SELECT coalesce(sum(pg_catalog.pg_relation_size(t.oid)), 0) FROM tree AS t)::int8 AS bytes,
  ARRAY(
    SELECT a.attname::text
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = r.oid AND i.indisprimary
    ORDER BY k.place
  ) AS key
FROM relation AS r
"""  # noqa: S608 - names, quoted


def base_query(name: str) -> str:
    """Return the statement that gives the type under a domain; no row where `name` is another type."""
    return (
        "SELECT pg_catalog.format_type(t.typbasetype, t.typtypmod) FROM pg_catalog.pg_type AS t"  # noqa: S608
        f" WHERE t.oid = pg_catalog.to_regtype({literal(name)})::oid AND t.typtype = 'd'"
    )


def violation(question: RowQuestion, source: Source, version: int) -> Violation:
    """Return how the rows are found that break the question's rule on a server of `version` (150003)."""
    columns = tuple(map(identifier, question.columns))
    match question.rule:
        case RowRule.CHECK:
            return Violation(
                condition=f"({question.expression}) IS FALSE",
                shown=columns,
                labels=question.columns,
            )
        case RowRule.NOT_NULL:
            condition = " OR ".join(f"{column} IS NULL" for column in columns)
            return Violation(condition=condition, shown=columns, labels=question.columns)
        case RowRule.FOREIGN_KEY:
            return _foreign_key(question, source, columns)
        case RowRule.UNIQUE:
            return _unique(question, columns)
        case RowRule.EXCLUSION:
            return _exclusion(question, source, columns)
        case RowRule.CAST:
            return _cast(question, source, columns[0], version)
        case _:
            assert_never(question.rule)


def answer_query(source: Source, broken: Violation) -> str:
    """Return the statement that gives how many were listed, how many rows they are, and examples."""
    if broken.groups:
        return _grouped(source, broken)
    key = tuple(map(identifier, source.key)) or ("ctid",)
    texts = ", ".join(_text(expression) for expression in (*key, *broken.shown))
    return f"""
WITH broken AS MATERIALIZED (
  SELECT ARRAY[{texts}] AS example
  FROM {source.clause}
  WHERE {broken.condition}
  LIMIT {COUNTED}
)
SELECT
  (SELECT count(*) FROM broken),
  (SELECT count(*) FROM broken),
  coalesce((SELECT json_agg(e.example) FROM (SELECT example FROM broken LIMIT {EXAMPLES}) AS e), '[]')
"""  # noqa: S608 - the migration's own expressions, as the server would evaluate them


def _grouped(source: Source, broken: Violation) -> str:
    named = [f"({one}) AS k{number}" for number, one in enumerate(broken.groups)]
    names = [f"k{number}" for number in range(len(broken.groups))]
    texts = ", ".join(map(_text, names))
    where = f"WHERE {broken.within}" if broken.within else ""
    return f"""
WITH keys AS (
  SELECT {", ".join(named)} FROM {source.clause} {where}
), broken AS MATERIALIZED (
  SELECT ARRAY[{texts}, count(*)::text] AS example, count(*) AS n
  FROM keys
  GROUP BY {", ".join(names)}
  HAVING count(*) > 1
  LIMIT {COUNTED}
)
SELECT
  (SELECT count(*) FROM broken),
  (SELECT coalesce(sum(n), 0)::int8 FROM broken),
  coalesce((SELECT json_agg(e.example) FROM (SELECT example FROM broken LIMIT {EXAMPLES}) AS e), '[]')
"""  # noqa: S608 - see answer_query


def _foreign_key(question: RowQuestion, source: Source, columns: tuple[str, ...]) -> Violation:
    assert question.references is not None
    schema, table, names = question.references
    own = [f"{identifier(source.table)}.{column}" for column in columns]
    pairs = zip(names, own, strict=True)
    same = " AND ".join(f"pgwatch_referenced.{identifier(name)} = {mine}" for name, mine in pairs)
    given = (" OR " if question.match_full else " AND ").join(f"{one} IS NOT NULL" for one in own)
    only = "ONLY " if source.referenced_only else ""
    return Violation(
        condition=f"({given}) AND NOT EXISTS (SELECT FROM {only}{identifier(schema)}.{identifier(table)}"
        f" AS pgwatch_referenced WHERE {same})",
        shown=columns,
        labels=question.columns,
    )


def _unique(question: RowQuestion, columns: tuple[str, ...]) -> Violation:
    keys = question.keys or columns
    within = [f"({question.expression})"] if question.expression else []
    if not question.nulls_not_distinct:
        within += [f"({key}) IS NOT NULL" for key in keys]
    return Violation(
        groups=keys, within=" AND ".join(within), labels=question.keys or question.columns
    )


def _exclusion(question: RowQuestion, source: Source, columns: tuple[str, ...]) -> Violation:
    keys = question.keys or columns
    where = f" WHERE ({question.expression})" if question.expression else ""
    named = ", ".join(f"({key}) AS pgwatch_k{number}" for number, key in enumerate(keys))
    conflict = " AND ".join(
        f"({key}) {operator} pgwatch_other.pgwatch_k{number}"
        for number, (key, operator) in enumerate(zip(keys, question.operators, strict=True))
    )
    others = f"SELECT tableoid AS pgwatch_t, ctid AS pgwatch_c, {named} FROM {source.clause}{where}"  # noqa: S608
    condition = (
        f"EXISTS (SELECT FROM ({others}) AS pgwatch_other"  # noqa: S608 - see answer_query
        f" WHERE (pgwatch_t, pgwatch_c) IS DISTINCT FROM (tableoid, ctid) AND {conflict})"
    )
    if question.expression:
        condition = f"({question.expression}) AND {condition}"
    return Violation(condition=condition, shown=keys, labels=question.keys or question.columns)


def _cast(question: RowQuestion, source: Source, column: str, version: int) -> Violation:
    found = conversion(column, question.expression, question.type, version)
    attempt = f"SELECT count({found.value}) FROM {source.clause}"  # noqa: S608 - see answer_query
    return Violation(
        condition=found.fails,
        attempt=attempt,
        shown=(column,),
        labels=question.columns,
        sqlstate=found.sqlstate,
        silent=found.silent,
    )


def _text(expression: str) -> str:
    return f"left(({expression})::text, {_READ})"


def identifier(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
