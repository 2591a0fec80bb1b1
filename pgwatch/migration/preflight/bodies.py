"""What the server checks of a function's body when it is made. Pure."""

from pgwatch.migration.liveness.source import declarations
from pgwatch.migration.parse import Node, UnparsableError, opened, parse_plpgsql, parse_statements
from pgwatch.migration.preflight.asking import Columns, assignable
from pgwatch.migration.preflight.dml import analyse, is_dml
from pgwatch.migration.preflight.dml_parts import Body
from pgwatch.migration.preflight.objects import Function
from pgwatch.migration.preflight.plain import plain_function
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.typenames import resolve

_NOT_SYNTAX = (
    "cannot be read",
    "VARIADIC parameter must be an array",
    "LookupExplicitNamespace",  # of a type in a schema
)
_NO_TYPES = frozenset({"refcursor", "record"})
_POLYMORPHIC = frozenset(
    f"any{prefix}{kind}"
    for prefix in ("", "compatible")
    for kind in ("", "element", "array", "nonarray", "enum", "range", "multirange")
    if prefix or kind
)


def check_plpgsql(stage: Stage, node: Node, body: str) -> None:
    """Fail where a body in PL/pgSQL has a syntax error, or a variable of a type that is not there."""
    if error := _syntax_error(_plain(stage, node)):
        raise stage.fail("42601", error)
    for one in declarations(body):
        if one.type and one.type.lower() not in _NO_TYPES:
            _check_type(stage, one.type)


def _plain(stage: Stage, node: Node) -> str:
    """Return the statement with plain types, or as it is where it cannot be written anew.

    Some names of parameters then lack their quotes.
    """
    try:
        plain = plain_function(stage, node)
        parse_statements(plain)
    except UnparsableError:
        return stage.sql
    return plain


def _syntax_error(sql: str) -> str:
    """Return what is wrong with a CREATE FUNCTION for the grammar's library, if it can be trusted there.

    It knows no types but the system's, and takes others for no arrays.
    """
    try:
        parse_plpgsql(sql)
    except UnparsableError as error:
        return "" if any(words in str(error) for words in _NOT_SYNTAX) else str(error)
    return ""


def _check_type(stage: Stage, name: str) -> None:
    lower = name.lower()
    if lower.endswith("%rowtype"):
        parts = lower.removesuffix("%rowtype").split(".")
        stage.named(parts[-2] if len(parts) > 1 else "", parts[-1])
        return
    if lower.endswith("%type"):
        parts = lower.removesuffix("%type").split(".")
        if len(parts) > 1:
            relation = stage.scene.find(parts[-3] if len(parts) > 2 else "", parts[-2])
            if relation is None:
                raise stage.fail("42P01", f'relation "{parts[-2]}" does not exist')
            if relation.column(parts[-1]) is None:
                raise stage.fail(
                    "42703",
                    f'column "{parts[-1]}" of relation "{parts[-2]}" does not exist',
                )
        return
    try:
        [(_, select)] = parse_statements(f"SELECT NULL::{name}")
    except (UnparsableError, ValueError):
        return
    kind, cast = opened(select.target_list[0].res_target.val)
    if kind == "type_cast":
        resolve(stage, cast.type_name)


def check_body(stage: Stage, function: Function) -> None:
    """Fail where a body in SQL has an error: it is analysed when the function is made.

    One with polymorphic arguments is only parsed (fmgr_sql_validator in pg_proc.c).
    """
    try:
        statements = parse_statements(function.shape)
    except UnparsableError as error:
        raise stage.fail("42601", str(error)) from None
    if any(one.removesuffix("[]") in _POLYMORPHIC for one in function.arguments):
        return
    parameters = {
        name: type_ for name, type_ in zip(function.names, function.arguments, strict=True) if name
    }
    body = Body(function=function.name, parameters=parameters, positions=function.arguments)
    last: Columns | None = ()
    kind = ""
    # The function can call itself.
    stage.scene.put_function(function)
    for kind, node in statements:
        last = analyse(stage, kind, node, body)
    if not statements or not is_dml(kind):
        if function.returns not in ("void", ""):
            raise _mismatch(stage, function)
        return
    _check_result(stage, function, last, statements[-1][0], statements[-1][1])


def _mismatch(stage: Stage, function: Function) -> Exception:
    return stage.fail(
        "42P13", f"return type mismatch in function declared to return {function.returns}"
    )


def _check_result(
    stage: Stage, function: Function, last: Columns | None, kind: str, node: object
) -> None:
    if function.returns in ("void", "") or last is None:
        return
    if kind != "select_stmt" and not last:
        raise _mismatch(stage, function)
    wanted = [type_ for _, type_ in function.outputs]
    base = function.returns
    relation = None
    if not wanted:
        schema, _, name = base.rpartition(".")
        relation = stage.scene.find(schema, name) if base not in stage.facts.types else None
        if relation is not None:
            if len(last) == 1 and last[0][1].rpartition(".")[2] in ("record", relation.name):
                return
            wanted = [one.type for one in relation.columns]
    if base == "record" and not wanted:
        return
    wanted = wanted or [base]
    if len(wanted) != len(last):
        if len(last) == 1 and last[0][1] == "record":
            return
        raise _mismatch(stage, function)
    for (_, given), type_ in zip(last, wanted, strict=True):
        if not assignable(stage, given, type_):
            raise _mismatch(stage, function)
    del node
