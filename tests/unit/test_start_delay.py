"""After the start nobody is told for a while: Alertmanager's `--dispatch.start-delay`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.alerts.posted import received
from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.desk import Desk
from pgwatch.daemon.measuring import Measuring
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.notify.dispatch import StartDelay
from pgwatch.notify.duties import Duties
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Reason
from pgwatch.notify.playback import Playback
from pgwatch.samples.labels import Labels
from pgwatch.samples.store import Store
from pgwatch.state.store import State
from tests.timeline import alert, at, routing, shown, silence


def delayed(seconds: float) -> Playback:
    return Playback(routing(), delay=StartDelay(since=at(0), until=at(seconds)))


@pytest.mark.parametrize(
    ("delay", "told_at"),
    [(10, 35), (35, 35), (90, 90)],
    ids=["group_wait is longer", "both", "the delay is longer"],
)
def test_group_is_told_after_its_wait_and_the_delay(delay: float, told_at: float) -> None:
    playback = delayed(delay)
    playback.step(at(5), alerts={"r": (alert(since=5),)})
    (told,) = playback.run_until(at(300), at(5))
    assert told.time == at(told_at)
    assert playback.state.next_flush() == at(told_at + 300)


def test_what_comes_meanwhile_is_told_together_and_what_ended_is_not() -> None:
    playback = delayed(90)
    playback.step(at(0), alerts={"r": (alert(n="1"), alert("B", n="2"))})
    playback.step(at(60), alerts={"r": (alert(n="1"), alert(n="3", since=60))})
    (told,) = playback.run_until(at(200), at(60))
    assert (told.time, shown(told)) == (at(90), [("1", "firing"), ("3", "firing")])


def test_clock_that_is_set_back_before_the_start_does_not_make_it_longer() -> None:
    playback = delayed(60)
    playback.step(at(-3600), alerts={"r": (alert(),)})
    assert [told.time for told in playback.run_until(at(-3000), at(-3600))] == [at(-3570)]


def test_deploy_that_ends_meanwhile_is_reported_after_it() -> None:
    playback = delayed(90)
    deploy = silence("alertname=A", 0, 60, deploy=True)
    said = replace(Interventions(), silences={deploy.id: deploy})
    playback.step(at(0), alerts={"r": (alert(),)}, said=said)
    (told,) = playback.run_until(at(200), at(0))
    assert (told.time, told.reason) == (at(90), Reason.DEPLOY_OVER)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(tmp_path / "state.db")
    yield opened
    opened.close()


def begun(state: State, seconds: float, delay: float, previous: Alerting | None = None) -> Alerting:
    return Alerting(
        groups=(),
        routing=routing(),
        accepted=(),
        measuring=Measuring(Store(), Exposition()),
        watches=lambda _: True,
        state=state,
        metrics=OwnMetrics(version="1"),
        on_enqueued=lambda: None,
        now=at(seconds),
        duties=Duties(start_delay=timedelta(seconds=delay)),
        previous=previous,
    )


def next_look(alerting: Alerting, seconds: float) -> float:
    due = alerting.deciding.next_look(at(seconds))
    assert due is not None
    return (due - at(0)).total_seconds()


def test_it_counts_from_the_start_of_the_process(state: State) -> None:
    first = begun(state, 0, 100)
    posted = received(
        Labels({"alertname": "A"}),
        {},
        starts_at=None,
        ends_at=None,
        generator_url="",
        resolve_timeout=timedelta(hours=1),
        now=at(10),
    )
    Desk(deciding=first.deciding, now=at(10)).post([posted])
    assert next_look(first, 10) == 100
    # A reload does not begin it anew, and may change it; the group has waited long enough.
    reloaded = begun(state, 50, 100, previous=first)
    assert next_look(reloaded, 50) == 100
    assert next_look(begun(state, 60, 70, previous=reloaded), 60) == 70
    # After a restart, who posts has as long again.
    assert next_look(begun(state, 80, 100), 80) == 180
