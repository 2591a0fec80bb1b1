"""Whether an expression always gives the same, as an index, a generated column or a key needs. Pure.

The server says what types the parts of the expression have; a function of several forms is then the one
whose arguments fit, and a conversion the one between those types (pg_cast.castfunc, else by text).
"""

from collections.abc import Sequence

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, pb, strings, type_text
from pgwatch.migration.preflight.asking import columns_of, plain
from pgwatch.migration.preflight.facts import SystemFunction
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.stage import Stage, qualified
from pgwatch.migration.preflight.standin import StandIn

# Types whose output or input functions are STABLE (pg_type.typoutput, typinput; pg_proc.provolatile), as a
# text depends on the session's TimeZone, DateStyle and the like. So are those of ranges and reg… types.
_WRITTEN_BY_SETTINGS = frozenset({"timestamptz", "timestamp", "date", "interval", "money"})
_READ_BY_SETTINGS = _WRITTEN_BY_SETTINGS | {"time", "timetz", "xml"}
_TEXTS = frozenset({"text", "varchar", "bpchar"})
_JOINED = frozenset({"jsonb", "tsvector", "bytea", "bit", "varbit", "tsquery"})
_VALUE_FUNCTIONS = ("sqlvalue_function",)


def is_immutable(stage: Stage, node: Node, relation: Relation) -> bool:
    """Return whether all functions and conversions of an expression over a row are IMMUTABLE."""
    return all(_fixed(stage, message, relation) for message in _parts(node))


def _parts(node: Node) -> list[Node]:
    return [message for message in walk(node) if isinstance(message, pb.Node)]


def _fixed(stage: Stage, holder: Node, relation: Relation) -> bool:
    kind, node = opened(holder)
    if kind == "func_call":
        return _fixed_call(stage, node, relation)
    if kind == "type_cast":
        return _fixed_cast(stage, node, relation)
    if kind == "a_expr" and node.HasField("lexpr"):
        return _fixed_operator(stage, node, relation)
    return kind not in _VALUE_FUNCTIONS


def _fixed_operator(stage: Stage, node: Node, relation: Relation) -> bool:
    symbol = strings(node.name)[-1]
    if symbol not in ("-", "+", "||"):
        return True
    types = _types(stage, [node.lexpr, node.rexpr], relation)
    if symbol != "||":
        return set(types) != {"timestamptz", "interval"}
    others = [plain(stage, one) for one in types if one.split("(")[0] not in _TEXTS]
    if len(others) != 1 or others[0] in _JOINED or others[0].endswith("[]"):
        return True
    # The bodies of anytextcat and textanycat are put in place: the other value's text decides.
    return not _is_stable(stage, others[0], _WRITTEN_BY_SETTINGS)


def _fixed_call(stage: Stage, node: Node, relation: Relation) -> bool:
    schema, name = qualified(node.funcname)
    own = stage.scene.functions_named(schema, name)
    if own and name not in stage.facts.functions:
        fitting = [one for one in own if len(one.arguments) == len(node.args)] or own
        return all(one.volatility == "i" for one in fitting)
    found = stage.facts.functions.get(name, ())
    forms = [one for one in found if len(one.arguments) == len(node.args)]
    forms = forms or list(found)  # one with VARIADIC takes any number
    kinds = {one.volatility for one in forms}
    if len(kinds) <= 1:
        return kinds <= {"i"}
    types = tuple(one.split("(")[0] for one in _types(stage, list(node.args), relation))
    close = [one for one in forms if len(one.arguments) == len(types)]
    return not close or _fixed_form(stage, name, close, types)


def _fixed_form(
    stage: Stage, name: str, forms: Sequence[SystemFunction], types: tuple[str, ...]
) -> bool:
    """Return whether that of several forms of a function is IMMUTABLE which these types call."""
    exact = {one.volatility for one in forms if one.arguments == types}
    if exact:
        return exact == {"i"}
    if len(types) == 1 and name in stage.facts.types:
        return _fixed_conversion(stage, types[0], name)  # a call by a type's name is a conversion
    if "text" in types and name == "to_tsvector":
        return len(types) > 1
    close = [
        one.volatility
        for one in forms
        if all(
            a == b or b in ("text", "unknown") for a, b in zip(one.arguments, types, strict=True)
        )
    ]
    return not close or "i" in close


def _fixed_cast(stage: Stage, node: Node, relation: Relation) -> bool:
    kind, value = opened(node.arg)
    target = type_text(node.type_name, modifiers=False)
    if kind == "a_const":
        text = value.sval.sval if value.WhichOneof("val") == "sval" else ""
        return not (
            target in _READ_BY_SETTINGS
            and text.lower() in ("now", "today", "tomorrow", "yesterday")
        )
    types = _types(stage, [node.arg], relation)
    if not types:
        return True
    return _fixed_conversion(stage, types[0].split("(")[0], target)


def _fixed_conversion(stage: Stage, source: str, target: str) -> bool:
    if source == target:
        return True
    if (source, target) in stage.facts.casts:
        return stage.facts.casts[source, target][1] == "i"
    # What is left goes through text.
    return not (
        _is_stable(stage, source, _WRITTEN_BY_SETTINGS)
        or _is_stable(stage, target, _READ_BY_SETTINGS)
    )


def _is_stable(stage: Stage, type_: str, by_settings: frozenset[str]) -> bool:
    """Return whether a type's texts depend on settings or the catalogue."""
    base = plain(stage, type_)
    if base in by_settings or base.startswith("reg") or base.endswith("[]") or base == "tsvector":
        return True
    builtin = stage.facts.types.get(base)
    found, _ = user_type(stage, base)
    return (builtin is not None and builtin.category == "R") or (
        found is not None and found.kind in "er"
    )


def _types(stage: Stage, nodes: list[Node], relation: Relation) -> list[str]:
    rows: list[tuple[Relation | None, str]] = [(relation, "")]
    found = columns_of(stage, lambda: StandIn(stage).expressions(nodes, rows))
    return [type_ for _, type_ in found] if found else []
