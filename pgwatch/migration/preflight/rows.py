"""Which rows would break a constraint, or a conversion, to come: one look after the other; bounded."""

import re
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

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
from pgwatch.targets.session import RefusedError

__all__ = ["RowAnswer", "RowQuestion", "RowRule", "Run", "violating_rows"]

# Up to here a table is read to its end: about a second from memory, a few from a disk.
EXACT_BYTES = 256 * 1024 * 1024
SAMPLE_BYTES = 32 * 1024 * 1024  # what is read of a larger one: 4,096 pages anywhere in it
_SHOWN = 60  # characters of a value in an example
_TIMED_OUT = "57014"

_Rows = list[tuple[Any, ...]]
Run = Callable[[Sequence[str]], Awaitable[Sequence[_Rows | RefusedError]]]
# Gives the statements that it needs answered; a refusal is raised where the rows would come.
_Look = Generator[str, _Rows, RowAnswer]


async def violating_rows(
    run: Run, questions: Sequence[RowQuestion]
) -> list[RowAnswer | RefusedError]:
    """Return for each question the rows that break its rule now; it locks ACCESS SHARE, as any SELECT does.

    `run` answers statements as `Session.run_all` does; it is given the first statement of every question,
    then the second of those that need one, each text once. A table of up to EXACT_BYTES is read until
    COUNTED rows were found, a larger one (or one for which a statement ran into its timeout) in a sample of
    SAMPLE_BYTES. A refusal of class 22 or P0 means that an expression of the rule cannot be evaluated on
    some row, so that the migration's statement would end with that, too.
    """
    looks = [_violating(one) for one in questions]
    answers: dict[int, RowAnswer | RefusedError] = {}
    wanted = {number: next(look) for number, look in enumerate(looks)}
    while wanted:
        statements = list(dict.fromkeys(wanted.values()))
        found = dict(zip(statements, await run(statements), strict=True))
        before, wanted = wanted, {}
        for number, statement in before.items():
            step = _step(looks[number], found[statement])
            if isinstance(step, str):
                wanted[number] = step
            else:
                answers[number] = step
    return [answers[number] for number in range(len(looks))]


def _step(look: _Look, rows: _Rows | RefusedError) -> str | RowAnswer | RefusedError:
    """Return the next statement of a look, or how it ends."""
    try:
        return look.throw(rows) if isinstance(rows, RefusedError) else look.send(rows)
    except StopIteration as end:
        answer: RowAnswer = end.value
        return answer
    except RefusedError as error:
        return error


def _violating(question: RowQuestion) -> _Look:
    if question.rule is RowRule.CAST:
        base = yield base_query(question.type)
        if base:
            # A cast to a domain cuts off what an assignment to its type, which comes first, refuses.
            answer = yield from _violating(replace(question, type=str(base[0][0])))
            if answer.count:
                return answer
    source, version = yield from _facts(question.schema, question.table)
    if question.rule in (RowRule.UNIQUE, RowRule.FOREIGN_KEY, RowRule.EXCLUSION):
        source = replace(source, only=not source.partitioned)
    if question.references:
        schema, table, columns = question.references
        referenced, _ = yield from _facts(schema, table)
        source = replace(source, referenced_only=not referenced.partitioned)
        question = replace(question, references=(schema, table, columns or referenced.key))
    if source.bytes > EXACT_BYTES:
        return (yield from _read(question, _sample(source), version))
    try:
        return (yield from _read(question, source, version))
    except RefusedError as error:
        if error.sqlstate != _TIMED_OUT or not source.bytes:
            raise
    return (yield from _read(question, _sample(source), version))


def _sample(source: Source) -> Source:
    """Return a part of the table: SAMPLE_BYTES, or a tenth of one that could not be read in time."""
    return replace(source, sample=100 * min(0.1, SAMPLE_BYTES / source.bytes))


def _facts(schema: str, table: str) -> Generator[str, _Rows, tuple[Source, int]]:
    rows = yield facts_query(schema, table)
    if not rows:
        raise RefusedError(f'relation "{schema}.{table}" does not exist', "42P01", timedelta())
    [(version, relkind, size, key)] = rows
    source = Source(
        schema=schema,
        table=table,
        key=tuple(key),
        partitioned=relkind == "p",
        bytes=int(size),
    )
    return source, version


def _read(question: RowQuestion, source: Source, version: int) -> _Look:
    sampled = source.sample is not None
    broken = violation(question, source, version)
    if not broken.attempt:
        found = yield from _found(source, broken)
        state = question.sqlstate if found.count else ""
        return replace(found, sampled=sampled, sqlstate=state)
    refusal = yield from _attempt(broken.attempt)
    if refusal is None and not broken.silent:
        return RowAnswer(count=0, sampled=sampled)
    found = yield from _which(source, broken, refusal)
    state = refusal.sqlstate if refusal else broken.sqlstate
    return replace(found, sampled=sampled, sqlstate=state if found.count else "")


def _which(source: Source, broken: Violation, refusal: RefusedError | None) -> _Look:
    """Return the rows that cannot be converted; the server's word about one where they cannot be found."""
    if broken.condition:
        try:
            found = yield from _found(source, broken)
        except RefusedError:
            if refusal is None:
                raise
        else:
            if found.count or refusal is None:
                return found
    assert refusal is not None
    example = _shortened(str(refusal), 2 * _SHOWN)
    return RowAnswer(count=1, at_least=True, examples=(example,))


def _attempt(sql: str) -> Generator[str, _Rows, RefusedError | None]:
    """Let the server convert every row; returns what it raised about one (classes 22 and 23)."""
    try:
        yield sql
    except RefusedError as error:
        if error.sqlstate[:2] not in ("22", "23"):
            raise
        return error
    return None


def _found(source: Source, broken: Violation) -> _Look:
    [(listed, count, rows)] = yield answer_query(source, broken)
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
