"""The parser against promql-parser (Rust), where that one is right; it has no places and few messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgwatch.promql import ast
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import METRIC_NAME

_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def _ours(node: ast.Expr) -> Any:
    match node:
        case ast.NumberLiteral():
            return repr(node.value)
        case ast.StringLiteral():
            return ("string", node.value)
        case ast.ParenExpr():
            return ("paren", _ours(node.expr))
        case ast.UnaryExpr():
            # The oracle has no sign +, nor keeps the sign of a unary expression.
            return ("unary", _ours(node.expr))
        case ast.BinaryExpr():
            matching = node.matching
            return (
                node.op,
                node.return_bool,
                (matching.on, matching.labels, matching.include)
                if matching and (matching.on or matching.labels)
                else None,
                _ours(node.lhs),
                _ours(node.rhs),
            )
        case ast.VectorSelector():
            matchers = sorted(
                (m.name, str(m.type), m.value)
                for m in node.matchers
                if not (node.name and m.name == METRIC_NAME)
            )
            return ("vector", node.name, matchers, node.offset_ms, node.at)
        case ast.MatrixSelector():
            return ("matrix", node.range_ms, _ours(node.selector))
        case ast.SubqueryExpr():
            return (
                "subquery",
                node.range_ms,
                node.step_ms,
                node.offset_ms,
                node.at,
                _ours(node.expr),
            )
        case ast.Call():
            return (node.func, [_ours(arg) for arg in node.args])
        case ast.AggregateExpr():
            param = _ours(node.param) if node.param else None
            return (node.op, node.without, node.grouping, param, _ours(node.expr))
    raise AssertionError(node)


def _milliseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration / timedelta(milliseconds=1))


def _at(at: Any) -> Any:
    if at is None:
        return None
    if str(at) in ("@ start()", "@ end()"):
        return str(at)[2:-2]
    return round((at.at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _matching(modifier: Any) -> Any:
    if modifier is None or modifier.matching is None:
        return None
    on = "Include" in str(modifier.matching.type)
    labels = tuple(modifier.matching.labels)
    return (on, labels, tuple(modifier.group_labels or ())) if on or labels else None


def _theirs(node: Any) -> Any:
    match type(node).__name__:
        case "NumberLiteral":
            return repr(node.val)
        case "StringLiteral":
            return ("string", node.val)
        case "ParenExpr":
            return ("paren", _theirs(node.expr))
        case "UnaryExpr":
            return ("unary", _theirs(node.expr))
        case "BinaryExpr":
            return (
                str(node.op),
                bool(node.modifier and node.modifier.return_bool),
                _matching(node.modifier),
                _theirs(node.lhs),
                _theirs(node.rhs),
            )
        case "VectorSelector":
            matchers = sorted(
                (m.name, _OPS[str(m.op).partition(".")[2]], m.value) for m in node.matchers.matchers
            )
            offset = _milliseconds(node.offset) or 0
            return ("vector", node.name or "", matchers, offset, _at(node.at))
        case "MatrixSelector":
            return ("matrix", _milliseconds(node.range), _theirs(node.vector_selector))
        case "SubqueryExpr":
            offset = _milliseconds(node.offset) or 0
            span, step = _milliseconds(node.range), _milliseconds(node.step)
            return ("subquery", span, step, offset, _at(node.at), _theirs(node.expr))
        case "Call":
            return (node.func.name, [_theirs(arg) for arg in node.args])
        case "AggregateExpr":
            without = node.modifier is not None and "Without" in str(node.modifier.type)
            labels = tuple(node.modifier.labels) if node.modifier else ()
            param = _theirs(node.param) if node.param is not None else None
            return (str(node.op), without, labels, param, _theirs(node.expr))
    raise AssertionError(node)


_LABELS = st.sampled_from(["a", "job", "instance", "on", "le"])
_LISTS = st.lists(_LABELS, max_size=2, unique=True).map(lambda names: f"({', '.join(names)})")
# An empty `on()` beside a scalar: Prometheus drops it, the oracle keeps it.
_SOME = st.lists(_LABELS, min_size=1, max_size=2, unique=True).map(lambda n: f"({', '.join(n)})")
_DURATIONS = st.sampled_from(["5m", "1h30m", "30s", "1d", "250ms"])
_MATCHER = st.builds(
    lambda name, op, value: f'{name}{op}"{value}"',
    _LABELS,
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from(["x", "x.*", "a|b", "[0-9]+"]),
)
_TIMES = st.sampled_from(["", "", " offset 5m", " @ 12.5", " @ start()", " offset -1h @ end()"])
_SELECTOR = st.builds(
    lambda name, matchers, times: (
        f"{name}{{{', '.join(matchers)}}}{times}" if matchers else name + times
    ),
    st.sampled_from(["up", "foo_total", "sum", "job:x:rate5m"]),
    st.lists(_MATCHER, max_size=2),
    _TIMES,
)
_RANGE = st.builds(
    lambda name, window, times: f"{name}[{window}]{times}",
    st.sampled_from(["foo_total", 'bar{a="b"}']),
    _DURATIONS,
    _TIMES,
)
_LEAVES = st.one_of(
    _SELECTOR,
    st.sampled_from(["1", "0.5", "1e3", "time()", "5m", '"text"', "NaN"]),
    st.builds(
        lambda func, window: f"{func}({window})", st.sampled_from(["rate", "delta", "abs"]), _RANGE
    ),
)


_OPERATORS = [*"+-*/%^><", "atan2", "==", "!=", ">=", "<=", "and", "or", "unless"]


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    modifiers = st.one_of(
        st.just(""),
        st.just(" bool"),
        st.builds(
            lambda kind, names: f" {kind}{names}", st.sampled_from(["on", "ignoring"]), _SOME
        ),
        st.builds(lambda names, group: f" on{names} group_left{group}", _SOME, _LISTS),
    )
    return st.one_of(
        st.builds(
            lambda a, op, mod, b: f"{a} {op}{mod} {b}",
            inner,
            st.sampled_from(_OPERATORS),
            modifiers,
            inner,
        ),
        inner.map(lambda a: f"({a})"),
        inner.map(lambda a: f"-{a}"),
        st.builds(lambda a, window: f"({a})[{window}:]", inner, _DURATIONS),
        st.builds(
            lambda func, a: f"{func}({a})",
            st.sampled_from(["abs", "scalar", "vector", "hour"]),
            inner,
        ),
        st.builds(
            lambda op, kind, names, a: f"{op} {kind} {names} ({a})",
            st.sampled_from(["sum", "max", "count"]),
            st.sampled_from(["by", "without"]),
            _LISTS,
            inner,
        ),
        st.builds(lambda k, a: f"topk({k}, {a})", inner, inner),
    )


_EXPRESSIONS = st.recursive(_LEAVES, _compound, max_leaves=6)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(_EXPRESSIONS)
def test_same_answer_and_same_tree_as_the_oracle(text: str) -> None:
    try:
        theirs = _theirs(promql_parser.parse(text))
    except ValueError:
        with pytest.raises(PromqlError):
            parse(text)
        return
    expr = parse(text)
    assert _ours(expr) == theirs
    assert _ours(parse(str(expr))) == theirs


_NOISE = st.text(alphabet="ab1 .{}()[]\"'`\\=!~,:+-*/%^<>@#$é\n", max_size=30)


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(_NOISE | _EXPRESSIONS.map(lambda text: text[:-1]))
def test_any_text_gives_a_tree_or_a_message(text: str) -> None:
    try:
        expr = parse(text)
    except PromqlError as error:
        place = (error.line, error.column)
        assert min(place) >= 1, error  # noqa: PT017
    else:
        assert str(parse(str(expr))) == str(expr)
