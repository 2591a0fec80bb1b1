"""The samples of one source, in columns: one vector of times and one matrix of values."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

Times = NDArray[np.int64]
Values = NDArray[np.float64]

STALE_BITS = np.int64(0x7FF8_0000_0000_0002)
# The bits of "this series has no sample in this row", compared as integers: an ordinary NaN is a value.
# One pattern is enough, because an answer replaces the previous one: a series that is not in it is stale.
# It is a quiet NaN, unlike Prometheus's marker, so that no arithmetic unit changes it.


def is_stale(values: Values) -> NDArray[np.bool_]:
    """Return where `values` hold no sample."""
    bits: NDArray[np.bool_] = values.view(np.int64) == STALE_BITS
    return bits


def stale_values(rows: int, columns: int) -> Values:
    """Return a matrix without any sample."""
    return np.full((rows, columns), STALE_BITS, dtype=np.int64).view(np.float64)


UNKNOWN_MS = 2**62  # a time that never comes
_NEVER_MS = -(2**62)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a reader sees of a block: rising times and, for each, a row of values. It never changes.

    `values` may be wider than the block's `labels`: the rest is room for series to come.
    """

    times: Times
    values: Values
    holes_ms: int = UNKNOWN_MS  # after this time every series has a number in each row
    drops_ms: int = (
        UNKNOWN_MS  # and no row after the one of this time has a smaller one than the row before
    )

    @property
    def is_empty(self) -> bool:
        """Whether there is no row."""
        return len(self.times) == 0


class Block:
    """The series of one source, in columns that keep their numbers as long as the block lives.

    Only the writer calls the methods that change it. Readers take `rows` once and need no lock: the
    writer writes only where no reader looks (behind the last row, in columns nobody was told of), and
    publishes by replacing `rows`. With more series the writer goes on in another block, since a reader
    that knows the old ones only must not see a row in which they have been replaced by the new.
    """

    __slots__ = (
        "_drops_ms",
        "_end",
        "_holes_ms",
        "_start",
        "_times",
        "_values",
        "labels",
        "rows",
        "source",
    )

    def __init__(self, source: Source, labels: Sequence[Labels], rows: Rows | None = None) -> None:
        self.source = source
        self.labels = list(labels)
        self._start = self._end = 0
        self._times: Times = np.empty(0, dtype=np.int64)
        self._values = stale_values(0, 0)
        self.rows = rows or Rows(self._times, self._values)
        self._make_room(self.rows.values, self.rows.times)
        # Nobody has looked: what is there may have both.
        self._holes_ms = self._drops_ms = _NEVER_MS if (now := self.newest_ms) is None else now
        self._publish()

    @property
    def newest_ms(self) -> int | None:
        """The time of the last row, None without one."""
        return int(self._times[self._end - 1]) if self._end > self._start else None

    @property
    def memory_bytes(self) -> int:
        """The size of the samples, with the room for more."""
        return self._times.nbytes + self._values.nbytes

    def extended(self, labels: Sequence[Labels]) -> Self:
        """Return the block with more series, without a sample yet, where the writer goes on.

        It shares this one's memory, and this one stays as it is: nothing may be added to it any more.
        """
        block = copy(self)
        block.labels = [*self.labels, *labels]
        if len(block.labels) > self._values.shape[1]:
            block._make_room(self._values[self._start : self._end], self.rows.times)
        if (now := self.newest_ms) is not None:
            block._holes_ms = now  # the new series are in none of the rows so far
        block._publish()
        return block

    def fill(self, column: int, past: Rows, past_column: int) -> None:
        """Give the series `column`, of which no reader knows yet, the samples of a series elsewhere.

        `past` has rows of this block only, and maybe older ones.
        """
        if self.rows.is_empty:
            return
        kept = int(np.searchsorted(past.times, self.rows.times[0]))
        at = np.searchsorted(self.rows.times, past.times[kept:])
        self.rows.values[at, column] = past.values[kept:, past_column]

    def append(self, time_ms: int, columns: slice | NDArray[np.intp], values: Values) -> None:
        """Add a row in which `columns` have `values` and every other series is stale."""
        if self._end == len(self._times):
            self._make_room(self._values[self._start : self._end], self.rows.times)
        self._times[self._end] = time_ms
        self._values[self._end, columns] = values  # the row was made stale when it was allocated
        self._notice(time_ms, self._values[self._end, : len(self.labels)])
        self._end += 1
        self._publish()

    def forget_before(self, time_ms: int) -> None:
        """Drop the rows older than `time_ms`."""
        self._start += int(np.searchsorted(self.rows.times, time_ms))
        self._publish()

    def compacted(self, keep: NDArray[np.intp]) -> "Block":
        """Return a new block with the columns `keep` only, renumbered."""
        labels = [self.labels[i] for i in keep]
        return Block(self.source, labels, Rows(self.rows.times, self.rows.values[:, keep]))

    def _notice(self, time_ms: int, row: Values) -> None:
        """Note whether a new row has holes, or numbers smaller than those in the row before."""
        if np.isnan(row).any():
            self._holes_ms = self._drops_ms = time_ms
        elif self._end > self._start:
            before = self._values[self._end - 1, : len(row)]
            if (row < before).any():
                self._drops_ms = time_ms

    def _publish(self) -> None:
        live = slice(self._start, self._end)
        self.rows = Rows(self._times[live], self._values[live], self._holes_ms, self._drops_ms)

    def _make_room(self, values: Values, times: Times) -> None:
        """Copy what is live into new memory with room to spare, so that copies are rare."""
        rows, width = len(times), values.shape[1]
        if len(self.labels) > width:
            # The first answer rarely brings too few series; who grows later will grow again.
            width = len(self.labels) + (len(self.labels) // 8 if rows else 0)
        room = stale_values(rows + rows // 8 + 8, width)
        room[:rows, : values.shape[1]] = values
        self._values = room
        self._times = np.zeros(len(room), dtype=np.int64)
        self._times[:rows] = times
        self._start, self._end = 0, rows
