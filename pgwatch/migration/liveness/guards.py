"""What a condition is where table, event and arguments are known: true, false or not known. Pure."""

from collections.abc import Callable, Mapping
from enum import Enum

from pgwatch.migration.parse import Node, UnparsableError, opened, parse_expression, pb, strings


class Unknown(Enum):
    """The value of what only a row or a call decides."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN
Value = str | int | bool | None | Unknown  # None: SQL's NULL
Known = Mapping[str, Value | tuple[str, ...]]  # variables by name; a tuple is an array
_NEGATED = {"=": False, "<>": True, "!=": True}


def evaluate(expression: str, known: Known) -> Value:
    """Return the value of a PL/pgSQL expression as far as `known` decides it; never raises."""
    try:
        return _value(parse_expression(expression), known)
    except (UnparsableError, ValueError, IndexError):
        return UNKNOWN


def _value(node: Node, known: Known) -> Value:
    kind, value = opened(node)
    read = _READERS.get(kind)
    return read(value, known) if read else UNKNOWN


def _constant(node: Node, _: Known) -> Value:
    if node.isnull:
        return None
    kind = node.WhichOneof("val")
    if kind == "sval":
        return str(node.sval.sval)
    if kind == "ival":
        return int(node.ival.ival)
    return bool(node.boolval.boolval) if kind == "boolval" else UNKNOWN


def _variable(node: Node, known: Known) -> Value:
    names = strings(field for field in node.fields if field.HasField("string"))
    if len(names) != 1 or len(node.fields) != 1:
        return UNKNOWN
    value = known.get(names[0], UNKNOWN)
    return UNKNOWN if isinstance(value, tuple) else value


def _element(node: Node, known: Known) -> Value:
    """Return `tg_argv[0]`: NULL beyond the last."""
    kind, array = opened(node.arg)
    if kind != "column_ref" or len(node.indirection) != 1:
        return UNKNOWN
    values = known.get(strings(array.fields)[-1])
    index = _value(node.indirection[0].a_indices.uidx, known)
    if not isinstance(values, tuple) or not isinstance(index, int):
        return UNKNOWN
    return values[index] if 0 <= index < len(values) else None


def _logic(node: Node, known: Known) -> Value:
    values = [_value(argument, known) for argument in node.args]
    if node.boolop == pb.NOT_EXPR:
        return not values[0] if isinstance(values[0], bool) else values[0]
    decisive = bool(node.boolop == pb.OR_EXPR)
    if any(value is decisive for value in values):
        return decisive
    if all(value is (not decisive) for value in values):
        return not decisive
    return UNKNOWN if any(value is UNKNOWN for value in values) else None


def _operator(node: Node, known: Known) -> Value:
    name = strings(node.name)[-1]
    left = _value(node.lexpr, known)
    if node.kind == pb.AEXPR_OP and name in _NEGATED:
        return _compared(left, _value(node.rexpr, known), negated=_NEGATED[name])
    if node.kind == pb.AEXPR_OP and name in _ORDERED:
        return _ordered(left, _value(node.rexpr, known), _ORDERED[name])
    if node.kind == pb.AEXPR_IN:
        return _among(left, node.rexpr.list.items, known, negated=name == "<>")
    kind, array = opened(node.rexpr)
    if node.kind == pb.AEXPR_OP_ANY and name == "=" and kind == "a_array_expr":
        return _among(left, array.elements, known, negated=False)
    if node.kind in (pb.AEXPR_DISTINCT, pb.AEXPR_NOT_DISTINCT):
        differs = bool(node.kind == pb.AEXPR_DISTINCT)
        return _distinct(left, _value(node.rexpr, known), differs=differs)
    return UNKNOWN


def _distinct(left: Value, right: Value, *, differs: bool) -> Value:
    return UNKNOWN if UNKNOWN in (left, right) else (left != right) is differs


def _compared(left: Value, right: Value, *, negated: bool) -> Value:
    if left is None or right is None:
        return None
    if left is UNKNOWN or right is UNKNOWN or type(left) is not type(right):
        return UNKNOWN
    return (left == right) is not negated


def _ordered(left: Value, right: Value, holds: Callable[[int, int], bool]) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return holds(left, right)
    return UNKNOWN


_ORDERED: Mapping[str, Callable[[int, int], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _among(left: Value, items: Node, known: Known, *, negated: bool) -> Value:
    answers = [_compared(left, _value(item, known), negated=False) for item in items]
    if any(answer is True for answer in answers):
        return not negated
    if UNKNOWN in answers:
        return UNKNOWN
    return None if None in answers else negated


def _null_test(node: Node, known: Known) -> Value:
    value = _value(node.arg, known)
    if value is UNKNOWN:
        return UNKNOWN
    return (value is None) is (node.nulltesttype == pb.IS_NULL)


def _boolean_test(node: Node, known: Known) -> Value:
    value = _value(node.arg, known)
    if value is UNKNOWN:
        return UNKNOWN
    name: str = pb.BoolTestType.Name(node.booltesttype)
    wanted = {"TRUE": True, "FALSE": False, "UNKNOWN": None}[name.rsplit("_", 1)[-1]]
    return (value is wanted) is not name.startswith("IS_NOT")


def _cast(node: Node, known: Known) -> Value:
    """Return the value behind a cast to a type of text; others may change it."""
    name = strings(node.type_name.names)[-1]
    value = _value(node.arg, known)
    return value if name in ("text", "name", "varchar", "bool") or value is None else UNKNOWN


def _function(node: Node, known: Known) -> Value:
    change = {"lower": str.lower, "upper": str.upper}.get(strings(node.funcname)[-1])
    if change is None or len(node.args) != 1:
        return UNKNOWN
    value = _value(node.args[0], known)
    return change(value) if isinstance(value, str) else None if value is None else UNKNOWN


def _coalesce(node: Node, known: Known) -> Value:
    values = [_value(argument, known) for argument in node.args]
    return next((value for value in values if value is not None), None)


_READERS: dict[str, Callable[[Node, Known], Value]] = {
    "a_const": _constant,
    "column_ref": _variable,
    "a_indirection": _element,
    "bool_expr": _logic,
    "a_expr": _operator,
    "null_test": _null_test,
    "boolean_test": _boolean_test,
    "type_cast": _cast,
    "func_call": _function,
    "coalesce_expr": _coalesce,
}
