"""Types of PromQL values and the signatures of its functions and aggregations.

Source: Prometheus 3 `promql/parser/functions.go` and the page "Query functions" of its documentation. Native
histograms are not stored here and experimental functions need a flag there: both are refused by name.
"""

from dataclasses import dataclass
from enum import StrEnum


class ValueType(StrEnum):
    """The type of an expression, in the words of Prometheus's error messages."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function takes and gives."""

    args: tuple[ValueType, ...]  # with the optional ones; the last is the one that repeats
    optional: int = 0  # how many of `args` may be left out, from the end
    repeats: bool = False  # the last of `args` may be given any number of times
    returns: ValueType = ValueType.VECTOR


_S, _V, _M, _T = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING

_OF_VECTOR = (
    "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh"
    " sort sort_desc sqrt tan tanh timestamp"
)
_OF_RANGE = (
    "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate"
    " last_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time"
    " stdvar_over_time sum_over_time"
)
_OF_DATE = "day_of_month day_of_week day_of_year days_in_month hour minute month year"

FUNCTIONS: dict[str, Signature] = {
    **{name: Signature(args=(_V,)) for name in _OF_VECTOR.split()},
    **{name: Signature(args=(_M,)) for name in _OF_RANGE.split()},
    **{name: Signature(args=(_V,), optional=1) for name in _OF_DATE.split()},
    "clamp": Signature(args=(_V, _S, _S)),
    "clamp_max": Signature(args=(_V, _S)),
    "clamp_min": Signature(args=(_V, _S)),
    "histogram_fraction": Signature(args=(_S, _S, _V)),
    "histogram_quantile": Signature(args=(_S, _V)),
    "label_join": Signature(args=(_V, _T, _T, _T), optional=1, repeats=True),
    "label_replace": Signature(args=(_V, _T, _T, _T, _T)),
    "pi": Signature(args=(), returns=_S),
    "predict_linear": Signature(args=(_M, _S)),
    "quantile_over_time": Signature(args=(_S, _M)),
    "round": Signature(args=(_V, _S), optional=1),
    "scalar": Signature(args=(_V,), returns=_S),
    "time": Signature(args=(), returns=_S),
    "vector": Signature(args=(_S,)),
}

AGGREGATIONS: dict[str, ValueType | None] = {
    "avg": None,
    "bottomk": _S,
    "count": None,
    "count_values": _T,
    "group": None,
    "max": None,
    "min": None,
    "quantile": _S,
    "stddev": None,
    "stdvar": None,
    "sum": None,
    "topk": _S,
}  # name → type of the parameter

_NATIVE = "works on native histograms, which pgwatch does not store"
_EXPERIMENTAL = (
    "is experimental in Prometheus and needs a feature flag there; pgwatch does not have it"
)

_EXPERIMENTAL_NAMES = (
    "double_exponential_smoothing",
    "histogram_quantiles",
    "info",
    "mad_over_time",
    "max_of",
    "min_of",
    "sort_by_label",
    "sort_by_label_desc",
    "start",
    "end",
    "range",
    "step",
    "start_timestamp",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "limitk",
    "limit_ratio",
)

REFUSED: dict[str, str] = {
    **{f"histogram_{what}": _NATIVE for what in ("avg", "count", "sum", "stddev", "stdvar")},
    **dict.fromkeys(_EXPERIMENTAL_NAMES, _EXPERIMENTAL),
    **dict.fromkeys(("fill", "fill_left", "fill_right"), _EXPERIMENTAL),
    "holt_winters": "was renamed to double_exponential_smoothing in Prometheus 3.0, where it is experimental",
}  # name → the rest of the sentence that begins with it
