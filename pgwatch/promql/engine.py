"""PromQL over the store: instant and range queries.

The semantics are those of Prometheus 3 with default flags, for samples that are numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from pgwatch.promql import ast
from pgwatch.promql.budget import check_budget
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.evaluate import Evaluator, Run
from pgwatch.promql.parser import parse
from pgwatch.promql.reach import read_since
from pgwatch.promql.signature import ValueType
from pgwatch.promql.vector import Value, Vector, named_at_last
from pgwatch.promql.window import Samples, windows
from pgwatch.samples.block import Times, Values
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.samples.sample import Source
from pgwatch.samples.store import Store
from pgwatch.samples.table import sort_keys

MAX_POINTS = 11_000  # per series of a range query, as in Prometheus


class Kind(StrEnum):
    """The type of a result, in the words of Prometheus's HTTP API."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one series in a result: rising times in Unix ms, and their values."""

    labels: Labels
    times: Times
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class InstantResult:
    """What an expression is at one time."""

    kind: Kind
    time_ms: int
    vector: tuple[tuple[Labels, float], ...] = ()
    # in label order unless the expression sorts; a scalar is one element without labels
    matrix: tuple[Series, ...] = ()  # of a range vector only
    text: str = ""  # of a string only
    sources: frozenset[Source]  # every source with a sample that the evaluation read
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeResult:
    """What an expression is at each step of a time range; its series are in label order."""

    series: tuple[Series, ...]
    sources: frozenset[Source]
    warnings: tuple[str, ...] = ()


def _never() -> None:
    """Let an evaluation take as long as it likes."""


class Engine:
    """Evaluates PromQL over a store; may be used by several threads at once."""

    def __init__(
        self,
        store: Store,
        lookback: timedelta = timedelta(minutes=5),
        interval: timedelta = timedelta(minutes=1),
        *,
        delayed_names: bool = False,
    ) -> None:
        """`lookback` is how old a sample may be to count; `interval` a subquery's default resolution.

        `delayed_names` removes metric names at the end of an evaluation only, as Prometheus does with its
        feature flag `promql-delayed-name-removal`; its test scripts are written for that.
        """
        self._store = store
        self._lookback_ms = lookback // timedelta(milliseconds=1)
        self._interval_ms = interval // timedelta(milliseconds=1)
        self._delayed_names = delayed_names

    def instant(
        self, expr: ast.Expr | str, time_ms: int, *, check_time: Callable[[], None] = _never
    ) -> InstantResult:
        """Return the value of `expr` at `time_ms`; raises PromqlError.

        `check_time` is called between parts of the work, and ends it by raising.
        """
        expr, text = _parsed(expr)
        steps = np.array([time_ms], dtype=np.int64)
        evaluator = self._evaluator(expr, text, steps, time_ms, check_time)
        run = evaluator.run
        kind, string = Kind.VECTOR, ""
        vector: tuple[tuple[Labels, float], ...] = ()
        matrix: tuple[Series, ...] = ()
        with np.errstate(all="ignore"):
            if ast.type_of(expr) is ValueType.MATRIX:
                kind, matrix = Kind.MATRIX, _window_series(evaluator, expr)
            else:
                value = evaluator.value(expr)
                if isinstance(value, Vector):
                    vector = _elements(named_at_last(value))
                elif isinstance(value, str):
                    kind, string = Kind.STRING, value
                else:
                    kind, vector = Kind.SCALAR, ((Labels(), float(value[0])),)
        return InstantResult(
            kind=kind,
            time_ms=time_ms,
            vector=vector,
            matrix=matrix,
            text=string,
            sources=frozenset(run.sources),
            warnings=tuple(run.warnings),
        )

    def range(
        self,
        expr: ast.Expr | str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        check_time: Callable[[], None] = _never,
    ) -> RangeResult:
        """Return the value of `expr` at `start_ms`, every `step_ms` after, up to `end_ms`.

        Raises PromqlError. `check_time` is called between parts of the work, and ends it by raising.
        """
        expr, text = _parsed(expr)
        if step_ms <= 0:
            raise PromqlError("zero or negative query resolution step widths are not accepted")
        if end_ms < start_ms:
            raise PromqlError("end timestamp must not be before start time")
        if (end_ms - start_ms) // step_ms > MAX_POINTS:
            raise PromqlError(
                f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries. Try decreasing"
                " the query resolution (?step=XX)"
            )
        kind = ast.type_of(expr)
        if kind not in (ValueType.SCALAR, ValueType.VECTOR):
            raise PromqlError(
                f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            )
        steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        evaluator = self._evaluator(expr, text, steps, end_ms, check_time)
        with np.errstate(all="ignore"):
            value = evaluator.value(expr)
        if isinstance(value, Vector):
            value = named_at_last(value)
        run = evaluator.run
        return RangeResult(
            series=_series(value, steps),
            sources=frozenset(run.sources),
            warnings=tuple(run.warnings),
        )

    def _evaluator(
        self, expr: ast.Expr, text: str, steps: Times, end_ms: int, check_time: Callable[[], None]
    ) -> Evaluator:
        samples = self._samples(expr, int(steps[0]), end_ms)
        check_budget(expr, steps, samples, self._interval_ms)
        run = Run(
            start_ms=int(steps[0]),
            end_ms=end_ms,
            lookback_ms=self._lookback_ms,
            interval_ms=self._interval_ms,
            samples=samples,
            check_time=check_time,
            text=text,
        )
        return Evaluator(run, steps)

    def _samples(
        self, expr: ast.Expr, start_ms: int, end_ms: int
    ) -> Mapping[tuple[Matcher, ...], Samples]:
        """Take what each selector of `expr` reads, so that appending meanwhile changes nothing."""
        chosen = self._store.select_all(read_since(expr, start_ms, end_ms, self._lookback_ms))
        rows = {
            part.block: part.block.rows for selection in chosen.values() for part in selection.parts
        }
        return {
            matchers: Samples.of(selection, rows, delayed_names=self._delayed_names)
            for matchers, selection in chosen.items()
        }


