"""Which rows would break a constraint, or a conversion, to come; read only and bounded."""

import re
from dataclasses import replace
from datetime import timedelta

from pgwatch.migration.preflight.row_queries import (
    COUNTED,
    EXAMPLES,
    Source,
    Violation,
    answer_query,
    base_query,
    facts_query,
    violation,
)
from pgwatch.migration.preflight.row_question import RowAnswer, RowQuestion, RowRule
from pgwatch.targets.session import RefusedError, Session

__all__ = ["RowAnswer", "RowQuestion", "RowRule", "violating_rows"]

LIMIT = timedelta(seconds=10)  # statement_timeout of one look at the rows
# Up to here a table is read to its end: about a second from memory, a few from a disk.
EXACT_BYTES = 256 * 1024 * 1024
SAMPLE_BYTES = 32 * 1024 * 1024  # what is read of a larger one: 4,096 pages anywhere in it
_SHOWN = 60  # characters of a value in an example
_TIMED_OUT = "57014"


async def violating_rows(
    session: Session, question: RowQuestion, *, limit: timedelta = LIMIT
) -> RowAnswer:
    """Return the rows that break the rule now; it locks ACCESS SHARE, as any SELECT does.

    A table of up to EXACT_BYTES is read until COUNTED rows were found, a larger one (or one that took
    longer than `limit`) in a sample of SAMPLE_BYTES. Raises as `Session.run` does: RefusedError of
    class 22 or P0 means that an expression of the rule cannot be evaluated on some row, so that the
    migration's statement would end with that, too.
    """
    if question.rule is RowRule.CAST and (base := await _base_of(session, question.type, limit)):
        # A cast to a domain cuts off what an assignment to its type, which comes first, refuses.
        under = replace(question, type=base)
        if (answer := await violating_rows(session, under, limit=limit)).count:
            return answer
    source, version = await _facts(session, question.schema, question.table, limit)
    if question.rule in (RowRule.UNIQUE, RowRule.FOREIGN_KEY, RowRule.EXCLUSION):
        source = replace(source, only=not source.partitioned)
    if question.references:
        schema, table, columns = question.references
        referenced, _ = await _facts(session, schema, table, limit)
        source = replace(source, referenced_only=not referenced.partitioned)
        question = replace(question, references=(schema, table, columns or referenced.key))
    if source.bytes > EXACT_BYTES:
        return await _look(session, question, _sample(source), version, limit)
    try:
        return await _look(session, question, source, version, limit)
    except RefusedError as error:
        if error.sqlstate != _TIMED_OUT or not source.bytes:
            raise
    return await _look(session, question, _sample(source), version, limit)


async def _base_of(session: Session, name: str, limit: timedelta) -> str:
    """Return the type under a domain, with its length; "" where `name` is no domain."""
    answer = await session.run(base_query(name), limit=limit)
    return str(answer.rows[0][0]) if answer.rows else ""


def _sample(source: Source) -> Source:
    """Return a part of the table: SAMPLE_BYTES, or a tenth of one that could not be read in time."""
    return replace(source, sample=100 * min(0.1, SAMPLE_BYTES / source.bytes))


async def _facts(session: Session, schema: str, table: str, limit: timedelta) -> tuple[Source, int]:
    answer = await session.run(facts_query(schema, table), limit=limit)
    if not answer.rows:
        raise RefusedError(f'relation "{schema}.{table}" does not exist', "42P01", answer.elapsed)
    [(version, relkind, size, key)] = answer.rows
    source = Source(
        schema=schema,
        table=table,
        key=tuple(key),
        partitioned=relkind == "p",
        bytes=int(size),
    )
    return source, version


async def _look(
    session: Session, question: RowQuestion, source: Source, version: int, limit: timedelta
) -> RowAnswer:
    sampled = source.sample is not None
    broken = violation(question, source, version)
    if not broken.attempt:
        found = await _found(session, source, broken, limit)
        state = question.sqlstate if found.count else ""
        return replace(found, sampled=sampled, sqlstate=state)
    refusal = await _attempt(session, broken.attempt, limit)
    if refusal is None and not broken.silent:
        return RowAnswer(count=0, sampled=sampled)
    found = await _which(session, source, broken, refusal, limit)
    state = refusal.sqlstate if refusal else broken.sqlstate
    return replace(found, sampled=sampled, sqlstate=state if found.count else "")


async def _which(
    session: Session,
    source: Source,
    broken: Violation,
    refusal: RefusedError | None,
    limit: timedelta,
) -> RowAnswer:
    """Return the rows that cannot be converted; the server's word about one where they cannot be found."""
    if broken.condition:
        try:
            found = await _found(session, source, broken, limit)
        except RefusedError:
            if refusal is None:
                raise
        else:
            if found.count or refusal is None:
                return found
    assert refusal is not None
    example = _shortened(str(refusal), 2 * _SHOWN)
    return RowAnswer(count=1, at_least=True, examples=(example,))


async def _attempt(session: Session, sql: str, limit: timedelta) -> RefusedError | None:
    """Let the server convert every row; returns what it raised about one (classes 22 and 23)."""
    try:
        await session.run(sql, limit=limit)
    except RefusedError as error:
        if error.sqlstate[:2] not in ("22", "23"):
            raise
        return error
    return None


async def _found(
    session: Session, source: Source, broken: Violation, limit: timedelta
) -> RowAnswer:
    answer = await session.run(answer_query(source, broken), limit=limit)
    [(listed, count, rows)] = answer.rows
    examples = tuple(_example(source, broken, row) for row in rows[:EXAMPLES])
    return RowAnswer(count=int(count), at_least=listed >= COUNTED, examples=examples)


def _example(source: Source, broken: Violation, row: list[str | None]) -> str:
    if broken.groups:
        values, number = row[:-1], row[-1]
        return f"{_pairs(broken.labels, values)} ({number} rows)"
    keys = len(source.key) or 1
    names = source.key or ("ctid",)
    where = ", ".join(
        f"{name} {_shown(value)}" for name, value in zip(names, row[:keys], strict=True)
    )
    shown = _pairs(broken.labels, row[keys:])
    return f"{where}: {shown}" if shown else where


def _pairs(labels: tuple[str, ...], values: list[str | None]) -> str:
    return ", ".join(
        f"{label} = {_shown(value)}" for label, value in zip(labels, values, strict=True)
    )


def _shown(value: str | None) -> str:
    if value is None:
        return "NULL"
    if re.fullmatch(r"[-+.\w]+|\(\d+,\d+\)", value) and len(value) <= _SHOWN:
        return value
    return f"'{_shortened(value, _SHOWN)}'"


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
