"""Ask the server to analyse what bodies contain, in few round trips; it plans nothing and runs nothing."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pgwatch.migration.liveness.body import created_in, parse_body, pieces_of
from pgwatch.migration.liveness.checks import (
    Check,
    Failure,
    checks_of,
    failure_of,
    is_caught,
    is_column,
    is_hidden,
    is_put_together,
    is_untold,
)
from pgwatch.migration.liveness.doubts import may_be_there
from pgwatch.migration.liveness.routine import Routine, Scene, Trigger
from pgwatch.migration.liveness.scene import path_names
from pgwatch.migration.liveness.variables import quoted, substitute
from pgwatch.migration.parse import UnparsableError
from pgwatch.targets.describe import Described
from pgwatch.targets.session import Session

_BATCH = 500  # statements that travel together
_LIMIT = timedelta(seconds=20)  # for each batch
_LOOKED_UP = frozenset({"42P01", "42883", "42704", "3F000"})  # what a hidden schema looks like
_UNKNOWN_COLUMN = re.compile(r'column "([^"]+)" does not exist')
Answers = Mapping[tuple[str, str], Described]  # by (search_path, statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One routine, called by one trigger for one event; without a trigger by whoever calls it."""

    routine: Routine
    trigger: Trigger | None = None
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One reason why a call fails, at a line of the body."""

    case: Case
    line: int  # from 1; 0: the body as a whole
    failure: Failure
    conditions: tuple[str, ...]
    sql: str
    hidden: bool = False  # a handler for OTHERS swallows it, so that no caller learns of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """What could not be judged, and why."""

    routine: Routine
    reason: str
    cure: str = ""


@dataclass(slots=True)
class Analysis:
    """What was found."""

    defects: list[Defect] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)
    callees: dict[str, Routine] = field(
        default_factory=dict
    )  # names that bodies call, and a caller
    dynamic: set[int] = field(
        default_factory=set
    )  # oids of routines that EXECUTE what they put together


@dataclass(frozen=True, slots=True)
class _Asked:
    case: Case
    path: str
    check: Check


async def analyse(session: Session, scene: Scene, oids: Collection[int]) -> Analysis:
    """Return what is wrong with the routines `oids`; raises what `Session.run` and `describe` raise."""
    analysis = Analysis()
    asked = list(_asked(scene, oids, analysis))
    first = await _answers(session, ((one.path, sql) for one in asked for sql in _first(one.check)))
    meant = await _as_columns(session, asked)
    final = [
        (one, meant.get(number) or _with_columns(one.check, one.path, first))
        for number, one in enumerate(asked)
    ]
    second = await _answers(session, ((one.path, sql) for one, sql in final if sql))
    answers = {**first, **second}
    missing = await _absent(session, scene, [(one, sql) for one, sql in final if sql], answers)
    created = created_in(routine.source for routine in scene.routines.values())
    for one, sql in final:
        _judge(one, sql, answers, analysis, scene=scene, missing=missing, created=created)
    return analysis


def _cases(scene: Scene, oids: Collection[int]) -> Iterable[Case]:
    called: dict[int, list[Trigger]] = {}
    for trigger in scene.triggers:
        called.setdefault(trigger.function, []).append(trigger)
    for oid in sorted(oids):
        routine = scene.routines[oid]
        triggers = called.get(oid, [])
        for trigger in triggers:
            for event in trigger.events:
                yield Case(routine=routine, trigger=trigger, event=event)
        if not triggers:
            yield Case(routine=routine)


def _asked(scene: Scene, oids: Collection[int], analysis: Analysis) -> Iterable[_Asked]:
    bodies = {}
    unreadable = set()
    for case in _cases(scene, oids):
        routine = case.routine
        if routine.bound or routine.language not in ("plpgsql", "sql") or routine.oid in unreadable:
            continue
        try:
            if routine.language == "plpgsql" and routine.oid not in bodies:
                bodies[routine.oid] = parse_body(routine, scene.relations)
            pieces = pieces_of(routine, bodies.get(routine.oid), case.trigger, case.event)
            checks = [check for piece in pieces for check in checks_of(piece)]
        except (UnparsableError, RecursionError, KeyError, ValueError, IndexError) as error:
            unreadable.add(routine.oid)
            reason = f"its body could not be read: {error}"
            analysis.untold.append(Untold(routine=routine, reason=reason))
            continue
        path = _path(scene, routine)
        if any(map(is_put_together, pieces)):
            analysis.dynamic.add(routine.oid)
        for check in checks:
            for name in check.callees:
                analysis.callees.setdefault(name, routine)
            yield _Asked(case, path, check)


def _path(scene: Scene, routine: Routine) -> str:
    if routine.path is not None:
        return routine.path
    names = dict.fromkeys(["public", *scene.schemas, routine.key.schema])
    return ", ".join(map(quoted, names))


def _first(check: Check) -> Iterable[str]:
    if check.failure is not None:
        return
    ambiguous = check.substituted.ambiguous if check.substituted else ()
    yield from (sql for _, _, sql in ambiguous)
    if not ambiguous or _conflict(check) != "use_column":
        yield check.sql


def _conflict(check: Check) -> str:
    return check.piece.scope.conflict


async def _as_columns(session: Session, asked: Sequence[_Asked]) -> dict[int, str]:
    """Return statements in which columns go before variables, by their number in `asked`.

    Every name is left alone at first, then all but those that the server does not find, and so on.
    """
    meant = {}
    left = {
        number: set(_numbers(one))
        for number, one in enumerate(asked)
        if _conflict(one.check) == "use_column"
    }
    while left := {number: columns for number, columns in left.items() if columns}:
        texts = {n: _left_alone(asked[n].check, frozenset(columns)) for n, columns in left.items()}
        answers = await _answers(session, ((asked[n].path, sql) for n, sql in texts.items()))
        for number, sql in texts.items():
            said = answers[asked[number].path, sql].message
            unknown = _UNKNOWN_COLUMN.match(said)
            names = _numbers(asked[number])
            gone = {n for n in left[number] if unknown and names[n] == unknown[1]}
            if not said:
                meant[number] = sql
            left[number] = left[number] - gone if gone else set()
    return meant


def _numbers(one: _Asked) -> dict[int, str]:
    ambiguous = one.check.substituted.ambiguous if one.check.substituted else ()
    return {number: name for number, name, _ in ambiguous}


def _left_alone(check: Check, columns: frozenset[int]) -> str:
    text = f"SELECT {check.piece.sql}" if check.piece.kind == "expression" else check.piece.sql
    return substitute(text, check.piece.scope, columns=columns).sql


def _with_columns(check: Check, path: str, answers: Answers) -> str:
    """Return the statement to judge: where columns go before variables, with those left alone."""
    if check.failure is not None or check.substituted is None:
        return check.sql
    ambiguous = check.substituted.ambiguous
    if not ambiguous or _conflict(check) != "use_column":
        return check.sql
    columns = frozenset(number for number, _, sql in ambiguous if is_column(answers[path, sql]))
    if not columns:
        return check.sql
    return _left_alone(check, columns)


async def _answers(
    session: Session, questions: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Described]:
    by_path: dict[str, dict[str, None]] = {}
    for path, sql in questions:
        by_path.setdefault(path, {})[sql] = None
    answers = {}
    for path, statements in by_path.items():
        literal = path.replace("'", "''")
        await session.run(
            f"SELECT pg_catalog.set_config('search_path', '{literal}', false)", limit=_LIMIT
        )
        texts = list(statements)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            described = await session.describe(batch, limit=_LIMIT)
            answers.update({(path, sql): one for sql, one in zip(batch, described, strict=True)})
    return answers


async def _absent(
    session: Session, scene: Scene, asked: Sequence[tuple[_Asked, str]], answers: Answers
) -> set[tuple[str, str]]:
    """Return (search_path, relation) of those that a refused statement does not find on its path."""
    questions = {
        (one.path, f"SELECT FROM {quoted(name)}"): (one.path, name)
        for one, sql in asked
        if answers[one.path, sql].sqlstate == "42P01"
        for name in one.check.relations
        if name in scene.relations
    }
    found = await _answers(session, questions)
    return {named for question, named in questions.items() if found[question].sqlstate == "42P01"}


def _judge(
    one: _Asked,
    sql: str,
    answers: Answers,
    analysis: Analysis,
    *,
    scene: Scene,
    missing: Collection[tuple[str, str]],
    created: Collection[str],
) -> None:
    check, routine = one.check, one.case.routine
    failure = check.failure or _ambiguous(one, answers)
    if failure is None:
        answer = answers[one.path, sql]
        failure = failure_of(check, answer)
        reason = _untold(one, answer, failure, scene=scene, missing=missing, created=created)
        if reason is not None:
            if reason[0]:
                analysis.untold.append(Untold(routine=routine, reason=reason[0], cure=reason[1]))
            return
        failure = failure or _result(one, answer)
    if failure is None:
        return
    hidden = is_hidden(failure, check.piece)
    if is_caught(failure, check.piece) and not hidden:
        return
    if check.piece.kind == "call" and check.callees & scene.functions:
        return  # in a SELECT a procedure is refused, and its OUT arguments do not tell it apart
    analysis.defects.append(
        Defect(
            case=one.case,
            line=check.piece.line,
            failure=failure,
            conditions=() if check.piece.kind == "type" else check.piece.conditions,
            sql=check.piece.sql,
            hidden=hidden,
        )
    )


def _ambiguous(one: _Asked, answers: Answers) -> Failure | None:
    """Return the failure of a name that is a variable as well as a column."""
    substituted = one.check.substituted
    if substituted is None or _conflict(one.check) != "error" or one.check.only:
        return None
    for _, name, sql in substituted.ambiguous:
        answer = answers[one.path, sql]
        if is_column(answer) and not (one.check.loose and answer.sqlstate):
            return Failure("42702", f'column reference "{name}" is ambiguous')
    return None


def _untold(
    one: _Asked,
    answer: Described,
    failure: Failure | None,
    *,
    scene: Scene,
    missing: Collection[tuple[str, str]],
    created: Collection[str],
) -> tuple[str, str] | None:
    """Return why a refusal tells nothing, and the cure; a reason of "" is no news for anybody."""
    if is_untold(answer):
        return f"line {one.check.piece.line}: {answer.message}", ""
    if failure is None:
        return None
    if may_be_there(
        failure,
        one.case.routine,
        relations=one.check.relations,
        conditions=one.check.piece.conditions,
        created=created,
        attached=one.case.trigger is not None,
    ):
        return "", ""
    schemas = one.check.substituted.schemas if one.check.substituted else frozenset()
    hidden = scene.hidden & {*path_names(one.path), *schemas}
    if failure.sqlstate in _LOOKED_UP and hidden:
        names = ", ".join(sorted(hidden))
        cure = "\n".join(
            f"GRANT USAGE ON SCHEMA {quoted(name)} TO CURRENT_USER;" for name in sorted(hidden)
        )
        return f"our role may not look into schema {names}", cure
    elsewhere = [name for name in one.check.relations if (one.path, name) in missing]
    if failure.sqlstate == "42P01" and elsewhere and one.case.routine.path is None:
        return f"{elsewhere[0]} is in a schema that is on no search_path that the database sets", ""
    return None


def _result(one: _Asked, answer: Described) -> Failure | None:
    """Return the failure of RETURN QUERY whose columns are not those that were promised."""
    routine, piece = one.case.routine, one.check.piece
    if piece.kind != "query" or one.check.loose or not routine.columns or not routine.returns_set:
        return None
    if len(answer.columns) != len(routine.columns):
        return Failure(
            "42804",
            "structure of query does not match function result type: it returns"
            f" {len(answer.columns)} columns where {len(routine.columns)} are promised",
        )
    for number, (column, (oid, modifier)) in enumerate(
        zip(answer.columns, routine.columns, strict=True), 1
    ):
        if column.type_oid != oid or (modifier >= 0 and column.modifier != modifier):
            return Failure(
                "42804",
                "structure of query does not match function result type: column"
                f" {number} ({column.name}) is not of the promised type",
            )
    return None
