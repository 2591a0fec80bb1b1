"""Silences, deploys, acknowledgements and flaps on the line of time: who is told what, and when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from pgwatch.notify.coalesce import supersede
from pgwatch.notify.dispatch import DispatchState, restore
from pgwatch.notify.inhibit import InhibitRule
from pgwatch.notify.interval import Schedule, parse_interval
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.notification import News, Notification, Reason
from pgwatch.notify.receiver import LogSettings, Receiver
from pgwatch.notify.route import Routing
from pgwatch.notify.window import parse_window
from tests.timeline import START, Timeline, alert, at, routing, shown, silence

DAY = 24 * 3600


def news(told: Notification) -> list[str]:
    return [one.news for one in told.alerts]


class TestSilence:
    def test_silenced_alert_is_told_soon_after_its_silence_and_why_it_was_quiet(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, 1000))
        line.push(10, alert(since=10))
        told = line.run(10, 1100)
        assert [(when, one.reason) for when, one in told] == [(1030, Reason.FIRST)]
        (shown_alert,) = told[0][1].alerts
        assert shown_alert.quiet_because == "silenced by ada: moving"
        assert shown_alert.quiet_since == at(40), "the flush that would have told it"

    def test_it_is_told_within_the_groups_turn_if_that_comes_sooner(self) -> None:
        """As Alertmanager does it: 1 s each, silence from 2.5 to 4.5, told at 5."""
        second = timedelta(seconds=1)
        line = Timeline(
            routing(
                group_wait=second, group_interval=second, repeat_interval=timedelta(milliseconds=1)
            )
        )
        line.push(1, alert(n="1", since=1), alert(n="2", since=1))
        line.silence(silence("n=1", 2.5, 4.5))
        told = [(when, [n for n, _ in shown(one)]) for when, one in line.run(1, 5.9)]
        assert told == [(2, ["1", "2"]), (3, ["2"]), (4, ["2"]), (5, ["1", "2"])]

    def test_alert_that_was_known_is_told_again_after_the_silence(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        assert len(line.run(0, 100)) == 1
        line.silence(silence("alertname=A", 100, 1000))
        told = line.run(100, 3000)
        assert [(when, one.reason) for when, one in told] == [(1030, Reason.UNMUTED)]
        assert news(told[0][1]) == [News.STILL]

    def test_end_of_what_was_announced_is_told_through_the_silence(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.run(0, 100)
        line.silence(silence("alertname=A", 100, 10_000))
        line.push(200, alert(resolved=200))
        ((when, told),) = line.run(200, 2000)
        assert (when, told.reason, shown(told)) == (330, Reason.ALL_RESOLVED, [("A", "resolved")])

    def test_what_came_and_went_silently_is_never_told(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, 10_000))
        line.push(0, alert())
        line.push(200, alert(resolved=200))
        assert not line.run(200, 20_000)
        assert not line.state.groups

    def test_others_of_the_group_are_told(self) -> None:
        line = Timeline(routing())
        line.silence(silence("n=1", 0, 10_000))
        line.push(0, alert(n="1"), alert(n="2"))
        ((_, told),) = line.run(0, 1000)
        assert shown(told) == [("2", "firing")]

    def test_silence_that_is_ended_by_hand(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, DAY))
        line.push(0, alert())
        assert not line.run(0, 2000)
        line.expire("alertname=A", 2000)
        ((when, told),) = line.run(2000, 4000)
        assert (when, told.reason) == (2030, Reason.FIRST)

    def test_silence_behind_a_silence_stays_quiet(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, 100), silence("n=1", 50, 1000))
        line.push(0, alert(n="1"))
        ((when, told),) = line.run(0, 3000)
        assert when == 1030
        assert told.alerts[0].quiet_since == at(30)

    def test_window_comes_again(self) -> None:
        line = Timeline(routing(repeat_interval=timedelta(days=30)))
        nightly = silence("alertname=A", 0, 3 * DAY, window=parse_window("daily 04:00-05:00"))
        line.silence(nightly)
        line.push(0, alert())
        told = [(when, one.reason) for when, one in line.run(0, 2 * DAY)]
        assert told == [
            (30, Reason.FIRST),
            (7230, Reason.UNMUTED),  # five o'clock and group_wait
            (DAY + 7230, Reason.UNMUTED),
        ]

    def test_restart_in_a_silence_forgets_nothing(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, 1000))
        line.push(0, alert())
        line.run(0, 500)
        groups = {i: replace(g, members=g.own) for i, g in line.state.groups.items()}
        saved = DispatchState(groups=groups, log=line.state.log)
        line.state = restore(line.routing, saved, [alert()], at(2000)).state
        ((when, told),) = line.run(2000, 3000)
        assert when == 2000, "its flush was missed too"
        assert told.alerts[0].quiet_because == "silenced by ada: moving"

    def test_inhibited_alert_that_was_known_is_not_told_again(self) -> None:
        rule = InhibitRule(
            source=parse_matchers("alertname=Down").matchers,
            target=parse_matchers("alertname=Slow").matchers,
        )
        line = Timeline(replace(routing(), inhibit_rules=(rule,)))
        line.push(0, alert("Slow"))
        line.run(0, 100)
        line.push(100, alert("Slow"), alert("Down", since=100))
        told = [shown(one) for _, one in line.run(100, 500)]
        line.push(500, alert("Slow"), alert("Down", since=100, resolved=500))
        told += [shown(one) for _, one in line.run(500, 3000)]
        assert told == [[("Down", "firing")], [("Down", "resolved")]]

    def test_after_quiet_hours_what_still_fires_is_told_again(self) -> None:
        quiet = parse_interval(times=[{"start_time": "03:05", "end_time": "03:15"}])
        line = Timeline(routing(schedule=Schedule(mute=(quiet,))))
        line.push(0, alert())
        told = [(when, one.reason) for when, one in line.run(0, 3000)]
        assert told == [(30, Reason.FIRST), (930, Reason.UNMUTED)]


class KeyedSettings(LogSettings):
    """A channel that keeps an incident for each group, as PagerDuty does."""

    keyed: ClassVar[bool] = True


class TestDeploy:
    def line(self, *, keyed: bool = False) -> Timeline:
        config = routing()
        if keyed:
            both = Receiver(name="log", channels=(LogSettings(), KeyedSettings(index=1)))
            config = replace(config, receivers={"log": both})
        line = Timeline(config)
        line.silence(silence("target=db", 0, 1800, deploy=True, comment="release 12"))
        return line

    def test_one_message_says_what_stayed_broken(self) -> None:
        line = self.line()
        line.push(100, *(alert(name, since=100, target="db") for name in "ABC"))
        line.push(900, *(alert(n, since=100, target="db") for n in "AB"), alert("C", resolved=900))
        ((when, told),) = line.run(100, 5000)
        assert when == 1800
        assert told.reason is Reason.DEPLOY_OVER
        assert shown(told) == [("A", "firing"), ("B", "firing")]
        assert told.extra == {"deploy": "release 12", "deploy_by": "ada"}
        assert line.said.silences["target=db"].reported_at == at(1800)

    def test_the_end_of_what_stayed_broken_is_told_by_its_group(self) -> None:
        line = self.line()
        line.push(100, alert("A", since=100, target="db"))
        line.run(100, 1999)
        line.push(2000, alert("A", since=100, target="db", resolved=2000))
        ((_, told),) = line.run(2000, 9000)
        assert (told.reason, told.group_key) == (Reason.ALL_RESOLVED, '{}:{alertname="A"}')

    def test_nothing_stayed_broken_nothing_is_said(self) -> None:
        line = self.line()
        line.push(100, alert("A", since=100, target="db"))
        line.push(900, alert("A", since=100, target="db", resolved=900))
        assert not line.run(900, 5000)
        assert line.said.silences["target=db"].reported_at == at(1800)

    def test_what_was_broken_before_is_said_too(self) -> None:
        line = Timeline(routing())
        line.push(0, alert("A", target="db"), alert("A", target="other"))
        line.run(0, 100)
        line.silence(silence("target=db", 100, 1800, deploy=True))
        ((when, told),) = line.run(100, 2000)
        assert (when, told.reason, news(told)) == (1800, Reason.DEPLOY_OVER, [News.STILL])
        assert told.alerts[0].labels["target"] == "db"

    def test_ended_by_hand_it_is_said_at_once(self) -> None:
        line = self.line()
        line.push(100, alert("A", since=100, target="db"))
        line.run(100, 600)
        line.expire("target=db", 600)
        ((when, told),) = line.run(600, 2000)
        assert (when, told.reason) == (600, Reason.DEPLOY_OVER)

    def test_alert_that_began_just_before_the_end_is_in_the_message(self) -> None:
        line = self.line()
        line.push(1795, alert("A", since=1795, target="db"))
        told = line.run(1795, 4000)
        assert [(when, one.reason) for when, one in told] == [(1800, Reason.DEPLOY_OVER)]

    def test_what_another_silence_keeps_quiet_is_not_in_the_message(self) -> None:
        line = self.line()
        line.silence(silence("alertname=A", 0, 3500))
        line.push(100, alert("A", since=100, target="db"), alert("B", since=100, target="db"))
        told = [(when, one.reason, shown(one)[0][0]) for when, one in line.run(100, 4500)]
        assert told == [(1800, Reason.DEPLOY_OVER, "B"), (3530, Reason.FIRST, "A")]

    def test_channel_with_an_incident_per_group_hears_of_each_group(self) -> None:
        line = self.line(keyed=True)
        line.push(100, *(alert(name, since=100, target="db") for name in "AB"))
        told = [(one.channel, one.reason, when) for when, one in line.run(100, 4000)]
        assert sorted(told) == [
            ("log[0]", Reason.DEPLOY_OVER, 1800),
            ("log[1]", Reason.FIRST, 1800),
            ("log[1]", Reason.FIRST, 1800),
        ]


class TestSilenceThatEndsSoon:
    """15 minutes before its end, of one of an hour or longer."""

    def told(self, line: Timeline, start: float, end: float) -> list[tuple[float, Reason]]:
        return [(when, one.reason) for when, one in line.run(start, end)]

    def test_what_still_fires_is_told_once_and_counts_as_quiet(self) -> None:
        line = Timeline(routing(repeat_interval=timedelta(days=1)))
        line.silence(silence("alertname=A", 0, 7200))
        line.push(100, alert("A", since=100), alert("B", since=100))
        first, (when, told), *rest = line.run(100, 7300)
        assert first[1].reason is Reason.FIRST
        assert (when, told.reason) == (6300, Reason.SILENCE_ENDS)
        assert shown(told) == [("A", "firing")]
        assert told.extra == {
            "silence_by": "ada",
            "silence_comment": "moving",
            "silence_ends": at(7200).isoformat(),
        }
        assert line.said.silences["alertname=A"].reminded_at == at(6300)
        assert [(when, one.reason) for when, one in rest if shown(one)[0][0] == "A"] == [
            (7230, Reason.FIRST)
        ]

    def test_made_longer_it_is_told_before_the_new_end(self) -> None:
        line = Timeline(routing(repeat_interval=timedelta(days=1)))
        line.silence(silence("alertname=A", 0, 7200))
        line.push(100, alert("A", since=100))
        line.run(100, 6400)
        line.silence(replace(line.said.silences["alertname=A"], ends_at=at(9000)))
        assert self.told(line, 6400, 8200) == [(8100, Reason.SILENCE_ENDS)]

    @pytest.mark.parametrize(
        ("start", "end", "more"),
        [
            (0, 3599, {}),
            (0, 7200, {"deploy": True}),
            (6400, 10_000, {}),  # what fires has ended by then
        ],
        ids=["short", "deploy", "nothing fires"],
    )
    def test_nothing_is_told(self, start: float, end: float, more: dict[str, Any]) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", start, end, **more))
        line.push(100, alert("A", since=100))
        told = self.told(line, 100, 6000)
        line.push(7300, alert("A", since=100, resolved=7300))
        assert Reason.SILENCE_ENDS not in [why for _, why in (*told, *self.told(line, 7300, 9999))]

    def test_what_something_else_keeps_quiet_for_longer_is_left_out(self) -> None:
        line = Timeline(routing())
        line.silence(silence("alertname=A", 0, 7200), silence("n=1", 0, 8000))
        line.push(100, alert("A", since=100, n="1"))
        assert self.told(line, 100, 7150) == [(7100, Reason.SILENCE_ENDS)], "that of the longer one"

    def test_channel_with_an_incident_per_group_is_left_out(self) -> None:
        both = Receiver(name="log", channels=(LogSettings(), KeyedSettings(index=1)))
        line = Timeline(replace(routing(), receivers={"log": both}))
        line.silence(silence("alertname=A", 0, 7200))
        line.push(100, alert("A", since=100))
        assert [one.channel for _, one in line.run(100, 7000)] == ["log[0]"]


class TestAcknowledgement:
    def repeats(self, line: Timeline, start: float, end: float) -> list[float]:
        return [when for when, one in line.run(start, end) if one.reason is Reason.REPEAT]

    def test_acknowledged_alert_is_not_repeated(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.run(0, 100)
        line.acknowledge(alert(), 100)
        assert not line.run(100, DAY)

    def test_it_is_repeated_again_after_its_time(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.run(0, 100)
        line.acknowledge(alert(), 100, until=10_000)
        assert self.repeats(line, 100, 12_000) == [10_230]

    def test_change_is_told_with_who_is_on_it(self) -> None:
        line = Timeline(routing())
        line.push(0, alert(n="1"))
        line.run(0, 100)
        line.acknowledge(alert(n="1"), 100)
        line.push(200, alert(n="1"), alert(n="2", since=200))
        ((_, told),) = line.run(200, 3000)
        assert told.reason is Reason.NEW_ALERTS
        owners = [(one.labels["n"], one.owner, one.owner_comment, one.news) for one in told.alerts]
        assert owners == [("1", "ada", "on it", News.STILL), ("2", "", "", News.NEW)]

    def test_group_with_an_alert_that_nobody_looks_after_is_repeated(self) -> None:
        line = Timeline(routing())
        line.push(0, alert(n="1"), alert(n="2"))
        line.run(0, 100)
        line.acknowledge(alert(n="1"), 100)
        assert self.repeats(line, 100, 5000) == [3630]

    def test_it_ends_with_the_alert_and_its_end_says_who_it_was(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.run(0, 100)
        line.acknowledge(alert(), 100)
        decided = line.push(200, alert(resolved=200))
        assert decided.released == (alert().labels,)
        assert not line.said.acknowledgements
        ((_, told),) = line.run(200, 1000)
        assert (told.reason, told.alerts[0].owner) == (Reason.ALL_RESOLVED, "ada")

    def test_its_end_through_a_silence_is_not_a_repeat(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.run(0, 100)
        line.acknowledge(alert(), 100)
        line.silence(silence("alertname=A", 100, 1000))
        assert not line.run(100, 3000), "who looks after it knows that it fires"


class TestFlaps:
    def cycles(self, line: Timeline, count: int, start: float = 0) -> list[tuple[float, Reason]]:
        """Fire at 0, 600, …, and end five minutes after that; each is flushed in between."""
        told = []
        for number in range(count):
            fires = start + 600 * number
            line.push(fires, alert(since=fires))
            told += line.run(fires, fires + 299)
            line.push(fires + 300, alert(since=fires, resolved=fires + 300))
            told += line.run(fires + 300, fires + 599)
        return [(when, one.reason) for when, one in told]

    def line(self) -> Timeline:
        short = timedelta(seconds=60)
        return Timeline(routing(group_wait=timedelta(seconds=1), group_interval=short))

    def test_few_are_told_each_way_then_it_is_folded(self) -> None:
        line = self.line()
        told = self.cycles(line, 9)
        reasons = [reason for _, reason in told]
        assert reasons == [Reason.FIRST, Reason.ALL_RESOLVED] * 4 + [Reason.FIRST]
        end = 8 * 600 + 300
        ((when, over),) = line.run(9 * 600, 9 * 600 + 3600)
        assert over.reason is Reason.ALL_RESOLVED
        assert over.alerts[0].ends_at == at(end), "when it really ended"
        assert at(end + 15 * 60) <= at(when) <= at(end + 16 * 60), "after it was calm"
        assert over.alerts[0].flaps >= 5

    def test_end_that_was_held_is_told_with_its_value(self) -> None:
        line = self.line()
        self.cycles(line, 5)
        line.push(3000, alert(since=3000, value=9.0))
        line.run(3000, 3100)
        line.push(3200, replace(alert(since=3000, resolved=3200, value=9.0), value_at_recovery=0.5))
        (group,) = line.state.groups.values()
        (held,) = group.own.values()
        assert held.held_since == at(3200)
        ((_, over),) = line.run(3200, 9000)
        (told,) = over.alerts
        assert (told.starts_at, told.ends_at) == (at(3000), at(3200))
        assert (told.value, told.value_at_recovery) == (9.0, 0.5)

    def test_message_of_what_flaps_says_so(self) -> None:
        line = self.line()
        self.cycles(line, 4)
        line.push(2400, alert(since=2400))
        ((_, told),) = line.run(2400, 2500)
        assert told.alerts[0].flaps == 4

    def test_restart_does_not_begin_to_count_anew(self) -> None:
        line = self.line()
        self.cycles(line, 5)
        (group,) = line.state.groups.values()
        (held,) = group.own.values()
        assert held.held_until == at(2700 + 15 * 60)
        groups = {i: replace(g, members=g.own) for i, g in line.state.groups.items()}
        saved = replace(line.state, groups=groups)
        line.state = restore(line.routing, saved, [], at(3000)).state
        assert not self.cycles(line, 1, 3000)
        assert [one.reason for _, one in line.run(3600, 9000)] == [Reason.ALL_RESOLVED]

    def test_slow_alternation_is_no_flapping(self) -> None:
        line = self.line()
        told = []
        for number in range(8):
            told += self.cycles(line, 1, number * 1800)
        assert [reason for _, reason in told] == [Reason.FIRST, Reason.ALL_RESOLVED] * 8

    def test_counters_are_forgotten(self) -> None:
        line = self.line()
        self.cycles(line, 1)
        assert len(line.state.flaps) == 1
        line.push(DAY, alert("B", since=DAY))
        decided = line.push(DAY + 1, alert("B", since=DAY, resolved=DAY + 1))
        assert [member.labels["alertname"] for member in decided.calm] == ["A"]
        assert [member.labels["alertname"] for member in line.state.flaps] == ["B"]


class TestNews:
    def test_new_still_and_resolved_are_told_apart(self) -> None:
        line = Timeline(routing())
        line.push(0, alert(n="1"), alert(n="2"))
        ((_, first),) = line.run(0, 100)
        assert news(first) == [News.NEW, News.NEW]
        line.push(100, alert(n="1"), alert(n="2", resolved=100), alert(n="3", since=100))
        ((_, second),) = line.run(100, 1000)
        assert [(one.labels["n"], one.news) for one in second.alerts] == [
            ("1", News.STILL),
            ("3", News.NEW),
            ("2", News.RESOLVED),
        ]

    def test_what_was_never_delivered_is_still_news(self) -> None:
        line = Timeline(routing())
        line.push(0, alert(n="1"), alert(n="2"))
        ((_, first),) = line.run(0, 100)
        line.push(100, alert(n="1"), alert(n="2", resolved=100), alert(n="3", since=100))
        ((_, second),) = line.run(100, 1000)
        merged = supersede(first, second)
        assert [(one.labels["n"], one.news) for one in merged.alerts] == [
            ("1", News.NEW),
            ("3", News.NEW),
            ("2", News.MISSED),
        ]


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_silenced_alerts_take_a_moment(count: int) -> None:
    line = Timeline(routing())
    line.silence(silence("alertname=A", 0, 1000), silence("n=~'1.*'", 0, 1000))
    line.push(0, *(alert(n=str(i)) for i in range(count)))
    ((_, told),) = line.run(0, 1100)
    assert len(told.alerts) == count


def test_start_is_a_saturday() -> None:
    assert START.strftime("%a %H:%M") == "Sat 03:00", "windows above count on it"


def test_routing_without_keyed_channels_is_the_rule() -> None:
    config: Routing = routing()
    assert not any(one.keyed for one in config.receivers["log"].channels)
