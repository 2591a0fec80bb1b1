"""The API's queries: an expression's value at one time, or over a range of times, as JSON."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from pgwatch.promql import ast
from pgwatch.promql.engine import MAX_POINTS, Engine, InstantResult, Kind, RangeResult, Series
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.format import api_number, api_time
from pgwatch.promql.signature import ValueType
from pgwatch.samples.labels import Labels
from pgwatch.samples.store import Store
from pgwatch.web.api_adhoc import CheckTime
from pgwatch.web.api_answer import Answer, ApiError, ErrorKind, json_list, to_json, truncated
from pgwatch.web.api_parameters import Parameters, invalid

LOOKBACK = timedelta(minutes=5)
MAX_ANSWER = 2_000_000  # samples in one answer: about 60 MB of JSON


def instant(store: Store, parameters: Parameters, now_ms: int, check_time: CheckTime) -> Answer:
    """Answer `query`: the value of an expression at `time`."""
    time_ms, limit = parameters.time_ms("time", now_ms), parameters.limit()
    engine, expr = _engine(store, parameters), parameters.expr()
    try:
        result = engine.instant(expr, time_ms, check_time=check_time)
    except PromqlError as error:
        raise ApiError(ErrorKind.EXECUTION, str(error)) from None
    items, notes = truncated(list(_instant_items(result, check_time)), limit)
    text = json_list(items) if result.kind in (Kind.VECTOR, Kind.MATRIX) else items[0]
    data = f'{{"resultType":"{result.kind}","result":{text}}}'
    return Answer(data=data, notes=result.warnings + notes)


def over_range(store: Store, parameters: Parameters, check_time: CheckTime) -> Answer:
    """Answer `query_range`: the value of an expression from `start` to `end`, every `step`."""
    start_ms, end_ms = parameters.time_ms("start"), parameters.time_ms("end")
    if end_ms < start_ms:
        raise invalid("end", "end timestamp must not be before start time")
    step_ms = parameters.duration_ms("step")
    if step_ms <= 0:
        raise invalid(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        )
    if (end_ms - start_ms) // step_ms > MAX_POINTS:
        raise ApiError(
            ErrorKind.BAD_DATA,
            f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries. Try decreasing"
            " the query resolution (?step=XX)",
        )
    limit = parameters.limit()
    engine, expr = _engine(store, parameters), parameters.expr()
    kind = ast.type_of(expr)
    if kind not in (ValueType.SCALAR, ValueType.VECTOR):
        message = (
            f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
        )
        raise invalid("query", message)
    try:
        result = engine.range(expr, start_ms, end_ms, step_ms, check_time=check_time)
    except PromqlError as error:
        raise ApiError(ErrorKind.EXECUTION, str(error)) from None
    items, notes = truncated(list(_range_items(result, check_time)), limit)
    data = f'{{"resultType":"matrix","result":{json_list(items)}}}'
    return Answer(data=data, notes=result.warnings + notes)


def formatted(parameters: Parameters) -> Answer:
    """Answer `format_query`: the expression as we print it."""
    return Answer(data=to_json(str(parameters.expr())))


def time_limit(parameters: Parameters) -> timedelta | None:
    """Return how long a query may take by its parameter `timeout`, None where it says nothing."""
    if not parameters.text("timeout"):
        return None
    return timedelta(milliseconds=parameters.duration_ms("timeout"))


def _engine(store: Store, parameters: Parameters) -> Engine:
    lookback = timedelta(0)
    if parameters.text("lookback_delta"):
        lookback = timedelta(milliseconds=parameters.duration_ms("lookback_delta"))
    return Engine(store, lookback if lookback > timedelta(0) else LOOKBACK)


def _instant_items(result: InstantResult, check_time: CheckTime) -> Iterator[str]:
    at = api_time(result.time_ms)
    match result.kind:
        case Kind.STRING:
            yield f"[{at},{to_json(result.text)}]"
        case Kind.SCALAR:
            yield f'[{at},"{number(result.vector[0][1])}"]'
        case Kind.VECTOR:
            for place, (labels, value) in enumerate(result.vector):
                if place % 1000 == 0:
                    check_time()
                yield f'{{"metric":{_metric(labels)},"value":[{at},"{number(value)}"]}}'
        case Kind.MATRIX:
            yield from _series(result.matrix, check_time)


def _range_items(result: RangeResult, check_time: CheckTime) -> Iterator[str]:
    return _series(result.series, check_time)


def _series(found: tuple[Series, ...], check_time: CheckTime) -> Iterator[str]:
    if sum(len(series.times) for series in found) > MAX_ANSWER:
        raise ApiError(
            ErrorKind.EXECUTION,
            "query processing would load too many samples into memory in query execution",
        )
    stamp = cache(api_time)  # the series of a range have the same times
    for series in found:
        check_time()
        values = ",".join(
            f'[{stamp(time_ms)},"{number(value)}"]'
            for time_ms, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
        )
        yield f'{{"metric":{_metric(series.labels)},"values":[{values}]}}'


def number(value: float) -> str:
    """Return what `api_number` does, four times faster for most values."""
    text = repr(value)
    if "e" in text or "n" in text:  # an exponent, nan, inf
        return api_number(value)
    return text.removesuffix(".0")


def _metric(labels: Labels) -> str:
    return to_json(dict(labels))
