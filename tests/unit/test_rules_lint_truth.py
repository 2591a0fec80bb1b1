"""What the lint knows of an expression without data holds for its real results: random queries over data."""

import math
import os
import random
from dataclasses import replace
from typing import Any

from pgwatch.promql import ast
from pgwatch.promql.engine import Engine, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.rules.bounds import Bounds, always, bounds, never
from pgwatch.rules.knowledge import of_series
from pgwatch.rules.labelsets import LabelReader, never_meet
from pgwatch.samples.labels import METRIC_NAME
from tests.random_queries import ROWS, START, Generator, all_series
from tests.series import store_of

QUERIES = int(os.environ.get("LINT_QUERIES", "1500"))
SEED = int(os.environ.get("LINT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

# Every collected series has these two.
SERIES = [replace(one, labels={"instance": "9", "job": "c", **one.labels}) for one in all_series()]
KNOWN = of_series(
    (one.labels[METRIC_NAME], one.labels, one.labels[METRIC_NAME] in ("c_total", "d_bucket"))
    for one in SERIES
)


def test_bounds_and_labels_hold_for_results() -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    generator, engine, reader = Generator(dice), Engine(store_of(SERIES)), LabelReader(KNOWN)
    checked = matched = 0
    for _ in range(QUERIES):
        expr = parse(generator.vector(dice.randint(1, 4)))
        time = START + dice.randrange(1500, ROWS * 15, 10) + 7
        try:
            result = engine.instant(expr, time * 1000)
        except PromqlError:
            continue
        if result.kind is not Kind.VECTOR:
            continue
        limits, sets = bounds(expr, KNOWN), reader.of(expr)
        for labels, value in result.vector:
            checked += 1
            names = set(labels) - {METRIC_NAME}
            assert names >= sets.always, f"{expr}: {labels!r} lacks one of {sorted(sets.always)}"
            assert all(map(sets.could_have, names)), f"{expr}: {labels!r} has too much: {sets}"
            assert _within(value, limits, time), f"{expr}: {value} is not within {limits}"
        matched += _check_operator(expr, result.vector, reader)
    assert checked > QUERIES
    assert matched > QUERIES / 50


def _within(value: float, limits: Bounds, time: float) -> bool:
    if math.isnan(value):
        return True
    start = time if limits.of_now else 0
    slack = 1e-6 * max(1.0, abs(value))  # of sums in another order
    return start + limits.low - slack <= value <= start + limits.high + slack


def _check_operator(expr: ast.Expr, vector: tuple[Any, ...], reader: LabelReader) -> bool:
    """Check that an operator with a result is not said to have none; returns whether there was one."""
    expr = ast.unwrapped(expr)
    if not isinstance(expr, ast.BinaryExpr) or not vector:
        return False
    if expr.op != "unless":
        assert not never_meet(expr, reader.of(expr.lhs), reader.of(expr.rhs)), str(expr)
    if expr.op in ast.COMPARISONS and not expr.return_bool:
        assert not never(expr.op, bounds(expr.lhs, KNOWN), bounds(expr.rhs, KNOWN)), str(expr)
    return True


def test_never_and_always_exclude_each_other() -> None:
    dice = random.Random(SEED)
    for _ in range(2000):
        one, two = (sorted(dice.choices((-math.inf, -1, 0, 1, 5, math.inf), k=2)) for _ in "ab")
        for op in ast.COMPARISONS:
            left, right = Bounds(one[0], one[1]), Bounds(two[0], two[1])
            assert not (never(op, left, right) and always(op, left, right))
