"""Which series match: an index by metric name that remembers each selection until its series change."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pgwatch.samples.block import Block
from pgwatch.samples.labels import METRIC_NAME, Labels, Matcher, MatchType
from pgwatch.samples.sample import Source
from pgwatch.samples.table import LabelTable

Columns = slice | NDArray[np.intp]
Matchers = tuple[Matcher, ...]
ByName = Mapping[str, Sequence[int]]  # the columns of a block by metric name
Entry = tuple[Block, tuple[int, ...]]  # a block and its columns of one metric name

_SELECTIONS = 64  # remembered per metric name; each is a few bytes a series


@dataclass(frozen=True, slots=True)
class Part:
    """The columns of one block that a selection takes, and where they stand in its table."""

    block: Block
    columns: Columns
    places: Columns
    sources: tuple[Source, ...]  # who observed them


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that match, those of a block together, and where their samples are."""

    table: LabelTable
    parts: tuple[Part, ...]
    overlapping: bool = False  # one series stands in several parts (its source was renamed)


@dataclass(frozen=True, slots=True)
class _Metric:
    """Where the series of one metric name are; replaced as a whole when one comes or goes."""

    entries: tuple[Entry, ...]
    selections: dict[Hashable, Selection] = field(default_factory=dict)


_NOWHERE = _Metric(())


@dataclass(frozen=True, slots=True)
class _Known:
    """What can be found; replaced as a whole, so that a reader sees all of a change or nothing."""

    metrics: Mapping[str, _Metric] = field(default_factory=dict)
    any_name: dict[Hashable, Selection] = field(default_factory=dict)


class Index:
    """Finds series. One writer changes it; readers need no lock, because what they read is replaced."""

    def __init__(self) -> None:
        self._known = _Known()

    def replace(
        self, gone: Iterable[tuple[Block, ByName]], found: Iterable[tuple[Block, ByName]]
    ) -> None:
        """Let the series of `found` be found instead of those of `gone`: at once, for all readers."""
        gone, found = list(gone), list(found)
        dropped = {block for block, _ in gone}
        metrics = dict(self._known.metrics)
        for name in {name for _, by_name in (*gone, *found) for name in by_name}:
            before = metrics.pop(name, _NOWHERE).entries
            kept = [each for each in before if each[0] not in dropped]
            kept += [(block, tuple(by_name[name])) for block, by_name in found if name in by_name]
            if kept:
                metrics[name] = _Metric(tuple(kept))
        self._known = _Known(metrics)

    def names(self) -> tuple[str, ...]:
        """Return the metric names, sorted."""
        return tuple(sorted(self._known.metrics))

    def select(
        self, several: Iterable[Matchers], since: Mapping[Matchers, int] = MappingProxyType({})
    ) -> dict[Matchers, Selection]:
        """Return for each of `several` the series that satisfy all its matchers, all of one moment.

        Blocks without a row after `since` (Unix ms) may be left out.
        """
        known = self._known
        return {matchers: _select(known, matchers, since.get(matchers)) for matchers in several}


def _select(index: _Known, matchers: Matchers, since_ms: int | None) -> Selection:
    name = next((m.value for m in matchers if _names_one_metric(m)), None)
    if name is None:
        known = index.any_name
        entries = [e for metric in index.metrics.values() for e in metric.entries]
    else:
        metric = index.metrics.get(name)
        if metric is None:
            return Selection(LabelTable(()), ())
        known, entries = metric.selections, list(metric.entries)
    key: Hashable = matchers
    if since_ms is not None and len(entries) > 1:
        recent = [each for each in entries if (each[0].newest_ms or 0) > since_ms]
        if len(recent) < len(entries):
            entries, key = recent, (matchers, *(block for block, _ in recent))
    found = known.get(key)
    if found is None:
        if len(known) >= _SELECTIONS:
            known.clear()
        found = known[key] = _selection(entries, matchers, one_name=name is not None)
    return found


def _names_one_metric(matcher: Matcher) -> bool:
    return matcher.name == METRIC_NAME and matcher.type is MatchType.EQUAL


def _selection(entries: list[Entry], matchers: Matchers, *, one_name: bool) -> Selection:
    accepts = _acceptance(matchers)
    labels: list[Labels] = []
    parts: list[Part] = []
    for block, columns in entries:
        if accepts is None:
            taken: Sequence[int] = columns
        else:
            taken = [column for column in columns if accepts(block.labels[column])]
        if taken:
            first = len(labels)
            labels.extend(map(block.labels.__getitem__, taken))
            places = slice(first, len(labels))
            parts.append(Part(block, as_columns(list(taken)), places, (block.source,)))
    table = LabelTable(labels, constant=(METRIC_NAME,) if one_name else ())
    if table.is_unique():
        return Selection(table, tuple(parts))
    return _overlapping(labels, parts)


def _overlapping(labels: list[Labels], parts: list[Part]) -> Selection:
    """Return the selection in which a series that stands in several parts is one."""
    numbers: dict[Labels, int] = {}
    places = np.array([numbers.setdefault(each, len(numbers)) for each in labels], dtype=np.intp)
    moved = (replace(part, places=places[part.places]) for part in parts)
    return Selection(LabelTable(numbers), tuple(moved), overlapping=True)


def _acceptance(matchers: Matchers) -> Callable[[Labels], bool] | None:
    """Return whether a label set matches, asking each matcher once per distinct value; None: all do."""
    tests = [(m.name, cache(m.predicate())) for m in matchers if not _names_one_metric(m)]
    if not tests:
        return None
    return lambda labels: all(test(labels.label(name)) for name, test in tests)


def as_columns(numbers: list[int]) -> Columns:
    """Return column numbers as a slice where they run on by one (a slice is read without a copy)."""
    if numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return np.array(numbers, dtype=np.intp)
