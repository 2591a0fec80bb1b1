"""Evaluation of a parsed expression at all steps at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pgwatch.promql import ast, binary
from pgwatch.promql.absent import absent
from pgwatch.promql.aggregate import aggregated
from pgwatch.promql.calls import FUNCTIONS
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.functions import Arguments, check_quantile
from pgwatch.promql.ranges import RANGE_FUNCTIONS, RangeFunction
from pgwatch.promql.vector import Scalar, Value, Vector, without_name
from pgwatch.promql.window import NO_SAMPLES, Samples, disjoint, newest, windows
from pgwatch.samples.block import Times
from pgwatch.samples.labels import Matcher
from pgwatch.samples.sample import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all parts of one evaluation share."""

    start_ms: int  # of the outermost query, for `@ start()`
    end_ms: int
    lookback_ms: int
    interval_ms: int  # of a subquery that names no resolution
    samples: Mapping[tuple[Matcher, ...], Samples]
    check_time: Callable[[], None]  # raises when the evaluation has taken too long
    sources: set[Source] = field(default_factory=set)  # who observed what was used
    warnings: dict[str, None] = field(default_factory=dict)  # as an ordered set
    text: str = ""  # of the expression, to name places in it; empty if not known


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates expressions at `steps` (Unix milliseconds)."""

    run: Run
    steps: Times

    def value(self, expr: ast.Expr) -> Value:
        """Return the value of `expr` at every step; raises PromqlError."""
        self.run.check_time()
        match expr:
            case ast.NumberLiteral():
                value: Value = np.full(len(self.steps), expr.value)
            case ast.StringLiteral():
                value = expr.value
            case ast.ParenExpr():
                value = self.value(expr.expr)
            case ast.UnaryExpr():
                value = self._signed(expr)
            case ast.BinaryExpr():
                value = self._binary(expr)
            case ast.VectorSelector():
                value = self._newest(expr)[0]
            case ast.AggregateExpr():
                value = self._aggregated(expr)
            case ast.Call():
                value = self._call(expr)
            case _:
                raise PromqlError(f"a range vector has no value at one time: {expr}")
        return value

    def vector(self, expr: ast.Expr) -> Vector:
        """Return the value of an expression that is an instant vector."""
        value = self.value(expr)
        assert isinstance(value, Vector)
        return value

    def scalar(self, expr: ast.Expr) -> Scalar:
        """Return the value of an expression that is a scalar."""
        value = self.value(expr)
        assert isinstance(value, np.ndarray)
        return value

    def samples(self, expr: ast.Expr) -> tuple[Samples, Times, int]:
        """Return what a range vector reads: samples, each step's end of the window, and its length in ms."""
        match ast.unwrapped(expr):
            case ast.MatrixSelector(selector=selector, range_ms=range_ms):
                ends = self._ends(selector.at, selector.offset_ms)
                return disjoint(self.run.samples[selector.matchers]), ends, range_ms
            case ast.SubqueryExpr() as subquery:
                ends = self._ends(subquery.at, subquery.offset_ms)
                return self._computed(subquery, ends), ends, subquery.range_ms
            case other:
                raise PromqlError(f"not a range vector: {other}")

    def warn(self, text: str, about: ast.Expr) -> None:
        """Note something that the caller should be told, once."""
        if self.run.text:
            before = self.run.text[: about.span[0]]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            text = f"{text} ({line}:{column})"
        self.run.warnings.setdefault(text)

    def _computed(self, subquery: ast.SubqueryExpr, ends: Times) -> Samples:
        steps = subquery_steps(subquery, ends, self.run.interval_ms)
        if not len(steps):
            return NO_SAMPLES
        inside = replace(self, steps=steps)
        return Samples.computed(inside.vector(subquery.expr), steps)

    def _signed(self, expr: ast.UnaryExpr) -> Value:
        value = self.value(expr.expr)
        if expr.op == "+" or isinstance(value, str):
            return value
        return value.mapped(np.negative) if isinstance(value, Vector) else -value

    def _binary(self, expr: ast.BinaryExpr) -> Value:
        lhs, rhs = self.value(expr.lhs), self.value(expr.rhs)
        return binary.apply(expr, lhs, rhs, self.run.check_time)

    def _aggregated(self, expr: ast.AggregateExpr) -> Vector:
        parameter = None if expr.param is None else self.value(expr.param)
        assert not isinstance(parameter, Vector)
        if expr.op == "quantile":
            assert isinstance(parameter, np.ndarray)
            place = expr.param or expr
            check_quantile(parameter, lambda text: self.warn(text, place))
        return aggregated(expr, self.vector(expr.expr), parameter, self.run.check_time)

    def _newest(self, selector: ast.VectorSelector) -> tuple[Vector, Vector]:
        """Return the newest sample of each series, and its time in seconds."""
        ends = self._ends(selector.at, selector.offset_ms)
        once = ends[:1] if selector.at is not None else ends
        samples = self.run.samples[selector.matchers]
        vector, times = newest(samples, once, self.run.lookback_ms, self.run.sources)
        vector = self._repeated(vector)
        seconds = np.broadcast_to(times / 1000.0, vector.values.shape)
        return vector, replace(vector, values=seconds)

    def _repeated(self, vector: Vector) -> Vector:
        """Return a vector that was computed at one step as the same at every step."""
        if len(vector.values) == len(self.steps):
            return vector
        shape = (len(self.steps), len(vector.table))
        present = vector.present
        return replace(
            vector,
            values=np.broadcast_to(vector.values, shape),
            present=None if present is None else np.broadcast_to(present, shape),
        )

    def _ends(self, at: ast.At | None, offset_ms: int) -> Times:
        """Return the time that a selector looks back from, at each step."""
        if at is None:
            return self.steps - offset_ms
        if at == "start":
            at = self.run.start_ms
        elif at == "end":
            at = self.run.end_ms
        return np.full(len(self.steps), at - offset_ms, dtype=np.int64)

    def _call(self, expr: ast.Call) -> Value:
        function = RANGE_FUNCTIONS.get(expr.func)
        if function is not None:
            return self._over_time(expr, function)
        if expr.func == "absent":
            return absent(expr.args[0], self.vector(expr.args[0]))
        if expr.func == "absent_over_time":
            counted = self._over_time(expr, RANGE_FUNCTIONS["present_over_time"])
            return absent(expr.args[0], counted)
        if expr.func == "timestamp":
            selector = ast.unwrapped(expr.args[0])
            if isinstance(selector, ast.VectorSelector):
                return without_name(self._newest(selector)[1])

        def warn(text: str, place: int | None) -> None:
            self.warn(text, expr if place is None else expr.args[place])

        values = [self.value(each) for each in expr.args]
        return FUNCTIONS[expr.func](Arguments(values, self.steps, warn, self.run.check_time))

    def _over_time(self, expr: ast.Call, function: RangeFunction) -> Vector:
        """Compute a function of a range vector, window by window."""
        samples, ends, range_ms = self.samples(expr.args[function.vector])
        parameters = np.full(len(ends), np.nan)
        if function.scalar is not None:
            parameters = self.scalar(expr.args[function.scalar])
        if expr.func == "quantile_over_time":
            check_quantile(parameters, lambda text: self.warn(text, expr.args[0]))
        count = len(ends)
        if function.scalar is None and (ends == ends[0]).all():
            count = 1  # `@` asks for the same window at every step
        shape = (count, len(samples.table))
        values, present, missing = np.full(shape, np.nan), None, count * shape[1]
        for step in range(count):
            self.run.check_time()
            end, now = int(ends[step]), int(self.steps[step])
            found = windows(samples, end, range_ms, now, self.run.sources, ends=function.ends)
            for window, places in found:
                if len(window) < function.least:
                    continue
                values[step, places] = function.kernel(window, float(parameters[step]))
                missing -= window.values.shape[1]
                if missing or present is not None:
                    present = np.zeros(shape, dtype=np.bool_) if present is None else present
                    present[step, places] = True
        if missing and present is None:
            present = np.zeros(shape, dtype=np.bool_)
        vector = Vector(
            samples.table, values, present if missing else None, unnamed=samples.unnamed
        )
        vector = self._repeated(vector)
        return vector if function.keeps_name else without_name(vector)


def subquery_steps(subquery: ast.SubqueryExpr, ends: Times, interval_ms: int) -> Times:
    """Return the times at which a subquery's inside is evaluated: multiples of its resolution.

    The first one lies strictly after the left edge of the first window.
    """
    step = interval_ms if subquery.step_ms is None else subquery.step_ms
    first = (int(ends.min()) - subquery.range_ms) // step * step + step
    return np.arange(first, int(ends.max()) + 1, step, dtype=np.int64)
