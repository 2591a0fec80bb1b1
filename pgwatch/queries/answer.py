"""Turns the rows of an answer into samples, as the query's header says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from operator import itemgetter
from typing import Any
from uuid import UUID

from pgwatch.errors import PgwatchError
from pgwatch.queries.query import Metric, Query, Scope
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source

_Row = tuple[Any, ...]
_Known = dict[str, dict[_Row, Labels]]  # metric name → raw label values of a row → its label set


class AnswerError(PgwatchError):
    """The answer does not have the shape that the query's header declares."""


@dataclass(slots=True)
class LabelCache:
    """The label sets of the last answers of one target, so that an unchanged row keeps its Labels.

    The owner (the target's worker) passes it to every `to_collected`. It holds the last answer of
    each source, nothing older.
    """

    _known: dict[Source, _Known] = field(default_factory=dict)
    _shared: dict[Source, Mapping[str, str]] = field(default_factory=dict)

    def last(self, source: Source, shared: Mapping[str, str]) -> _Known:
        """Return what the last answer of `source` had, if its series had the `shared` labels too."""
        return self._known.get(source, {}) if self._shared.get(source) == shared else {}

    def keep(self, source: Source, shared: Mapping[str, str], known: _Known) -> None:
        """Replace what is kept of `source`."""
        self._known[source] = known
        self._shared[source] = shared


def to_collected(
    query: Query,
    columns: Sequence[str],
    rows: Sequence[_Row],
    *,
    target: str,
    target_labels: Mapping[str, str],
    database: str,
    instance: str,
    time_ms: int,
    cache: LabelCache | None = None,
) -> Collected:
    """Return the samples that the answer `rows`, with `columns`, holds.

    A NULL value gives no sample, a NULL label is an empty one; booleans are 0 and 1, timestamps Unix
    seconds (without time zone: taken as UTC), intervals seconds. Rows beyond `max_series` samples are
    left out as whole rows, and so is every sample whose labels an earlier row has; both are counted in
    `dropped` and told in `notes`. Raises AnswerError if a declared column is missing or has values
    that are no numbers (or, for a label, no text).
    """
    in_database = query.scope is Scope.DATABASE
    source = Source(target=target, query=query.name, database=database if in_database else "")
    shared = {**target_labels, "target": target}
    if in_database:
        shared["datname"] = database
    place = _places(query, columns)
    rows, cut = _cut(query, rows, place)
    known = cache.last(source, shared) if cache else {}
    answer = _Answer(query=query, rows=rows, place=place, shared=shared, known=known)
    for metric in query.metrics:
        answer.add(metric)
    if cache is not None:
        cache.keep(source, shared, answer.seen)
    return Collected(
        source=source,
        time_ms=time_ms,
        families=tuple(metric.family for metric in query.metrics),
        labels=answer.labels,
        values=answer.values,
        instance=instance,
        dropped=answer.dropped | ({"max_series": cut} if cut else {}),
        notes=tuple(answer.notes) + _cut_note(query, cut),
    )


def _places(query: Query, columns: Sequence[str]) -> dict[str, int]:
    place = {column: index for index, column in enumerate(columns)}
    for metric in query.metrics:
        for column in (metric.value, *metric.labels):
            if column not in place:
                raise AnswerError(
                    f"query {query.name}: metric {metric.family.name} needs the column {column!r};"
                    f" the answer has {', '.join(columns) or 'none'} ({query.path})"
                )
    return place


def _cut(
    query: Query, rows: Sequence[_Row], place: Mapping[str, int]
) -> tuple[Sequence[_Row], int]:
    """Return the rows that fit into `max_series`, and the number of samples in the others."""
    if len(rows) * len(query.metrics) <= query.max_series:
        return rows, 0
    values = [place[metric.value] for metric in query.metrics]
    total, kept, fits = 0, 0, True
    fitting = 0
    for row in rows:
        size = sum(row[value] is not None for value in values)
        total += size
        fits = fits and total <= query.max_series
        if fits:
            kept, fitting = kept + 1, total
    return rows[:kept], total - fitting


def _cut_note(query: Query, cut: int) -> tuple[str, ...]:
    if not cut:
        return ()
    return (f"{cut} series are left out: the query's max_series is {query.max_series}",)


