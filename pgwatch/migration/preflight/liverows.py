"""A rule about a table's rows, in the names and functions that the database has now. Pure."""

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
from pgwatch.migration.preflight.inlined import expression_of
from pgwatch.migration.preflight.lookup import takes, user_type
from pgwatch.migration.preflight.objects import Column, Function, Relation
from pgwatch.migration.preflight.oracle import Refusal
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage, qualified, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError

_SYSTEM_COLUMNS = ("ctid", "tableoid", "xmin", "xmax", "cmin", "cmax")
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
    asked = RowQuestion(
        rule=rule,
        schema=table.live[0],
        table=table.live[1],
        columns=known,
        expression=text,
        sqlstate=sqlstate,
    )
    return _with_changes(stage, asked, table, named)


def _with_changes(
    stage: Stage, asked: RowQuestion, table: Relation, columns: list[Column | None]
) -> RowQuestion:
    """Take in what earlier statements do to the rows: values that they set, rows that they delete."""
    changed = {number for number, _ in table.values}
    touched = any(one is not None and one.number in changed for one in columns)
    if asked.rule is RowRule.NOT_NULL and (touched or table.gone):
        tests = [f"({_value_text(stage, one, table)}) IS NOT NULL" for one in columns if one]
        asked = replace(asked, rule=RowRule.CHECK, expression=" AND ".join(tests))
    if asked.rule is RowRule.UNIQUE and touched and not asked.keys:
        keys = tuple(_value_text(stage, one, table) for one in columns if one)
        asked = replace(asked, keys=keys)
    if table.gone and asked.rule is RowRule.CHECK:
        asked = replace(asked, expression=f"({table.gone}) IS TRUE OR ({asked.expression})")
    if table.gone and asked.rule in (RowRule.UNIQUE, RowRule.EXCLUSION):
        left = f"({table.gone}) IS NOT TRUE"
        asked = replace(
            asked, expression=f"{left} AND ({asked.expression})" if asked.expression else left
        )
    return asked


def _value_text(stage: Stage, column: Column, table: Relation) -> str:
    return live_text(stage, parse_expression(quoted(column.name)), table)


def updated(stage: Stage, table: Relation, node: Node) -> Relation:
    """Return `table` after an UPDATE of it."""
    where = node.where_clause if node.HasField("where_clause") else None
    if where is not None and _is_false(where):
        return table
    known = not (node.from_clause or node.HasField("with_clause") or table.live is None)
    for item in node.target_list:
        column = table.column(item.res_target.name)
        assert column is not None
        text = _new_value(stage, table, column, item.res_target, where) if known else ""
        if text:
            kept = tuple(pair for pair in table.values if pair[0] != column.number)
            table = replace(
                table,
                values=(*kept, (column.number, text)),
                doubtful=table.doubtful - {column.number} if where is None else table.doubtful,
            )
        else:
            table = replace(table, doubtful=table.doubtful | {column.number})
    return table


def _new_value(
    stage: Stage, table: Relation, column: Column, target: Node, where: Node | None
) -> str:
    nodes = [target.val, *([where] if where is not None else [])]
    if target.indirection or any(isinstance(m, pb.SubLink) for n in nodes for m in walk(n)):
        return ""
    if target.val.WhichOneof("node") in ("set_to_default", "multi_assign_ref"):
        return ""
    found, _ = user_type(stage, column.type)
    if found is not None and not found.live:
        return ""
    try:
        value = f"({live_text(stage, target.val, table)})::{column.type}"
        if where is None:
            return value
        old = _value_text(stage, column, table)
        return f"CASE WHEN {live_text(stage, where, table)} THEN {value} ELSE {old} END"
    except (CannotTellError, NotYetKnownError):
        return ""


def _is_false(node: Node) -> bool:
    kind, value = opened(node)
    if kind == "bool_expr" and value.boolop == pb.AND_EXPR:
        return any(_is_false(one) for one in value.args)
    return kind == "a_const" and value.WhichOneof("val") == "boolval" and not value.boolval.boolval


def deleted(stage: Stage, table: Relation, node: Node | None) -> Relation:
    """Return `table` after a DELETE of it, or (None) a TRUNCATE."""
    if node is None or not (node.HasField("where_clause") or node.using_clause):
        return replace(table, gone="true", filled=False)
    if node.using_clause or node.HasField("with_clause"):
        return replace(table, emptied=True, filled=False)
    if _is_false(node.where_clause):
        return table
    if any(isinstance(message, pb.SubLink) for message in walk(node.where_clause)):
        return replace(table, emptied=True, filled=False)
    try:
        text = live_text(stage, node.where_clause, table)
    except (CannotTellError, NotYetKnownError):
        return replace(table, emptied=True, filled=False)
    gone = f"({table.gone}) OR ({text})" if table.gone else text
    return replace(table, gone=gone, filled=False)


def has_rows(stage: Stage, table: Relation) -> bool:
    """Return whether the table has a row, as far as can be seen."""
    if table.live is None or table.filled:
        return table.filled
    schema, name = table.live
    where = f" WHERE ({table.gone}) IS NOT TRUE" if table.gone else ""
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM {quoted(schema)}.{quoted(name)}{where})"  # noqa: S608 - quoted
    )
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
        if parts and parts[-1] not in (table.name, *_SYSTEM_COLUMNS):
            raise CannotTellError(f"what {'.'.join(parts)} is, is known only when it runs")
        return
    value = dict(table.values).get(column.number)
    if value is not None:
        item.CopyFrom(parse_expression(f"({value})"))
    elif column.live:
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
    if not found or all(_is_same(stage, one) for one in found):
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


def _is_same(stage: Stage, function: Function) -> bool:
    """Return whether the database has the function with this body."""
    before = stage.before.functions.get(function.oid)
    return function.live and before is not None and before.shape == function.shape


def _nested(stage: Stage, holder: Node, depth: int) -> None:
    for message in list(walk(holder)):
        if isinstance(message, pb.Node) and message.WhichOneof("node") == "func_call":
            _inline(stage, message, message.func_call, depth)


def body_of(function: Function) -> Node | None:
    """Return the expression that a function is, None where it is more than one."""
    text = function.shape
    if function.language == "plpgsql":
        return expression_of(text, function.names)
    if function.language != "sql":
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


def can_evaluate(stage: Stage, table: Relation, expression: str) -> bool:
    """Return whether the database understands an expression over the live rows as it is now.

    It does not know, for one, the label that an earlier statement adds to an enum. False until it said.
    """
    if table.live is None:
        return False
    schema, name = table.live
    shape = stage.oracle.shape(f"SELECT {expression} FROM {quoted(schema)}.{quoted(name)}")  # noqa: S608 - quoted
    return shape is not None and not shape.sqlstate


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
