"""Samples for selectors: the newest at a time, and all in a window."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from pgwatch.promql.vector import EMPTY_TABLE, Indices, Mask, Vector
from pgwatch.samples.block import Block, Rows, Times, Values, is_stale, stale_values
from pgwatch.samples.sample import Source
from pgwatch.samples.select import Columns, Selection
from pgwatch.samples.table import LabelTable


class Part(NamedTuple):
    """Rows of some series, and where the series stand in the table of the whole.

    A tuple like `_Piece`, because an evaluation makes one for each source: a dataclass costs five times
    as much.
    """

    rows: Rows
    columns: Columns
    places: Columns
    sources: tuple[Source, ...] = ()  # who observed them; empty if a subquery computed them

    @property
    def width(self) -> int:
        """The number of series."""
        if isinstance(self.places, slice):
            return int(self.places.stop - self.places.start)
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of the series of a table, as they were when the evaluation began."""

    table: LabelTable
    parts: tuple[Part, ...]
    overlapping: bool = False  # a series may stand in several parts
    unnamed: NDArray[np.bool_] | None = None  # as in `Vector`

    @classmethod
    def of(
        cls, selection: Selection, rows: Mapping[Block, Rows], *, delayed_names: bool = False
    ) -> "Samples":
        """Return the samples of a selection in the `rows` of its blocks."""
        parts = tuple(
            [
                Part(rows[part.block], part.columns, part.places, part.sources)
                for part in selection.parts
            ]
        )
        unnamed = np.zeros(len(selection.table), dtype=np.bool_) if delayed_names else None
        return cls(selection.table, parts, selection.overlapping, unnamed)

    @classmethod
    def computed(cls, vector: Vector, times: Times) -> "Samples":
        """Return the values of a vector at its steps as samples."""
        values = vector.values
        if vector.present is not None:
            values = np.where(vector.present, values, stale_values(1, 1))
        everything = slice(0, len(vector.table))
        part = Part(Rows(times, values), everything, everything)
        return cls(vector.table, (part,), unnamed=vector.unnamed)


class Ends(Enum):
    """Where a function of a window needs no more than its first and its last sample."""

    NEVER = ""
    RISING = "rising"  # where no sample is smaller than the one before
    ALWAYS = "always"


_MAX_JOINED = 8_192  # values of a window that is joined with others: 64 kB

NO_SAMPLES = Samples(EMPTY_TABLE, ())


def newest(
    samples: Samples, ends: Times, lookback_ms: int, sources: set[Source]
) -> tuple[Vector, Values]:
    """Return each series' newest sample in (end - lookback, end] for each of `ends`, and its time in ms.

    `sources` is told who observed them.
    """
    shape = (len(ends), len(samples.table))
    if len(samples.parts) == 1 and not samples.overlapping:
        (part,) = samples.parts
        values, times, present = _newest_of(part, ends, lookback_ms, sources)
        found = Vector(samples.table, values, present, unnamed=samples.unnamed)
        return found, np.broadcast_to(times[:, None], shape)
    values, taken = np.full(shape, np.nan), np.full(shape, -np.inf)
    for part in samples.parts:
        some, times, present = _newest_of(part, ends, lookback_ms, sources)
        newer = times[:, None] > taken[:, part.places]
        if present is not None:
            newer &= present
        taken[:, part.places] = np.where(newer, times[:, None], taken[:, part.places])
        values[:, part.places] = np.where(newer, some, values[:, part.places])
    there = taken > -np.inf
    present = None if there.all() else there
    return Vector(samples.table, values, present, unnamed=samples.unnamed), taken


def _newest_of(
    part: Part, ends: Times, lookback_ms: int, sources: set[Source]
) -> tuple[Values, Values, Mask | None]:
    """Return the newest row's values, its times, and where there is a sample, for each of `ends`."""
    rows = part.rows
    if rows.is_empty:
        shape = (len(ends), part.width)
        return np.full(shape, np.nan), np.full(len(ends), -np.inf), np.zeros(shape, np.bool_)
    last = np.searchsorted(rows.times, ends, side="right") - 1
    recent = (last >= 0) & (rows.times[last] > ends - lookback_ms)
    if len(ends) == 1:
        values = rows.values[last[0], part.columns][None, :]
    else:
        values = rows.values[last][:, part.columns]
    present: Mask | None = None
    if not recent.all() or np.isnan(values).any():
        present = recent[:, None] & ~is_stale(values)
    if present is None or present.any():
        sources.update(part.sources)
    return values, rows.times[last].astype(np.float64), present


@dataclass(frozen=True, slots=True)
class Window:
    """Samples of series that have equally many in one window."""

    clocks: Times  # [samples, sources]
    widths: Indices | tuple[int, ...]  # how many series in a row have each of the clocks
    values: Values  # [samples, series]
    start_ms: int  # the window is (start, end]
    end_ms: int
    now_ms: int  # the step's time, which `offset` and `@` do not move
    count: int  # of the samples, also if only the first and the last of them are here

    def __len__(self) -> int:
        return self.count

    def time(self, place: int) -> Times:
        """Return the time of each series' sample at a place: 0 is the first, -1 the last."""
        return np.repeat(self.clocks[place], self.widths)

    def of_series(self, of_source: Values) -> Values:
        """Return for each series the number of its source; a single one stays alone, for numpy spreads it."""
        return of_source if len(of_source) == 1 else np.repeat(of_source, self.widths)

    @property
    def times(self) -> Times:
        """The times of all samples: [samples, series]."""
        return np.repeat(self.clocks, self.widths, axis=1)


