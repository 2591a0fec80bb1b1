"""Alertmanager's scenarios Retry and WebhookTimeout, to a running pgwatch and hooks that really fail."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess, until
from tests.playing import post_alerts
from tests.receivers import Answer, HttpReceiver

CONFIG = """
route:
  receiver: two
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 3s
  routes: [{{matchers: [alertname=Hangs], receiver: one, group_interval: 1m, repeat_interval: 1m}}]
receivers:
  - {{name: two, webhook_configs: [{{url: '{well}'}}, {{url: '{drops}'}}]}}
  - {{name: one, webhook_configs: [{{url: '{hangs}', timeout: 500ms}}]}}
"""
LATE = 1.5  # seconds that a busy machine may take


@dataclass
class Clock:
    """The time 0 of the timeline, once it has begun."""

    start: float = float("inf")

    def is_before(self, seconds: float) -> bool:
        return time.time() < self.start + seconds


@dataclass(frozen=True, kw_only=True)
class Played:
    """At which seconds requests came to each hook, and whether each was answered as it should be."""

    well: list[tuple[float, bool]]
    drops: list[tuple[float, bool]]
    hangs: list[tuple[float, bool]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder: Path = tmp_path_factory.mktemp("hooks")
    clock = Clock()

    def drops() -> Answer:
        return Answer(hang_up=clock.is_before(4.5))

    def hangs() -> Answer:
        return Answer(delay=1.0 if clock.is_before(3) else 0.0)

    with ExitStack() as stack:
        hooks = {
            name: stack.enter_context(HttpReceiver(then=then))
            for name, then in (("well", Answer()), ("drops", drops), ("hangs", hangs))
        }
        urls = {name: hook.url for name, hook in hooks.items()}
        (folder / "am.yml").write_text(CONFIG.format(**urls), encoding="utf-8")
        daemon = DaemonProcess(
            folder,
            targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
            rules={"builtin": False},
            alertmanager_config="am.yml",
        )
        stack.enter_context(daemon.start())
        until(lambda: daemon.get("/api/v2/status").ok, "the API answers", log=daemon)
        clock.start = time.time()
        time.sleep(1)
        labels = ({"alertname": "Drops"}, {"alertname": "Hangs"})
        post_alerts(daemon.url, [{"labels": one} for one in labels])
        while clock.is_before(7.5):
            time.sleep(0.1)
        yield Played(
            **{
                name: [
                    (one.at - clock.start, not one.answer.hang_up and not one.answer.delay)
                    for one in hook.requests
                ]
                for name, hook in hooks.items()
            }
        )


def test_the_other_hook_is_told_in_time(played: Played) -> None:
    first, repeat = (seconds for seconds, _ in played.well)
    assert 2 <= first <= 2 + LATE
    assert 6 <= repeat <= 6 + LATE


def test_a_hook_that_drops_is_tried_until_it_listens(played: Played) -> None:
    dropped = [seconds for seconds, answered in played.drops if not answered]
    heard = [seconds for seconds, answered in played.drops if answered]
    assert len(dropped) >= 2
    assert 2 <= dropped[0] <= 2 + LATE
    # Alertmanager's own scenario expects it only with the repeat, at 6.
    assert 4.5 <= heard[0] <= 6 + LATE
    assert len(heard) <= 2  # what it had not heard, and the repeat


def test_a_hook_that_hangs_gets_it_by_a_retry(played: Played) -> None:
    assert not played.hangs[0][1]
    ((delivered, _),) = [one for one in played.hangs if one[1]]
    assert 3 <= delivered <= 4 + LATE  # after the first pause, of up to 1 s
