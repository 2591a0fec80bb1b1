"""The writer's view of one source: which of its series stands where.

The series that answer stand in one block, next to each other. Those that ended would make it as wide as all
series of the retention together, and each row of it too: they move to blocks of their own, which have
only the rows in which they lived.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pgwatch.samples.block import Block, Rows, Values, is_stale
from pgwatch.samples.history import Kept
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, Source
from pgwatch.samples.select import Columns, Index, as_columns

JOB = "pgwatch"  # the label `job` of everything that was collected

_NO_COLUMNS = slice(0, 0)
_MANY_NEW = 64  # series since the last look at which have ended; in a wide block an eighth of it
_ENDED_ROWS = 20  # without a sample: what comes and goes faster than that stays where it is
_SHORT_ROWS = (
    64  # lives up to here share a block; longer ones share it with those up to twice as long
)


class Group:
    """The blocks of one source. Readers find them through the index, which changes as a whole."""

    def __init__(self, source: Source, index: Index) -> None:
        self.block = Block(source, ())
        self.families: tuple[Family, ...] = ()
        self.answered_ms: int | None = None
        self._index = index
        self._columns: dict[Labels, int] = {}  # as collected, without instance and job
        self._named: dict[str, list[int]] = {}
        # Blocks of ended series with the columns that can be found; where they are, as collected.
        self._ended: dict[Block, set[int]] = {}
        self._ended_at: dict[Labels, tuple[Block, int]] = {}
        self._new = 0  # series since the last look at which have ended
        self._given: Sequence[Labels] = ()
        self._given_list: list[Labels] = []
        self._given_columns: Columns = _NO_COLUMNS
        self._instance = ""
        self._has_live = False

    @classmethod
    def restored(cls, kept: Sequence[Kept], index: Index) -> "Group":
        """Return the group of one source with what `kept` gave before."""
        group = cls(kept[0].source, index)
        group._instance, group.answered_ms = kept[0].instance, kept[0].answered_ms
        for one in kept:
            block = Block(one.source, one.labels, one.rows)
            places = {
                collected: column
                for column, labels in enumerate(one.labels)
                if (collected := group._collected(labels)) is not None
            }
            if one.is_current:
                group.block, group._columns, group._has_live = block, places, one.has_live
                group._named = _by_name(block, range(len(block.labels)))
            else:
                group._ended[block] = set(range(len(block.labels)))
                group._ended_at |= {labels: (block, place) for labels, place in places.items()}
        ended = [group._ended_part(block) for block in group._ended]
        index.replace([], [(group.block, group._named), *ended])
        return group

    def kept(self) -> Iterator[Kept]:
        """Yield what `restored` takes; only the writer may ask, and anybody may look at it later."""
        yield self._kept(self.block, None)
        for block, columns in self._ended.items():
            yield self._kept(block, np.array(sorted(columns), dtype=np.intp))

    def _kept(self, block: Block, columns: NDArray[np.intp] | None) -> Kept:
        labels = block.labels
        return Kept(
            source=block.source,
            instance=self._instance,
            answered_ms=self.answered_ms,
            is_current=columns is None,
            labels=labels if columns is None else [labels[column] for column in columns.tolist()],
            rows=block.rows,
            columns=columns,
        )

    @property
    def series_count(self) -> int:
        """The number of series with a place."""
        return len(self.block.labels) + sum(map(len, tuple(self._ended.values())))

    @property
    def memory_bytes(self) -> int:
        """The size of the samples, with the room for more."""
        return sum(block.memory_bytes for block in (self.block, *tuple(self._ended)))

    def append(self, collected: Collected) -> bool:
        """Add a row; returns whether the families are new."""
        block, returned = self._arranged(collected)
        values = _plain(collected.values)
        # The last answer may have been repeated, or ended, while this one was under way.
        newest = block.newest_ms
        time_ms = collected.time_ms if newest is None else max(collected.time_ms, newest + 1)
        block.append(time_ms, self._given_columns, values)
        if block is not self.block:
            self._publish(block, returned)
            self._look_for_ended()
        self.answered_ms = collected.time_ms
        self._has_live = len(values) > 0
        if collected.families is self.families or collected.families == self.families:
            return False
        self.families = collected.families
        return True

    def repeat(self, time_ms: int) -> None:
        """Add the last row again, unless it has no samples."""
        if self._has_live and time_ms > (self.block.newest_ms or 0):
            everything = slice(0, len(self.block.labels))
            self.block.append(time_ms, everything, self.block.rows.values[-1, everything])

    def mark_stale(self, time_ms: int) -> None:
        """Add a row without samples, unless the last one is."""
        if self._has_live:
            newest = self.block.newest_ms or 0
            nothing = np.empty(0)
            self.block.append(max(time_ms, newest + 1), _NO_COLUMNS, nothing)
            self._has_live = False

    def tidy(self, before_ms: int) -> None:
        """Drop the series without a sample from `before_ms` on, where they are more than a few."""
        old = [block for block in self._ended if (block.newest_ms or 0) < before_ms]
        if old:
            self._index.replace([self._ended_part(block) for block in old], [])
            for block in old:
                del self._ended[block]
            self._ended_at = {k: at for k, at in self._ended_at.items() if at[0] in self._ended}
        for block in self._ended:
            block.forget_before(before_ms)
        live = self._live()
        dead: NDArray[np.bool_] = ~np.logical_or.reduce(live, axis=0)
        if np.count_nonzero(dead) * 8 > len(dead):
            self._move_out(dead, live)

    def unlink(self) -> None:
        """Take the series out of the index."""
        ended = [self._ended_part(block) for block in self._ended]
        self._index.replace([(self.block, self._named), *ended], [])

    def _arranged(self, collected: Collected) -> tuple[Block, set[Block]]:
        """Find the answer's columns; returns the block that has them and where series returned from.

        It is another block if some are new, and readers do not know it yet.
        """
        given, nowhere = collected.labels, set[Block]()
        if collected.instance != self._instance:
            # Other labels are other series: the old ones end with this answer.
            self._instance, self._columns, self._given_list = collected.instance, {}, []
            self._ended_at = {}
        elif given is self._given and len(given) == len(self._given_list):
            return self.block, nowhere
        elif self._given_list == (given if isinstance(given, list) else list(given)):
            self._given, self._given_list = given, list(given)  # the old ones are needed no more
            return self.block, nowhere
        self._given, self._given_list = given, list(given)
        new = [labels for labels in given if labels not in self._columns]
        block, returned = self._extended(new) if new else (self.block, nowhere)
        self._given_columns = as_columns([self._columns[labels] for labels in given])
        return block, returned

    def _extended(self, new: list[Labels]) -> tuple[Block, set[Block]]:
        first = len(self.block.labels)
        block = self.block.extended([self._scraped(labels) for labels in new])
        returned = set[Block]()
        for column, labels in enumerate(new, first):
            self._columns[labels] = column
            self._named.setdefault(labels[METRIC_NAME], []).append(column)
            if at := self._ended_at.pop(labels, None):
                block.fill(column, at[0].rows, at[1])
                self._ended[at[0]].discard(at[1])
                returned.add(at[0])
        self._new += len(new)
        return block, returned

    def _publish(self, block: Block, returned: set[Block]) -> None:
        """Let readers know of `block` instead of the one before, and of what is left where series were."""
        ended = [(each, _by_name(each, range(len(each.labels)))) for each in returned]
        left = [self._ended_part(each) for each in returned]
        self._index.replace([(self.block, self._named), *ended], [(block, self._named), *left])
        self.block = block

    def _ended_part(self, block: Block) -> tuple[Block, dict[str, list[int]]]:
        return block, _by_name(block, sorted(self._ended[block]))

    def _live(self) -> NDArray[np.bool_]:
        """Return where the block has a sample."""
        return ~is_stale(self.block.rows.values[:, : len(self.block.labels)])

    def _look_for_ended(self) -> None:
        if self._new < max(_MANY_NEW, len(self.block.labels) // 8):
            return
        self._new = 0
        live = self._live()
        self._move_out(~np.logical_or.reduce(live[-_ENDED_ROWS:], axis=0), live)

    def _move_out(self, ended: NDArray[np.bool_], live: NDArray[np.bool_]) -> None:
        """Go on in a block without the series `ended`; those with a sample get blocks of their own."""
        old, named = self.block, self._named
        collected_as = {column: labels for labels, column in self._columns.items()}
        moved = list(_lives(old, np.flatnonzero(ended & live.any(axis=0)), live))
        keep = np.flatnonzero(~ended)
        self.block = old.compacted(keep)
        self._named = _by_name(self.block, range(len(keep)))
        self._columns = {
            collected_as[column]: place
            for place, column in enumerate(keep.tolist())
            if column in collected_as
        }
        for block, columns in moved:
            self._ended[block] = set(range(len(columns)))
            for place, column in enumerate(columns.tolist()):
                if column in collected_as:
                    self._ended_at[collected_as[column]] = (block, place)
        parts = [self._ended_part(block) for block, _ in moved]
        self._index.replace([(old, named)], [(self.block, self._named), *parts])
        # The columns moved, so the next answer finds its own anew.
        self._given, self._given_list, self._given_columns = (), [], _NO_COLUMNS

    def _scraped(self, labels: Labels) -> Labels:
        """Return `labels` as a scrape would store them; what they already say is kept."""
        if not self._instance:
            return labels
        return Labels({"instance": self._instance, "job": JOB, **labels})

    def _collected(self, labels: Labels) -> Labels | None:
        """Return what `_scraped` made `labels` of, None if it was not under this instance."""
        if not self._instance:
            return labels
        if labels.label("instance") != self._instance:
            return None
        return labels.without(("instance", "job") if labels.label("job") == JOB else ("instance",))


def _lives(
    block: Block, columns: NDArray[np.intp], live: NDArray[np.bool_]
) -> Iterator[tuple[Block, NDArray[np.intp]]]:
    """Yield blocks of the series `columns`, with the rows in which they lived and the one that ended them.

    Short lives and long ones are kept apart, so that none has many more rows than it needs.
    """
    first = live[:, columns].argmax(axis=0)
    last = len(live) - 1 - live[::-1, columns].argmax(axis=0)
    size = np.ceil(np.log2(np.maximum(last - first + 1, _SHORT_ROWS)))
    for each in np.unique(size):
        chosen = size == each
        rows = slice(int(first[chosen].min()), int(last[chosen].max()) + 2)
        values = block.rows.values[rows][:, columns[chosen]]
        labels = [block.labels[column] for column in columns[chosen].tolist()]
        yield Block(block.source, labels, Rows(block.rows.times[rows], values)), columns[chosen]


def _by_name(block: Block, columns: Iterable[int]) -> dict[str, list[int]]:
    named: dict[str, list[int]] = {}
    for column in columns:
        named.setdefault(block.labels[column].name, []).append(column)
    return named


def _plain(values: Sequence[float]) -> Values:
    """Return `values` as an array in which no NaN could be taken for the mark of a stale series."""
    array = np.asarray(values, dtype=np.float64)
    unknown: NDArray[np.bool_] = np.isnan(array)
    return np.where(unknown, np.nan, array) if unknown.any() else array
