"""Put a statement's queries and expressions to the server, and judge its answer. Pure."""

import re
from collections.abc import Callable

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, pb
from pgwatch.migration.preflight.extensions import may_bring
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.oracle import UNKNOWN, Shape
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified
from pgwatch.migration.preflight.standin import ABSENT, NotYetKnownError, StandIn

_OUTPUT = re.compile(r"function \w+out\(")
Columns = tuple[tuple[str, str], ...]
_TEXTS = ("S",)  # categories of types (pg_type.typcategory)
_BOOLEAN_PLACES = "argument of {} must be type boolean, not type {}"


def columns_of(stage: Stage, write: Callable[[], str]) -> Columns | None:
    """Return the columns of the query that `write` gives, None while they are not known.

    Fails where the server refuses it.
    """
    try:
        sql = write()
    except NotYetKnownError:
        return None
    shape = stage.oracle.shape(sql)
    if shape is None:
        return None
    judge(stage, shape)
    return shape.columns


def judge(stage: Stage, shape: Shape) -> None:
    """Fail where the server refused."""
    if not shape.sqlstate:
        return
    message = shape.message.replace(f"{ABSENT}.", "").replace("function pg_catalog.", "function ")
    if shape.ours or message.startswith("record type has not been registered"):
        raise CannotTellError(message)
    if message.startswith("LEAST types") or _OUTPUT.match(message):
        raise stage.fail("42883", "function with arguments of these types does not exist")
    if shape.sqlstate in ("42883", "42704", "42P01", "42703"):
        names = may_bring(stage.scene, operators="operator" in message)
        if names:
            raise CannotTellError(f"it may need what {names} brings: {message}")
    if "tsvector" in message:
        if "min(" in message or "max(" in message:
            raise CannotTellError(f"an enum that is not there yet: {message}")
        raise stage.fail(shape.sqlstate, message.replace("tsvector", "enum"))
    raise stage.fail(shape.sqlstate, message)


def expression_type(
    stage: Stage, node: Node, relation: Relation | None, place: str = ""
) -> str | None:
    """Return the type of an expression over a relation's row, None while it is not known.

    `place` is what it is for, where subqueries, aggregates, window functions and sets are not allowed.
    """
    if place and any(isinstance(message, pb.SubLink) for message in walk(node)):
        raise stage.fail("0A000", f"cannot use subquery in {place}")
    found = columns_of(stage, lambda: StandIn(stage).expression(node, relation))
    if place:
        for message in walk(node):
            if isinstance(message, pb.FuncCall):
                _forbid_call(stage, message, place)
    return found[0][1] if found else None


def condition(stage: Stage, node: Node, relation: Relation | None, place: str) -> None:
    """Fail where an expression is none that may stand in a constraint: `place` is what it is for."""
    found = expression_type(stage, node, relation, place)
    if found not in (None, "bool", UNKNOWN) and not is_literal(node):
        raise stage.fail("42804", _BOOLEAN_PLACES.format(place, found))


def forbid_aggregates(stage: Stage, node: Node, place: str) -> None:
    """Fail for an aggregate outside a subquery."""
    kind, value = opened(node)
    if kind == "sub_link":
        return
    if kind == "func_call":
        schema, name = qualified(value.funcname)
        if _kinds(stage, schema, name) == {"a"} and not value.HasField("over"):
            raise stage.fail("42803", f"aggregate functions are not allowed in {place}")
    for message in walk(value):
        if isinstance(message, pb.SubLink):
            return
        if isinstance(message, pb.FuncCall) and message is not value:
            schema, name = qualified(message.funcname)
            if _kinds(stage, schema, name) == {"a"} and not message.HasField("over"):
                raise stage.fail("42803", f"aggregate functions are not allowed in {place}")


def _kinds(stage: Stage, schema: str, name: str) -> set[str]:
    kinds = {one.kind for one in stage.facts.functions.get(name, ())}
    return kinds | {one.kind for one in stage.scene.functions_named(schema, name)}


def _forbid_call(stage: Stage, call: Node, place: str) -> None:
    if call.HasField("over"):
        raise stage.fail("42P20", f"window functions are not allowed in {place}")
    schema, name = qualified(call.funcname)
    if _kinds(stage, schema, name) == {"a"}:
        raise stage.fail("42803", f"aggregate functions are not allowed in {place}")
    sets = {one.returns_set for one in stage.facts.functions.get(name, ())}
    sets |= {one.returns_set for one in stage.scene.functions_named(schema, name)}
    if sets == {True}:
        raise stage.fail("0A000", f"set-returning functions are not allowed in {place}")


def is_literal(node: Node) -> bool:
    """Return whether an expression is a string or NULL without a type of its own."""
    kind, value = opened(node)
    return kind == "a_const" and (value.isnull or value.WhichOneof("val") == "sval")


def assignable(stage: Stage, source: str | None, target: str) -> bool:
    """Return whether a value of `source` may be stored in a column of `target`."""
    if source is None or UNKNOWN in (source, target):
        return True
    return _assignable(stage, plain(stage, source), plain(stage, target))


def _assignable(stage: Stage, source: str, target: str) -> bool:
    if source == target or source in ("unknown", "record"):
        return True
    context = stage.facts.casts.get((source, target), ("", ""))[0]
    if context in ("i", "a"):
        return True
    if source.endswith("[]") and target.endswith("[]"):
        return _assignable(stage, source[:-2], target[:-2])
    found = stage.facts.types.get(target)
    # Any type's text can be stored (CoercionPathType COERCION_PATH_COERCEVIAIO).
    return found is not None and found.category in _TEXTS


def plain(stage: Stage, text: str) -> str:
    """Return a type without its length, of a domain the one below it, of a stood-in enum its own."""
    suffix = "[]" if text.endswith("[]") else ""
    base = text.removesuffix("[]").split("(")[0]
    found, _ = user_type(stage, base)
    while found is not None and found.kind == "d":
        base = found.base.split("(")[0]
        found, _ = user_type(stage, base)
    if found is not None and found.kind == "e" and not found.live:
        base = "tsvector"
    if found is not None and found.kind == "c" and not found.live:
        base = "record"
    return base + suffix
