"""What two looks, a short while apart, can tell of a rule that asks for history. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta

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
    needs_history,
)
from pgwatch.units import format_duration

_PER_SECOND = frozenset({"rate", "irate"})  # the same question about a shorter time
_COUNTS = frozenset(
    {"increase", "changes", "resets"}
)  # in a longer time there are at least as many
_MONOTONE = frozenset({"sum", "max", "min", "avg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An expression as it is evaluated over a window."""

    expr: Expr
    note: str = ""  # what is asked otherwise than the rule does
    partial: bool = (
        False  # counts over less time than asked: what is found is there, what is not may be
    )
    lacks: str = ""  # why it cannot be judged


def fit(expr: Expr, *, window: timedelta, span: timedelta | None = None) -> Fit:
    """Return how `expr` is judged from samples at both ends of `window`.

    `span` is how long it really was, from before the first sample to the moment of the evaluation.
    Rates are taken over the window, whatever range they name. Counts over a longer range (`increase`) are
    taken over the window where they are compared as being too many: a finding is certain then. Offsets,
    subqueries and other ranges must fit into the window.
    """
    fitter = _Fitter(_ms(window), _ms(span or window) + 1)  # ranges are open at their left end
    fitted = fitter.fit(expr, certain=True, lower=False)
    if fitter.beyond:
        return Fit(expr=expr, lacks=_lacks(fitter.beyond, window))
    if fitter.closer:
        return Fit(expr=expr, lacks="asks for less time than there is between the two looks")
    cut = ", ".join(format_duration(timedelta(milliseconds=ms)) for ms in sorted(fitter.cut))
    note = f"judged over {format_duration(window)} instead of {cut}" if cut else ""
    return Fit(expr=fitted, note=note, partial=bool(fitter.counted))


def lacks_of_count(expr: Expr, window: timedelta) -> str:
    """Return why a count that was taken over less time than asked, and found nothing, tells nothing."""
    fitter = _Fitter(_ms(window), _ms(window))
    fitter.fit(expr, certain=True, lower=False)
    return _lacks(max(fitter.counted), window)


def _lacks(needed_ms: int, window: timedelta) -> str:
    needed = format_duration(timedelta(milliseconds=needed_ms))
    return f"needs {needed} of history, and --window is {format_duration(window)}"


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _keeps_order(node: ParenExpr | UnaryExpr | AggregateExpr) -> bool:
    """Return whether too small a value inside can only make the whole too small."""
    return isinstance(node, ParenExpr) or (isinstance(node, AggregateExpr) and node.op in _MONOTONE)


class _Fitter:
    """One pass over a tree, and what it met."""

    def __init__(self, window_ms: int, span_ms: int) -> None:
        self._window = window_ms
        self._span = span_ms
        self.beyond = 0  # the longest history that the window does not have
        self.closer = False  # asks for samples that are closer together than ours
        self.cut: set[int] = set()  # ranges that were replaced
        self.counted: set[int] = set()  # of those, ranges of counts

    def fit(self, node: Expr, *, certain: bool, lower: bool) -> Expr:
        """Return `node` for the window.

        `certain`: what is found below makes a finding and does not prevent one. `lower`: too small a
        value here can only hide a finding.
        """
        match node:
            case ParenExpr() | UnaryExpr() | AggregateExpr():
                lower = lower and _keeps_order(node)
                return replace(node, expr=self.fit(node.expr, certain=certain, lower=lower))
            case BinaryExpr():
                return self._binary(node, certain=certain)
            case Call(args=(MatrixSelector() as matrix,)):
                return replace(node, args=(self._range(node.func, matrix, lower=lower),))
            case Call():
                args = tuple(self.fit(arg, certain=certain, lower=False) for arg in node.args)
                return replace(node, args=args)
            case MatrixSelector():  # of a function with more arguments
                return self._range("", node, lower=False)
            case SubqueryExpr():
                inside = 2 * self._window if needs_history(node.expr) else 0
                self._reach(
                    node.range_ms + abs(node.offset_ms) + inside, pinned=node.at is not None
                )
            case VectorSelector():
                self._reach(node.offset_ms, pinned=node.at is not None or node.offset_ms < 0)
        return node

    def _binary(self, node: BinaryExpr, *, certain: bool) -> BinaryExpr:
        left, right = certain, certain and node.op != "unless"
        return replace(
            node,
            lhs=self.fit(node.lhs, certain=left, lower=certain and node.op in (">", ">=")),
            rhs=self.fit(node.rhs, certain=right, lower=certain and node.op in ("<", "<=")),
        )

    def _range(self, func: str, matrix: MatrixSelector, *, lower: bool) -> MatrixSelector:
        selector, asked = matrix.selector, matrix.range_ms
        if selector.offset_ms or selector.at is not None:
            self._reach(asked + abs(selector.offset_ms), pinned=True)
        elif asked > self._window and func in _COUNTS and lower:
            self.cut.add(asked)
            self.counted.add(asked)
        elif asked != self._window and func in _PER_SECOND:
            self.cut.add(asked)
        elif asked > self._window:
            self._reach(asked, pinned=False)
        elif asked < self._window:
            self.closer = True
        return replace(matrix, range_ms=self._span)

    def _reach(self, needed_ms: int, *, pinned: bool) -> None:
        if needed_ms > self._window or pinned:
            self.beyond = max(self.beyond, needed_ms, self._window + 1 if pinned else 0)
