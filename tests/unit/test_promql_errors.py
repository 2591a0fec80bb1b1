"""What the parser refuses: messages with places, limits."""

import pytest

from pgwatch.promql.ast import selectors
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import MAX_BYTES, parse
from pgwatch.promql.reader import MAX_DEPTH
from pgwatch.promql.signature import FUNCTIONS, REFUSED

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
