"""Put a statement's queries and expressions to the server, and judge its answer. Pure."""

from collections.abc import Callable, Sequence

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.oracle import UNKNOWN, Shape
from pgwatch.migration.preflight.scene import Ref, Relation
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified
from pgwatch.migration.preflight.standin import NotYetKnownError, StandIn, user_type

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
    if shape.ours:
        raise CannotTellError(shape.message)
    missing = shape.sqlstate in ("42883", "42704", "42P01", "42703")
    if missing and stage.scene.made_extensions:
        names = ", ".join(sorted(stage.scene.made_extensions))
        raise CannotTellError(f"it may need what {names} brings: {shape.message}")
    if "tsvector" in shape.message:
        if "min(" in shape.message or "max(" in shape.message:
            raise CannotTellError(f"an enum that is not there yet: {shape.message}")
        raise stage.fail(shape.sqlstate, shape.message.replace("tsvector", "enum"))
    raise stage.fail(shape.sqlstate, shape.message)


def expression_type(
    stage: Stage, node: Node, relation: Relation | None, *aliases: str
) -> str | None:
    """Return the type of an expression over a relation's row, None while it is not known."""
    found = columns_of(stage, lambda: StandIn(stage).expression(node, relation, *aliases))
    return found[0][1] if found else None


def condition(stage: Stage, node: Node, relation: Relation | None, place: str) -> None:
    """Fail where an expression is none that may stand in a constraint: `place` is what it is for."""
    forbid(stage, node, place)
    found = expression_type(stage, node, relation)
    if found not in (None, "bool", "text") and user_type(stage, found or "")[0] is None:
        raise stage.fail("42804", _BOOLEAN_PLACES.format(place, found))


def forbid(stage: Stage, node: Node, place: str) -> None:
    """Fail for subqueries, aggregates, window functions and sets where an expression allows none."""
    for message in walk(node):
        if isinstance(message, pb.SubLink):
            raise stage.fail("0A000", f"cannot use subquery in {place}")
        if isinstance(message, pb.FuncCall):
            _forbid_call(stage, message, place)


def _forbid_call(stage: Stage, call: Node, place: str) -> None:
    if call.HasField("over"):
        raise stage.fail("42P20", f"window functions are not allowed in {place}")
    schema, name = qualified(call.funcname)
    kinds = {one.kind for one in stage.facts.functions.get(name, ())}
    kinds |= {one.kind for one in stage.scene.functions_named(schema, name)}
    if kinds == {"a"}:
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
    if found is not None and found.category in _TEXTS:
        return True  # any type's text can be stored (CoercionPathType COERCION_PATH_COERCEVIAIO)
    return False


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


def references(stage: Stage, node: Node, known: Sequence[Relation] = ()) -> frozenset[Ref]:
    """Return what a query or expression names: relations, columns (by name) and functions."""
    relations: dict[str, list[Relation]] = {one.name: [one] for one in known}
    everything = list(known)
    ctes = {m.ctename for m in walk(node) if isinstance(m, pb.CommonTableExpr)}
    for message in walk(node):
        if isinstance(message, pb.RangeVar) and not (
            message.relname in ctes and not message.schemaname
        ):
            found = stage.scene.find(message.schemaname, message.relname)
            if found is not None:
                alias = message.alias.aliasname or message.relname
                relations.setdefault(alias, []).append(found)
                everything.append(found)
    refs: set[Ref] = {("relation", one.oid, 0) for one in everything}
    for message in walk(node):
        if isinstance(message, pb.ColumnRef):
            refs |= _columns(message, relations, everything)
        elif isinstance(message, pb.FuncCall):
            schema, name = qualified(message.funcname)
            refs |= {("function", f.oid, 0) for f in stage.scene.functions_named(schema, name)[:1]}
        elif isinstance(message, pb.TypeName):
            found_type, _ = user_type(stage, ".".join(strings(message.names)))
            if found_type is not None:
                refs.add(("type", found_type.oid, 0))
    return frozenset(refs)


def _columns(
    message: Node, relations: dict[str, list[Relation]], everything: list[Relation]
) -> set[Ref]:
    parts = strings(field for field in message.fields if field.HasField("string"))
    star = len(parts) < len(message.fields)
    owner = parts[-1] if star and parts else parts[-2] if len(parts) > 1 else ""
    where = relations.get(owner, []) if owner else everything
    found = set()
    for relation in where:
        for column in relation.columns:
            if star or column.name == parts[-1]:
                found.add(("relation", relation.oid, column.number))
    return found
