"""The parser's answers: trees, messages with places, limits."""

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
from pgwatch.promql.parser import MAX_BYTES, parse
from pgwatch.promql.reader import MAX_DEPTH
from pgwatch.promql.signature import FUNCTIONS, REFUSED, ValueType

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


ERRORS = """
1:1 | no expression found in input |
1:1 | no expression found in input | # only a comment
1:4 | unexpected end of input | 1 +
1:5 | unexpected identifier "bar" | foo bar
1:3 | unclosed left parenthesis | (1
1:2 | unexpected right parenthesis ')' | 1)
1:6 | unexpected "}" in label matching, expected label matching operator | foo{a}
1:7 | unexpected character inside braces: '1' | foo{a=1}
1:11 | unexpected identifier "c" in label matching, expected "," or "}" | foo{a="b" c="d"}
1:5 | unexpected "," in label matching, expected identifier or "}" | foo{,}
1:7 | unexpected "}" in label matching, expected string | foo{a=}
1:5 | unexpected end of input inside braces | foo{
1:6 | unexpected character after '!' inside braces: '"' | foo{a!"b"}
1:5 | error parsing regexp: missing closing ]: `[a` | foo{a=~"[a"}
1:5 | unexpected identifier "some_metric" | sum some_metric by (test)
1:12 | unexpected identifier "y" in aggregation | sum by (x) y
1:8 | unexpected identifier "x" in grouping opts, expected "(" | sum by x (y)
1:9 | unexpected number "1" in grouping opts, expected label | sum by (1) (y)
1:11 | unexpected identifier "z" in grouping opts, expected "," or ")" | sum by (x z) (y)
1:1 | no arguments for aggregate expression provided | sum()
1:1 | wrong number of arguments for aggregate expression provided, expected 1, got 2 | sum(a, b)
1:1 | wrong number of arguments for aggregate expression provided, expected 2, got 1 | topk(1)
1:6 | expected type scalar in aggregation parameter, got instant vector | topk(a, b)
1:14 | expected type string in aggregation parameter, got instant vector | count_values(foo, foo)
1:5 | expected type instant vector in aggregation expression, got range vector | sum(a[5m])
1:6 | expected type range vector in call to function "rate", got instant vector | rate(foo)
1:1 | expected 1 argument(s) in call to "abs", got 0 | abs()
1:1 | expected at most 2 argument(s) in call to "round", got 3 | round(foo, 1, 2)
1:1 | expected at least 3 argument(s) in call to "label_join", got 2 | label_join(foo, "a")
1:17 | expected type string in call to function "label_join", got scalar | label_join(foo, 1, "a")
1:1 | unknown function with name "nosuch" | nosuch(foo)
1:8 | trailing commas not allowed in function call args | sum(foo,)
1:12 | unexpected ")" in subquery or range, expected ":" or "]" | rate(foo[5m)
1:5 | unexpected "]" in subquery or range selector, expected number or duration | foo[]
1:11 | unexpected ":" in subquery selector, expected "]" | foo[5m:30s:]
1:5 | duration must be greater than 0 | foo[0s]
1:5 | not a valid duration string: "1.5h" | foo[1.5h]
1:1 | bad number or duration syntax: "5x" | 5x
1:6 | ranges only allowed for vector selectors | (foo)[5m]
1:15 | no offset modifiers allowed before range | foo offset 5m [5m]
1:9 | no @ modifiers allowed before range | foo @ 1 [5m]
1:11 | unexpected end of input in offset, expected number or duration | foo offset
1:1 | offset may not be set multiple times | foo offset 5m offset 1m
1:7 | unexpected identifier "x" in @, expected timestamp | foo @ x
1:1 | @ <timestamp> may not be set multiple times | foo @ 1 @ 2
1:1 | timestamp out of bounds for @ modifier: 10000000000000000000.000000 | foo @ 1e19
1:1 | subquery is only allowed on instant vector, got matrix instead | foo[5m][5m:]
1:3 | comparisons between scalars must use BOOL modifier | 1 > 2
1:5 | bool modifier can only be used on comparison operators | foo + bool bar
1:1 | set operator "and" not allowed in binary scalar expression | foo and 1
1:1 | no grouping allowed for "or" operation | foo or on(a) group_left(b) bar
1:5 | label "a" must not occur in ON and GROUP clause at once | foo + on(a) group_left(a) bar
1:1 | vector matching only allowed between instant vectors | foo + on(a) 1
1:1 | binary expression must contain only scalar and instant vector types | foo[5m] + 1
1:5 | binary expression must contain only scalar and instant vector types | 1 + "a"
1:1 | unary expression only allowed on expressions of type scalar or instant vector, got "string" | -"a"
1:1 | metric name must not be set twice: "foo" or "bar" | foo{__name__="bar"}
1:1 | vector selector must contain at least one non-empty matcher | {}
1:1 | vector selector must contain at least one non-empty matcher | {a=~".*", b!="c"}
1:1 | unexpected character: '$' | $
1:1 | unterminated quoted string | "abc
1:1 | unterminated raw string | `abc
1:1 | unknown escape sequence U+0071 'q' | 'a\\q'
1:1 | escape sequence is an invalid Unicode code point | "\\ud800"
1:1 | illegal character U+0067 'g' in escape sequence | "\\xgg"
1:1 | error parsing number: strconv.ParseFloat: parsing "1e400": value out of range | 1e400
1:1 | anchored modifier is experimental and not enabled | foo anchored
"""


