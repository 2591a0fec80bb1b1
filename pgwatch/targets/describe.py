"""Let the server analyse statements without planning or running them: many in one round trip."""

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


def describe_all(pgconn: PGconn, statements: Sequence[str]) -> PQGen[list[Described]]:
    """Parse and describe each statement in a transaction of its own; a generator for `wait`."""
    pgconn.enter_pipeline_mode()
    try:
        commands: deque[PipelineCommand] = deque()
        for statement in statements:
            commands.append(partial(pgconn.send_prepare, b"", statement.encode()))
            commands.append(partial(pgconn.send_describe_prepared, b""))
            commands.append(pgconn.pipeline_sync)
        answers: list[Described] = []
        current: list[PGresult] = []
        # Each command's results come as one list, and each sync as one of its own.
        pending = deque(commands)
        while len(answers) < len(statements):
            for results in (yield from generators.pipeline_communicate(pgconn, pending)):
                if results[0].status == pq.ExecStatus.PIPELINE_SYNC:
                    answers.append(_described(current))
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
