"""The value of an expression in a block, which the server computes over the scene. Pure.

Only the system's own functions are run, and rows are read only of tables that are as the database has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    opened,
    parse_expression,
    parse_statements,
    pb,
    query_text,
    strings,
)
from pgwatch.migration.preflight.catalogues import catalogue
from pgwatch.migration.preflight.oracle import Refusal
from pgwatch.migration.preflight.scene import shown_oid
from pgwatch.migration.preflight.stage import CannotTellError, Stage, literal, qualified, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError, StandIn

_MOST_ROWS = 500  # of a query that a loop goes over
# The system's functions that change something, or whose answer is about something else than the scene.
_NEVER = (
    "query_to_",
    "table_to_",
    "schema_to_",
    "database_to_",
    "cursor_to_",
    "nextval",
    "setval",
    "set_config",
    "pg_",
    "lo_",
    "dblink",
    "currval",
    "lastval",
    "txid_",
)
_ALLOWED = ("pg_get_", "pg_typeof", "pg_relation_size", "pg_total_relation_size")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a block: its type, and its value as SQL; "" is not known."""

    type: str
    sql: str = ""
    fields: Mapping[str, "Variable"] | None = None  # of a record


Variables = Mapping[str, Variable]


def value(stage: Stage, text: str, variables: Variables) -> str | None:
    """Return an expression's value as text, None for NULL; raises CannotTellError where it is not known."""
    holder = pb.Node()
    try:
        holder.CopyFrom(parse_expression(text))
    except (UnparsableError, ValueError) as error:
        raise CannotTellError(f"{text} cannot be read") from error
    sql = prepared(stage, holder, variables)
    return _answer(stage, f"SELECT jsonb_build_array(({sql.removeprefix('SELECT ')})::text)")


def _answer(stage: Stage, sql: str) -> str | None:
    answer = stage.oracle.value(sql)
    if answer is None:
        raise NotYetKnownError
    if isinstance(answer, Refusal):
        if answer.ours or answer.sqlstate.startswith("42"):
            raise CannotTellError(answer.message)
        if answer.message.startswith("invalid input value for enum"):
            raise CannotTellError(answer.message)  # a label that an earlier statement adds
        raise stage.fail(answer.sqlstate, answer.message)
    found: str | None = answer[0]
    return found


def rows(stage: Stage, text: str, variables: Variables) -> list[dict[str, Variable]]:
    """Return the rows of a query, each column as a typed value."""
    try:
        [(kind, _)] = statements = parse_statements(text)
    except (UnparsableError, ValueError) as error:
        raise CannotTellError(f"{text} cannot be read") from error
    if kind != "select_stmt":
        raise CannotTellError("what a change returns is known only when it runs")
    holder = pb.Node(**{kind: statements[0][1]})
    sql = prepared(stage, holder, variables)
    shape = stage.oracle.shape(sql)
    if shape is None:
        raise NotYetKnownError
    if shape.sqlstate:
        raise CannotTellError(shape.message)
    names = [name for name, _ in shape.columns]
    texts = ", ".join(f"{quoted(name)}::text" for name in names)
    answer = stage.oracle.value(
        f"SELECT coalesce(jsonb_agg(jsonb_build_array({texts})), '[]')"  # noqa: S608 - as the block says
        f" FROM (SELECT * FROM ({sql}) AS q LIMIT {_MOST_ROWS}) AS q"
    )
    if answer is None:
        raise NotYetKnownError
    if isinstance(answer, Refusal):
        raise CannotTellError(answer.message)
    return [
        {
            name: Variable(type_, "NULL" if item is None else f"{literal(item)}::{type_}")
            for item, (name, type_) in zip(row, shape.columns, strict=True)
        }
        for row in answer
    ]


def prepared(stage: Stage, holder: Node, variables: Variables) -> str:
    """Return a query or `SELECT expression` that the server may run for us."""
    constants = [
        message.sval.sval
        for message in walk(holder)
        if isinstance(message, pb.A_Const) and message.WhichOneof("val") == "sval"
    ]
    constants += [
        one.sql[1:].split("'")[0] for one in variables.values() if one.sql.startswith("'")
    ]
    parts = [part for one in constants for part in one.split(".")]
    _replace(stage, holder, variables, [*constants, *parts])
    kind, _ = opened(holder)
    if kind == "select_stmt":
        text = query_text(holder)
    else:
        return StandIn(stage).expressions([holder], [])
    return StandIn(stage).query(holder) or text


