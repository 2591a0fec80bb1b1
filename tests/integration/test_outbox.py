"""The worker: real state file, real receivers, a clock that the tests move; and one real kill -9."""

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from pgwatch.notify.channels.base import Channel, Receipt
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.outbox import ChannelId, Outbox, Queued
from pgwatch.notify.receiver import SlackSettings, WebhookSettings
from pgwatch.samples.labels import Labels
from pgwatch.secret import Secret
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from tests.receivers import Answer, HttpReceiver
from tests.servers import ROOT

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
HOOK = ChannelId("team", "webhook[0]")


def notification(
    group: str = "g",
    *,
    channel: ChannelId = HOOK,
    reason: Reason = Reason.FIRST,
    time: datetime = START,
    ended: bool = False,
) -> Notification:
    alert = NotifiedAlert(
        labels=Labels({"alertname": group}),
        annotations={},
        starts_at=START,
        ends_at=time if ended else None,
        value=1.0,
    )
    return Notification(
        receiver=channel.receiver,
        channel=channel.channel,
        group_key=group,
        reason=reason,
        time=time,
        group_labels=Labels(),
        alerts=(alert,),
        id=f"{group}{time}",
    )


class Rig:
    """An outbox on a real state file, stepped by hand."""

    def __init__(self, path: Path, channels: Mapping[ChannelId, Channel]) -> None:
        self.now = START
        self.state = State.open(path)
        self.outcomes: list[tuple[str, str]] = []
        self.outbox = Outbox(
            self.state, channels, clock=lambda: self.now, on_outcome=self._on_outcome
        )

    def _on_outcome(self, queued: Queued, outcome: str) -> None:
        self.outcomes.append((queued.notification.group_key, outcome))

    def put(self, *notifications: Notification) -> None:
        with self.state.transaction() as changes:
            for one in notifications:
                changes.enqueue(one)

    def step(self, seconds: float = 0) -> None:
        """Move the clock, deliver what is due and wait until that has ended."""
        self.now += timedelta(seconds=seconds)
        flights, _ = self.outbox.deliver_due()
        assert not wait(flights, timeout=20).not_done

    def counts(self) -> dict[str, int]:
        return {str(state): n for state, n in self.state.message_counts().items() if n}

    def close(self) -> None:
        self.outbox.stop()
        self.state.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


def webhook(receiver: HttpReceiver) -> Channel:
    return build_channel(
        WebhookSettings(
            url=Secret(value=receiver.url), http=HttpSettings(timeout=timedelta(seconds=5))
        )
    )


@pytest.fixture
def rig(tmp_path: Path, receiver: HttpReceiver) -> Iterator[Rig]:
    rig = Rig(tmp_path / "state.db", {HOOK: webhook(receiver)})
    yield rig
    rig.close()


def groups(receiver: HttpReceiver) -> list[str]:
    return [request.json["groupKey"] for request in receiver.requests]


def drain(rig: Rig, seconds: float, step: float = 10.0) -> None:
    """Let `seconds` pass in steps, delivering whatever becomes due."""
    for _ in range(int(seconds / step)):
        rig.step(step)


def test_messages_go_out_in_order(rig: Rig, receiver: HttpReceiver) -> None:
    rig.put(*(notification(f"g{number}") for number in range(9)))
    for _ in range(3):
        rig.step()
    told = groups(receiver)
    assert [sorted(told[at : at + 4]) for at in (0, 4, 8)] == [
        ["g0", "g1", "g2", "g3"],
        ["g4", "g5", "g6", "g7"],
        ["g8"],
    ]
    assert rig.counts() == {"delivered": 9}


def test_group_has_one_message_on_its_way(tmp_path: Path) -> None:
    with HttpReceiver() as receiver:
        receiver.answers = [Answer(delay=1)]
        rig = Rig(tmp_path / "state.db", {HOOK: webhook(receiver)})
        rig.put(notification("g0"))
        flights, _ = rig.outbox.deliver_due()
        receiver.wait_for(1)
        rig.put(notification("g0", reason=Reason.ALL_RESOLVED, ended=True), notification("g1"))
        more, _ = rig.outbox.deliver_due()
        assert len(more) == 1, "only the other group's"
        nothing, pause = rig.outbox.deliver_due()
        assert not nothing
        assert pause > timedelta(seconds=1), "nothing is due until the first is answered"
        assert not wait([*flights, *more], timeout=20).not_done
        rig.step()
        assert [request.json["status"] for request in receiver.requests] == [
            "firing",
            "firing",
            "resolved",
        ]
        assert groups(receiver) == ["g0", "g1", "g0"]
        rig.close()