def _error_rows() -> list[tuple[str, str, str]]:
    rows = []
    for line in ERRORS.strip().splitlines():
        place, message, text = (
            line.split(" | ", 2) if line.count(" | ") > 1 else (*line.split(" | "), "")
        )
        rows.append((text.strip(), place, message.removesuffix(" |")))
    return rows


@pytest.mark.parametrize(("text", "place", "message"), _error_rows())
def test_errors_have_prometheus_words_and_places(text: str, place: str, message: str) -> None:
    with pytest.raises(PromqlError) as caught:
        parse(text)
    assert str(caught.value) == f"{place}: parse error: {message}"


def test_offset_needs_a_selector() -> None:
    with pytest.raises(
        PromqlError, match="offset modifier must be preceded by an instant vector selector"
    ):
        parse("1 offset 5m")


def test_place_counts_lines() -> None:
    with pytest.raises(PromqlError) as caught:
        parse("a\n  + # here\n  b c")
    assert (caught.value.line, caught.value.column) == (3, 5)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_why_by_name(name: str) -> None:
    with pytest.raises(PromqlError, match=rf"{name}\(\) (is|was|works) "):
        parse(f"a + {name}(b)")


@pytest.mark.parametrize(
    "text", ["a[5m * 2]", "a[5m:1m+1]", "a[step()]", "a offset (5m)", "a[5m:-1m]"]
)
def test_arithmetic_in_durations_names_the_version(text: str) -> None:
    with pytest.raises(PromqlError, match=r"Prometheus 3\.14"):
        parse(text)


def test_there_are_68_functions() -> None:
    assert len(FUNCTIONS) == 68


HOSTILE = [
    "(" * 8_000,
    "a" + "+a" * 5_000,
    "-" * 8_000 + "a",
    "abs(" * 3_000 + "a" + ")" * 3_000,
    "a" + "[5m:]" * 2_000,
    "a" + "^a" * 5_000,
    "sum by (" * 1_000,
    "{" * 16_000,
    "a" + " offset 1s" * 1_000,
    "x" * MAX_BYTES + "x",
    "\ud800",
    '"\\',
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(PromqlError):
        parse(text)


def test_deepest_allowed_expression_still_works() -> None:
    chain = "a" + " + a" * (MAX_DEPTH - 1)
    nested = "(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1)
    for text in (chain, nested):
        expr = parse(text)
        assert str(expr) == text
        assert len(selectors(expr)) == text.count("a")


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
