"""Calls of functions that the scene alone has, and what stands for them. Pure."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, parse_statements, pb, strings
from pgwatch.migration.preflight.lookup import takes
from pgwatch.migration.preflight.objects import Function, Relation
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified, quoted

_ELEMENTS = frozenset(
    {"anyelement", "anynonarray", "anyenum", "anycompatible", "anycompatiblenonarray"}
)
_ARRAYS = frozenset({"anyarray", "anycompatiblearray"})
_PSEUDO = ("void", "trigger", "event_trigger", "record", "internal", "anyelement", "anyarray")
# Functions of one argument of just that type, so that a call takes what an implicit cast makes fit.
_OUTPUTS = {
    "int2": "int2out",
    "int4": "int4out",
    "int8": "int8out",
    "numeric": "numeric_out",
    "float8": "float8out",
    "bool": "boolout",
    "date": "date_out",
    "timestamptz": "timestamptz_out",
    "uuid": "uuid_out",
    "jsonb": "jsonb_out",
}


class Calls:
    """Finds and replaces calls; `type_of` is what stands for a type, `row_type` the relation of a row's."""

    def __init__(
        self,
        stage: Stage,
        type_of: Callable[[str], str],
        row_type: Callable[[str], Relation | None],
    ) -> None:
        self._stage = stage
        self._type = type_of
        self._row_type = row_type

    def null_call(self, node: Node, function: Function, returns: str) -> Node:
        """Return a NULL of the result, for which the arguments must fit their types.

        LEAST wants types of one category; what it says otherwise is taken for "no such function".
        """
        base = returns.removeprefix("SETOF ")
        if base in _ELEMENTS | _ARRAYS and (like := _polymorphic(function, node, base)) is not None:
            return like
        known = "text" if base in _PSEUDO else self._type(base)
        if function.kind == "a":
            return _null_aggregate(node, known)
        if not node.args:
            return value_node(f"NULL::{known}")
        made = value_node(f"CASE WHEN num_nulls(NULL) > 0 THEN NULL::{known} END")
        call = made.case_expr.args[0].case_when.expr.a_expr.lexpr.func_call
        if known != "record" and self._gives_sets(node):  # they may not stand in a CASE
            made = value_node(f"num_nulls(NULL)::text::{known}")
            call = made.type_cast.arg.type_cast.arg.func_call
        others = self._others(function, len(node.args))
        if any(one.returns != function.returns for one in others):
            raise CannotTellError(f"which {function.name}() is called is for its arguments to say")
        if others:
            call.args[0].CopyFrom(node.args[0])
            call.args.extend(node.args[1:])
            return made
        alone = function.name not in self._stage.facts.functions
        del call.args[:]
        for position, argument in enumerate(node.args):
            place, given = _placed(function, position, argument)
            fits = self._fitting(function, place)
            call.args.add().CopyFrom(self._fitted(given, fits, exact=alone) if fits else given)
        return made

    def _others(self, function: Function, count: int) -> list[Function]:
        """Return the other functions of the name that a call with so many arguments could mean."""
        named = self._stage.scene.functions_named("", function.name)
        return [one for one in named if takes(one, count) and one.arguments != function.arguments]

    def _gives_sets(self, node: Node) -> bool:
        """Return whether an argument is a call that gives a set."""
        calls = (one for one in walk(node) if isinstance(one, pb.FuncCall) and one is not node)
        names = {strings(call.funcname)[-1] for call in calls}
        scene, system = self._stage.scene, self._stage.facts.functions
        own = any(one.returns_set for name in names for one in scene.functions_named("", name))
        return own or any(one.returns_set for name in names for one in system.get(name, ()))

    def _fitted(self, given: Node, type_: str, *, exact: bool) -> Node:
        """Return an expression that fails where an argument does not fit; `exact`: as a call does."""
        if exact and type_ in _OUTPUTS:
            made = value_node(f"pg_catalog.{_OUTPUTS[type_]}(NULL)")
            made.func_call.args[0].CopyFrom(given)
            return made
        made = value_node(f"LEAST(NULL::{type_}, NULL)")
        made.min_max_expr.args[1].CopyFrom(given)
        return made

    def _fitting(self, function: Function, position: int) -> str:
        """Return the type that an argument is checked against, "" for none."""
        if function.variadic or not 0 <= position < len(function.arguments):
            return ""
        type_ = function.arguments[position]
        if type_ in _PSEUDO or type_.startswith("any") or type_ in ("json", "xml", "point"):
            return ""
        if self._row_type(type_.removesuffix("[]")) is not None:
            return ""
        return self._type(type_)

    def called(self, node: Node) -> Function | None:
        """Return the function that the scene alone has and a call means; None for the server's own."""
        stage = self._stage
        schema, name = qualified(node.funcname)
        if schema == "pg_catalog":
            return None
        found = stage.scene.functions_named(schema, name)
        if not found:
            had = stage.before.functions_named(schema, name)
            if had and name not in stage.facts.functions:
                _hide(node, name)
            return None
        if all(one.live for one in found):
            return None
        fitting = [one for one in found if takes(one, len(node.args))]
        if not fitting:
            if name in stage.facts.functions:
                return None
            raise stage.fail(
                "42883", f"function {name} with {len(node.args)} arguments does not exist"
            )
        if all(one.kind == "p" for one in fitting):
            raise stage.fail("42809", f"{name} is a procedure")
        if _is_ambiguous(fitting, node):
            raise stage.fail("42725", f"function {name} is not unique")
        if any(one.live for one in fitting) and len(fitting) > 1:
            return None
        return next((one for one in fitting if not one.live), None)

    def result(self, function: Function, alias: str, *, ordinality: bool) -> str:
        """Return a query of the columns that a function gives in FROM."""
        columns = function.outputs
        base = function.returns.removeprefix("SETOF ")
        relation = self._row_type(base)
        if not columns and relation is not None:
            columns = tuple((one.name, one.type) for one in relation.columns)
        columns = columns or ((alias, "text" if base in _PSEUDO else base),)
        if ordinality:
            columns = (*columns, ("ordinality", "int8"))
        parts = [f"NULL::{self._type(type_)} AS {quoted(name)}" for name, type_ in columns]
        return f"SELECT {', '.join(parts)}"


