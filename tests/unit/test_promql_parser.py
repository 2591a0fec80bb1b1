"""The parser's answers: trees, types, and what is printed of them."""

import json
from pathlib import Path

import pytest
import yaml

from pgwatch.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Card,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorMatching,
    VectorSelector,
    format_number,
    needs_history,
    selectors,
    type_of,
)
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.promql.signature import ValueType

SHARED = Path(__file__).parents[3] / "shared"

NUMBERS = [
    ("1", 1),
    (".5", 0.5),
    ("5.", 5),
    ("1e3", 1000),
    ("1_000", 1000),
    ("0x1F", 31),
    ("0755", 493),  # Go reads a leading zero as octal
    ("0o17", None),
    ("089", 89),  # unless a digit forbids it
    ("+Inf", float("inf")),
    ("-inf", -float("inf")),
    ("5m", 300),  # a duration is its seconds
    ("1h30m", 5400),
    ("-1ms", -0.001),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers_are_read_as_go_reads_them(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(PromqlError):
            parse(text)
    else:
        assert parse(text) == NumberLiteral(value=value)


STRINGS = [
    ('"a\\tb"', "a\tb"),
    ("'it\\'s'", "it's"),
    ("`raw\\n`", "raw\\n"),
    ('"\\u00e9\\U0001F600"', "é😀"),
    ('"\\xc3\\xa9"', "é"),  # bytes, not characters
    ('"\\303\\251"', "é"),
    ('"\\xff"', "\ufffd"),
]


@pytest.mark.parametrize(("text", "value"), STRINGS)
def test_strings_are_read_as_go_reads_them(text: str, value: str) -> None:
    assert parse(text) == StringLiteral(value=value)


GROUPED = [
    # what is written, and the same with every pair of operands in parentheses
    ("a + b * c", "a + (b * c)"),
    ("a * b + c", "(a * b) + c"),
    ("a - b - c", "(a - b) - c"),
    ("a ^ b ^ c", "a ^ (b ^ c)"),
    ("-a ^ b", "-(a ^ b)"),
    ("-a * b", "(-a) * b"),
    ("a ^ -b * c", "(a ^ (-b)) * c"),
    ("a or b and c unless d", "a or ((b and c) unless d)"),
    ("a > b + c", "a > (b + c)"),
    ("a atan2 b + c", "(a atan2 b) + c"),
    ("a == b != c", "(a == b) != c"),
    ("a % b / c", "(a % b) / c"),
]


@pytest.mark.parametrize(("text", "grouped"), GROUPED)
def test_operators_bind_as_in_prometheus(text: str, grouped: str) -> None:
    def bare(text: str) -> str:
        return text.replace("(", "").replace(")", "")

    expr = parse(text)
    assert _grouped(expr) == grouped
    assert str(expr) == bare(grouped)


def _grouped(expr: object, *, inside: bool = False) -> str:
    if isinstance(expr, BinaryExpr):
        text = f"{_grouped(expr.lhs, inside=True)} {expr.op} {_grouped(expr.rhs, inside=True)}"
        return f"({text})" if inside else text
    if isinstance(expr, UnaryExpr):
        text = f"{expr.op}{_grouped(expr.expr, inside=True)}"
        return f"({text})" if inside else text
    return str(expr)


def test_selector_has_matchers_offset_and_time() -> None:
    expr = parse('foo{a="b", c!~"d.*"} offset 5m @ 1.5')
    assert isinstance(expr, VectorSelector)
    assert [str(matcher) for matcher in expr.matchers] == [
        '__name__="foo"',
        'a="b"',
        'c!~"d.*"',
    ]
    assert (expr.name, expr.offset_ms, expr.at) == ("foo", 300_000, 1_500)
    assert expr.matchers[2].predicate()("x")
    assert not expr.matchers[2].predicate()("dd")


def test_range_and_subquery_keep_their_durations() -> None:
    window = parse("foo[90] @ end() offset -1m")
    assert isinstance(window, MatrixSelector)
    assert (window.range_ms, window.selector.offset_ms, window.selector.at) == (
        90_000,
        -60_000,
        "end",
    )
    subquery = parse("(a + b)[1h:30s] offset 1d")
    assert isinstance(subquery, SubqueryExpr)
    assert (subquery.range_ms, subquery.step_ms, subquery.offset_ms) == (
        3_600_000,
        30_000,
        86_400_000,
    )
    assert parse("a[1h:]") == SubqueryExpr(expr=parse("a"), range_ms=3_600_000, step_ms=None)


def test_durations_are_rounded_to_milliseconds_away_from_zero() -> None:
    expr = parse("foo[1.0006] offset -0.0015")
    assert isinstance(expr, MatrixSelector)
    assert (expr.range_ms, expr.selector.offset_ms) == (1_001, -2)


MATCHING = [
    ("a + b", VectorMatching()),
    ("a + on(x) b", VectorMatching(on=True, labels=("x",))),
    ("a + ignoring() b", VectorMatching()),
    (
        "a / on(x, y) group_left(z) b",
        VectorMatching(card=Card.MANY_TO_ONE, on=True, labels=("x", "y"), include=("z",)),
    ),
    (
        "a / ignoring(x) group_right b",
        VectorMatching(card=Card.ONE_TO_MANY, labels=("x",)),
    ),
    ("a and on() b", VectorMatching(card=Card.MANY_TO_MANY, on=True)),
    ("a unless b", VectorMatching(card=Card.MANY_TO_MANY)),
    ("a + 1", None),
    ("1 + on() a", None),  # Prometheus lets an empty list pass beside a scalar
    ("1 + 1", None),
]


@pytest.mark.parametrize(("text", "matching"), MATCHING)
def test_matching_of_operands(text: str, matching: VectorMatching | None) -> None:
    expr = parse(text)
    assert isinstance(expr, BinaryExpr)
    assert expr.matching == matching


def test_aggregation_takes_its_modifier_before_or_after() -> None:
    expected = AggregateExpr(
        op="topk", expr=parse("a"), param=NumberLiteral(value=3), grouping=("x", "by"), without=True
    )
    assert parse("topk without (x, by) (3, a)") == expected
    assert parse("TOPK(3, a) without(x, by,)") == expected


def test_words_of_the_grammar_may_name_metrics_and_labels() -> None:
    for name in ("sum", "by", "offset", "and", "start", "without", "count_values"):
        expr = parse(f'{name}{{bool="1"}}')
        assert isinstance(expr, VectorSelector)
        assert expr.name == name
    assert str(parse("sum by (sum, on) (a)")) == "sum by (sum, on) (a)"
    assert parse("job:errors:rate5m") == parse('{"job:errors:rate5m"}')


def test_names_in_quotes_may_be_any_utf8() -> None:
    expr = parse('sum by ("a.b") ({"my.metric", "l.é"=~"x"})')
    assert isinstance(expr, AggregateExpr)
    assert expr.grouping == ("a.b",)
    assert isinstance(expr.expr, VectorSelector)
    assert expr.expr.name == "my.metric"
    assert [matcher.name for matcher in expr.expr.matchers] == ["__name__", "l.é"]
    assert str(expr) == 'sum by ("a.b") ({"my.metric", "l.é"=~"x"})'


def test_spans_are_the_text_of_each_node() -> None:
    text = 'sum by (x) (rate(foo{a="b"}[5m] offset 1m)) > bool -5'
    expr = parse(text)
    assert isinstance(expr, BinaryExpr)
    assert isinstance(expr.lhs, AggregateExpr)
    assert isinstance(expr.lhs.expr, Call)

    def written(node: BinaryExpr | AggregateExpr | Call | NumberLiteral) -> str:
        return text[node.span[0] : node.span[1]]

    assert written(expr) == text
    assert written(expr.lhs) == text[: text.index(" > ")]
    assert written(expr.lhs.expr) == 'rate(foo{a="b"}[5m] offset 1m)'
    start, end = expr.lhs.expr.args[0].span
    assert text[start:end] == 'foo{a="b"}[5m] offset 1m'
    assert text[expr.rhs.span[0] : expr.rhs.span[1]] == "-5"


TYPES = [
    ("1 + 1", ValueType.SCALAR),
    ("time()", ValueType.SCALAR),
    ("a + 1", ValueType.VECTOR),
    ("-a", ValueType.VECTOR),
    ("(a[5m])", ValueType.MATRIX),
    ("a[5m:]", ValueType.MATRIX),
    ('"x"', ValueType.STRING),
    ("scalar(a)", ValueType.SCALAR),
]


@pytest.mark.parametrize(("text", "kind"), TYPES)
def test_types(text: str, kind: ValueType) -> None:
    assert type_of(parse(text)) is kind


HISTORY = [
    ("a > 1 and on() b", False),
    ("rate(a[5m])", True),
    ("a offset 5m", True),
    ("a @ 10", True),
    ("max_over_time(a[5m:1m])", True),
    ("time() - a", False),
]


@pytest.mark.parametrize(("text", "needs"), HISTORY)
def test_needs_history(text: str, needs: bool) -> None:
    assert needs_history(parse(text)) is needs


def test_selectors_are_found_everywhere() -> None:
    expr = parse("topk(scalar(k), rate(a[5m])) / on() -(b) > label_replace(c, '', '', '', '')")
    assert [selector.name for selector in selectors(expr)] == ["k", "a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1000.0, "1000"),
        (0.85, "0.85"),
        (1e-5, "0.00001"),
        (1e-7, "1e-07"),
        (1e21, "1e+21"),
        (-0.0, "-0"),
        (1073741824.0, "1073741824"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
    ],
)
def test_numbers_are_printed_plainly(value: float, text: str) -> None:
    assert format_number(value) == text


def test_a_power_of_infinity_is_printed_without_a_sign() -> None:
    # +Inf ^ 2 would be the sign of a power, not a power of a number.
    assert str(parse("Inf ^ 2 + Inf")) == "Inf ^ 2 + +Inf"


def _corpus() -> list[str]:
    cases = SHARED / "promql" / "cases.jsonl"
    if not cases.exists():
        return []
    lines = cases.read_text().splitlines()
    return sorted({json.loads(line)["eval"]["expr"] for line in lines})


def _real_rules() -> list[str]:
    found: set[str] = set()
    for file in sorted((SHARED / "peers" / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            found.update(rule["expr"] for rule in group["rules"])
    return sorted(found)


@pytest.mark.parametrize("corpus", [_corpus, _real_rules])
def test_expressions_of_others_parse_and_print_the_same_tree(corpus: object) -> None:
    assert callable(corpus)
    texts = corpus()
    if not texts:
        pytest.skip("../shared is not here")
    for text in texts:
        if " fill" in text and "(" in text.partition(" fill")[2]:  # behind a flag in Prometheus
            with pytest.raises(PromqlError, match="experimental"):
                parse(text)
            continue
        expr = parse(text)
        assert str(parse(str(expr))) == str(expr)
        if "nan" not in text.lower():  # NaN is not equal to itself
            assert parse(str(expr)) == expr
