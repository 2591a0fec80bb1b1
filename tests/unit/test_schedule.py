"""When ticks come: spread over the interval, steady over restarts, dropped with their owner."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.collect.schedule import Schedule, by_interval, first_tick
from tests.watching import query

MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 22, 13, 0, 7, 123456, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [0.1, 15, 60, 300, 86_400])
def test_the_first_tick_is_within_one_interval(seconds: float) -> None:
    interval = timedelta(seconds=seconds)
    assert NOW < first_tick("db1", interval, NOW) <= NOW + interval


def test_a_restart_keeps_the_rhythm() -> None:
    first = first_tick("db1", MINUTE, NOW)
    for later in (1, 59, 61, 86_400):
        shift = first_tick("db1", MINUTE, NOW + timedelta(seconds=later)) - first
        assert shift % MINUTE == timedelta(0)


def test_a_thousand_targets_are_spread_evenly() -> None:
    tenths = [0] * 10
    for number in range(1000):
        wait = first_tick(f"db{number}", MINUTE, NOW) - NOW
        tenths[min(9, int(wait / MINUTE * 10))] += 1
    assert min(tenths) > 60, tenths
    assert max(tenths) < 150, tenths


def test_one_tick_makes_all_queries_of_its_interval_due() -> None:
    a, b, c = (
        query("SELECT 1 AS value", name=f"test/{name}", interval=interval)
        for name, interval in (("a", "60s"), ("b", "5m"), ("c", "1m"))
    )
    assert by_interval([a, b, c]) == {MINUTE: (a, c), 5 * MINUTE: (b,)}


async def _ticks(schedule: Schedule, owner: str, wanted: int) -> int:
    count, enough = 0, asyncio.Event()

    def call() -> None:
        nonlocal count
        count += 1
        if count == wanted:
            enough.set()

    schedule.every(timedelta(milliseconds=20), call, owner=owner, now=datetime.now(UTC))
    async with asyncio.timeout(10):
        await enough.wait()
    return count


def test_it_calls_again_and_again_until_dropped() -> None:
    async def scenario() -> None:
        schedule = Schedule()
        schedule.start()
        assert await _ticks(schedule, "db1", 3) == 3
        quiet = asyncio.Event()
        schedule.every(timedelta(milliseconds=20), quiet.set, owner="db10", now=datetime.now(UTC))
        schedule.drop("db10")
        await _ticks(schedule, "db2", 5)  # five of db2's intervals pass without one of db10's
        assert not quiet.is_set()
        schedule.drop("db1")
        schedule.stop()

    asyncio.run(scenario())


def test_an_owner_whose_name_begins_like_another_keeps_its_ticks() -> None:
    async def scenario() -> None:
        schedule = Schedule()
        schedule.start()
        called = asyncio.Event()
        schedule.every(timedelta(milliseconds=20), called.set, owner="db1-b", now=datetime.now(UTC))
        schedule.drop("db1")
        async with asyncio.timeout(10):
            await called.wait()
        schedule.stop()

    asyncio.run(scenario())