def _parsed(expr: ast.Expr | str) -> tuple[ast.Expr, str]:
    """Return the expression, and its text if it was given as one."""
    return (parse(expr), expr) if isinstance(expr, str) else (expr, "")


def _elements(vector: Vector) -> tuple[tuple[Labels, float], ...]:
    columns = _in_order(vector)
    values = vector.values[0, columns].tolist()
    return tuple(zip(vector.table.pick(columns), values, strict=True))


def _in_order(vector: Vector) -> list[int]:
    """Return the columns with an element at the only step, in the order of the answer."""
    if vector.present is None:
        return list(vector.table.order() if vector.order is None else vector.order)
    there = np.flatnonzero(vector.present[0]).tolist()
    if vector.order is None and len(there) * 8 < len(vector.table):
        # Few of many, as a rule finds them: sorting all would cost more, and more than once.
        keys = dict(zip(there, sort_keys(vector.table.pick(there)), strict=True))
        return sorted(there, key=keys.__getitem__)
    known = set(there)
    order = vector.table.order() if vector.order is None else vector.order
    return [column for column in order if column in known]


def _series(value: Value, steps: Times) -> tuple[Series, ...]:
    assert not isinstance(value, str)
    if not isinstance(value, Vector):
        return (Series(Labels(), steps, value),)
    if value.present is None:
        return tuple(
            Series(value.table.labels[column], steps, value.values[:, column])
            for column in value.table.order()
        )
    mask = value.present
    there = np.logical_or.reduce(mask, axis=0)
    return tuple(
        Series(
            value.table.labels[column],
            steps[mask[:, column]],
            value.values[mask[:, column], column],
        )
        for column in value.table.order()
        if there[column]
    )


def _window_series(evaluator: Evaluator, expr: ast.Expr) -> tuple[Series, ...]:
    """Return the samples in the window of a range vector."""
    samples, ends, range_ms = evaluator.samples(expr)
    found: list[Series] = []
    now = int(evaluator.steps[0])
    for window, places in windows(samples, int(ends[0]), range_ms, now, evaluator.run.sources):
        columns = np.arange(len(samples.table))[places].tolist()
        times = window.times
        found.extend(
            Series(samples.table.labels[place], times[:, i].copy(), window.values[:, i].copy())
            for i, place in enumerate(columns)
        )
    return tuple(sorted(found, key=lambda series: series.labels))
