"""Ask the server whether two texts mean the same: it plans both, without running either."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from pgwatch.migration.compare import Answer, Question
from pgwatch.migration.objects import Query, TypeName
from pgwatch.targets.describe import Explained
from pgwatch.targets.session import RefusedError, Session

_EXPLAIN = "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) "
_BATCH = 50  # questions in one statement
_LIMIT = timedelta(seconds=10)
# The alias of our rows; each use of it in a statement gets a number of its own.
_ROWS = re.compile(r'(?:"\*VALUES\*(?:_\d+)?"|\bpgwatch_row(?:_\d+)?\b)')
_SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
_NUMBERED = re.compile(r"_\d+(?=\.|$)")  # of an alias that was made unlike another one
_CAST = re.compile(
    r'::(?:"[^"]+"|[\w.]+)(?: (?:varying|precision|with(?:out)? time zone))?(?:\([\d,]+\))?(?:\[\])*'
)
# A field of EXTRACT, which the server keeps as it was written, and pg_get_viewdef as it likes.
_FIELD = re.compile(r"\bEXTRACT\(\w+ FROM")
# A column of the n-th part of a UNION, which pg_get_viewdef calls as the view's own.
_OF_PART = re.compile(r"""(\\"\*SELECT\* \d+\\")\.(?:\\"(?:[^"\\]|\\.)+?\\"|\w+)""")
_DENIED, _LOCKED, _CANCELLED = "42501", "55P03", "57014"


async def ask(session: Session, questions: Iterable[Question]) -> dict[Question, Answer]:
    """Return the server's answer to each question.

    Raises SessionBrokenError or SilentServerError when there is no server to ask any more.
    """
    answers: dict[Question, Answer] = {}
    types: list[Question] = []
    queries: list[Question] = []
    others: list[Question] = []
    for question in questions:
        if isinstance(question.declared, TypeName):
            types.append(question)
        elif isinstance(question.declared, Query) or _has_query(question):
            queries.append(question)
        else:
            others.append(question)
    for kind, batch in (*_batches(types, _types), *_batches(others, statement_of)):
        answers.update(await _ask_batch(session, batch, kind))
    for _, batch in _batches(queries, None):
        answers.update(await _ask_queries(session, batch))
    return answers


def _batches(questions: Sequence[Question], kind: Any) -> list[tuple[Any, Sequence[Question]]]:
    return [(kind, questions[i : i + _BATCH]) for i in range(0, len(questions), _BATCH)]


async def _ask_batch(
    session: Session, questions: Sequence[Question], statement: Any
) -> dict[Question, Answer]:
    """Ask all at once; where the server refuses, halve until it is clear which one it does not like."""
    try:
        plan = await _plan(session, statement(questions))
    except RefusedError as error:
        if len(questions) > 1:
            half = len(questions) // 2
            return {
                **await _ask_batch(session, questions[:half], statement),
                **await _ask_batch(session, questions[half:], statement),
            }
        return {questions[0]: _refused(str(error), error.sqlstate)}
    outputs = plan["Output"] if statement is _types else [p["Output"][0] for p in plan["Plans"]]
    texts = [_ROWS.sub("row", text) for text in outputs]
    return {
        question: Answer(same=declared == live)
        for question, declared, live in zip(questions, texts[::2], texts[1::2], strict=True)
    }


def _refused(message: str, sqlstate: str, *, of_query: bool = False) -> Answer:
    if sqlstate in (_DENIED, _LOCKED, _CANCELLED) or not sqlstate.startswith("42"):
        return Answer(same=None, reason=message)
    reason = f"the server refuses what is declared: {message}"
    return Answer(same=None if of_query else False, reason=reason)


def _has_query(question: Question) -> bool:
    """Return whether an expression reads tables, so that its plan has parts of its own."""
    return any(_SELECT.search(str(sql)) for sql in (question.declared, question.live))


async def _ask_queries(session: Session, questions: Sequence[Question]) -> dict[Question, Answer]:
    """Ask about queries, and what reads tables: each has a plan of its own, and all travel together.

    Where plans differ they are asked for once more: statistics may have changed between the two.
    """
    answers = await _compared(session, questions)
    if differing := [one for one, answer in answers.items() if answer.same is False]:
        answers |= await _compared(session, differing)
    return answers


async def _compared(session: Session, questions: Sequence[Question]) -> dict[Question, Answer]:
    texts = [_EXPLAIN + text for one in questions for text in _queries(one)]
    explained = await session.explain(texts, limit=_LIMIT)
    pairs = zip(questions, explained[::2], explained[1::2], strict=True)
    return {question: _same_plan(question, declared, live) for question, declared, live in pairs}


