"""The tree of an expression, in the shape that Prometheus's pages draw."""

from typing import Any

import pytest

from pgwatch.promql.parser import parse
from pgwatch.web.api_parse import tree


def selector(name: str, *matchers: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    named = [{"name": "__name__", "type": "=", "value": name}]
    return {
        "type": "vectorSelector",
        "name": name,
        "matchers": [{"name": n, "type": t, "value": v} for n, t, v in matchers] + named,
        "offset": 0,
        "timestamp": None,
        "startOrEnd": None,
        "anchored": False,
        "smoothed": False,
        **more,
    }


def function(name: str, *args: str, variadic: int = 0, returns: str = "vector") -> dict[str, Any]:
    return {"name": name, "argTypes": list(args), "variadic": variadic, "returnType": returns}


A = selector("a")
ONE = {"type": "numberLiteral", "val": "1"}
CASES = [
    ("1e3", {"type": "numberLiteral", "val": "1000"}),
    ("+Inf", {"type": "numberLiteral", "val": "+Inf"}),
    ('"x"', {"type": "stringLiteral", "val": "x"}),
    ("a", A),
    ('a{b=~"c"} offset 5m', selector("a", ("b", "=~", "c"), offset=300_000)),
    ("a offset -1s @ 1.5", selector("a", offset=-1000, timestamp=1500)),
    ("a @ end()", selector("a", startOrEnd="end")),
    ("a[5m] @ start()", selector("a", type="matrixSelector", range=300_000, startOrEnd="start")),
    (
        "a[1h:1m]",
        {
            "type": "subquery",
            "expr": A,
            "range": 3_600_000,
            "step": 60_000,
            "offset": 0,
            "timestamp": None,
            "startOrEnd": None,
        },
    ),
    ("-(a)", {"type": "unaryExpr", "op": "-", "expr": {"type": "parenExpr", "expr": A}}),
    (
        "topk by (b) (1, a)",
        {
            "type": "aggregation",
            "op": "topk",
            "param": ONE,
            "expr": A,
            "grouping": ["b"],
            "without": False,
        },
    ),
    (
        "1 > bool 1",
        {
            "type": "binaryExpr",
            "op": ">",
            "lhs": ONE,
            "rhs": ONE,
            "matching": None,
            "bool": True,
        },
    ),
    (
        "a * on (b) group_left (c) a",
        {
            "type": "binaryExpr",
            "op": "*",
            "lhs": A,
            "rhs": A,
            "matching": {
                "card": "many-to-one",
                "labels": ["b"],
                "on": True,
                "include": ["c"],
                "fillValues": {"lhs": None, "rhs": None},
            },
            "bool": False,
        },
    ),
    (
        "a and a",
        {
            "type": "binaryExpr",
            "op": "and",
            "lhs": A,
            "rhs": A,
            "matching": {
                "card": "many-to-many",
                "labels": [],
                "on": False,
                "include": [],
                "fillValues": {"lhs": None, "rhs": None},
            },
            "bool": False,
        },
    ),
    ("time()", {"type": "call", "func": function("time", returns="scalar"), "args": []}),
    (
        "round(a)",
        {"type": "call", "func": function("round", "vector", "scalar", variadic=1), "args": [A]},
    ),
    (
        "rate(a[1s])",
        {
            "type": "call",
            "func": function("rate", "matrix"),
            "args": [selector("a", type="matrixSelector", range=1000)],
        },
    ),
    (
        'label_join(a, "b", ",")',
        {
            "type": "call",
            "func": function("label_join", "vector", "string", "string", "string", variadic=-1),
            "args": [
                A,
                {"type": "stringLiteral", "val": "b"},
                {"type": "stringLiteral", "val": ","},
            ],
        },
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_tree(text: str, expected: dict[str, Any]) -> None:
    assert tree(parse(text)) == expected
