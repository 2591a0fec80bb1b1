"""A rule about a table's rows, in the names and functions that the database has now. Pure."""

import re
from dataclasses import replace

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    expression_text,
    opened,
    parse_expression,
    parse_statements,
    pb,
    strings,
)
from pgwatch.migration.preflight.oracle import Refusal
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.scene import Column, Function, Relation
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError, takes, user_type

_RETURNS = re.compile(
    r"\s*BEGIN\s+RETURN\s+(?P<value>[^;]+);\s*END\s*;?\s*", re.IGNORECASE | re.DOTALL
)
_DEPTH = 5  # functions in functions


def question(
    stage: Stage,
    table: Relation,
    rule: RowRule,
    columns: tuple[int, ...],
    *,
    sqlstate: str,
    expression: Node | None = None,
) -> RowQuestion | None:
    """Return what to ask about the rows of `table`; None where it cannot have rows in the way.

    Raises CannotTellError where the database cannot evaluate the rule yet.
    """
    if table.live is None:
        return None
    named = [table.numbered(number) for number in columns]
    known = tuple(one.live for one in named if one is not None and one.live)
    text = ""
    try:
        if expression is not None:
            text = live_text(stage, expression, table)
    except (CannotTellError, NotYetKnownError):
        if has_rows(stage, table):
            raise
        return None
    return RowQuestion(
        rule=rule,
        schema=table.live[0],
        table=table.live[1],
        columns=known,
        expression=text,
        sqlstate=sqlstate,
    )


def has_rows(stage: Stage, table: Relation) -> bool:
    """Return whether the table has a row, as far as can be seen."""
    if table.live is None:
        return table.rows_changed
    schema, name = table.live
    answer = stage.oracle.value(f"SELECT EXISTS (SELECT FROM {quoted(schema)}.{quoted(name)})")  # noqa: S608 - quoted
    if isinstance(answer, Refusal):
        stage.note(f"whether {table.name} has rows cannot be seen: {answer.message}")
    return answer is True


def live_text(stage: Stage, node: Node, table: Relation) -> str:
    """Return an expression over the rows of `table` that the database can evaluate now."""
    holder = pb.Node()
    holder.CopyFrom(node)
    _replace(stage, holder, table, _DEPTH)
    return expression_text(holder)


def _replace(stage: Stage, item: Node, table: Relation, depth: int) -> None:
    kind, node = opened(item)
    if kind == "column_ref":
        _column(stage, item, node, table)
        return
    for field, value in node.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                if isinstance(inner, pb.Node):
                    _replace(stage, inner, table, depth)
                elif isinstance(inner, pb.TypeName):
                    _known_type(stage, inner)
                else:
                    _below(stage, inner, table, depth)
    if kind == "func_call":
        _inline(stage, item, node, depth)


def _below(stage: Stage, message: Node, table: Relation, depth: int) -> None:
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                if isinstance(inner, pb.Node):
                    _replace(stage, inner, table, depth)


def _known_type(stage: Stage, node: Node) -> None:
    found, _ = user_type(stage, ".".join(strings(node.names)))
    if found is not None and not found.live:
        raise CannotTellError(f"type {found.name} is not there yet")


def _column(stage: Stage, item: Node, node: Node, table: Relation) -> None:
    parts = strings(field for field in node.fields if field.HasField("string"))
    column = table.column(parts[-1]) if parts else None
    if column is None:
        return
    if column.live:
        item.CopyFrom(parse_expression(quoted(column.live)))
    else:
        item.CopyFrom(_value_of(stage, column))


def _value_of(stage: Stage, column: Column) -> Node:
    """Return what a column that is added has in every row."""
    found, _ = user_type(stage, column.type)
    if found is not None and not found.live:
        raise CannotTellError(f"type {found.name} is not there yet")
    return parse_expression(f"(({column.default or 'NULL'})::{column.type})")


def _inline(stage: Stage, item: Node, node: Node, depth: int) -> None:
    schema, name = qualified(node.funcname)
    found = [f for f in stage.scene.functions_named(schema, name) if takes(f, len(node.args))]
    if not found or all(one.live for one in found):
        return
    body = body_of(found[0])
    if body is None or not depth or len(node.args) != len(found[0].arguments):
        raise CannotTellError(
            f"function {name} is not there yet, so its answer for the rows is not known"
        )
    call = dict(zip(found[0].names, node.args, strict=False))
    holder = pb.Node()
    holder.CopyFrom(body)
    _arguments(holder, call, list(node.args), found[0])
    _nested(stage, holder, depth - 1)
    item.CopyFrom(holder)


def _nested(stage: Stage, holder: Node, depth: int) -> None:
    for message in list(walk(holder)):
        if isinstance(message, pb.Node) and message.WhichOneof("node") == "func_call":
            _inline(stage, message, message.func_call, depth)


def body_of(function: Function) -> Node | None:
    """Return the expression that a function is, None where it is more than one."""
    text = function.shape
    if function.language == "plpgsql":
        match = _RETURNS.fullmatch(text)
        text = f"SELECT {match['value']}" if match else ""
    elif function.language != "sql":
        return None
    try:
        statements = parse_statements(text)
    except UnparsableError:
        return None
    if len(statements) != 1 or statements[0][0] != "select_stmt":
        return None
    select = statements[0][1]
    if len(select.target_list) != 1 or select.from_clause or select.HasField("where_clause"):
        return None
    return select.target_list[0].res_target.val


def _arguments(item: Node, named: dict[str, Node], given: list[Node], function: Function) -> None:
    """Put the arguments of a call in the places of the parameters, converted to their types."""
    kind, node = opened(item)
    value = None
    if kind == "column_ref":
        parts = strings(field for field in node.fields if field.HasField("string"))
        value = named.get(parts[-1]) if parts else None
        position = function.names.index(parts[-1]) if value is not None else 0
    elif kind == "param_ref" and 0 < node.number <= len(given):
        value, position = given[node.number - 1], node.number - 1
    if value is not None:
        cast = parse_expression(f"NULL::{function.arguments[position]}")
        cast.type_cast.arg.CopyFrom(value)
        item.CopyFrom(cast)
        return
    for field, below in node.ListFields():
        if field.message_type is not None:
            for inner in [below] if hasattr(below, "ListFields") else below:
                for one in [inner] if isinstance(inner, pb.Node) else _nodes(inner):
                    _arguments(one, named, given, function)


def _nodes(message: Node) -> list[Node]:
    found: list[Node] = []
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                found += [inner] if isinstance(inner, pb.Node) else _nodes(inner)
    return found


def check_rows(stage: Stage, table: Relation, asked: RowQuestion | None, message: str) -> None:
    """Fail where rows break the rule that is asked about."""
    if asked is not None:
        stage.breaks(asked, table, message)


def with_references(
    asked: RowQuestion, table: Relation, columns: tuple[int, ...]
) -> RowQuestion | None:
    """Return a foreign key's question with what it refers to; None where that is new, too."""
    if table.live is None:
        return None
    names = tuple(one.live for n in columns if (one := table.numbered(n)) is not None)
    if not all(names):
        return None
    return replace(asked, references=(*table.live, names))
