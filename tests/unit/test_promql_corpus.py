"""Prometheus's own test scripts against the engine (they are data of another project, kept outside).

Each case runs as it stands. An instant case is also asked as a range query, and with `@` in every
selector at another time; both must agree.
"""

import json
import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from pgwatch.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    walk,
)
from pgwatch.promql.engine import Engine, InstantResult, Kind, Series
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import Labels
from pgwatch.samples.store import Store
from tests.series import Point, TestSeries, store_of

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "promql"
Case = dict[str, Any]


def _cases() -> list[Case]:
    path = CORPUS / "cases.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


CASES = _cases()
# Upstream runs its scripts with flags that are off by default. These cases hold only with delayed name
# removal: a metric's name goes at the end, so that label functions and `by (__name__)` still see it.
DELAYED = frozenset((CORPUS / "delayed_only.txt").read_text().split()) if CASES else frozenset()

pytestmark = pytest.mark.skipif(not CASES, reason=f"{CORPUS} is not here: the corpus lies outside")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_upstream_case(case: Case) -> None:
    asked, expected = case["eval"], case["expect"]
    if asked["type"] == "range":
        check_range(case)
        return
    engine = _engine(case)
    if expected["fail"]:
        with pytest.raises(PromqlError) as refused:
            engine.instant(_expression(case), asked["at"])
        assert expected.get("fail_msg", "") in str(refused.value)
        return
    result = engine.instant(_expression(case), asked["at"])
    check_annotations(result.warnings, expected)
    check_instant(result, expected)
    if result.kind in (Kind.SCALAR, Kind.VECTOR) and not expected["ordered"]:
        check_as_range(engine, case, result)
        check_pinned(engine, case, result)


def _engine(case: Case) -> Engine:
    return Engine(_store(json.dumps(case["load"])), delayed_names=case["id"] in DELAYED)


def _expression(case: Case) -> Expr | str:
    """Return what to ask: the text, which places warnings, or the tree of what a setting allows."""
    text: str = case["eval"]["expr"]
    return parse(text, fill=True) if "fill" in case["tags"] else text


@lru_cache(maxsize=4)
def _store(load: str) -> Store:
    return store_of(
        TestSeries(
            labels=series["labels"],
            points=[_point(value) for value in series["values"]],
            step_ms=series["step"],
        )
        for series in json.loads(load)
    )


def _point(value: float | str) -> Point:
    if value == "_":
        return None
    return value if value == "stale" else float(value)


def same(got: float, expected: float) -> bool:
    """Compare as upstream does: relative 1e-6, exact around zero."""
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    return got == expected or math.isclose(got, expected, rel_tol=1e-6)


def check_annotations(warnings: tuple[str, ...], expected: dict[str, Any]) -> None:
    for kind in ("warn", "info"):
        prefix = "PromQL warning" if kind == "warn" else "PromQL info"
        found = [text for text in warnings if text.startswith(prefix)]
        assert not (expected.get(f"no_{kind}") and found)
        for wanted in expected.get(kind, ()):
            assert any(wanted.get("msg", text) == text for text in found), (wanted, found)


def check_instant(result: InstantResult, expected: dict[str, Any]) -> None:
    if "string" in expected:
        assert (result.kind, result.text) == (Kind.STRING, expected["string"])
    elif "scalar" in expected:
        assert result.kind is Kind.SCALAR
        assert same(result.vector[0][1], float(expected["scalar"]))
    elif "range_vector" in expected:
        assert result.kind is Kind.MATRIX
        check_series(result.matrix, expected, **expected["range_vector"])
    else:
        wanted = [(Labels(r["labels"]), float(r["values"][0])) for r in expected["results"]]
        got = list(result.vector)
        if not expected["ordered"]:
            got, wanted = sorted(got, key=by_labels), sorted(wanted, key=by_labels)
        assert [labels for labels, _ in got] == [labels for labels, _ in wanted]
        assert all(same(g[1], w[1]) for g, w in zip(got, wanted, strict=True)), (got, wanted)


def by_labels(element: tuple[Labels, float]) -> Labels:
    return element[0]


def check_as_range(engine: Engine, case: Case, instant: InstantResult) -> None:
    """The middle one of three steps must say what the instant query said."""
    expr, at = _expression(case), case["eval"]["at"]
    if "@ start()" in str(expr) or "@ end()" in str(expr):
        return  # they mean another time there
    result = engine.range(expr, at - 60_000, at + 60_000, 60_000)
    found = {
        series.labels: float(series.values[list(series.times).index(at)])
        for series in result.series
        if at in series.times
    }
    assert sorted(found) == sorted(labels for labels, _ in instant.vector)
    for labels, value in instant.vector:
        assert same(found[labels], value), labels


def check_pinned(engine: Engine, case: Case, instant: InstantResult) -> None:
    """With `@` written into every selector, the query says the same at another time."""
    at = case["eval"]["at"]
    expr = parse(case["eval"]["expr"], fill="fill" in case["tags"])
    if "@" in str(expr) or any(_reads_clock(node) for node in walk(expr)):
        return
    result = engine.instant(_pinned(expr, at), at + 7_777_000)
    assert [labels for labels, _ in result.vector] == [labels for labels, _ in instant.vector]
    for (_, got), (_, wanted) in zip(result.vector, instant.vector, strict=True):
        assert same(got, wanted)


def _reads_clock(expr: Expr) -> bool:
    if not isinstance(expr, Call):
        return False
    return expr.func in ("time", "timestamp", "predict_linear") or not expr.args


def _pinned(expr: Expr, at: int) -> Expr:
    """Return `expr` with `@ at` in its selectors and subqueries, but for those inside subqueries."""
    match expr:
        case VectorSelector() | SubqueryExpr():
            return replace(expr, at=at)
        case MatrixSelector():
            return replace(expr, selector=replace(expr.selector, at=at))
        case ParenExpr() | UnaryExpr():
            return replace(expr, expr=_pinned(expr.expr, at))
        case BinaryExpr():
            return replace(expr, lhs=_pinned(expr.lhs, at), rhs=_pinned(expr.rhs, at))
        case Call():
            return replace(expr, args=tuple(_pinned(arg, at) for arg in expr.args))
        case AggregateExpr():
            param = None if expr.param is None else _pinned(expr.param, at)
            return replace(expr, expr=_pinned(expr.expr, at), param=param)
        case _:
            return expr


def check_range(case: Case) -> None:
    asked, expected = case["eval"], case["expect"]
    engine = _engine(case)
    if expected["fail"]:
        with pytest.raises(PromqlError) as refused:
            engine.range(_expression(case), asked["start"], asked["end"], asked["step"])
        assert expected.get("fail_msg", "") in str(refused.value)
        return
    result = engine.range(_expression(case), asked["start"], asked["end"], asked["step"])
    check_annotations(result.warnings, expected)
    check_series(
        result.series, expected, start=asked["start"], end=asked["end"], step=asked["step"]
    )


def check_series(
    got: tuple[Series, ...], expected: dict[str, Any], *, start: int, end: int, step: int
) -> None:
    wanted = {
        Labels(each["labels"]): {
            time: float(value)
            for time, value in zip(range(start, end + 1, step), each["values"], strict=False)
            if value != "_"
        }
        for each in expected["results"]
    }
    assert [series.labels for series in got] == sorted(wanted)
    for series in got:
        points = dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
        assert points.keys() == wanted[series.labels].keys()
        for time, value in points.items():
            assert same(value, wanted[series.labels][time]), (series.labels, time)
