"""The API's lists: which series, label names, label values and metrics there are."""

from collections.abc import Iterator, Sequence

import numpy as np

from pgwatch.samples.block import is_stale
from pgwatch.samples.labels import METRIC_NAME, Labels, Matcher, MatchType
from pgwatch.samples.sample import Family, MetricType
from pgwatch.samples.select import Part
from pgwatch.samples.store import Store
from pgwatch.web.api_adhoc import CheckTime
from pgwatch.web.api_answer import Answer, ApiError, ErrorKind, json_list, to_json, truncated
from pgwatch.web.api_parameters import Parameters

_ALWAYS_MS = 9_000_000_000_000_000  # no sample is older or newer
_ANY = (Matcher(METRIC_NAME, MatchType.NOT_EQUAL, ""),)


def series(store: Store, parameters: Parameters, check_time: CheckTime) -> Answer:
    """Answer `series`: the label sets that a selector of `match[]` selects."""
    if not parameters.all("match[]"):
        raise ApiError(ErrorKind.BAD_DATA, "no match[] parameter provided")
    limit = parameters.limit()
    found = sorted(_found(store, parameters, check_time))
    items, notes = truncated([to_json(dict(labels)) for labels in found], limit)
    return Answer(data=json_list(items), notes=notes)


def label_names(store: Store, parameters: Parameters, check_time: CheckTime) -> Answer:
    """Answer `labels`: the names of the labels of the series that are selected, of all by default."""
    limit = parameters.limit()
    schemas = {labels.schema for labels in _found(store, parameters, check_time)}
    names = sorted({name for schema in schemas for name in schema})
    items, notes = truncated([to_json(name) for name in names], limit)
    return Answer(data=json_list(items), notes=notes)


def label_values(store: Store, name: str, parameters: Parameters, check_time: CheckTime) -> Answer:
    """Answer `label/NAME/values`: the values of one label in the series that are selected."""
    if not name:
        raise ApiError(ErrorKind.BAD_DATA, f'invalid label name: "{name}"')
    limit = parameters.limit()
    values = {labels.label(name) for labels in _found(store, parameters, check_time)}
    items, notes = truncated([to_json(value) for value in sorted(values - {""})], limit)
    return Answer(data=json_list(items), notes=notes)


def metadata(store: Store, parameters: Parameters) -> Answer:
    """Answer `metadata`: type and help of the metrics."""
    families = store.families()
    wanted, limit = parameters.text("metric"), parameters.limit()
    names = [wanted] if wanted else sorted(families)
    rows = {name: [_described(families[name])] for name in names if name in families}
    if limit:
        rows = dict(list(rows.items())[:limit])
    return Answer(data=to_json(rows))


def _described(family: Family) -> dict[str, str]:
    kind = "unknown" if family.type is MetricType.UNTYPED else str(family.type)
    return {"type": kind, "help": family.help, "unit": ""}


def _found(store: Store, parameters: Parameters, check_time: CheckTime) -> set[Labels]:
    """Return the label sets with a sample from `start` to `end` that any selector selects."""
    start_ms = parameters.time_ms("start", -_ALWAYS_MS)
    end_ms = parameters.time_ms("end", _ALWAYS_MS)
    wanted: Sequence[tuple[Matcher, ...]] = parameters.selectors() or [_ANY]
    found: set[Labels] = set()
    for matchers in wanted:
        selection = store.select(matchers)
        for part in selection.parts:
            check_time()
            found.update(selection.table.labels[place] for place in _places(part, start_ms, end_ms))
    return found


def _places(part: Part, start_ms: int, end_ms: int) -> Iterator[int]:
    """Give the places, in the selection's table, of the part's series with a sample in the range."""
    rows = part.block.rows
    first, last = np.searchsorted(rows.times, [start_ms, end_ms + 1])
    values = rows.values[first:last, part.columns]
    live = ~is_stale(values).all(axis=0)
    if isinstance(part.places, slice):
        yield from (np.flatnonzero(live) + part.places.start).tolist()
    else:
        yield from part.places[live].tolist()