def test_those_that_fail_together_fail_once_and_then_one_is_tried(
    rig: Rig, receiver: HttpReceiver
) -> None:
    receiver.then = Answer(status=503)
    rig.put(*(notification(f"g{number}") for number in range(6)))
    rig.step()
    assert len(receiver.requests) == 4
    rig.step(0.5)
    assert len(receiver.requests) == 4
    rig.step(0.5)
    assert len(receiver.requests) == 5, "after the pause of one failure, and one only"
    receiver.then = Answer()
    rig.step(2)
    assert rig.counts() == {"delivered": 1, "pending": 5}
    rig.step()
    rig.step()
    assert rig.counts() == {"delivered": 6}


def test_refused_message_is_retried_with_growing_pauses(rig: Rig, receiver: HttpReceiver) -> None:
    receiver.then = Answer(status=503)
    rig.put(notification())
    rig.step()
    pauses = []
    for _ in range(9):
        (due,) = rig.state.waiting().values()
        pauses.append((due - rig.now).total_seconds())
        rig.step(pauses[-1])
    for pause, nominal in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert nominal * 0.8 <= pause <= nominal
    receiver.then = Answer()
    rig.step(60)
    assert rig.counts() == {"delivered": 1}


def test_retry_after_is_obeyed(rig: Rig, receiver: HttpReceiver) -> None:
    receiver.answers = [Answer(status=429, headers={"Retry-After": "30"})]
    rig.put(notification())
    rig.step()
    rig.step(29.9)
    assert len(receiver.requests) == 1
    rig.step(0.1)
    assert len(receiver.requests) == 2
    assert rig.counts() == {"delivered": 1}


def test_an_hour_of_outage_keeps_order_and_tells_what_ended_meanwhile(
    rig: Rig, receiver: HttpReceiver
) -> None:
    receiver.then = Answer(status=503)
    rig.put(notification("g0"), notification("g1"), notification("g2"))
    drain(rig, 1800)
    half = rig.now
    rig.put(notification("g1", reason=Reason.ALL_RESOLVED, time=half, ended=True))
    drain(rig, 1800)
    receiver.then = Answer()
    receiver.requests.clear()
    drain(rig, 120)
    told = {request.json["groupKey"]: request.json["status"] for request in receiver.requests}
    assert groups(receiver)[0] == "g0", "the one that was tried; the others go together"
    assert sorted(groups(receiver)) == ["g0", "g1", "g2"]
    assert told == {"g0": "firing", "g1": "resolved", "g2": "firing"}
    assert rig.counts() == {"delivered": 3, "superseded": 1}


def test_permanent_refusal_ends_a_message_and_not_the_channel(
    rig: Rig, receiver: HttpReceiver
) -> None:
    receiver.answers = [Answer(status=400, body="no such field")] * 2  # also in plain words
    rig.put(notification("bad"))
    rig.step()
    rig.put(notification("good"))
    rig.step()
    assert rig.outcomes == [("bad", "dead"), ("good", "delivered")]
    assert rig.counts() == {"delivered": 1, "dead": 1}
    (event,) = rig.state.events(kind="notification_dead")
    assert event.detail["error"] == "the receiver answered 400: no such field"


def test_message_that_a_working_receiver_chokes_on_steps_aside(
    rig: Rig, receiver: HttpReceiver
) -> None:
    receiver.answers = [Answer(status=500)] * 10
    rig.put(notification("poison"))
    rig.step()
    rig.put(notification("good"))
    drain(rig, 600)
    assert groups(receiver)[:10] == ["poison"] * 10
    assert "good" in groups(receiver)[10:]
    assert rig.counts() == {"delivered": 2}


def test_after_a_day_nobody_wants_it_any_more(rig: Rig, receiver: HttpReceiver) -> None:
    receiver.then = Answer(status=503)
    rig.put(notification())
    rig.step()
    rig.step(24 * 3600 + 1)
    assert rig.counts() == {"dead": 1}


def test_message_of_a_channel_that_is_gone_is_given_up(rig: Rig) -> None:
    rig.put(notification(channel=ChannelId("old", "slack[0]")))
    rig.step()
    (message,) = rig.state.messages([OutboxState.DEAD])
    assert "no longer has this channel" in message.last_error