class _Piece(NamedTuple):
    """What a window has of some series."""

    clocks: Times  # as in `Window`
    widths: Indices | tuple[int, ...]
    values: Values
    places: Columns
    sources: tuple[Source, ...]
    length: int  # as `Window.count`

    @property
    def has_holes(self) -> bool:
        """Whether a sample may be missing (or is NaN)."""
        return math.isnan(self.values.min(initial=math.inf))  # a NaN is the minimum of all


def windows(
    samples: Samples,
    end_ms: int,
    range_ms: int,
    now_ms: int,
    sources: set[Source],
    *,
    ends: Ends = Ends.NEVER,
) -> Iterator[tuple[Window, Columns]]:
    """Yield the samples in (end - range, end], and where their series stand in the table.

    With `ends`, only the first and the last of them where it says so.

    Series with equally many samples come together, so that a window over many targets is few arrays;
    but not the large ones, for which the copy costs more than another call.
    The parts of `samples` must be disjoint.
    """
    start_ms = end_ms - range_ms
    large: list[_Piece] = []
    small: dict[tuple[int, int], list[_Piece]] = {}  # by how many samples there are, and are read
    for rows, columns, places, observers in samples.parts:
        times = rows.times
        # On few rows Python's own search costs half of numpy's, and most windows end at the last one.
        first, last = bisect_right(times, start_ms), len(times)
        if first < last and times[-1] > end_ms:
            last = bisect_right(times, end_ms)
        if first < last:
            count, step = last - first, 1
            few = ends is Ends.ALWAYS or (ends is Ends.RISING and rows.drops_ms <= times[first])
            if few and count > 2 and rows.holes_ms <= start_ms:
                step = count - 1
            values = rows.values[first:last:step, columns]
            clocks = times[first:last:step, None]
            piece = _Piece(clocks, values.shape[1:], values, places, observers, count)
            key = count, len(clocks)
            alike = large if values.size > _MAX_JOINED else small.setdefault(key, [])
            alike.append(piece)
    for piece in _whole(large, small.values()):
        sources.update(piece.sources)
        yield (
            Window(
                piece.clocks, piece.widths, piece.values, start_ms, end_ms, now_ms, piece.length
            ),
            piece.places,
        )


def _whole(large: list[_Piece], small: Iterable[list[_Piece]]) -> Iterator[_Piece]:
    """Yield pieces without holes: the small ones of one number of samples as one."""
    for piece in large:
        if piece.has_holes:
            yield from _complete(piece)
        else:
            yield piece
    by_count: dict[int, list[_Piece]] = {}
    for alike in small:
        joined = _joined(alike)
        if not joined.has_holes:
            yield joined
            continue
        for piece in alike:
            for part in _complete(piece) if piece.has_holes else (piece,):
                by_count.setdefault(len(part.values), []).append(part)
    yield from map(_joined, by_count.values())


def _complete(piece: _Piece) -> Iterator[_Piece]:
    """Yield the series of one source without their missing samples, those with equally many together."""
    live = ~is_stale(piece.values)
    counts = live.sum(axis=0)
    numbers: Indices = (
        np.arange(counts.size) + piece.places.start
        if isinstance(piece.places, slice)
        else piece.places
    )
    for count in np.flatnonzero(np.bincount(counts)).tolist():
        if not count:
            continue
        chosen = np.flatnonzero(counts == count)
        clocks, widths, values = piece.clocks, np.array([len(chosen)]), piece.values[:, chosen]
        if count < len(live):
            kept = live[:, chosen].T
            clocks = np.broadcast_to(clocks.T, kept.shape)[kept].reshape(kept.shape[0], count).T
            widths = np.ones(len(chosen), dtype=np.intp)
            values = values.T[kept].reshape(kept.shape[0], count).T
        yield _Piece(clocks, widths, values, numbers[chosen], piece.sources, count)


def _joined(pieces: list[_Piece]) -> _Piece:
    if len(pieces) == 1:
        return pieces[0]
    clocks, widths, values, places, sources, counts = zip(*pieces, strict=True)
    return _Piece(
        np.concatenate(clocks, axis=1),
        # One array of many tuples is made faster than many arrays.
        np.array(sum(widths, ())) if _are_tuples(widths) else np.concatenate(widths),
        np.concatenate(values, axis=1),
        _run_on(places),
        tuple(chain.from_iterable(sources)),
        counts[0],
    )


def _are_tuples(widths: Iterable[object]) -> TypeGuard[Iterable[tuple[int, ...]]]:
    return set(map(type, widths)) == {tuple}


def _run_on(places: Sequence[Columns]) -> Columns:
    """Return all of `places`, as one slice where each begins at the end of the one before."""
    end = places[0].start if isinstance(places[0], slice) else None
    for each in places:
        if not isinstance(each, slice) or each.start != end:
            numbers = (np.arange(p.start, p.stop) if isinstance(p, slice) else p for p in places)
            return np.concatenate(list(numbers))
        end = each.stop
    return slice(places[0].start, end) if isinstance(places[0], slice) else places[0]


def disjoint(samples: Samples) -> Samples:
    """Return the samples with each series in one part (a renamed source leaves a series in two)."""
    if not samples.overlapping:
        return samples
    times = np.unique(np.concatenate([part.rows.times for part in samples.parts]))
    values = stale_values(len(times), len(samples.table))
    for part in samples.parts:
        at = np.searchsorted(times, part.rows.times)
        columns = np.arange(len(samples.table))[part.places]
        given = part.rows.values[:, part.columns]
        cells = np.ix_(at, columns)
        values[cells] = np.where(is_stale(given), values[cells], given)
    everything = slice(0, len(samples.table))
    sources = tuple(source for part in samples.parts for source in part.sources)
    part = Part(Rows(times, values), everything, everything, sources)
    return Samples(samples.table, (part,), unnamed=samples.unnamed)
