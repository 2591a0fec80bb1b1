"""An expression in steps: each part whose value says something of its own. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pgwatch.promql import ast


@dataclass(frozen=True, slots=True)
class Step:
    """One part of an expression; `depth` is how many others it stands in."""

    depth: int
    expr: ast.Expr


def steps(expr: ast.Expr) -> list[Step]:
    """Return the parts of `expr`: outer ones first, from left to right.

    Literals are left out, and so is the selector in a range: they say themselves what they are.
    """
    return list(_steps(expr, 0))


def _steps(expr: ast.Expr, depth: int) -> Iterator[Step]:
    expr = ast.unwrapped(expr)
    if isinstance(expr, ast.NumberLiteral | ast.StringLiteral):
        return
    yield Step(depth, expr)
    if not isinstance(expr, ast.MatrixSelector):
        for child in ast.children(expr):
            yield from _steps(child, depth + 1)