def _is_ambiguous(fitting: Sequence[Function], call: Node) -> bool:
    """Return whether two functions take the arguments alike, as one has defaults for what it has more."""
    if any(one.variadic for one in fitting) or any(a.HasField("named_arg_expr") for a in call.args):
        return False
    taken = [(one.schema, one.arguments[: len(call.args)]) for one in fitting]
    return len(set(taken)) < len(taken)


def _hide(call: Node, name: str) -> None:
    """Name a function that is not there, so that the server says so when it comes to it."""
    del call.funcname[:]
    for part in ("pg_catalog", name):
        call.funcname.add().string.sval = part


@lru_cache(maxsize=4096)
def _query_bytes(sql: str) -> bytes:
    [(kind, node)] = parse_statements(sql)
    data: bytes = pb.Node(**{kind: node}).SerializeToString()
    return data


def query_node(sql: str) -> Node:
    """Return the tree of a query."""
    return pb.Node.FromString(_query_bytes(sql))


def value_node(sql: str) -> Node:
    """Return the tree of an expression."""
    return query_node(f"SELECT {sql}").select_stmt.target_list[0].res_target.val


def _polymorphic(function: Function, node: Node, returns: str) -> Node | None:
    """Return a value of the type that the arguments of a polymorphic function make its result."""
    for position, argument in enumerate(node.args):
        place, given = _placed(function, position, argument)
        type_ = function.arguments[place] if 0 <= place < len(function.arguments) else ""
        if type_ not in _ELEMENTS | _ARRAYS:
            continue
        several = value_node("array_agg(NULL)") if function.kind == "a" else None
        if several is None and type_ in _ARRAYS:
            several = value_node("array_cat(NULL, NULL)")
        if several is None:
            several = value_node("array_append(NULL, NULL)")
            several.func_call.args[1].CopyFrom(given)
        else:
            several.func_call.args[0].CopyFrom(given)
        if function.kind == "a":
            several.func_call.agg_filter.CopyFrom(node.agg_filter)
            several.func_call.over.CopyFrom(node.over)
            for name in ("agg_filter", "over"):
                if not node.HasField(name):
                    several.func_call.ClearField(name)
        if returns in _ARRAYS:
            return several
        made = value_node("(f())[1]")
        made.a_indirection.arg.CopyFrom(several)
        return made
    return None


def _null_aggregate(node: Node, type_: str) -> Node:
    """Return a NULL that is an aggregate of the same arguments, also as a window function."""
    made = value_node(f"CASE WHEN count(num_nulls(NULL)) > 0 THEN NULL::{type_} END")
    count = made.case_expr.args[0].case_when.expr.a_expr.lexpr.func_call
    if node.args:
        counted = count.args[0].func_call
        del counted.args[:]
        counted.args.extend(node.args)
    if node.HasField("agg_filter"):
        count.agg_filter.CopyFrom(node.agg_filter)
    if node.HasField("over"):
        count.over.CopyFrom(node.over)
    return made


def _placed(function: Function, position: int, argument: Node) -> tuple[int, Node]:
    """Return which of the function's arguments one of a call is (-1: none), and its expression."""
    kind, value = opened(argument)
    if kind != "named_arg_expr":
        return position, argument
    names = function.names
    return (names.index(value.name) if value.name in names else -1), value.arg
