"""When the process says that it does not do its work."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.daemon.health import ended, late_groups
from pgwatch.daemon.slots import group_key
from pgwatch.rules.load import parse_rules

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
GROUP = parse_rules("groups: [{name: g, interval: 15s}]", file="f.yml")[0]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("evaluated", "now", "late"),
    [
        (None, 60, False),  # since the start: one interval, and three more
        (None, 61, True),
        (300, 360, False),
        (300, 361, True),
        (-900, 15, False),  # under the configuration before; this one has just begun
        (7200, 15, False),  # the clock was set back
    ],
)
def test_a_group_is_late_after_so_many_intervals(
    evaluated: float | None, now: float, late: bool
) -> None:
    known = {} if evaluated is None else {group_key(GROUP): at(evaluated)}
    found = late_groups([GROUP], known, since=START, now=at(now), intervals=3)
    assert bool(found) is late
    assert not late_groups([GROUP], known, since=START, now=at(now), intervals=10)


def test_how_late_is_said() -> None:
    found = late_groups([GROUP], {}, since=START, now=at(3600), intervals=10)
    assert found == ["rule group g: not evaluated for 3600 s"]


def test_what_has_ended_is_named() -> None:
    async def lines() -> list[str]:
        async def nothing() -> None:
            return

        over, runs = asyncio.create_task(nothing()), asyncio.create_task(asyncio.sleep(60))
        await over
        found = ended({"the worker of db": over, "alerting": runs, "delivery": None})
        runs.cancel()
        return found

    assert asyncio.run(lines()) == ["the worker of db has ended"]
