"""When sources answered, as a kept history tells."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pgwatch.samples.block import is_stale
from pgwatch.samples.history import Kept
from pgwatch.samples.sample import Source


class Answers:
    """The times of all answers in a history, by source."""

    def __init__(self, kept: Iterable[Kept], lookback_ms: int) -> None:
        """`lookback_ms`: how long an answer stands."""
        self._lookback_ms = lookback_ms
        parts: dict[Source, list[Kept]] = {}
        for one in kept:
            parts.setdefault(one.source, []).append(one)
        self._times: Mapping[Source, NDArray[np.int64]] = {
            source: np.unique(np.concatenate([one.rows.times for one in of_source]))
            for source, of_source in parts.items()
        }
        self._ended_ms = {source: _end(of_source) for source, of_source in parts.items()}

    def stood(self, source: Source, at_ms: int) -> bool:
        """Return whether `source` had an answer that stood at `at_ms`, or had ended for good by then."""
        times = self._times.get(source)
        before = 0 if times is None else int(np.searchsorted(times, at_ms, side="right"))
        if times is None or not before:
            return False
        ended_ms = self._ended_ms[source]
        return bool(at_ms < times[before - 1] + self._lookback_ms) or (
            ended_ms is not None and ended_ms <= at_ms
        )


def _end(parts: Iterable[Kept]) -> int | None:
    """Return the time of the last answer if none of its series was left."""
    parts = [one for one in parts if not one.rows.is_empty]
    last = max((int(one.rows.times[-1]) for one in parts), default=None)
    newest = [one for one in parts if one.rows.times[-1] == last]
    gone = all(is_stale(one.rows.values[-1]).all() for one in newest)
    return last if gone else None
