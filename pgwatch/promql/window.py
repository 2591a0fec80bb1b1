"""Samples for selectors: the newest at a time, and all in a window."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pgwatch.promql.vector import EMPTY_TABLE, Indices, Mask, Vector
from pgwatch.samples.block import Block, Rows, Times, Values, is_stale, stale_values
from pgwatch.samples.sample import Source
from pgwatch.samples.select import Columns, Selection
from pgwatch.samples.table import LabelTable


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of some series, and where the series stand in the table of the whole."""

    rows: Rows
    columns: Columns
    places: Columns
    sources: tuple[Source, ...] = ()  # who observed them; empty if a subquery computed them


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
            Part(rows[part.block], part.columns, part.places, (part.block.source,))
            for part in selection.parts
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
        shape = (len(ends), len(np.arange(rows.values.shape[1])[part.columns]))
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

    times: Times  # [samples, series], or [samples, 1] if all series have the same
    values: Values  # [samples, series]
    start_ms: int  # the window is (start, end]
    end_ms: int
    now_ms: int  # the step's time, which `offset` and `@` do not move

    def __len__(self) -> int:
        return len(self.values)


def windows(
    samples: Samples, end_ms: int, range_ms: int, now_ms: int, sources: set[Source]
) -> Iterator[tuple[Window, Columns]]:
    """Yield the samples in (end - range, end], and where their series stand in the table.

    Series with equally many samples come together, so that a window over many targets is few arrays.
    The parts of `samples` must be disjoint.
    """
    start_ms = end_ms - range_ms
    pieces: dict[int, list[tuple[Times, Values, Columns]]] = {}
    for part in samples.parts:
        first, last = np.searchsorted(part.rows.times, (start_ms, end_ms), side="right")
        if first == last:
            continue
        times, values = part.rows.times[first:last], part.rows.values[first:last, part.columns]
        for piece in _complete(times, values, part.places):
            pieces.setdefault(len(piece[0]), []).append(piece)
            sources.update(part.sources)
    for same in pieces.values():
        times, values, places = _joined(same)
        yield Window(times, values, start_ms, end_ms, now_ms), places


def _complete(
    times: Times, values: Values, places: Columns
) -> Iterator[tuple[Times, Values, Columns]]:
    """Yield the series without their missing samples, those with equally many together."""
    if not np.isnan(values).any():
        yield times[:, None], values, places
        return
    live = ~is_stale(values)
    counts = live.sum(axis=0)
    numbers: Indices = (
        np.arange(counts.size) + places.start if isinstance(places, slice) else places
    )
    for count in np.unique(counts):
        chosen = np.flatnonzero(counts == count)
        if count == len(times):
            yield times[:, None], values[:, chosen], numbers[chosen]
        elif count > 0:
            kept = live[:, chosen].T
            shape = (len(chosen), int(count))
            own = np.broadcast_to(times, kept.shape)[kept].reshape(shape).T
            yield own, values[:, chosen].T[kept].reshape(shape).T, numbers[chosen]


def _joined(pieces: list[tuple[Times, Values, Columns]]) -> tuple[Times, Values, Columns]:
    if len(pieces) == 1:
        return pieces[0]
    times = np.concatenate([np.broadcast_to(t, v.shape) for t, v, _ in pieces], axis=1)
    values = np.concatenate([v for _, v, _ in pieces], axis=1)
    places = [
        np.arange(p.start, p.stop, dtype=np.intp) if isinstance(p, slice) else p
        for _, _, p in pieces
    ]
    return times, values, np.concatenate(places)


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
