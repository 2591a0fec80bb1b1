"""Let the server analyse, plan or run statements: many in one round trip."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import BaseConnection, generators, pq
from psycopg.abc import PipelineCommand, PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column that a statement would return."""

    name: str
    type_oid: int
    modifier: int  # atttypmod; -1: none


@dataclass(frozen=True, slots=True)
class Described:
    """What the server says of one statement: its columns, or why it refuses it."""

    columns: tuple[ResultColumn, ...] = ()
    sqlstate: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """The first value that one statement brought, or why the server refuses it."""

    document: str = ""
    sqlstate: str = ""
    message: str = ""


def describe_all(pgconn: PGconn, statements: Sequence[str]) -> PQGen[list[Described]]:
    """Parse and describe each statement in a transaction of its own; a generator for `wait`."""
    commands: deque[PipelineCommand] = deque()
    for statement in statements:
        commands.append(partial(pgconn.send_prepare, b"", statement.encode()))
        commands.append(partial(pgconn.send_describe_prepared, b""))
        commands.append(pgconn.pipeline_sync)
    return [_described(one) for one in (yield from _together(pgconn, commands, len(statements)))]


def explain_all(pgconn: PGconn, statements: Sequence[str]) -> PQGen[list[Explained]]:
    """Run each statement, an EXPLAIN, in a transaction of its own; a generator for `wait`."""
    answers: list[list[PGresult]] = []
    yield from run_all(pgconn, statements, answers)
    return [_explained(one) for one in answers]


def run_all(
    pgconn: PGconn, statements: Sequence[str], answers: list[list[PGresult]]
) -> PQGen[None]:
    """Run each statement in a transaction of its own; a generator for `wait`.

    `answers` gets the results of one statement after the other, while they arrive.
    """
    commands: deque[PipelineCommand] = deque()
    for statement in statements:
        commands.append(partial(pgconn.send_query_params, statement.encode(), None))
        commands.append(pgconn.pipeline_sync)
    yield from _together(pgconn, commands, len(statements), answers)


def rows_of(connection: BaseConnection[Any], results: Sequence[PGresult]) -> list[tuple[Any, ...]]:
    """Return the rows of one statement; raises psycopg.Error where the server refused it."""
    transformer = Transformer(connection)
    rows: list[tuple[Any, ...]] = []
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding="utf-8")
        transformer.set_pgresult(result)
        rows += transformer.load_rows(0, result.ntuples, tuple)
    return rows


def _together(
    pgconn: PGconn,
    commands: deque[PipelineCommand],
    syncs: int,
    answers: list[list[PGresult]] | None = None,
) -> PQGen[list[list[PGresult]]]:
    """Send all commands and return the results before each sync, also in `answers` as they come."""
    pgconn.enter_pipeline_mode()
    try:
        answers = [] if answers is None else answers
        current: list[PGresult] = []
        # Each command's results come as one list, and each sync as one of its own.
        while len(answers) < syncs:
            for results in (yield from generators.pipeline_communicate(pgconn, commands)):
                if results[0].status == pq.ExecStatus.PIPELINE_SYNC:
                    answers.append(current)
                    current = []
                else:
                    current += results
        return answers
    finally:
        if (
            pgconn.status == pq.ConnStatus.OK
            and pgconn.transaction_status == pq.TransactionStatus.IDLE
        ):
            pgconn.exit_pipeline_mode()


def _explained(results: Sequence[PGresult]) -> Explained:
    document = b""
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
            words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
            return Explained(sqlstate=state.decode(), message=words.decode(errors="replace"))
        if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples:
            document = result.get_value(0, 0) or b""
    return Explained(document=document.decode())


def _described(results: Sequence[PGresult]) -> Described:
    columns: tuple[ResultColumn, ...] = ()
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
            words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
            return Described(sqlstate=state.decode(), message=words.decode(errors="replace"))
        columns = tuple(
            ResultColumn(
                (result.fname(index) or b"").decode(errors="replace"),
                result.ftype(index),
                result.fmod(index),
            )
            for index in range(result.nfields)
        )
    return Described(columns=columns)
