"""What only the server can tell, asked in batches: a walk goes on with a guess until the answer is there."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from pgwatch.migration.preflight.load import normal
from pgwatch.migration.preflight.row_question import RowAnswer, RowQuestion
from pgwatch.migration.preflight.rows import violating_rows
from pgwatch.targets.describe import Described
from pgwatch.targets.session import RefusedError, Session

_BATCH = 200
_LIMIT = timedelta(seconds=10)  # statement_timeout of one question
UNKNOWN = "?"  # a type that is not known yet
# Of an answer that says nothing about the statement: denied, locked, cancelled, no resources, broken.
_OURS = ("42501", "55P03", "57", "53", "08", "XX")


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns that a query gives, (name, type), or why the server refuses it."""

    columns: tuple[tuple[str, str], ...] = ()
    sqlstate: str = ""
    message: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is our session that was refused, so that nothing is said about the statement."""
        return self.sqlstate.startswith(_OURS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that the server did not answer."""

    sqlstate: str
    message: str

    @property
    def ours(self) -> bool:
        """As of a Shape."""
        return self.sqlstate.startswith(_OURS) or not self.sqlstate


class Oracle:
    """The answers so far, and the questions that came up since."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._values: dict[str, Any] = {}
        self._rows: dict[RowQuestion, RowAnswer | Refusal] = {}
        self._wanted: dict[str | tuple[str] | RowQuestion, None] = {}
        self._types: dict[tuple[int, int], str] = {}
        self.round_trips = 0
        self.outcomes: dict[Hashable, Any] = {}  # of bodies, by all that decides them
        self.pending: dict[Hashable, int] = {}  # of those, after which round trip they still waited

    @property
    def open(self) -> bool:
        """Whether a question waits for its answer."""
        return bool(self._wanted)

    @property
    def waiting(self) -> int:
        """How many questions wait for their answers."""
        return len(self._wanted)

    def shape(self, sql: str) -> Shape | None:
        """Return what the server says of `sql`, None if it was not asked yet."""
        if sql not in self._shapes:
            self._wanted[sql] = None
        return self._shapes.get(sql)

    def value(self, sql: str) -> Any:
        """Return the one value of a query or a Refusal; None if it was not asked yet."""
        if sql not in self._values:
            self._wanted[sql,] = None
        return self._values.get(sql)

    def rows(self, question: RowQuestion) -> RowAnswer | Refusal | None:
        """Return how many rows break a rule; None if it was not asked yet."""
        if question not in self._rows:
            self._wanted[question] = None
        return self._rows.get(question)

    async def ask(self, session: Session) -> bool:
        """Ask what came up; returns whether anything did. Raises as `Session.describe` does."""
        wanted, self._wanted = tuple(self._wanted), {}
        texts = [one for one in wanted if isinstance(one, str)]
        for start in range(0, len(texts), _BATCH):
            await self._describe(session, texts[start : start + _BATCH])
        run = partial(self._run, session)
        queries = [one[0] for one in wanted if isinstance(one, tuple)]
        for query, answer in zip(queries, await run(queries), strict=True):
            self._values[query] = _value(answer)
        questions = [one for one in wanted if isinstance(one, RowQuestion)]
        for question, found in zip(questions, await violating_rows(run, questions), strict=True):
            self._rows[question] = _refusal(found) if isinstance(found, RefusedError) else found
        return bool(wanted)

    async def _run(
        self, session: Session, statements: Sequence[str]
    ) -> list[list[tuple[Any, ...]] | RefusedError]:
        answers: list[list[tuple[Any, ...]] | RefusedError] = []
        for start in range(0, len(statements), _BATCH):
            self.round_trips += 1
            answers += await session.run_all(statements[start : start + _BATCH], limit=_LIMIT)
        return answers

    async def _describe(self, session: Session, texts: list[str]) -> None:
        self.round_trips += 1
        described = await session.describe(texts, limit=_LIMIT)
        await self._name_types(session, described)
        for text, one in zip(texts, described, strict=True):
            columns = tuple(
                (column.name, self._types[column.type_oid, column.modifier])
                for column in one.columns
            )
            self._shapes[text] = Shape(columns, one.sqlstate, one.message)

    async def _name_types(self, session: Session, described: Iterable[Described]) -> None:
        pairs = {(c.type_oid, c.modifier) for one in described for c in one.columns}
        new = sorted(pairs - self._types.keys())
        if not new:
            return
        self.round_trips += 1
        values = ", ".join(f"({oid}, {modifier})" for oid, modifier in new)
        sql = f"SELECT t, m, format_type(t::oid, nullif(m, -1)) FROM (VALUES {values}) AS v (t, m)"  # noqa: S608 - numbers
        answer = await session.run(sql, limit=_LIMIT)
        for oid, modifier, name in answer.rows:
            self._types[oid, modifier] = normal(name)


def _value(answer: list[tuple[Any, ...]] | RefusedError) -> Any:
    if isinstance(answer, RefusedError):
        return _refusal(answer)
    return answer[0][0] if answer else False


def _refusal(error: RefusedError) -> Refusal:
    return Refusal(error.sqlstate, str(error))
