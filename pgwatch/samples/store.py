"""The recent history of every series, for rules, graphs and queries.

One thread may write; any number may read at the same time without a lock (see `block.Block` and
`select.Index`, which publish by replacing what readers hold). A series belongs to the source that
observed it: an answer replaces the source's previous answer, so a series that is not in it is stale.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType

from pgwatch.samples.group import Group
from pgwatch.samples.history import Kept
from pgwatch.samples.labels import Matcher
from pgwatch.samples.sample import Collected, Family, Source
from pgwatch.samples.select import Index, Selection

_SET_BACK_MS = 5_000


class Store:
    """Samples of the last `retention`, as columns that PromQL evaluates without copying them."""

    def __init__(self, retention: timedelta = timedelta(hours=1)) -> None:
        self._retention_ms = retention // timedelta(milliseconds=1)
        self._groups: dict[Source, Group] = {}
        self._index = Index()
        self._families: Mapping[str, Family] = {}
        self._swept_ms = 0

    def append(self, collected: Collected) -> bool:
        """Take an answer over; False (and nothing changes) if it is not newer than the last one.

        One that is older by more than a little was observed after the clock was set back: the source
        begins anew with it.

        A series of the source that the answer lacks is stale from its time on. Costs about 0.2 ms for
        10,000 series if `labels` is the same object as the last time, or equal to it.
        """
        group = self._groups.get(collected.source)
        answered_ms = None if group is None else group.answered_ms
        older_ms = -1 if answered_ms is None else answered_ms - collected.time_ms
        if 0 <= older_ms < _SET_BACK_MS:
            return False
        gone = group if older_ms > 0 else None
        if group is None or gone is not None:
            group = self._groups[collected.source] = Group(collected.source, self._index)
        if group.append(collected):
            self._families = {**self._families, **{f.name: f for f in group.families}}
        if gone is not None:
            gone.unlink()  # only now, for a reader must not find the source without series
        group.block.forget_before(collected.time_ms - self._retention_ms)
        self._sweep(collected.time_ms)
        return True

    def repeat(self, source: Source, time_ms: int) -> None:
        """Let the last answer of `source` stand at `time_ms` too, as a scrape between two answers sees it.

        A source that answers less often than the lookback would else have no value half of the time.
        `newest_ms` stays. Nothing happens if its series are stale or `time_ms` is not newer.
        """
        group = self._groups.get(source)
        if group is not None:
            group.repeat(time_ms)

    def mark_stale(self, source: Source, time_ms: int) -> None:
        """Make every series of `source` stale from `time_ms` on, as when its target is gone."""
        group = self._groups.get(source)
        if group is not None:
            group.mark_stale(time_ms)

    def clear(self) -> None:
        """Forget all samples; the families stay known."""
        for group in self._groups.values():
            group.unlink()
        self._groups = {}
        self._swept_ms = 0

    def kept(self) -> list[Kept]:
        """Return what the store holds, to be written elsewhere while the store goes on."""
        return [one for group in self._groups.values() for one in group.kept()]

    def restore(self, kept: Iterable[Kept]) -> None:
        """Take over what `kept` gave in an earlier life; only before anything is appended."""
        by_source: dict[Source, list[Kept]] = {}
        for one in kept:
            by_source.setdefault(one.source, []).append(one)
        for source, parts in by_source.items():
            self._groups[source] = Group.restored(parts, self._index)

    def sources(self) -> tuple[Source, ...]:
        """Return who observed what the store holds."""
        return tuple(self._groups)

    def newest_ms(self, source: Source) -> int | None:
        """Return the time of the last answer of `source`, None if there is none in the history."""
        group = self._groups.get(source)
        return None if group is None else group.answered_ms

    def families(self) -> Mapping[str, Family]:
        """Return the metrics of the last answers, and of the history, by name."""
        return MappingProxyType(self._families)

    def names(self) -> tuple[str, ...]:
        """Return the names of the metrics that have series in the history, sorted."""
        return self._index.names()

    def select(self, matchers: tuple[Matcher, ...]) -> Selection:
        """Return the series that satisfy all of `matchers`, live or not."""
        return self._index.select([matchers])[matchers]

    def select_all(
        self, since: Mapping[tuple[Matcher, ...], int]
    ) -> Mapping[tuple[Matcher, ...], Selection]:
        """Return what `select` gives for each key of `since`, all of one moment.

        Series without a sample after `since` (Unix ms) may be missing: what has ended long ago costs nothing.
        """
        return self._index.select(since, since)

    @property
    def series_count(self) -> int:
        """The number of series with a sample in the history."""
        return sum(group.series_count for group in tuple(self._groups.values()))

    @property
    def memory_bytes(self) -> int:
        """The size of the samples held."""
        return sum(group.memory_bytes for group in tuple(self._groups.values()))

    def _sweep(self, now_ms: int) -> None:
        """Drop now and then what left the history: sources that no longer answer, series that ended."""
        if now_ms - self._swept_ms < self._retention_ms // 8:
            return
        self._swept_ms = now_ms
        for source, group in list(self._groups.items()):
            if (group.block.newest_ms or 0) < now_ms - self._retention_ms:
                group.unlink()
                del self._groups[source]
            else:
                group.tidy(now_ms - self._retention_ms)
        self._forget_families()

    def _forget_families(self) -> None:
        """Drop the families of which there is no series and that no answer declares any more."""
        names = set(self._index.names())
        for group in self._groups.values():
            names.update(family.name for family in group.families)
        if not names.issuperset(self._families):
            self._families = {name: f for name, f in self._families.items() if name in names}