def _replace(stage: Stage, item: Node, variables: Variables, constants: list[str]) -> None:
    kind, node = opened(item)
    if kind == "column_ref":
        _variable(item, node, variables)
        return
    if kind == "func_call":
        _check_call(stage, node)
        if _regclass(stage, item, node):
            return
    if kind == "sqlvalue_function" and node.op == pb.SVFOP_CURRENT_SCHEMA:
        item.CopyFrom(parse_expression(literal(stage.scene.creation_schema())))
        return
    _inside(stage, node, variables, constants)
    if kind == "func_call" and strings(node.funcname)[-1] == "current_schema":
        item.CopyFrom(parse_expression(literal(stage.scene.creation_schema())))
    if kind == "range_var":
        _relation(stage, item, node, constants)


def _inside(stage: Stage, message: Node, variables: Variables, constants: list[str]) -> None:
    for field, value_ in message.ListFields():
        if field.message_type is None:
            continue
        for one in [value_] if hasattr(value_, "ListFields") else value_:
            if isinstance(one, pb.Node):
                _replace(stage, one, variables, constants)
            else:
                _inside(stage, one, variables, constants)


def _variable(item: Node, node: Node, variables: Variables) -> None:
    parts = strings(field for field in node.fields if field.HasField("string"))
    found = variables.get(parts[0].lower()) if parts else None
    if found is None:
        return
    if len(parts) > 1 and found.fields is not None:
        found = found.fields.get(parts[1].lower())
    elif len(parts) > 1:
        return
    if found is None or not found.sql:
        raise CannotTellError(f"the value of {'.'.join(parts)} is not known")
    item.CopyFrom(parse_expression(f"({found.sql})"))


def _check_call(stage: Stage, node: Node) -> None:
    schema, name = qualified(node.funcname)
    if stage.scene.functions_named(schema, name) and name not in stage.facts.functions:
        raise CannotTellError(f"what {name}() returns is known only when it runs")
    if name.startswith(_NEVER) and not name.startswith(_ALLOWED):
        raise CannotTellError(f"what {name}() returns is known only when it runs")


def _regclass(stage: Stage, item: Node, node: Node) -> bool:
    name = strings(node.funcname)[-1]
    if name not in ("to_regclass", "to_regtype", "to_regproc") or len(node.args) != 1:
        return False
    kind, argument = opened(node.args[0])
    if kind == "type_cast":
        kind, argument = opened(argument.arg)
    if kind != "a_const" or argument.WhichOneof("val") != "sval":
        raise CannotTellError("which name it asks for is not known")
    parts = [part.strip('"') for part in argument.sval.sval.split(".")]
    schema, last = parts[-2] if len(parts) > 1 else "", parts[-1]
    oid = 0
    if name == "to_regclass":
        relation = stage.scene.find(schema, last)
        oid = relation.oid if relation else 0
    elif name == "to_regtype":
        made = stage.scene.find_type(schema, last)
        row = stage.scene.find(schema, last)
        if last in stage.facts.types:
            return False
        oid = made.oid if made else row.oid if row else 0
    else:
        functions = stage.scene.functions_named(schema, last)
        oid = functions[0].oid if len(functions) == 1 else 0
    sql = f"{shown_oid(oid)}::oid::{name[3:]}" if oid else f"NULL::{name[3:]}"
    item.CopyFrom(parse_expression(sql))
    return True


def _relation(stage: Stage, item: Node, node: Node, constants: list[str]) -> None:
    scene = stage.scene
    name = node.relname
    schema = node.schemaname
    sql = None
    if stage.is_system(schema, name) or (schema in ("pg_catalog", "information_schema")):
        sql = catalogue(scene, schema, name, constants)
        if sql is None:
            return
    else:
        found = scene.find(schema, name)
        if found is None:
            return
        if found.kind in "vm":
            raise CannotTellError(f"what {name} gives is known only when it runs")
        if found.live is None and not found.rows_changed:
            return
        if found.rows_changed or found.altered or found.live is None:
            raise CannotTellError(f"an earlier statement changes {name}")
        return
    alias = node.alias.aliasname or name
    [(_, select)] = parse_statements(sql)
    made = pb.Node()
    made.range_subselect.subquery.select_stmt.CopyFrom(select)
    made.range_subselect.alias.aliasname = alias
    item.CopyFrom(made)