def test_slack_gets_one_message_a_second(tmp_path: Path, receiver: HttpReceiver) -> None:
    slack = ChannelId("team", "slack[0]")
    channel = build_channel(SlackSettings(api_url=Secret(value=receiver.url)))
    rig = Rig(tmp_path / "state.db", {slack: channel})
    rig.put(*(notification(f"g{number}", channel=slack) for number in range(3)))
    rig.step()
    rig.step(0.9)
    assert len(receiver.requests) == 1
    rig.step(0.1)
    rig.step(0.1)
    assert len(receiver.requests) == 2
    rig.close()


def test_six_hung_receivers_starve_nobody(tmp_path: Path, receiver: HttpReceiver) -> None:
    with HttpReceiver(then=Answer(delay=5)) as hung:
        channels = {
            ChannelId(f"hung{number}", "webhook[0]"): webhook(hung) for number in range(6)
        } | {HOOK: webhook(receiver)}
        rig = Rig(tmp_path / "state.db", channels)
        rig.put(*(notification("slow", channel=i) for i in channels if i != HOOK))
        rig.put(notification("quick"))
        flights, _ = rig.outbox.deliver_due()
        assert len(flights) == 7
        receiver.wait_for(1, seconds=3)
        assert sum(flight.done() for flight in flights) <= 1
        rig.close()


def test_bug_in_a_channel_is_contained(tmp_path: Path, receiver: HttpReceiver) -> None:
    class Broken:
        kind: ClassVar[str] = "broken"
        min_interval = timedelta(0)
        at_once: int = 1

        def deliver(self, notification: Notification, memory: str = "") -> Receipt:
            raise KeyError("oops")

        def close(self) -> None:
            pass

    broken = ChannelId("team", "broken[0]")
    rig = Rig(tmp_path / "state.db", {broken: Broken(), HOOK: webhook(receiver)})
    rig.put(notification(channel=broken), notification())
    rig.step()
    assert rig.counts() == {"delivered": 1, "pending": 1}
    assert rig.state.messages([OutboxState.PENDING])[0].last_error == "a bug in pgwatch: KeyError"
    rig.close()


