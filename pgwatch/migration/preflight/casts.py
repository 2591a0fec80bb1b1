"""How ALTER COLUMN TYPE converts a value, and which values it cannot convert. Pure.

The server casts as an assignment does: too long a text is refused, while the cast that a USING writes cuts
it off (https://www.postgresql.org/docs/current/datatype-character.html, typeconv-query.html).
"""

import re
from dataclasses import dataclass

from pgwatch.migration.parse import (
    UnparsableError,
    expression_text,
    opened,
    parse_expression,
    parse_type,
    type_text,
)

SOFT_ERRORS = 160000  # pg_input_is_valid is new in 16
_RANGES = {"int2": 2**15, "int4": 2**31, "int8": 2**63}  # datatype-numeric.html
_TEXTS = "('text', 'character varying', 'character')"
_NUMBERS = "('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')"
_TYPE = re.compile(r"(?P<base>.+?)(?:\((?P<modifiers>[-\d, ]+)\))?")
# What 15 reads as a number, a boolean, a uuid: numeric_in, parse_bool_with_len, uuid_in.
_INTEGER = r"^\s*[+-]?[0-9]+\s*$"
_NUMERIC = r"^\s*(nan|[+-]?(inf|infinity|([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?))\s*$"
_BOOLEAN = r"^\s*(t|tr|tru|true|y|ye|yes|on|1|f|fa|fal|fals|false|n|no|of|off|0)\s*$"
_UUID = r"^\{?[0-9a-f]{4}(-?[0-9a-f]{4}){7}\}?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One conversion of a column's values."""

    value: str  # what the server would compute, as an expression
    fails: (
        str  # a condition that is true of a value that cannot be converted; "" where there is none
    )
    sqlstate: str  # of what only `fails` tells
    silent: bool  # computing `value` does not raise what the server will: only `fails` tells


def conversion(column: str, using: str, target: str, version: int) -> Conversion:
    """Return how `column` (quoted) becomes `target`, by `using` if that is not empty."""
    source = using or column
    value = f"({source})::{target}"
    try:
        uniform = type_text(parse_type(target))
        inner, explicit = _inner(using, uniform) if using else (column, False)
    except UnparsableError:
        return Conversion(value=value, fails="", sqlstate="", silent=False)
    match = _TYPE.fullmatch(uniform)
    assert match is not None
    modifiers = tuple(int(one) for one in (match["modifiers"] or "").split(",") if one.strip())
    base = match["base"]
    if base in ("varchar", "bpchar", "bit", "varbit") and modifiers:
        if explicit:
            return Conversion(value=value, fails="", sqlstate="", silent=False)
        fails, state = _length(base, modifiers[0], source)
        return Conversion(value=value, fails=fails, sqlstate=state, silent=True)
    fails = _unreadable(base, modifiers, inner, target, version)
    return Conversion(value=value, fails=fails, sqlstate="", silent=False)


def _inner(using: str, target: str) -> tuple[str, bool]:
    """Return what a USING casts to the target, and that it does; else the USING itself."""
    kind, node = opened(parse_expression(using))
    if kind == "type_cast" and type_text(node.type_name) == target:
        return expression_text(node.arg), True
    return using, False


def _length(base: str, length: int, source: str) -> tuple[str, str]:
    if base == "bit":
        return f"length(({source})::varbit) <> {length}", "22026"
    if base == "varbit":
        return f"length(({source})::varbit) > {length}", "22001"
    # Spaces beyond the length are cut off without a word.
    return f"rtrim(substr(({source})::text, {length + 1}), ' ') <> ''", "22001"


def _unreadable(
    base: str, modifiers: tuple[int, ...], inner: str, target: str, version: int
) -> str:
    text = f"(({inner})::text)"
    number = f"{text}::numeric"
    beyond = ""
    if base in _RANGES:
        edge = _RANGES[base]
        beyond = f"round({number}) NOT BETWEEN {-edge} AND {edge - 1}"
    elif base == "numeric" and modifiers:
        precision, scale = (*modifiers, 0)[:2]
        beyond = f"{number} <> 'NaN' AND abs(round({number}, {scale})) >= 1e{precision - scale}"
    if version >= SOFT_ERRORS:
        quoted = target.replace("'", "''")
        unread = f"NOT pg_input_is_valid({text}, '{quoted}')"
    else:
        unread = _unread_15(base, text, target, beyond)
    branches = [f"WHEN pg_typeof({inner})::text IN {_TEXTS} THEN {unread}"] if unread else []
    branches += [f"WHEN pg_typeof({inner})::text IN {_NUMBERS} THEN {beyond}"] if beyond else []
    return f"CASE {' '.join(branches)} END" if branches else ""


def _unread_15(base: str, text: str, target: str, beyond: str) -> str:
    pattern = {
        **dict.fromkeys(_RANGES, _INTEGER),
        "numeric": _NUMERIC,
        "bool": _BOOLEAN,
        "uuid": _UUID,
    }.get(base)
    if pattern is not None:
        unlike = f"{text} !~* '{pattern}'"
        return f"CASE WHEN {unlike} THEN true ELSE {beyond} END" if beyond else unlike
    if "[" in base or base in _KNOWN:
        return ""
    quoted = target.replace("'", "''")
    labels = (
        "SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e"  # noqa: S608 - a type's name, quoted
        f" WHERE e.enumtypid = '{quoted}'::pg_catalog.regtype"
    )
    return f"{text} <> ALL (ARRAY({labels})) AND EXISTS ({labels})"


_KNOWN = frozenset(
    {
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb"),
        *("float4", "float8", "inet", "cidr", "macaddr", "bytea", "text", "varchar", "bpchar"),
    }
)  # no enumeration; 15 alone knows what it reads as one of these
