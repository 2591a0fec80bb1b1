"""A PL/pgSQL function as the one expression that it computes: IF becomes CASE. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from pgwatch.migration.liveness.source import declarations, with_plain_types
from pgwatch.migration.liveness.tree import ERROR, query_of, split_assignment
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    opened,
    parse_expression,
    parse_plpgsql,
    parse_type,
    pb,
    strings,
)

_MOST = 200  # statements along all ways
_Tree = Mapping[str, Any]
_Values = Mapping[str, Node]


class _OtherwiseError(Exception):
    """It is more than an expression."""


def expression_of(source: str, names: Sequence[str]) -> Node | None:
    """Return what the body `source` gives, over its parameters `names`; None where it does more."""
    tag = "$inlined$"
    if tag in source:
        return None
    parameters = ", ".join(f'"{name}" text' for name in names if name)
    body = with_plain_types(source, lambda _: False)
    try:
        [tree] = parse_plpgsql(
            f"CREATE FUNCTION inlined({parameters}) RETURNS text LANGUAGE plpgsql AS {tag}{body}{tag}"
        )
        return _Reader(source).given([tree["action"]])
    except (_OtherwiseError, UnparsableError, ValueError, KeyError):
        return None


class _Reader:
    def __init__(self, source: str) -> None:
        self._declared = {one.name: one for one in declarations(source)}
        if len(self._declared) != len(declarations(source)):
            raise _OtherwiseError  # a name that means two variables
        self._left = _MOST

    def given(self, trees: Sequence[_Tree]) -> Node:
        values: dict[str, Node] = {}
        for name, one in self._declared.items():
            default = parse_expression(one.default or "NULL")
            values[name] = self._typed(name, _put(default, values))
        return self._given(trees, values)

    def _given(self, trees: Sequence[_Tree], values: _Values) -> Node:
        """Return what is returned by the statements, one after another."""
        self._left -= 1
        if not trees or self._left < 0:
            raise _OtherwiseError
        [(kind, node)] = trees[0].items()
        rest = trees[1:]
        if kind == "PLpgSQL_stmt_block" and "exceptions" not in node:
            return self._given([*node.get("body", []), *rest], values)
        if kind == "PLpgSQL_stmt_return" and query_of(node.get("expr")):
            return _put(parse_expression(query_of(node["expr"])), values)
        if kind == "PLpgSQL_stmt_assign":
            target, text = split_assignment(query_of(node.get("expr")))
            name = target.strip().lower()
            if name not in self._declared:
                raise _OtherwiseError
            value = self._typed(name, _put(parse_expression(text), values))
            return self._given(rest, {**values, name: value})
        if kind == "PLpgSQL_stmt_if":
            return self._case(node, rest, values)
        if kind == "PLpgSQL_stmt_raise" and node.get("elog_level", ERROR) < ERROR:
            return self._given(rest, values)
        raise _OtherwiseError

    def _case(self, node: _Tree, rest: Sequence[_Tree], values: _Values) -> Node:
        ways = [(node["cond"], node.get("then_body", []))]
        for item in node.get("elsif_list", []):
            branch = item["PLpgSQL_if_elsif"]
            ways.append((branch["cond"], branch.get("stmts", [])))
        case = parse_expression("CASE WHEN true THEN true ELSE true END")
        [only] = case.case_expr.args
        for number, (condition, body) in enumerate(ways):
            when = only if not number else case.case_expr.args.add()
            when.CopyFrom(only)
            expression = _put(parse_expression(query_of(condition)), values)
            when.case_when.expr.CopyFrom(expression)
            when.case_when.result.CopyFrom(self._given([*body, *rest], values))
        other = self._given([*node.get("else_body", []), *rest], values)
        case.case_expr.defresult.CopyFrom(other)
        return case

    def _typed(self, name: str, value: Node) -> Node:
        cast = parse_expression("NULL::text")
        cast.type_cast.type_name.CopyFrom(parse_type(self._declared[name].type))
        cast.type_cast.arg.CopyFrom(value)
        return cast


def _put(node: Node, values: _Values) -> Node:
    """Return an expression with values in the places of variables."""
    made = pb.Node()
    made.CopyFrom(node)
    _replace(made, values)
    return made


def _replace(message: Node, values: _Values) -> None:
    if isinstance(message, pb.Node):
        kind, node = opened(message)
        if kind == "sub_link":
            raise _OtherwiseError  # it reads rows
        if kind == "column_ref":
            names = strings(field for field in node.fields if field.HasField("string"))
            if len(names) == 1 and names[0] in values:
                message.CopyFrom(values[names[0]])
                return
    for field, below in message.ListFields():
        if field.message_type is not None:
            for inner in [below] if hasattr(below, "ListFields") else below:
                _replace(inner, values)
