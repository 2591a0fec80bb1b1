"""PL/pgSQL for the grammar's library, which takes each type that it does not know for a row's. Pure."""

from pgwatch.migration.liveness.body import is_composite
from pgwatch.migration.liveness.source import with_plain_types
from pgwatch.migration.parse import Node, parse_type, pb, query_text, type_text
from pgwatch.migration.preflight.load import normal
from pgwatch.migration.preflight.stage import Stage

_LEFT = frozenset({"trigger", "event_trigger", "void", "record"})


def plain_function(stage: Stage, node: Node) -> str:
    """Return a CREATE FUNCTION with `text` or `record` for the types of users, also in its body."""
    made = pb.Node()
    made.create_function_stmt.CopyFrom(node)
    function = made.create_function_stmt
    for item in function.parameters:
        _make_plain(stage, item.function_parameter.arg_type)
    if function.HasField("return_type"):
        _make_plain(stage, function.return_type)
    for item in function.options:
        if item.def_elem.defname == "as":
            body = item.def_elem.arg.list.items[0].string
            body.sval = _plain_body(stage, body.sval)
    return query_text(made)


def plain_block(stage: Stage, node: Node) -> str:
    """Return a DO with `text` or `record` for the types of users."""
    made = pb.Node()
    made.do_stmt.CopyFrom(node)
    for item in made.do_stmt.args:
        if item.def_elem.defname == "as":
            body = item.def_elem.arg.string
            body.sval = _plain_body(stage, body.sval)
    return query_text(made)


def _plain_body(stage: Stage, body: str) -> str:
    return with_plain_types(
        body,
        lambda one: is_composite(one, _rows(stage)),
        keeps=lambda one: normal(one).removesuffix("[]").split("(")[0] in stage.facts.types,
    )


def _rows(stage: Stage) -> set[str]:
    """Return the names of what has fields."""
    names = {one.name for one in stage.scene.relations.values()}
    return names | {one.name for one in stage.scene.types.values() if one.kind == "c"}


def _make_plain(stage: Stage, name: Node) -> None:
    text = type_text(name, modifiers=False)
    own = text.removeprefix("SETOF ").removesuffix("[]")
    if own in stage.facts.types or own in _LEFT:
        return
    array, sets = bool(name.array_bounds), name.setof
    plain = "record" if is_composite(own, _rows(stage)) and not array else "text"
    name.CopyFrom(parse_type(plain + "[]" * array))
    name.setof = sets
