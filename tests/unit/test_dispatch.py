"""From alerts to decisions, on a line of time that only the tests move."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pgwatch.alerts.alert import AlertState
from pgwatch.notify.dispatch import DispatchState, advance, restore
from pgwatch.notify.inhibit import InhibitRule
from pgwatch.notify.interval import Schedule, parse_interval
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.receiver import LogSettings, Receiver
from pgwatch.notify.route import Route, child_key
from tests.timeline import Timeline, alert, at, routing, shown


def test_a_group_does_not_wait_for_a_time_that_the_clock_left() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    assert len(line.pass_time(30)) == 1
    line.push(60, alert(), alert(n="new"))
    assert not line.pass_time(60)  # group_interval: at 330
    hour_ago = -3600 + 61
    assert len(line.pass_time(hour_ago)) == 1
    assert not line.pass_time(hour_ago + 299)


def test_group_waits_then_tells_all_that_joined_meanwhile() -> None:
    line = Timeline(routing())
    assert not line.push(0, alert(n="1")).enqueue
    line.push(20, alert(n="1"), alert(n="2", since=20))
    assert not line.pass_time(29.9)
    (told,) = line.pass_time(30)
    assert told.reason is Reason.FIRST
    assert shown(told) == [("1", "firing"), ("2", "firing")]
    assert told.group_key == '{}:{alertname="A"}'
    assert (told.receiver, told.channel) == ("log", "log[0]")


def test_alert_that_ends_within_group_wait_is_never_told() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    line.push(10, alert(resolved=10))
    assert not line.pass_time(30)
    assert not line.state.groups


def test_pending_alerts_are_nobodys_business() -> None:
    line = Timeline(routing())
    line.push(0, alert(state=AlertState.PENDING))
    assert not line.state.groups


def test_new_alert_waits_for_group_interval() -> None:
    line = Timeline(routing())
    line.push(0, alert(n="1"))
    line.pass_time(30)
    line.push(40, alert(n="1"), alert(n="2", since=40))
    assert not line.pass_time(329)
    (told,) = line.pass_time(330)
    assert told.reason is Reason.NEW_ALERTS
    assert shown(told) == [("1", "firing"), ("2", "firing")]


def test_resolved_alert_is_told_once() -> None:
    line = Timeline(routing())
    line.push(0, alert(n="1"), alert(n="2"))
    line.pass_time(30)
    line.push(60, alert(n="1"), alert(n="2", resolved=60))
    (some,) = line.pass_time(330)
    assert some.reason is Reason.SOME_RESOLVED
    assert shown(some) == [("1", "firing"), ("2", "resolved")]
    # The lifecycle keeps showing a resolved alert for a while.
    line.push(400, alert(n="1", resolved=400), alert(n="2", resolved=60))
    (over,) = line.pass_time(630)
    assert over.reason is Reason.ALL_RESOLVED
    assert shown(over) == [("1", "resolved")]
    assert over.alerts[0].ends_at == at(400)
    assert not line.state.groups
    assert not line.state.log


def test_group_that_fires_again_starts_anew() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    line.pass_time(30)
    line.push(60, alert(resolved=60))
    line.pass_time(330)
    line.push(400, alert(since=400))
    assert line.state.next_flush() == at(430)
    (told,) = line.pass_time(430)
    assert told.reason is Reason.FIRST


def test_unchanged_group_is_repeated_after_repeat_interval_at_a_flush() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    line.pass_time(30)
    reasons = {}
    for step in range(1, 26):
        for told in line.pass_time(30 + 300 * step):
            reasons[30 + 300 * step] = told.reason
    assert reasons == {3630: Reason.REPEAT, 7230: Reason.REPEAT}


def test_alert_that_vanishes_without_an_end_is_over() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    line.pass_time(30)
    line.push(60)
    (over,) = line.pass_time(330)
    assert over.alerts[0].ends_at == at(60)


def test_other_rules_alerts_are_left_alone() -> None:
    line = Timeline(routing())
    line.push(0, alert(rule="r1"), rule="r1")
    line.pass_time(30)
    line.push(60, rule="r2")
    assert not line.pass_time(330)


def test_equal_labels_of_two_rules_are_one_alert_that_fires_while_either_does() -> None:
    line = Timeline(routing())
    line.push(0, alert(rule="r1"), rule="r1")
    line.push(1, alert(rule="r2", since=1), rule="r2")
    (told,) = line.pass_time(30)
    assert [one.starts_at for one in told.alerts] == [at(0)]
    line.push(60, alert(rule="r1", resolved=60), rule="r1")
    assert not line.pass_time(330)
    line.push(360, alert(rule="r2", since=1, resolved=360), rule="r2")
    (over,) = line.pass_time(630)
    assert over.reason is Reason.ALL_RESOLVED


def test_without_send_resolved_the_end_is_logged_but_not_delivered() -> None:
    line = Timeline(routing(send_resolved=False))
    line.push(0, alert(n="1"), alert(n="2"))
    line.pass_time(30)
    line.push(60, alert(n="1"), alert(n="2", resolved=60))
    assert not line.pass_time(330)
    line.push(360, alert(n="1", resolved=360))
    decisions = advance(line.routing, line.state, {}, at(630))
    assert [one.deliver for one in decisions.enqueue] == [False]
    assert not decisions.state.log
    assert shown(decisions.enqueue[0].notification) == [("1", "resolved")]


def test_without_send_resolved_only_firing_alerts_are_shown() -> None:
    line = Timeline(routing(send_resolved=False))
    line.push(0, alert(n="1"))
    line.pass_time(30)
    line.push(60, alert(n="1", resolved=60), alert(n="2", since=60))
    (told,) = line.pass_time(330)
    assert shown(told) == [("2", "firing")]


def test_each_channel_of_a_receiver_is_decided_for_by_itself() -> None:
    config = routing()
    both = Receiver(name="log", channels=(LogSettings(), LogSettings(index=1, send_resolved=False)))
    line = Timeline(replace(config, receivers={"log": both}))
    line.push(0, alert(n="1"), alert(n="2"))
    assert [one.channel for one in line.pass_time(30)] == ["log[0]", "log[1]"]
    line.push(60, alert(n="1"), alert(n="2", resolved=60))
    assert [one.channel for one in line.pass_time(330)] == ["log[0]"]


def test_only_what_must_be_stored_is_reported_as_changed() -> None:
    line = Timeline(routing())
    assert len(line.push(0, alert(value=1)).saved) == 1
    assert not line.push(15, alert(value=2)).saved, "a new value is the alert's, not the group's"
    flushed = advance(line.routing, line.state, {}, at(30))
    assert [group.next_flush for group in flushed.saved] == [at(330)]
    assert flushed.enqueue[0].notification.alerts[0].value == 2
    assert len(flushed.logged) == 1
    line.state = flushed.state
    line.push(60, alert(resolved=60))
    ended = advance(line.routing, line.state, {}, at(330))
    assert ended.ended
    assert not ended.saved


def test_deciding_again_gives_the_same_notification() -> None:
    line = Timeline(routing())
    line.push(0, alert())
    first, second = (advance(line.routing, line.state, {}, at(30)) for _ in range(2))
    assert first.enqueue == second.enqueue
    assert first.enqueue[0].notification.id


class TestInhibition:
    """`Down` explains the alerts of the same target; each alertname is a group of its own."""

    def line(self, **kind: Any) -> Timeline:
        rule = InhibitRule(
            source=parse_matchers("alertname=Down").matchers,
            target=parse_matchers("alertname!=Down").matchers,
            equal=("target",),
        )
        return Timeline(replace(routing(**kind), inhibit_rules=(rule,)))

    def told(self, notifications: Sequence[Notification]) -> list[tuple[str, str]]:
        return sorted(one for told in notifications for one in shown(told))

    def test_explained_alert_is_not_told_until_its_explanation_ends(self) -> None:
        line = self.line()
        line.push(
            0, alert("Down", target="a"), alert("Slow", target="a"), alert("Slow", target="b")
        )
        down, slow = sorted(line.pass_time(30), key=lambda told: told.group_key)
        assert self.told([down, slow]) == [("Down", "firing"), ("Slow", "firing")]
        assert slow.alerts[0].labels["target"] == "b"
        over = alert("Down", target="a", resolved=40)
        line.push(40, over, alert("Slow", target="a"), alert("Slow", target="b"))
        told = line.pass_time(330)
        assert {str(one.reason) for one in told} == {"all alerts resolved", "new alerts added"}

    def test_end_of_what_was_announced_is_told_even_if_it_is_explained_by_now(self) -> None:
        line = self.line()
        line.push(0, alert("Slow", target="a"))
        line.pass_time(30)
        line.push(40, alert("Slow", target="a"), alert("Down", target="a", since=40))
        assert self.told(line.pass_time(330)) == [("Down", "firing")]
        down = alert("Down", target="a", since=40)
        line.push(400, alert("Slow", target="a", resolved=400), down)
        assert self.told(line.pass_time(640)) == [("Slow", "resolved")]

    def test_end_of_what_was_never_announced_is_not_told(self) -> None:
        line = self.line()
        line.push(0, alert("Slow", target="a"), alert("Down", target="a"))
        line.pass_time(30)
        line.push(40, alert("Slow", target="a", resolved=40), alert("Down", target="a"))
        assert not line.pass_time(330)

    def test_explained_alert_is_not_repeated(self) -> None:
        line = self.line(repeat_interval=timedelta(minutes=1))
        line.push(0, alert("Slow", target="a"))
        line.pass_time(30)
        line.push(40, alert("Slow", target="a"), alert("Down", target="a", since=40))
        for minute in range(10):
            told = self.told(line.pass_time(330 + 60 * minute))
            assert ("Slow", "firing") not in told


class TestQuietTime:
    """From 03:05 to 03:15 nothing may be told."""

    def line(self) -> Timeline:
        quiet = parse_interval(times=[{"start_time": "03:05", "end_time": "03:15"}])
        return Timeline(routing(schedule=Schedule(mute=(quiet,))))

    def test_alert_in_quiet_time_is_told_after_it(self) -> None:
        line = self.line()
        line.push(290, alert(since=290))
        assert not [told for second in range(320, 900, 10) for told in line.pass_time(second)]
        (told,) = [told for second in range(900, 1300, 10) for told in line.pass_time(second)]
        assert told.reason is Reason.FIRST

    def test_end_in_quiet_time_is_told_after_it(self) -> None:
        line = self.line()
        line.push(0, alert())
        assert line.pass_time(30)
        line.push(400, alert(resolved=400))
        assert not [told for second in range(400, 900, 10) for told in line.pass_time(second)]
        (over,) = [told for second in range(900, 1300, 10) for told in line.pass_time(second)]
        assert over.reason is Reason.ALL_RESOLVED
        assert over.alerts[0].ends_at == at(400)

    def test_alert_that_comes_and_goes_in_quiet_time_is_never_told(self) -> None:
        line = self.line()
        line.push(310, alert(since=310))
        line.push(400, alert(since=310, resolved=400))
        assert not [told for second in range(400, 1300, 10) for told in line.pass_time(second)]
        assert not line.state.groups


class TestRestart:
    """Groups come back from what was saved: their timers, what resolved, and the firing alerts."""

    def saved(self, line: Timeline) -> DispatchState:
        groups = {i: replace(g, members=g.own) for i, g in line.state.groups.items()}
        return DispatchState(groups=groups, log=line.state.log)

    def test_group_wait_goes_on_where_it_was(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.state = restore(line.routing, self.saved(line), [alert()], at(20)).state
        assert not line.pass_time(29)
        assert len(line.pass_time(30)) == 1

    def test_flush_that_was_missed_comes_at_once_and_only_once(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.state = restore(line.routing, self.saved(line), [alert()], at(500)).state
        assert len(line.pass_time(500)) == 1
        assert not line.pass_time(500)
        assert line.state.next_flush() == at(800)

    def test_told_alert_is_not_told_again(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.pass_time(30)
        line.state = restore(line.routing, self.saved(line), [alert()], at(100)).state
        assert not line.pass_time(330)

    def test_end_that_was_not_told_yet_is_told(self) -> None:
        line = Timeline(routing())
        line.push(0, alert())
        line.pass_time(30)
        line.push(60, alert(resolved=60))
        line.state = restore(line.routing, self.saved(line), [], at(100)).state
        (over,) = line.pass_time(330)
        assert shown(over) == [("A", "resolved")]

    def test_alerts_of_a_route_that_is_gone_join_the_new_tree(self) -> None:
        line = Timeline(routing(group_by=frozenset({"n"})))
        line.push(0, alert(n="1"))
        line.pass_time(30)
        config = routing(key="{}", receiver="log")
        other = replace(config.root, receiver="new", group_wait=timedelta(seconds=5))
        line.routing = replace(
            config, root=other, receivers={"new": Receiver(name="new", channels=(LogSettings(),))}
        )
        back = restore(line.routing, line.state, [alert(n="1")], at(100))
        assert len(back.ended) == len(back.saved) == 1
        assert not back.state.log
        line.state = back.state
        assert [one.receiver for one in line.pass_time(105)] == ["new"]


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_alerts_are_one_message_in_a_moment(count: int) -> None:
    line = Timeline(routing())
    line.push(0, *(alert(n=str(i)) for i in range(count)))
    (told,) = line.pass_time(30)
    assert len(told.alerts) == count


def test_of_routes_alike_the_one_where_alerts_end_counts() -> None:
    matchers = parse_matchers('team="dba"').matchers
    key = child_key("{}", matchers)
    inner = Route(receiver="log", key=f"{key}/inner", group_wait=timedelta(seconds=1))
    first = Route(receiver="log", key=key, matchers=matchers, routes=(inner,), continues=True)
    second = Route(receiver="log", key=key, matchers=matchers, group_interval=timedelta(seconds=7))
    line = Timeline(routing(routes=(first, second)))
    line.push(0, alert(team="dba"))
    line.pass_time(30)
    flushes = {group.id.key: group.next_flush for group in line.state.groups.values()}
    assert flushes[f"{key}:{{}}"] == at(37)


def test_of_many_groups_that_are_due_the_first_are_told_first() -> None:
    line = Timeline(routing(group_by=frozenset({"group"})))
    line.push(0, *(alert(group=f"g{i % 4}", n=str(i)) for i in range(800)))
    looks = [line.pass_time(30) for _ in range(3)]
    assert [[one.group_labels["group"] for one in told] for told in looks] == [
        ["g0", "g1"],
        ["g2", "g3"],
        [],
    ]
    assert sum(len(one.alerts) for told in looks for one in told) == 800
