"""Random configurations and alerts through Debian's Alertmanager and through pgwatch: the same messages."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgwatch.notify.flap import FlapLimits
from pgwatch.notify.notification import NotifiedAlert
from pgwatch.notify.routetest import Heard, RouteTest, heard
from pgwatch.notify.routetest import play as play_to_pgwatch
from tests.integration.test_alertmanager_peer import alertmanager
from tests.playing import BRANCH, Server, configuration, on_branches, play
from tests.random_routing import random_posts, random_timeline
from tests.receivers import HttpReceiver

# Two routes that are alike: but for their hours, and one of them without alerts.
SEEDS = (*range(40), 159, 268)
POSTS = range(12)
# On a busy machine half a second is not always enough between a post and a look at a group; a real
# difference shows each time.
ATTEMPTS = 4
# What alerts that come and go all the time lead to is a difference of its own (docs/reference).
NOTHING_FOLDED = FlapLimits(firings=0)
Told = tuple[tuple[str, str], ...]


def by_group(messages: Iterable[Heard]) -> dict[tuple[str, str, str], list[Told]]:
    """Return what was told to each channel of each group, in order."""
    found: dict[tuple[str, str, str], list[Told]] = {}
    for one in sorted(messages, key=lambda each: each.at):
        key = (one.receiver, one.channel, one.group_key)
        found.setdefault(key, []).append(tuple(sorted(map(_shown, one.alerts))))
    return found


def _shown(alert: NotifiedAlert) -> tuple[str, str]:
    return repr(alert.labels.without([BRANCH])), alert.status


@pytest.mark.peer
def test_the_same_messages(tmp_path: Path) -> None:
    left = [*map(random_timeline, SEEDS), *map(random_posts, POSTS)]
    for attempt in range(ATTEMPTS):
        different = differences(left, tmp_path / str(attempt))
        left = [test for test in left if test.name in different]
    assert not left, "\n".join(different.values())


def differences(tests: list[RouteTest], folder: Path) -> dict[str, str]:
    """Play `tests` to both; returns what is not the same, by timeline."""
    if not tests:
        return {}
    folder.mkdir()
    with HttpReceiver() as hook:
        config = folder / "am.yml"
        config.write_text(configuration([one.routing for one in tests], hook.url), "utf-8")
        with alertmanager(config, folder / "data") as url:
            played = play(Server(url=url, config=config), tests, hook, datetime.now(UTC))
        branches = on_branches(tests, hook.url)
    found: dict[str, str] = {}
    for number, (test, messages) in enumerate(zip(branches, played, strict=True)):
        theirs = by_group(replace(one, receiver=f"{number}/{one.receiver}") for one in messages)
        told = play_to_pgwatch(test, limits=NOTHING_FOLDED)
        ours = by_group(heard(one, test.start) for one in told)
        assert ours, f"{test.name}: nothing is told"
        for key in ours.keys() | theirs.keys():
            if ours.get(key) != theirs.get(key):
                found[test.name] = (
                    f"{test.name} {key}\n  ours   {_lines(ours.get(key, []))}\n"
                    f"  theirs {_lines(theirs.get(key, []))}"
                )
    return found


def _lines(told: list[Told]) -> str:
    return "\n         ".join(map(str, told))
