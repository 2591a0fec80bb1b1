"""Functions of instant vectors and scalars.

Source of the semantics: Prometheus 3 `promql/functions.go`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pgwatch.promql.format import template_number
from pgwatch.promql.vector import Scalar, Value, Vector
from pgwatch.samples.block import Times, Values
from pgwatch.samples.labels import Labels
from pgwatch.samples.table import LabelTable


@dataclass(frozen=True, slots=True)
class Arguments:
    """The values of a call's arguments; the parser has checked their number and types."""

    values: Sequence[Value]
    steps: Times
    warn: Callable[[str, int | None], None]  # of an argument, or of the call itself
    check_time: Callable[[], None]  # raises when the evaluation has taken too long

    def __len__(self) -> int:
        return len(self.values)

    def vector(self, place: int) -> Vector:
        """Return an argument that is an instant vector."""
        value = self.values[place]
        assert isinstance(value, Vector)
        return value

    def scalar(self, place: int) -> Scalar:
        """Return an argument that is a scalar."""
        value = self.values[place]
        assert isinstance(value, np.ndarray)
        return value

    def text(self, place: int) -> str:
        """Return an argument that is a string."""
        value = self.values[place]
        assert isinstance(value, str)
        return value


Function = Callable[[Arguments], Value]


def check_quantile(quantiles: Scalar, warn: Callable[[str], None]) -> None:
    """Warn of quantiles that are none."""
    for q in np.unique(quantiles):
        if not 0 <= q <= 1:
            warn(
                f"PromQL warning: quantile value should be between 0 and 1, got {template_number(q)}"
            )


def _of_values(compute: Callable[[Values], Values]) -> Function:
    return lambda arguments: arguments.vector(0).mapped(compute)


def _sign(values: Values) -> Values:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def _round(arguments: Arguments) -> Value:
    """Round to multiples, halves up; by the inverse, which is exact for 0.1 and its like."""
    to = arguments.scalar(1)[:, None] if len(arguments) > 1 else np.ones(1)
    inverse = 1.0 / to
    return arguments.vector(0).mapped(lambda values: np.floor(values * inverse + 0.5) / inverse)


def _go_max(a: Values, b: Values) -> Values:
    """Return Go's `math.Max`: NaN wins, but +Inf wins over NaN."""
    infinite = (a == np.inf) | (b == np.inf)
    return np.where(infinite, np.inf, np.maximum(a, b))


def _go_min(a: Values, b: Values) -> Values:
    """Return Go's `math.Min`: NaN wins, but -Inf wins over NaN."""
    infinite = (a == -np.inf) | (b == -np.inf)
    return np.where(infinite, -np.inf, np.minimum(a, b))


def _clamp(arguments: Arguments) -> Value:
    low, high = arguments.scalar(1)[:, None], arguments.scalar(2)[:, None]
    vector = arguments.vector(0)
    clamped = vector.mapped(lambda values: _go_max(low, _go_min(high, values)))
    crossed = low > high
    if crossed.any():
        return clamped.where(np.broadcast_to(~crossed, clamped.values.shape))
    return clamped


def _clamp_min(arguments: Arguments) -> Value:
    low = arguments.scalar(1)[:, None]
    return arguments.vector(0).mapped(lambda values: _go_max(low, values))


def _clamp_max(arguments: Arguments) -> Value:
    high = arguments.scalar(1)[:, None]
    return arguments.vector(0).mapped(lambda values: _go_min(high, values))


def _of_one(values: Scalar) -> Vector:
    return Vector(LabelTable((Labels(),)), values[:, None])


