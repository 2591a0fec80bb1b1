"""Captures the rows behind alerts at the moment they fire; a message never waits long for them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.evidence import Evidence, evidence_of
from pgwatch.alerts.lifecycle import ChangeKind
from pgwatch.collect.outcome import Answered, Outcome, QueryRun
from pgwatch.daemon.evaluating import Outcome as Evaluated
from pgwatch.queries.query import Query, Scope
from pgwatch.rules.evidence import EVIDENCE
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

logger = logging.getLogger(__name__)

_LIMIT: Final = timedelta(seconds=1)  # for all that fires at one time together
_GRACE: Final = timedelta(milliseconds=500)  # for the event loop to say so
_FRESH: Final = timedelta(
    seconds=5
)  # rows of the poll that made the alert fire are the best there are
_MOST: Final = 20  # questions at one time; what fires by the thousand has one cause


class Asked(NamedTuple):
    """One question; alerts that fire together may share it."""

    target: str
    query: str
    database: str


class Databases(Protocol):
    """What runs queries: the workers of the targets."""

    async def ask(self, target: str, query: Query, database: str) -> Outcome | None:
        """Return how `query` ends in a database of a target; None if it is not watched."""


class Witness:
    """Adds evidence to the alerts that have just fired and whose rule names a query."""

    def __init__(
        self,
        queries: Mapping[str, Query],
        databases: Databases,
        latest: Mapping[Source, QueryRun],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`latest` has the newest run of each polled query; `loop` is the one that runs the workers."""
        self._queries = queries
        self._databases = databases
        self._latest = latest
        self._loop = loop

    def add_to(self, outcome: Evaluated, at: datetime) -> None:
        """Put evidence into `outcome`; on the alerting thread, at most about a second."""
        fired = [
            change.alert
            for change in outcome.changes
            if change.kind is ChangeKind.FIRED and change.alert.annotations.get(EVIDENCE)
        ]
        if not fired:
            return
        wanted = {alert.labels: self._question(alert) for alert in fired}
        questions = list(dict.fromkeys(wanted.values()))[:_MOST]
        answers = {one: self._answer(one, run, at) for one, run in self._ask(questions).items()}
        found: dict[tuple[str, Labels], Evidence] = {}
        for alert in fired:
            question = wanted[alert.labels]
            rows = answers.get(question)
            found[alert.rule, alert.labels] = (
                Evidence(query=question.query, at=at, note="too much fires at once to ask")
                if rows is None
                else rows.of(alert.labels)
            )
        for rule, alerts in outcome.alerts.items():
            outcome.alerts[rule] = tuple(
                replace(one, evidence=found.get((rule, one.labels), one.evidence)) for one in alerts
            )

    def _question(self, alert: Alert) -> Asked:
        name = alert.annotations[EVIDENCE].strip()
        query = self._queries.get(name)
        by_database = query is not None and query.scope is Scope.DATABASE
        database = alert.labels.label("datname") if by_database else ""
        return Asked(alert.labels.label("target"), name, database)

    def _ask(self, questions: Sequence[Asked]) -> Mapping[Asked, Outcome | str]:
        """Return an outcome for each question, or why there is none."""
        asking = asyncio.run_coroutine_threadsafe(self._gather(questions), self._loop)
        try:
            return asking.result((_LIMIT + _GRACE).total_seconds())
        except TimeoutError:
            asking.cancel()
            return dict.fromkeys(questions, "pgwatch was too busy to ask")
        except Exception as bug:  # whatever it is, the alert must go out
            logger.exception("evidence meets a bug")
            return dict.fromkeys(questions, f"a bug in pgwatch: {type(bug).__name__}")

    async def _gather(self, questions: Iterable[Asked]) -> Mapping[Asked, Outcome | str]:
        tasks = {one: asyncio.create_task(self._one(one)) for one in questions}
        await asyncio.wait(tasks.values())
        return {one: task.result() for one, task in tasks.items()}

    async def _one(self, question: Asked) -> Outcome | str:
        query = self._queries.get(question.query)
        if query is None:
            return "there is no such query"
        recent = self._recent(question, _FRESH)
        if recent is not None:
            return recent
        try:
            async with asyncio.timeout(_LIMIT.total_seconds()):
                outcome = await self._databases.ask(question.target, query, question.database)
        except TimeoutError:
            outcome = self._recent(question, timedelta.max)
            return outcome or f"no answer within {_LIMIT.total_seconds():g} s"
        return outcome or f"target {question.target!r} is not watched"

    def _recent(self, question: Asked, age: timedelta) -> Answered | None:
        run = self._latest.get(Source(question.target, question.query, question.database))
        if run is None or not isinstance(run.outcome, Answered):
            return None
        began = datetime.fromtimestamp(run.time_ms / 1000, UTC)
        return run.outcome if datetime.now(UTC) - began <= age else None

    def _answer(self, question: Asked, outcome: Outcome | str, at: datetime) -> "_Rows":
        if isinstance(outcome, Answered):
            return _Rows(question.query, at, outcome.columns, outcome.rows)
        reason = outcome if isinstance(outcome, str) else outcome.reason
        return _Rows(question.query, at, (), (), reason)


class _Rows(NamedTuple):
    query: str
    at: datetime
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    reason: str = ""

    def of(self, labels: Labels) -> Evidence:
        if self.reason:
            return Evidence(query=self.query, at=self.at, note=self.reason)
        return evidence_of(labels, self.query, self.at, self.columns, self.rows)
