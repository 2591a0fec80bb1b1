"""What an evaluation would cost, checked before it begins: numpy cannot be interrupted."""

from collections.abc import Mapping

from pgwatch.promql import ast
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.evaluate import subquery_steps
from pgwatch.promql.window import Samples
from pgwatch.samples.block import Times
from pgwatch.samples.labels import Matcher

MAX_CELLS = 5_000_000  # values of one operand: 40 MB
MAX_READ = 500_000_000
# samples that the windows of one operand read in all: about a second each 300 M
MAX_STEPS = 250_000
# evaluations of a subquery's inside, as for [2d:1s]: some operations cost 30 µs each, whatever they read

_TOO_MANY = "query processing would load too many samples into memory in query execution"


def check_budget(
    expr: ast.Expr, steps: Times, samples: Mapping[tuple[Matcher, ...], Samples], interval_ms: int
) -> None:
    """Raise PromqlError if `expr` at `steps` needs more memory or time than any one query may."""
    match expr:
        case ast.VectorSelector():
            _check(len(samples[expr.matchers].table), len(steps), 0)
        case ast.MatrixSelector():
            read = samples[expr.selector.matchers]
            cells = _window_cells(read, expr.range_ms, len(steps))
            _check(len(read.table), len(steps), cells)
        case ast.SubqueryExpr():
            step = interval_ms if expr.step_ms is None else expr.step_ms
            count = (expr.range_ms + int(steps[-1] - steps[0])) // step + 1
            width = max((len(samples[s.matchers].table) for s in ast.selectors(expr)), default=1)
            _check(width, count, 0)
            _check(width, len(steps), width * (expr.range_ms // step))
            inner = subquery_steps(expr, steps, interval_ms)
            if len(inner):
                check_budget(expr.expr, inner, samples, interval_ms)
        case _:
            for child in ast.children(expr):
                check_budget(child, steps, samples, interval_ms)


def _check(series: int, steps: int, window_cells: int) -> None:
    too_wide = max(series * steps, window_cells) > MAX_CELLS
    if too_wide or steps > MAX_STEPS or window_cells * steps > MAX_READ:
        raise PromqlError(_TOO_MANY)


def _window_cells(samples: Samples, range_ms: int, steps: int) -> int:
    """Return about how many samples one window holds: those of the newest window.

    If all samples together are not too many, their number will do.
    """
    everything = sum(len(part.rows.times) * part.width for part in samples.parts)
    if everything <= MAX_CELLS and everything * steps <= MAX_READ:
        return everything
    cells = 0
    for part in samples.parts:
        times = part.rows.times
        if len(times):
            rows = len(times) - int(times.searchsorted(times[-1] - range_ms, side="right"))
            cells += rows * part.width
    return cells
