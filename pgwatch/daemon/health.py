"""Whether the process does its work: rules evaluated in time, and all of it still running."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

from pgwatch.daemon.slots import group_key
from pgwatch.rules.rule import RuleGroup

UNREADY_AFTER = 3  # intervals by which an evaluation is late: it sees less than it should
UNHEALTHY_AFTER = 10  # it will hardly come by itself


def late_groups(
    groups: Iterable[RuleGroup],
    evaluated: Mapping[str, datetime],
    *,
    since: datetime,
    now: datetime,
    intervals: int,
) -> list[str]:
    """Return the groups whose evaluation is late by more than `intervals`, one line each.

    `evaluated` has the slot of each group's newest evaluation that was saved, by its key; `since` is when
    the groups came into force.
    """
    late = []
    for group in groups:
        last = max(since, evaluated.get(group_key(group), since))
        if now - last > group.interval * (1 + intervals):
            seconds = round((now - last).total_seconds())
            late.append(f"rule group {group.name}: not evaluated for {seconds} s")
    return late


def ended(tasks: Mapping[str, asyncio.Task[None] | None]) -> list[str]:
    """Return which of `tasks`, that should run as long as the process, do not; one line each."""
    return [f"{name} has ended" for name, task in tasks.items() if task is not None and task.done()]
