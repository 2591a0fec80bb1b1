"""Whether ALTER COLUMN TYPE writes the table anew. Pure.

The server does not if the old values are valid as they are: ATColumnChangeRequiresRewrite
(src/backend/commands/tablecmds.c), the binary-coercible casts of pg_cast, and the support functions that
know when a new length changes nothing (varchar_support, varbit_support, numeric_support,
TemporalSimplify); https://www.postgresql.org/docs/current/sql-altertable.html, "Notes".
"""

import re
from collections.abc import Collection

from pgwatch.migration.parse import (
    UnparsableError,
    expression_text,
    opened,
    parse_expression,
    pb,
    strings,
    type_text,
)

_TYPE = re.compile(r"(?P<base>[^()]+?)(?:\((?P<modifiers>[-\d, ]+)\))?(?P<array>(?:\[\])*)")
_WIDENED = frozenset({"varchar", "varbit"})  # a longer limit, or none, changes no value
_PRECISE = frozenset({"timestamp", "timestamptz", "time", "timetz", "interval"})
_MOST_PRECISE = 6  # digits of a second: what is kept without a precision
_TEXTS = frozenset({("varchar", "text"), ("text", "varchar")})


def rewrites(
    column: str, old: str, new: str, using: str, coercible: Collection[tuple[str, str]]
) -> bool:
    """Return whether a column of type `old` is written anew when it becomes `new`.

    Types are in the grammar's spelling (`type_text`); `coercible` holds the pairs of types that share
    their form on disk (pg_cast.castmethod = 'b'). What is not known to be free counts as a rewrite.
    """
    if using and not _is_cast(column, using, new):
        return True
    if old == new:
        return False
    before, after = _TYPE.fullmatch(old), _TYPE.fullmatch(new)
    if before is None or after is None or before["array"] != after["array"]:
        return True
    was, becomes = before["base"], after["base"]
    if was != becomes:
        free = not after["array"] and (was, becomes) in {*coercible, *_TEXTS}
        return after["modifiers"] is not None or not free
    if after["array"] and after["modifiers"]:
        return True  # nobody looks whether the length of the elements changes anything
    return _narrows(was, _numbers(before["modifiers"]), _numbers(after["modifiers"]))


def _is_cast(column: str, using: str, new: str) -> bool:
    """Return whether a USING says nothing but the column, or the column cast to the type to come."""
    try:
        kind, node = opened(parse_expression(using))
        if kind == "type_cast" and type_text(node.type_name) == new:
            kind, node = opened(node.arg)
    except UnparsableError:
        return False
    return kind == "column_ref" and strings(node.fields)[-1:] == (column,)


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(one) for one in (text or "").split(",") if one.strip())


def _narrows(base: str, old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Return whether the new length or precision may change a value."""
    if base in _WIDENED:
        return bool(new) and (not old or new[0] < old[0])
    if base == "numeric":
        if not new:
            return False
        (was, scale), (becomes, to_scale) = ((*old, 0)[:2] if old else (0, 0)), (*new, 0)[:2]
        return not old or scale != to_scale or becomes < was
    if base in _PRECISE:
        return (new or (_MOST_PRECISE,))[0] < (old or (_MOST_PRECISE,))[0]
    return True


def proves_not_null(column: str, checks: Collection[str]) -> bool:
    """Return whether one of the valid CHECK conditions says that `column` is not null."""
    return any(_says_not_null(column, check) for check in checks)


def _says_not_null(column: str, condition: str) -> bool:
    try:
        node = parse_expression(condition)
    except UnparsableError:
        return False
    waiting, found = [node], False
    while waiting:
        kind, node = opened(waiting.pop())
        if kind == "bool_expr" and node.boolop == pb.AND_EXPR:
            waiting += node.args
        elif kind == "null_test" and node.nulltesttype == pb.IS_NOT_NULL:
            found = found or expression_text(node.arg).strip('"') == column
    return found