@dataclass(slots=True, kw_only=True)
class _Answer:
    """Series in the making, family by family."""

    query: Query
    rows: Sequence[_Row]
    place: Mapping[str, int]
    shared: Mapping[str, str]
    known: _Known
    seen: _Known = field(default_factory=dict)
    labels: list[Labels] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    keys: dict[tuple[str, ...], list[_Row]] = field(default_factory=dict)

    def add(self, metric: Metric) -> None:
        """Append the samples of `metric`."""
        known = self.known.get(metric.family.name, {})
        make = _maker(metric, self.shared)
        taken: dict[_Row, Labels] = {}
        rendered: set[Labels] | None = None  # needed once a row comes that was not known
        column = self.place[metric.value]
        values = self.values
        for key, row in zip(self._keys(metric), self.rows, strict=True):
            value = row[column]
            if value is None:
                continue
            if key in taken:
                self._duplicate(metric, key)
                continue
            labels = known.get(key)
            if labels is None:
                labels = make(key)
                if rendered is None:
                    rendered = set(taken.values())
            if rendered is not None:
                if labels in rendered:  # NULL and '' are different keys of the same label set
                    self._duplicate(metric, key)
                    continue
                rendered.add(labels)
            try:
                values.append(_NUMBERS[type(value)](value))
            except KeyError:
                expected = "a number, a boolean, a timestamp or an interval"
                raise self._wrong(metric.value, type(value), expected) from None
            taken[key] = labels
        self.labels.extend(taken.values())
        self.seen[metric.family.name] = taken

    def _keys(self, metric: Metric) -> list[_Row]:
        """Return each row's raw label values; metrics with the same labels share the list."""
        if (keys := self.keys.get(metric.labels)) is None:
            places = [self.place[label] for label in metric.labels]
            for label, place in zip(metric.labels, places, strict=True):
                for kind in {type(row[place]) for row in self.rows} - _TEXTS.keys():
                    raise self._wrong(label, kind, "a text for the label")
            if len(places) > 1:
                keys = list(map(itemgetter(*places), self.rows))
            else:
                keys = [tuple([row[place] for place in places]) for row in self.rows]
            self.keys[metric.labels] = keys
        return keys

    def _wrong(self, column: str, kind: type, expected: str) -> AnswerError:
        return AnswerError(
            f"query {self.query.name}: column {column!r} holds a {kind.__name__};"
            f" expected {expected} (cast it in {self.query.path})"
        )

    def _duplicate(self, metric: Metric, key: _Row) -> None:
        first = "duplicate" not in self.dropped
        self.dropped["duplicate"] = self.dropped.get("duplicate", 0) + 1
        if not first:
            return
        nulls = [label for label, value in zip(metric.labels, key, strict=True) if value is None]
        cause = (
            f"{', '.join(nulls)} is NULL, which is what a role without pg_read_all_stats sees"
            if nulls
            else "the labels that the header declares do not tell the rows apart"
        )
        pairs = ", ".join(f"{n}={v!r}" for n, v in zip(metric.labels, key, strict=True))
        self.notes.append(f"{metric.family.name}: several rows with the labels {pairs}: {cause}")


def _maker(metric: Metric, shared: Mapping[str, str]) -> Callable[[_Row], Labels]:
    """Return the function that makes the label set of a row from its raw label values."""
    fixed = {**shared, METRIC_NAME: metric.family.name}
    names = metric.labels
    full = Labels({**fixed, **dict.fromkeys(names, "x")})
    schema = full.schema
    # Where each value of the schema comes from: a position in (row's labels + fixed values).
    sources = (*names, *[name for name in fixed if name not in names])
    order = [sources.index(name) for name in schema]
    tail = tuple(fixed[name] for name in sources[len(names) :])

    def make(key: _Row) -> Labels:
        texts = tuple([_TEXTS[type(value)](value) for value in key])
        if all(texts):
            both = texts + tail
            return Labels.from_sorted(schema, tuple([both[index] for index in order]))
        return Labels({**fixed, **dict(zip(names, texts, strict=True))})

    return make


def _epoch(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


_NUMBERS: Mapping[type, Callable[[Any], float]] = {
    int: float,
    float: float,
    bool: float,
    Decimal: float,
    datetime: _epoch,
    timedelta: timedelta.total_seconds,
}
_TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    int: str,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "",
    UUID: str,
    IPv4Address: str,
    IPv6Address: str,
    IPv4Interface: str,
    IPv6Interface: str,
}