def _queries(question: Question) -> tuple[str, str]:
    declared, live = str(question.declared), str(question.live)
    if isinstance(question.declared, Query):
        return declared, live
    return _expression(declared, question), _expression(live, question)


def _same_plan(question: Question, declared: Explained, live: Explained) -> Answer:
    for one in (declared, live):
        if one.message:
            # What stands there under that name is not what was declared, and may well be its cure.
            return _refused(one.message, one.sqlstate, of_query=True)
    if declared.document == live.document:
        return Answer(same=True)
    wanted, found = (_parsed(one.document) for one in (declared, live))
    if isinstance(question.declared, Query) and question.declared.star:
        return Answer(same=_read(wanted) == _read(found))
    return Answer(same=wanted == found or _told(wanted) == _told(found))


def _parsed(document: str) -> dict[str, Any]:
    """Return a plan in which what is only spelling is spelled in one way."""
    text = _FIELD.sub(lambda match: match.group().lower(), document)
    plan: dict[str, Any] = json.loads(_OF_PART.sub(r"\1", text))[0]["Plan"]
    return plan


def _read(plan: dict[str, Any]) -> list[str]:
    """Return what a plan reads and by which conditions, in whatever order and of whatever columns.

    As much can be compared of a query with `*`, which now stands for other columns than when the view
    was made.
    """
    names = ("Relation Name", "Function Name", "Filter", "Index Cond", "One-Time Filter")
    here = [f"{name} {_unnumbered(str(plan[name]))}" for name in names if name in plan]
    return sorted([*here, *(text for inner in plan.get("Plans", ()) for text in _read(inner))])


def _told(plan: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a plan without the casts of what its inner nodes hand on.

    What pg_get_viewdef writes may have one cast more there than the query the view was made of, where an
    aggregate is ordered by its own argument; what the outermost node gives, filters and keys stay.
    """
    told = {name: _unnumbered(value) for name, value in plan.items()}
    if depth:
        outputs = {_CAST.sub("", text) for text in told.get("Output", ())}
        told["Output"] = sorted({re.sub(r"[()]", "", text) for text in outputs})
    if "Plans" in plan:
        told["Plans"] = [_told(inner, depth + 1) for inner in plan["Plans"]]
    return told


def _unnumbered(value: Any) -> Any:
    """Return texts without the numbers of aliases that stand twice: pg_get_viewdef gives others."""
    if isinstance(value, list):
        return [_unnumbered(one) for one in value]
    return _NUMBERED.sub("", value) if isinstance(value, str) else value


async def _plan(session: Session, sql: str) -> dict[str, Any]:
    answer = await session.run(_EXPLAIN + sql, limit=_LIMIT)
    [[document]] = answer.rows
    plans = json.loads(document) if isinstance(document, str) else document
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def _types(questions: Sequence[Question]) -> str:
    return "SELECT " + ", ".join(
        f"NULL::{one}" for question in questions for one in (question.declared, question.live)
    )


def statement_of(questions: Sequence[Question]) -> str:
    """Return a query with two branches for each question: as declared, and as it is."""
    return "\nUNION ALL\n".join(
        _expression(str(sql), question)
        for question in questions
        for sql in (question.declared, question.live)
    )


def _expression(sql: str, question: Question) -> str:
    """Return a query of one column whose plan shows how the server understood `sql`.

    The table itself is not touched, so neither a privilege nor a lock on it matters: its columns are
    stood in for by NULLs of their types, in two rows, since one would be folded away.
    """
    cast = f"::{question.cast}" if question.cast else ""
    select = f"SELECT ROW(({sql}){cast})::text"
    columns = [(alias, name, type_) for alias, row in question.rows for name, type_ in row]
    if not columns:
        return select
    nulls = ", ".join(f"NULL::{type_}" for *_, type_ in columns)
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    others = ", ".join("NULL" for _ in columns)
    rows = ", ".join(
        f"LATERAL (SELECT {_stand_ins(columns, alias)}) AS {_quoted(alias)}"
        for alias, _ in question.rows
    )
    return f"{select} FROM (VALUES ({nulls}), ({others})) AS pgwatch_row ({names}), {rows}"


def _stand_ins(columns: Sequence[tuple[str, str, str]], alias: str) -> str:
    return ", ".join(
        f"pgwatch_row.c{number} AS {_quoted(name)}"
        for number, (of, name, _) in enumerate(columns)
        if of == alias
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
