"""Predict, then really apply, statement by statement as psql does, and tell the difference."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgwatch.migration.preflight.predict import Preflight, preflight
from pgwatch.migration.preflight.prediction import Trouble
from pgwatch.migration.sqlfile import read_statements
from tests.watching import over_session

Failure = tuple[str, int, str]  # file, line, SQLSTATE
_PSQL = re.compile(r"^psql:(?P<file>.*?):(?P<line>\d+): ERROR:  (?P<state>\w{5}): ", re.MULTILINE)

_COPY = re.compile(r"copy\b.*\bfrom\s+stdin", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What was predicted and did not happen, and what happened and was not predicted."""

    missed: list[str]
    false: list[str]
    unverifiable: list[str]
    failed: int


def predicted(dsn: str, files: Sequence[Path]) -> Preflight:
    return over_session(dsn, lambda session: preflight(session, files))


def applied(dsn: str, files: Sequence[Path]) -> dict[Failure, str]:
    """Run every statement of the files in autocommit, a session a file; returns what failed."""
    failed: dict[Failure, str] = {}
    for file in files:
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("SET client_min_messages = error")
            for statement in read_statements(file):
                try:
                    if _COPY.match(statement.text):
                        with connection.cursor().copy(statement.text.encode()):
                            pass
                        continue
                    connection.execute(statement.text.encode())
                except psycopg.Error as error:
                    key = (str(statement.file), statement.line, error.sqlstate or "")
                    failed[key] = f"{statement.text[:150]!r}: {error.diag.message_primary}"
                    if statement.stops:
                        break
    return failed


def psql(dsn: str, files: Sequence[Path]) -> list[Failure]:
    """Run the files with the real psql; its lines are those on which statements end."""
    found: list[Failure] = []
    for file in files:
        command = ["psql", "-X", "-q", "-v", "VERBOSITY=verbose", "-d", dsn, "-f", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found += [(m["file"], int(m["line"]), m["state"]) for m in _PSQL.finditer(done.stderr)]
    return found


def compared(dsn: str, files: Sequence[Path]) -> Difference:
    """Predict, apply, and compare; the database is changed afterwards."""
    prediction = predicted(dsn, files)
    said = {
        (str(p.file), p.line, p.sqlstate): p.reason
        for p in prediction.predictions
        if p.trouble is not Trouble.UNVERIFIABLE
    }
    happened = applied(dsn, files)
    return Difference(
        missed=[f"{key}: {happened[key]}" for key in happened.keys() - said.keys()],
        false=[f"{key}: {said[key]}" for key in said.keys() - happened.keys()],
        unverifiable=[
            f"{p.file.name}:{p.line} {p.reason}"
            for p in prediction.predictions
            if p.trouble is Trouble.UNVERIFIABLE
        ],
        failed=len(happened),
    )