def _scalar(arguments: Arguments) -> Value:
    """Return the only element at each step, NaN where there is not exactly one."""
    vector = arguments.vector(0)
    mask = vector.mask
    if not mask.shape[1]:
        return np.full(len(mask), np.nan)
    only = np.take_along_axis(vector.values, mask.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(mask.sum(axis=1) == 1, only, np.nan)


def _timestamp(arguments: Arguments) -> Value:
    seconds = arguments.steps[:, None] / 1000.0
    return arguments.vector(0).mapped(lambda values: np.broadcast_to(seconds, values.shape))


def _sorted(arguments: Arguments, *, falling: bool) -> Value:
    vector = arguments.vector(0)
    if len(arguments.steps) > 1:
        arguments.warn(
            "PromQL warning: sort is ineffective for range queries since results are always ordered"
            " by labels",
            None,
        )
        return vector
    in_labels = np.array(vector.table.order(), dtype=np.intp)
    columns = in_labels[vector.mask[0, in_labels]]
    values = vector.values[0, columns]
    ranked = np.argsort(-values if falling else values, kind="stable")  # NaN last
    return replace(vector, order=tuple(columns[ranked].tolist()))


Dates = NDArray[np.datetime64]


def _of_date(arguments: Arguments, *, read: Callable[[Dates], NDArray[np.int64]]) -> Value:
    """Return a part of the UTC date of each value, or of the evaluation time without an argument."""
    if not len(arguments):
        return _of_one(_read_dates(arguments.steps / 1000.0, read))
    return arguments.vector(0).mapped(lambda values: _read_dates(values, read))


def _read_dates(seconds: Values, read: Callable[[Dates], NDArray[np.int64]]) -> Values:
    # Beyond this numpy's dates overflow, and Go's answer is an accident of the processor.
    known = np.abs(seconds) < 2.0**55
    dates = np.where(known, seconds, 0.0).astype(np.int64).astype("datetime64[s]")
    return np.where(known, read(dates).astype(np.float64), np.nan)


def _whole(dates: Dates, unit: str) -> NDArray[np.int64]:
    """Return the number of whole units since 1970."""
    return dates.astype(f"datetime64[{unit}]").astype(np.int64)


def _start_of(dates: Dates, unit: str, *, after: int = 0) -> NDArray[np.int64]:
    """Return the day, since 1970, on which the month or year of each date begins (or one `after` it)."""
    starts = (_whole(dates, unit) + after).astype(f"datetime64[{unit}]")
    return starts.astype("datetime64[D]").astype(np.int64)


def _weekday(dates: Dates) -> NDArray[np.int64]:
    return (_whole(dates, "D") + 4) % 7  # 1970-01-01 was a Thursday; Sunday is 0


_DATE_PARTS: Mapping[str, Callable[[Dates], NDArray[np.int64]]] = {
    "minute": lambda dates: _whole(dates, "m") % 60,
    "hour": lambda dates: _whole(dates, "h") % 24,
    "day_of_week": _weekday,
    "day_of_month": lambda dates: _whole(dates, "D") - _start_of(dates, "M") + 1,
    "day_of_year": lambda dates: _whole(dates, "D") - _start_of(dates, "Y") + 1,
    "days_in_month": lambda dates: _start_of(dates, "M", after=1) - _start_of(dates, "M"),
    "month": lambda dates: _whole(dates, "M") % 12 + 1,
    "year": lambda dates: _whole(dates, "Y") + 1970,
}

_ELEMENTWISE: Mapping[str, Callable[[Values], Values]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": _sign,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "rad": lambda values: values * math.pi / 180,
    "deg": lambda values: values * 180 / math.pi,
}

VALUE_FUNCTIONS: Mapping[str, Function] = {
    **{name: _of_values(compute) for name, compute in _ELEMENTWISE.items()},
    **{name: partial(_of_date, read=read) for name, read in _DATE_PARTS.items()},
    "round": _round,
    "clamp": _clamp,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "pi": lambda arguments: np.full(len(arguments.steps), math.pi),
    "time": lambda arguments: arguments.steps / 1000.0,
    "vector": lambda arguments: _of_one(arguments.scalar(0)),
    "scalar": _scalar,
    "timestamp": _timestamp,
    "sort": partial(_sorted, falling=False),
    "sort_desc": partial(_sorted, falling=True),
}
