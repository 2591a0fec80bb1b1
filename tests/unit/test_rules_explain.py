"""An expression in steps."""

import pytest

from pgwatch.promql.parser import parse
from pgwatch.rules.explain import steps


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        ("x", ["x"]),
        ("1 + 2", ["1 + 2"]),
        ("(x) > (5)", ["(x) > (5)", "  x"]),
        ("rate(x[5m]) > 1", ["rate(x[5m]) > 1", "  rate(x[5m])", "    x[5m]"]),
        (
            "sum by (a) (x and -y) or vector(0)",
            [
                "sum by (a) (x and -y) or vector(0)",
                "  sum by (a) (x and -y)",
                "    x and -y",
                "      x",
                "      -y",
                "        y",
                "  vector(0)",
            ],
        ),
        ("topk(3, x)", ["topk(3, x)", "  x"]),
    ],
)
def test_steps(expr: str, shown: list[str]) -> None:
    found = steps(parse(expr))
    assert ["  " * step.depth + str(step.expr) for step in found] == shown
