"""The rate of a series that only rises needs its first and last sample; what drops or has holes needs all."""

import random

import numpy as np
import pytest

from pgwatch.promql.engine import Engine
from pgwatch.samples.history import decode, encode
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

ROWS, STEP_MS = 80, 15_000
SERIES = [Labels({METRIC_NAME: "m", "target": "t", "k": str(number)}) for number in range(6)]
# what the dice may do to a row: chance of a reset, of a value that is missing, of NaN
KINDS = {
    "rises": (0.0, 0.0, 0.0),
    "resets": (0.03, 0.0, 0.0),
    "comes and goes": (0.0, 0.03, 0.0),
    "NaN": (0.0, 0.0, 0.02),
    "everything": (0.02, 0.02, 0.01),
}


def collected(dice: random.Random, chances: tuple[float, float, float]) -> Store:
    store, values = Store(), [dice.uniform(0, 50) for _ in SERIES]
    reset, missing, unknown = chances
    for row in range(ROWS):
        if row == ROWS // 2:
            store.mark_stale(Source("t", "q"), row * STEP_MS - 5)
        given = []
        for place, labels in enumerate(SERIES):
            if row < 10 * place:
                continue  # the series come one after the other
            values[place] = 0.0 if dice.random() < reset else values[place] + dice.uniform(0, 9)
            if dice.random() >= missing:
                given.append((labels, float("nan") if dice.random() < unknown else values[place]))
        store.append(
            Collected(
                source=Source("t", "q"),
                time_ms=row * STEP_MS,
                families=(),
                labels=[labels for labels, _ in given],
                values=[value for _, value in given],
            )
        )
    return store


@pytest.mark.parametrize("function", ["rate", "increase", "delta"])
@pytest.mark.parametrize("chances", KINDS.values(), ids=KINDS)
def test_the_ends_are_enough_only_where_they_are(
    function: str, chances: tuple[float, float, float]
) -> None:
    for seed in range(3):
        store = collected(random.Random(seed), chances)
        # Of samples that were read from a file nobody knows whether they rise: all are looked at.
        thorough = Store()
        data = memoryview(b"".join(encode(store.kept())))
        thorough.restore(decode(data, since_ms=0, now_ms=ROWS * STEP_MS))
        for window in ("45s", "2m", "7m"):
            expr = f"{function}(m[{window}])"
            end = ROWS * STEP_MS
            one, other = (Engine(each).range(expr, 0, end, 7_000) for each in (store, thorough))
            assert [each.labels for each in one.series] == [each.labels for each in other.series]
            for mine, theirs in zip(one.series, other.series, strict=True):
                np.testing.assert_array_equal(mine.times, theirs.times)
                np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-12)


def test_the_short_way_is_taken() -> None:
    rows = Store()
    for row in range(ROWS):
        values = [float(row)] * len(SERIES)
        rows.append(
            Collected(
                source=Source("t", "q"),
                time_ms=row * STEP_MS,
                families=(),
                labels=SERIES,
                values=values,
            )
        )
    (part,) = rows.select(()).parts
    seen = part.block.rows
    assert max(seen.holes_ms, seen.drops_ms) <= 0
    rows.repeat(Source("t", "q"), ROWS * STEP_MS)
    rows.mark_stale(Source("t", "q"), (ROWS + 1) * STEP_MS)
    assert part.block.rows.holes_ms == (ROWS + 1) * STEP_MS
