"""The pipeline under configurations that change, with posts that are corrected."""

from datetime import timedelta
from pathlib import Path

from pgwatch.alerts.posted import PostedAlert, received
from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.notify.notification import Reason
from pgwatch.notify.playback import Playback
from pgwatch.notify.route import Routing
from pgwatch.samples.labels import Labels
from tests.timeline import alert, at, routing


def test_reload_looks_at_once_at_what_has_waited_and_begins_timers_anew() -> None:
    playback = Playback(routing())
    playback.step(at(0), alerts={"r": (alert(n="1"),)})
    assert len(playback.run_until(at(60), at(0))) == 1  # at 30; the next look was at 330
    playback.step(at(60), alerts={"r": (alert(n="1"), alert(n="2", since=60))})
    (told,) = playback.reload(playback.routing, at(100))
    assert (told.time, told.reason) == (at(100), Reason.NEW_ALERTS)
    assert playback.state.next_flush() == at(400)


def test_reload_within_group_wait_waits_again() -> None:
    playback = Playback(routing())
    playback.step(at(0), alerts={"r": (alert(),)})
    assert not playback.reload(playback.routing, at(20))
    assert playback.state.next_flush() == at(50)


HOURS = """
route:
  receiver: r
  routes:
    - &office
      matchers: [team="dba"]
      receiver: r
      group_by: [alertname]
      group_wait: 10s
      group_interval: 1m
      active_time_intervals: [office]
      continue: true
    - {<<: *office, group_interval: 1h, active_time_intervals: [], mute_time_intervals: [office]}
time_intervals: [{name: office, time_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}]}]}]
receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
"""


def hours() -> Routing:
    return parse_alertmanager(HOURS, Path("am.yml"))


def test_of_routes_alike_but_for_their_hours_the_one_that_is_not_quiet_counts() -> None:
    for hour, interval in ((9, timedelta(minutes=1)), (20, timedelta(hours=1))):
        playback = Playback(hours())
        begin = (hour - 3) * 3600  # the timeline begins at three
        playback.step(at(begin), alerts={"r": (alert(team="dba", since=begin),)})
        (told,) = playback.run_until(at(begin + 20), at(begin))
        assert told.time == at(begin + 10)
        assert playback.state.next_flush() == told.time + interval


def posted(now: float, *, end: float, note: str) -> PostedAlert:
    return received(
        Labels({"alertname": "A"}),
        {"note": note},
        starts_at=at(0),
        ends_at=at(end),
        generator_url="",
        resolve_timeout=timedelta(minutes=5),
        now=at(now),
    )


def test_what_a_post_corrects_of_an_alert_that_is_over_is_told() -> None:
    playback = Playback(routing())
    playback.step(at(0), posted=[posted(0, end=1000, note="1")])
    assert len(playback.run_until(at(40), at(0))) == 1
    playback.step(at(50), posted=[posted(50, end=45, note="2")])
    playback.step(at(60), posted=[posted(60, end=55, note="3")])
    (told,) = playback.run_until(at(400), at(60))
    (one,) = told.alerts
    assert (one.ends_at, one.annotations) == (at(55), {"note": "3"})
