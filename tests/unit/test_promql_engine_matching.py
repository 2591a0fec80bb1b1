"""Which elements meet, how they are grouped and labelled, and what is ambiguous."""

import math

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.samples.labels import Labels
from tests.series import STALE, ask, same, series, store_of

MINUTE = 60_000
INF, NAN = math.inf, math.nan


PAIRS = (
    series('a{x="1",y="1"}', 10),
    series('a{x="1",y="2"}', 20),
    series('b{x="1"}', 2),
    series('b{x="2"}', 4),
    series('c{x="1",z="p"}', 100),
    series('c{x="1",z="q"}', 200),
    series('e{x="1",y=""}', 7),
)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("b + on(x) b", {'{x="1"}': 4, '{x="2"}': 8}),
        ("b > on(x) b", {}),
        ("b >= on(x) b", {'{x="1"}': 2, '{x="2"}': 4}),
        ("b >= b", {'b{x="1"}': 2, 'b{x="2"}': 4}),
        ("b >= bool b", {'{x="1"}': 1, '{x="2"}': 1}),
        ("a / on(x) group_left b", {'{x="1", y="1"}': 5, '{x="1", y="2"}': 10}),
        ("b / on(x) group_right a", {'{x="1", y="1"}': 0.2, '{x="1", y="2"}': 0.1}),
        ("a > on(x) group_left b", {'a{x="1", y="1"}': 10, 'a{x="1", y="2"}': 20}),
        ('a{y="1"} * on(x) group_left(y) e', {'{x="1"}': 70}),  # empty on the "one" side: deleted
        ("b and on(x) a", {'b{x="1"}': 2}),
        ("b unless on(x) a", {'b{x="2"}': 4}),
        ("b unless none", {'b{x="1"}': 2, 'b{x="2"}': 4}),
        ('b or on(x) c', {'b{x="1"}': 2, 'b{x="2"}': 4}),
        ('b{x="2"} or on(x) c', {'b{x="2"}': 4, 'c{x="1", z="p"}': 100, 'c{x="1", z="q"}': 200}),
        ('(b > 3) or b', {'b{x="1"}': 2, 'b{x="2"}': 4}),  # equal label sets, never both there
        ("a * on() group_left topk(1, c)", {'{x="1", y="1"}': 2000, '{x="1", y="2"}': 4000}),
        ('count_values("v", a * 0 + 1e6)', {'{v="1000000"}': 2}),
        ('count_values by (x) ("y", a)', {'{x="1", y="10"}': 1, '{x="1", y="20"}': 1}),
        ('count_values without (x, y) ("y", a)', {"{}": 2}),  # the label is set before grouping
        ("topk by (x) (1, a)", {'a{x="1", y="2"}': 20}),
        ("bottomk(1, a * 0)", {'{x="1", y="1"}': 0}),  # equal values: the first in label order
        ("topk(0, a)", {}),
        ("quantile(0.5, a)", {"{}": 15}),
        ("group without (y) (a)", {'{x="1"}': 1}),
        ("sum by (nothing) (a)", {"{}": 30}),
        ('label_replace(b, "w", "$1-$$-${1}$9", "x", "(.)")', {
            'b{w="1-$-1", x="1"}': 2, 'b{w="2-$-2", x="2"}': 4}),
        ('label_replace(c{z="p"}, "w", "hit", "x", "1.")', {'c{x="1", z="p"}': 100}),
        ('label_replace(c{z="p"}, "w", "hit", "z", "")', {'c{x="1", z="p"}': 100}),  # anchored at the end
        ('label_replace(c{z="p"}, "x", "", "z", ".*")', {'c{z="p"}': 100}),
        ('label_replace(c{z="p"}, "w", "n$first", "z", "(?P<first>.)")', {'c{w="np", x="1", z="p"}': 100}),
        ('label_join(c{z="p"}, "w", "-", "x", "no", "z")', {'c{w="1--p", x="1", z="p"}': 100}),
        ('absent(c{x="1"})', {}),
        ('absent(c{x="3",z=~"p",w="1",w="2"})', {'{x="3"}': 1}),
        ("absent((none))", {"{}": 1}),
        ('absent_over_time(none{x="1"}[1m])', {'{x="1"}': 1}),
        ("sum(none)", {}),
        ("count(none) or vector(0)", {"{}": 0}),
    ],
    ids=str,
)  # fmt: skip
def test_matching_and_grouping(expr: str, expected: dict[str, float]) -> None:
    assert same(got := ask(expr, 0, *PAIRS), expected), got


_MANY_TO_MANY = (
    'found duplicate series for the match group {x="1"} on the {SIDE} hand-side of the operation: '
    '[{__name__="c", x="1", z="p"}, {__name__="c", x="1", z="q"}];many-to-many matching not allowed: '
    "matching labels must be unique on one side"
)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("b * on(x) c", _MANY_TO_MANY.replace("{SIDE}", "right")),
        ("c * on(x) group_right b", _MANY_TO_MANY.replace("{SIDE}", "left")),
        ("a * on(x) group_left c", _MANY_TO_MANY.replace("{SIDE}", "right")),
        ("c * on(x) b", "multiple matches for labels: many-to-one matching must be explicit"),
        ("c > on(x) b * 60", "multiple matches for labels: many-to-one matching must be explicit"),
        (
            "c * on(x) group_left(z) b",
            "multiple matches for labels: grouping labels must ensure unique",
        ),
        ('-{__name__=~"a|f"}', "vector cannot contain metrics with the same labelset"),
        (
            'label_replace(c, "z", "", "z", ".*")',
            "vector cannot contain metrics with the same labelset",
        ),
        ('label_replace(b, "w", "", "x", "(")', "invalid regular expression in label_replace()"),
        ('label_replace(b, "", "", "x", ".")', "invalid destination label name in label_replace()"),
        ("topk(NaN, a)", "Parameter value is NaN"),
    ],
)
def test_ambiguous_or_wrong_is_an_error(expr: str, message: str) -> None:
    with pytest.raises(PromqlError) as refused:
        ask(expr, 0, *PAIRS, series('f{x="1",y="1"}', 1))
    assert message in str(refused.value)


def test_the_matching_of_a_step_depends_on_what_is_there() -> None:
    """Two partners that are never there together are no ambiguity."""
    first, then = series('n{x="1"}', 2, 2, STALE), series('n{x="2"}', None, None, 3, 3)
    engine = Engine(store_of([series("m", 1, 1, 1, 1), first, then]))
    result = engine.range("m * on() n", 0, 3 * MINUTE, MINUTE)
    assert [(s.labels, s.values.tolist()) for s in result.series] == [(Labels(), [2, 2, 3, 3])]
