"""Let the server analyse or plan statements without running them: many in one round trip."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from psycopg import generators, pq
from psycopg.abc import PipelineCommand, PQGen
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
    commands: deque[PipelineCommand] = deque()
    for statement in statements:
        commands.append(partial(pgconn.send_query_params, statement.encode(), None))
        commands.append(pgconn.pipeline_sync)
    return [_explained(one) for one in (yield from _together(pgconn, commands, len(statements)))]


def _together(
    pgconn: PGconn, commands: deque[PipelineCommand], syncs: int
) -> PQGen[list[list[PGresult]]]:
    """Send all commands and return the results before each sync."""
    pgconn.enter_pipeline_mode()
    try:
        answers: list[list[PGresult]] = []
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
