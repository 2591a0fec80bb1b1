"""Which ends of a query make a line in the log."""

import logging
from datetime import timedelta

import pytest

from pgwatch.collect.outcome import Answered, Failed, Outcome, QueryRun, TimedOut, Unreachable
from pgwatch.collect.report import Report
from pgwatch.samples.sample import Source
from tests.watching import target

SECOND = timedelta(seconds=1)
GOOD = Answered(columns=(), rows=(), elapsed=SECOND)
LOST = Unreachable(reason="the server is gone")
LATE = TimedOut(limit=SECOND, reason="no answer within 1s")
NONE, AGAIN = "query has no answer", "query answers again"


@pytest.mark.parametrize(
    ("outcomes", "logged"),
    [
        ([GOOD, GOOD], []),
        ([GOOD, LATE, LATE, GOOD], [NONE, AGAIN]),
        ([GOOD, LATE, Failed(reason="x"), GOOD], [NONE, NONE, AGAIN]),
        ([GOOD, LOST, GOOD], []),  # the line of the whole database says it
        ([LOST, GOOD], []),
    ],
)
def test_a_line_for_each_change_that_is_the_querys_own(
    outcomes: list[Outcome], logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pgwatch")
    heard: list[QueryRun] = []
    report = Report(target("postgresql://u@127.0.0.1:1/app"), heard.append)
    for outcome in outcomes:
        run = QueryRun(
            source=Source("t1", "core/a", "app"),
            outcome=outcome,
            collected=None,
            time_ms=0,
            elapsed_seconds=0.0,
        )
        report.tell(run, "app")
    assert [record.getMessage() for record in caplog.records] == logged
    assert [run.outcome for run in heard] == outcomes