def test_run_delivers_what_is_enqueued_later_and_stops(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    state = State.open(tmp_path / "state.db")
    outbox = Outbox(state, {HOOK: webhook(receiver)})
    thread = threading.Thread(target=outbox.run)
    thread.start()
    for number in range(3):
        with state.transaction() as changes:
            changes.enqueue(notification(f"g{number}", time=datetime.now(UTC)))
        outbox.wake()
        receiver.wait_for(number + 1)
    outbox.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert state.message_counts()[OutboxState.DELIVERED] == 3
    state.close()


_DAEMON = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pgwatch.notify.outbox import Outbox
from pgwatch.state.store import State
from tests.integration.test_outbox import HOOK, notification
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.receiver import WebhookSettings
from pgwatch.secret import Secret

path, url, groups = sys.argv[1:]
state = State.open(Path(path))
with state.transaction() as changes:
    for group in filter(None, groups.split(",")):
        changes.enqueue(notification(group, time=datetime.now(UTC)))
print("enqueued", flush=True)
Outbox(state, {HOOK: build_channel(WebhookSettings(url=Secret(value=url)))}).run()
"""


def daemon(path: Path, url: str, groups: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _DAEMON, str(path), url, groups],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "enqueued\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    """Kill -9."""
    process.kill()
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def test_kill_9_between_enqueue_and_delivery_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with HttpReceiver(then=Answer(delay=30)) as hung:
        first = daemon(path, hung.url, "g0,g1")
        hung.wait_for(1)  # one is on its way, the other perhaps; nothing was accepted
        end(first)
    with HttpReceiver() as receiver:
        second = daemon(path, receiver.url, "")
        receiver.wait_for(2)
        assert sorted(groups(receiver)) == ["g0", "g1"]
        end(second)


def test_kills_at_any_moment_lose_nothing_and_repeat_little(tmp_path: Path) -> None:
    path, wanted, kills = tmp_path / "state.db", set[str](), 4
    moments = random.Random(7)
    with HttpReceiver(then=Answer(delay=0.003)) as receiver:
        for number in range(kills):
            new = [f"{number}-{i}" for i in range(40)]
            wanted |= set(new)
            process = daemon(path, receiver.url, ",".join(new))
            threading.Event().wait(moments.uniform(0.02, 0.4))
            end(process)
        process = daemon(path, receiver.url, "")
        try:
            receiver.wait_until(lambda: set(groups(receiver)) == wanted)
        finally:
            end(process)
        told = Counter(groups(receiver))
        assert sum(told.values()) <= len(wanted) + 4 * (kills + 1), "at most what was on its way"
        assert max(told.values()) <= 1 + kills, "at most one repeat for each crash and group"


def test_history_has_each_attempt(rig: Rig, receiver: HttpReceiver) -> None:
    receiver.answers = [
        Answer(status=500, body="a"),
        Answer(status=502),
        Answer(status=503, body="c"),
    ]
    rig.put(notification())
    drain(rig, 60)
    told, *failed = (one for one in rig.state.events() if one.kind.startswith("notification_"))
    assert [(one.kind, one.detail["attempts"], one.detail["error"]) for one in failed] == [
        ("notification_failed", "3", "the receiver answered 503: c"),
        ("notification_failed", "2", "the receiver answered 502: ok"),
        ("notification_failed", "1", "the receiver answered 500: a"),
    ]
    assert failed[-1].time == START + timedelta(seconds=10)
    assert (told.kind, told.detail["attempts"]) == ("notification_delivered", "4")
    assert told.detail["last_error"] == "the receiver answered 503: c"


def test_history_of_a_long_outage_is_short_and_says_so(rig: Rig, receiver: HttpReceiver) -> None:
    receiver.then = Answer(status=503)
    rig.put(notification())
    drain(rig, 3600, step=60)
    receiver.then = Answer(status=502)
    drain(rig, 3600, step=60)
    receiver.then = Answer()
    drain(rig, 120, step=60)
    told, changed, tenth, *_ = rig.state.events(limit=1000)
    assert len(rig.state.events(kind="notification_failed")) == 11
    assert (tenth.detail["attempts"], "attempts_not_listed" in tenth.detail) == ("10", False)
    assert changed.detail["error"] == "the receiver answered 502: ok"
    assert int(changed.detail["attempts_not_listed"]) == int(changed.detail["attempts"]) - 11
    assert int(told.detail["attempts_not_listed"]) == int(told.detail["attempts"]) - 12


def test_that_a_receiver_is_broken_is_known_after_a_restart(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    other = ChannelId("other", "webhook[0]")
    path = tmp_path / "state.db"
    now = START

    def letters(lost: Notification, error: str, at: datetime) -> list[Notification]:
        what = "fails" if error else "works again"
        return [notification(f"{lost.group_key} {what}", channel=other, time=at)]

    with HttpReceiver() as good:
        for answer in (Answer(status=403), Answer(status=403), Answer(), Answer()):
            receiver.then = answer
            state = State.open(path)
            channels = {HOOK: webhook(receiver), other: webhook(good)}
            clock = iter(now + timedelta(seconds=step) for step in range(1000))
            outbox = Outbox(state, channels, clock=clock.__next__, dead_letters=letters)
            with state.transaction() as changes:
                changes.enqueue(notification("g", time=now))
            for _ in range(2):
                assert not wait(outbox.deliver_due()[0], timeout=20).not_done
            now += timedelta(hours=1)
            outbox.stop()
            state.close()
        assert groups(good) == ["g fails", "g works again"]


def test_broken_receiver_is_told_elsewhere_once_until_it_works(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    other = ChannelId("other", "webhook[0]")
    with HttpReceiver() as good:
        state = State.open(tmp_path / "state.db")
        now = START

        def letters(lost: Notification, error: str, at: datetime) -> list[Notification]:
            what = "fails" if error else "works again"
            return [notification(f"{lost.group_key} {what}", channel=other, time=at)]

        outbox = Outbox(
            state,
            {HOOK: webhook(receiver), other: webhook(good)},
            clock=lambda: now,
            dead_letters=letters,
        )

        def step(seconds: float = 0) -> None:
            nonlocal now
            now += timedelta(seconds=seconds)
            flights, _ = outbox.deliver_due()
            assert not wait(flights, timeout=20).not_done

        def put(group: str) -> None:
            with state.transaction() as changes:
                changes.enqueue(notification(group, time=now))

        receiver.then = Answer(status=403, body="who are you")
        put("g0")
        for _ in range(4):
            step(900)
        assert groups(good) == ["g0 fails"]
        assert len(receiver.requests) == 4, "it is tried again each 15 minutes"
        receiver.then = Answer()
        step(900)
        step()
        assert groups(good) == ["g0 fails", "g0 works again"]
        receiver.then = Answer(status=404)
        put("g1")
        for _ in range(3):
            step(900)
        assert groups(good)[2:] == ["g1 fails"]
        outbox.stop()
        state.close()
