"""A wall clock that jumps: nothing waits for the old time to come again, and nothing is resolved."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.collect.outcome import Answered, QueryRun
from pgwatch.collect.schedule import Schedule
from pgwatch.daemon.clock import Clock
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.slots import next_slot, slot_to_await
from pgwatch.export.prometheus import Exposition
from pgwatch.promql.engine import Engine
from pgwatch.rules.load import parse_rules
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCE = Source("db", "core/debt")
GROUP = parse_rules("groups: [{name: g, interval: 15s}]", file="f.yml")[0]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def collected(at: datetime, value: float) -> Collected:
    return Collected(
        source=SOURCE,
        time_ms=ms(at),
        families=(Family("debt", MetricType.GAUGE, ""),),
        labels=[Labels({METRIC_NAME: "debt"})],
        values=[value],
    )


def run(at: datetime, value: float = 1.0) -> QueryRun:
    outcome = Answered(columns=(), rows=(), elapsed=timedelta(0))
    return QueryRun(
        source=SOURCE,
        outcome=outcome,
        collected=collected(at, value),
        time_ms=ms(at),
        elapsed_seconds=0.0,
    )


def found(store: Store, at: datetime) -> list[float]:
    return [value for _, value in Engine(store).instant("debt", ms(at)).vector]


@pytest.mark.parametrize("back", [timedelta(seconds=16), HOUR, timedelta(days=400)], ids=str)
def test_a_slot_that_the_clock_moved_away_from_is_chosen_anew(back: timedelta) -> None:
    slot = next_slot(GROUP, NOW)
    assert slot_to_await(GROUP, slot, NOW) == slot
    assert slot_to_await(GROUP, slot, NOW + HOUR) == slot  # late: it is made up for at once
    moved = NOW - back
    assert slot_to_await(GROUP, slot, moved) - moved <= GROUP.interval


def test_the_clock_notices_each_time_that_it_is_set_back_once() -> None:
    clock = Clock()
    times = [NOW, NOW + HOUR, NOW + HOUR - timedelta(seconds=2), NOW, NOW, NOW - HOUR, NOW]
    noticed = [clock.set_back(at) for at in times]
    zero = timedelta(0)
    assert noticed == [zero, zero, zero, HOUR, zero, HOUR, zero]


def test_answers_count_again_after_the_clock_was_set_back() -> None:
    store = Store()
    store.append(collected(NOW, 1.0))
    assert not store.append(collected(NOW - timedelta(seconds=1), 2.0))  # a race, not a clock
    assert store.append(collected(NOW - HOUR, 3.0))
    assert found(store, NOW - HOUR) == [3.0]
    assert found(store, NOW) == []
    assert store.append(collected(NOW - HOUR + timedelta(seconds=15), 4.0))


def test_after_the_clock_was_set_back_nothing_has_answered_and_the_past_is_gone() -> None:
    taken = Measuring(Store(), Exposition())
    for at in (NOW - HOUR, NOW):
        taken.take(run(at))
    taken.begin_anew()
    earlier = NOW - HOUR + timedelta(seconds=1)
    assert not taken.answered(SOURCE, ms(earlier))
    assert found(taken.store, earlier) == []
    taken.take(run(NOW, 5.0))  # was under way
    assert not taken.answered(SOURCE, ms(earlier))
    taken.take(run(earlier, 6.0))
    assert taken.answered(SOURCE, ms(earlier))
    assert found(taken.store, earlier) == [6.0]
    taken.publish_counts(ms(earlier))
    assert [
        v
        for _, v in Engine(taken.store).instant("pgwatch_query_outcomes_total", ms(earlier)).vector
    ]


def test_after_a_pause_of_the_machine_an_old_answer_says_nothing() -> None:
    """A virtual machine that slept for an hour: the samples are too old to be found."""
    taken = Measuring(Store(), Exposition())
    taken.take(run(NOW))
    assert taken.answered(SOURCE, ms(NOW + timedelta(seconds=299)))
    assert not taken.answered(SOURCE, ms(NOW + HOUR))
    taken.take(run(NOW + HOUR))
    assert taken.answered(SOURCE, ms(NOW + HOUR))


def test_ticks_go_on_after_the_clock_was_set_back() -> None:
    async def ticks_within(seconds: float) -> int:
        schedule, count = Schedule(), 0

        def tick() -> None:
            nonlocal count
            count += 1

        schedule.start()
        # As it is when the clock has been set back by an hour since the tick was planned.
        schedule.every(timedelta(seconds=0.1), tick, owner="o", now=datetime.now(UTC) + HOUR)
        await asyncio.sleep(seconds)
        assert count == 0
        schedule.clock_set_back(datetime.now(UTC))
        await asyncio.sleep(seconds)
        schedule.stop()
        return count

    assert asyncio.run(ticks_within(0.5)) >= 2
