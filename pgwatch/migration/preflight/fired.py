"""What a statement runs besides itself, triggers and functions, and whether that fails. Pure.

The ways through a body are those of `liveness`, and each statement on them is analysed over the scene. What
is reached whatever the values are fails the statement; what fails under a condition is told as not known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pgwatch.migration.extract import trigger_values
from pgwatch.migration.liveness.body import created_in, known_of, parse_body, scope_of
from pgwatch.migration.liveness.checks import Check, Failure, checks_of, failure_of, is_caught
from pgwatch.migration.liveness.doubts import may_be_there
from pgwatch.migration.liveness.flow import Walk
from pgwatch.migration.liveness.routine import Argument, Routine, Table, Type
from pgwatch.migration.liveness.routine import Trigger as Fired
from pgwatch.migration.liveness.tree import CAUGHT, Body
from pgwatch.migration.liveness.variables import Frame, Scope, Shape, Variable, quoted
from pgwatch.migration.objects import Key, Kind
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    expression_text,
    opened,
    parse_statements,
    pb,
    query_text,
    strings,
)
from pgwatch.migration.preflight.evaluate import value
from pgwatch.migration.preflight.liverows import live_text
from pgwatch.migration.preflight.lookup import takes
from pgwatch.migration.preflight.objects import Function, Relation, Trigger
from pgwatch.migration.preflight.oracle import UNKNOWN, Refusal
from pgwatch.migration.preflight.possible import made_in
from pgwatch.migration.preflight.possible import may_be_there as made_before
from pgwatch.migration.preflight.remembered import remembered
from pgwatch.migration.preflight.stage import CannotTellError, Stage, StatementFailsError
from pgwatch.migration.preflight.standin import NotYetKnownError
from pgwatch.targets.describe import Described

_MOST_DEEP = 4
_LONGEST = 120  # characters of conditions
_NOT_LEFT = "it does not return before"
Analyse = Callable[[Stage, str, Node], object]  # of `dml`: fails where the server would refuse
_UNREADABLE = (UnparsableError, RecursionError, KeyError, ValueError, IndexError)


def check_fired(
    stage: Stage,
    table: Relation,
    event: str,
    *,
    timing: str,
    columns: frozenset[int],
    touches: Callable[[], bool],
    analyse: Analyse,
) -> None:
    """Fail where a trigger of `table` fails on each row; `touches` says whether there is one."""
    if stage.scene.settings.get("session_replication_role") == "replica":
        return
    for trigger in _triggers(stage, table, timing):
        values = _values(trigger)
        if event.lower() not in values["events"]:
            continue
        named = set(values["columns"])
        if event == "UPDATE" and named and not named & _names(table, columns):
            continue
        function = stage.scene.functions.get(trigger.function)
        if function is None or function.language != "plpgsql":
            continue
        fired = _fired(trigger, table, values)
        found = _failing(stage, function, analyse, (fired, event, table))
        if found is None or not (fired.level == "STATEMENT" or touches()):
            continue
        if values["condition"] != "none":
            found = replace(found, conditions=(str(values["condition"]), *found.conditions))
        found.tell(stage, f"trigger {trigger.name}")


def check_called(stage: Stage, node: Node, analyse: Analyse, depth: int = 0) -> None:
    """Fail where a SELECT without FROM calls a function that fails whatever it is given."""
    if node.from_clause or node.HasField("where_clause") or node.HasField("larg"):
        return
    for item in node.target_list:
        kind, call = opened(item.res_target.val)
        if kind != "func_call" or depth >= _MOST_DEEP:
            continue
        *schema, name = strings(call.funcname)
        found = stage.scene.functions_named(schema[-1] if schema else "", name)
        found = [one for one in found if takes(one, len(call.args))]
        if len(found) != 1 or name in stage.facts.functions or found[0].language != "plpgsql":
            continue
        failing = _failing(stage, found[0], analyse, None, depth)
        if failing is not None:
            failing.tell(stage, f"{name}()")


def touches_rows(stage: Stage, table: Relation, node: Node) -> bool:
    """Return whether an INSERT, UPDATE or DELETE is about a row; raises CannotTellError."""
    if hasattr(node, "select_stmt"):
        if not node.HasField("select_stmt") or node.select_stmt.select_stmt.values_lists:
            return True
        return _is_there(stage, query_text(node.select_stmt))
    sources = node.from_clause if hasattr(node, "from_clause") else node.using_clause
    if node.HasField("where_clause") and not sources and not node.HasField("with_clause"):
        return _meets(stage, table, node.where_clause)
    if sources or node.HasField("with_clause"):
        select = pb.Node()
        of = select.select_stmt
        of.op, of.limit_option = pb.SETOP_NONE, pb.LIMIT_OPTION_DEFAULT
        of.from_clause.add().range_var.CopyFrom(node.relation)
        for one in sources:
            of.from_clause.add().CopyFrom(one)
        for part in ("where_clause", "with_clause"):
            if node.HasField(part):
                getattr(of, part).CopyFrom(getattr(node, part))
        return _is_there(stage, query_text(select))
    if table.filled or table.live is None:
        return table.filled
    return _has_live(stage, table, "true")


def _meets(stage: Stage, table: Relation, condition: Node) -> bool:
    """Return whether a row meets a WHERE, those of the database as earlier statements update them."""
    if table.live is None:
        return _is_there(
            stage, f"SELECT FROM {quoted(table.name)} WHERE {expression_text(condition)}"
        )
    if table.doubtful:
        raise CannotTellError(f"an earlier statement changes {table.name}")
    found = _has_live(stage, table, live_text(stage, condition, table))
    if not found and table.filled:
        raise CannotTellError(f"an earlier statement adds rows to {table.name}")
    return found


def _has_live(stage: Stage, table: Relation, condition: str) -> bool:
    if table.emptied or table.gone:
        raise CannotTellError(f"an earlier statement deletes rows of {table.name}")
    assert table.live is not None
    name = ".".join(map(quoted, table.live))
    found = stage.oracle.value(
        f"SELECT jsonb_build_array(EXISTS (SELECT FROM {name} WHERE {condition})::text)"  # noqa: S608 - the migration's own
    )
    if found is None:
        raise NotYetKnownError
    if isinstance(found, Refusal):
        raise CannotTellError(found.message)
    return bool(found[0] == "true")


def _is_there(stage: Stage, query: str) -> bool:
    return value(stage, f"EXISTS ({query})", {}) == "true"


def _triggers(stage: Stage, table: Relation, timing: str) -> list[Trigger]:
    """Return the triggers of one timing in the order in which they fire."""
    found = [one for one in stage.scene.triggers_of(table.oid) if one.enabled]
    found = [one for one in found if _values(one)["timing"] == timing]
    first = "statement" if timing == "before" else "row"
    return sorted(found, key=lambda one: (_values(one)["level"] != first, one.name))


def fires_before_insert(stage: Stage, table: Relation) -> bool:
    """Return whether a trigger may change a row that is inserted, or leave it out."""
    return any("insert" in _values(one)["events"] for one in _triggers(stage, table, "before"))


def _values(trigger: Trigger) -> dict[str, tuple[str, ...] | str]:
    """Return what CREATE TRIGGER says, {} events where it cannot be read."""
    try:
        [(_, node)] = parse_statements(trigger.definition)
        found = trigger_values(node, schema="", table="")
    except (UnparsableError, ValueError, AttributeError):
        return {"events": (), "condition": "", "columns": (), "timing": "", "level": ""}
    return {
        name: value if isinstance(value, tuple) else str(value) for name, value in found.items()
    }


def _names(table: Relation, numbers: frozenset[int]) -> set[str]:
    return {one.name for one in table.columns if one.number in numbers}


def _fired(trigger: Trigger, table: Relation, values: dict[str, tuple[str, ...] | str]) -> Fired:
    return Fired(
        key=Key(Kind.TRIGGER, table.schema, trigger.name, table.name),
        table=Table(
            schema=table.schema,
            name=table.name,
            columns=tuple(one.name for one in table.columns),
        ),
        function=trigger.function,
        events=tuple(one.upper() for one in values["events"]),
        timing=str(values["timing"]).upper(),
        level=str(values["level"]).upper(),
        arguments=tuple(values["arguments"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failing:
    """How a call fails: each one, or under conditions."""

    failure: Failure
    conditions: tuple[str, ...] = ()

    def tell(self, stage: Stage, what: str) -> None:
        """Fail, or say that it is not known."""
        if not self.conditions:
            raise stage.fail(self.failure.sqlstate, f"{what}: {self.failure.message}")
        text = " and ".join(self.conditions)
        shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        stage.note(
            f"{what} fails where {shown}: {self.failure.message} (SQLSTATE {self.failure.sqlstate})"
        )


def _failing(
    stage: Stage,
    function: Function,
    analyse: Analyse,
    fired: tuple[Fired, str, Relation] | None,
    depth: int = 0,
) -> _Failing | None:
    """Return how a call fails, rather what is certain; raises NotYetKnownError while answers are missing."""
    about = (depth, *((fired[0], fired[1], fired[2].columns) if fired else ()))
    found: _Failing | None = remembered(
        stage, function, about, lambda: _judged(stage, function, analyse, fired, depth)
    )
    return found


def _judged(
    stage: Stage,
    function: Function,
    analyse: Analyse,
    fired: tuple[Fired, str, Relation] | None,
    depth: int,
) -> _Failing | None:
    before = stage.oracle.waiting
    routine = _routine(stage, function, trigger=fired is not None)
    try:
        checks = list(_checks(stage, routine, fired))
    except _UNREADABLE:
        return None
    doubtful = None
    for check, conditions in checks:
        failure = check.failure or _refused(stage, check, analyse, depth)
        if failure is None or is_caught(failure, check.piece):
            continue
        if made_before(failure.sqlstate, failure.message, [made_in(routine.source)]):
            continue  # by the body itself, where it is not there yet
        if not conditions:
            if stage.oracle.waiting > before:
                break
            return _Failing(failure=failure)
        if doubtful is None and _counts(check, failure, routine):
            doubtful = _Failing(failure=failure, conditions=conditions)
    if stage.oracle.waiting > before:
        raise NotYetKnownError
    return doubtful


def _counts(check: Check, failure: Failure, routine: Routine) -> bool:
    """Return whether a failure under a condition is none that its author has foreseen."""
    if CAUGHT in check.piece.conditions or check.loose:
        return False
    return not may_be_there(
        failure,
        routine,
        relations=check.relations,
        conditions=check.piece.conditions,
        created=created_in([routine.source]),
        attached=True,
    )


def _checks(
    stage: Stage, routine: Routine, fired: tuple[Fired, str, Relation] | None
) -> Iterator[tuple[Check, tuple[str, ...]]]:
    """Return what is looked at in a call, and under which conditions it comes to that."""
    rows = {one.name for one in stage.scene.relations.values()}
    rows |= {one.name for one in stage.scene.types.values() if one.kind == "c"}
    body = _with_rows(stage, parse_body(routine, rows))
    trigger, event, table = fired or (None, "", None)
    scope = scope_of(routine, trigger)
    if table is not None:
        scope = _over(scope, table)
    walk = Walk(body, scope, known_of(trigger, event) if trigger else {})
    walk.run()
    first_leave = min(walk.leaves, default=len(walk.pieces))
    for number, piece in enumerate(walk.pieces):
        left = (_NOT_LEFT,) if number >= first_leave else ()
        for check in checks_of(piece):
            yield check, (*piece.conditions, *left)


def _routine(stage: Stage, function: Function, *, trigger: bool) -> Routine:
    arguments = [
        Argument(name=name, mode="i", type=_type(stage, type_))
        for name, type_ in zip(function.names, function.arguments, strict=False)
    ]
    mode = "t" if function.returns_set else "o"
    arguments += [
        Argument(name=name, mode=mode, type=_type(stage, type_)) for name, type_ in function.outputs
    ]
    returns = "trigger" if trigger else function.returns or "void"
    return Routine(
        oid=function.oid,
        key=Key(Kind.FUNCTION, function.schema, f"{function.name}()"),
        language="plpgsql",
        source=function.shape,
        arguments=tuple(arguments),
        returns=returns,
        returns_set=function.returns_set,
        composite=stage.scene.find("", returns) is not None,
    )


def _type(stage: Stage, text: str) -> Type:
    composite = stage.scene.find("", text) is not None
    return Type(sql="" if composite or text == "record" else text, composite=composite)


def _row(table: Relation) -> Shape:
    """Return a query of one row as the table has them by now."""
    columns = ", ".join(
        f"NULL{'' if one.type == UNKNOWN else f'::{one.type}'} AS {quoted(one.name)}"
        for one in table.columns
    )
    return Shape(f"SELECT {columns}", Scope())


def _over(scope: Scope, table: Relation) -> Scope:
    """Return the scope with NEW and OLD as the table's rows are by now."""
    shape = _row(table)
    frames = tuple(
        Frame(frame.label, {n: _shaped(v, shape) for n, v in frame.variables.items()})
        for frame in scope.frames
    )
    return Scope(frames, scope.positional, {}, scope.conflict)


