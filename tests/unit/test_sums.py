"""Sums of groups are added up at once or one by one, to the same end."""

import math
import random
from fractions import Fraction

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

SIZES = {
    "equal": [3] * 7,
    "nearly equal": [3, 4, 2, 3, 4],
    "one is large": [200, *[1] * 30],  # group by group
    "one group": [50],
    "of one": [1] * 20,
}


@pytest.mark.parametrize("extreme", [0.0, 1e308, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_sum_and_mean_of_groups(sizes: list[int], extreme: float) -> None:
    dice = random.Random(1)
    members = [[dice.uniform(-1e9, 1e9) for _ in range(size)] for size in sizes]
    members[0][0] = extreme
    members[0][-1] = extreme if extreme > 1 else members[0][-1]
    elements = [(str(group), value) for group, values in enumerate(members) for value in values]
    dice.shuffle(elements)
    labels = [
        Labels({METRIC_NAME: "m", "target": "t", "group": group, "series": str(number)})
        for number, (group, _) in enumerate(elements)
    ]
    values = [value for _, value in elements]
    store = Store()
    store.append(
        Collected(source=Source("t", "q"), time_ms=1000, families=(), labels=labels, values=values)
    )
    for function in ("sum", "avg"):
        result = Engine(store).instant(f"{function} by (group) (m)", 1000).vector
        assert len(result) == len(sizes)
        for found, value in result:
            group = members[int(found["group"])]
            expected = _mean(group) if function == "avg" else _sum(group)
            assert value == pytest.approx(expected, rel=1e-15, nan_ok=True)


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _mean(values: list[float]) -> float:
    if any(map(math.isinf, values)) or any(map(math.isnan, values)):
        return _sum(values)
    return float(sum(map(Fraction, values)) / len(values))