def _shaped(variable: Variable, shape: Shape) -> Variable:
    return replace(variable, sql="", shape=shape) if variable.columns is not None else variable


def _with_rows(stage: Stage, body: Body) -> Body:
    """Return the body with its %ROWTYPE variables as the tables' rows are by now."""

    def of(variable: Variable) -> Variable:
        name = variable.sql.removeprefix("NULL::").strip('"').rpartition(".")[2].strip('"')
        table = stage.scene.find("", name) if variable.composite else None
        return replace(variable, sql="", shape=_row(table)) if table else variable

    variables = {
        block: {name: of(one) for name, one in found.items()}
        for block, found in body.variables.items()
    }
    return replace(body, variables=variables)


def _refused(stage: Stage, check: Check, analyse: Analyse, depth: int) -> Failure | None:
    """Return how the server refuses a piece of a body, as far as that is sure."""
    try:
        statements: Sequence[tuple[str, Node]] = parse_statements(check.sql)
        for kind, node in statements:
            analyse(stage, kind, node)
            if kind == "select_stmt" and check.piece.kind == "statement_into":
                check_called(stage, node, analyse, depth + 1)
    except StatementFailsError as error:
        return failure_of(check, Described(sqlstate=error.sqlstate, message=str(error)))
    except (CannotTellError, UnparsableError, NotYetKnownError):
        return None
    return None
