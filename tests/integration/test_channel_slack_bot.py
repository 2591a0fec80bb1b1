"""Slack with a bot's token: one living message for each incident, whose thread tells the story."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pgwatch.notify.channels.base import Channel, DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.notification import News, Reason
from pgwatch.notify.outbox import ChannelId, Outbox
from pgwatch.notify.receiver import SlackSettings
from pgwatch.secret import Secret
from pgwatch.state.store import State
from tests.notifications import NOW, alert, notification
from tests.receivers import Answer, HttpReceiver

POSTED = Answer(body='{"ok": true, "channel": "C1", "ts": "17.5"}')


@pytest.fixture
def slack() -> Iterator[HttpReceiver]:
    with HttpReceiver(then=POSTED) as receiver:
        yield receiver


def bot(slack: HttpReceiver, **changes: Any) -> Channel:
    settings = SlackSettings(
        api_url=Secret(value=f"{slack.url}/api/chat.postMessage"),
        token=Secret(value="xoxb-token"),
        channel="#dba",
    )
    return build_channel(replace(settings, **changes))


def calls(slack: HttpReceiver) -> list[str]:
    return [request.path.removeprefix("/api/") for request in slack.requests]


def refused(error: str) -> Answer:
    return Answer(body=json.dumps({"ok": False, "error": error}))


def test_incident_is_one_message_with_a_thread(slack: HttpReceiver) -> None:
    channel = bot(slack)
    memory = channel.deliver(notification()).memory
    told = replace(alert(), news=News.STILL)
    joined = notification(told, alert(pid="9"), reason=Reason.NEW_ALERTS)
    memory = channel.deliver(joined, memory).memory
    owned = notification(replace(told, owner="ada", owner_comment="on it"), reason=Reason.REPEAT)
    memory = channel.deliver(owned, memory).memory
    over = replace(alert(ended=True), news=News.RESOLVED, value_at_recovery=0.5)
    end = channel.deliver(notification(over, reason=Reason.ALL_RESOLVED), memory)
    channel.close()
    assert calls(slack) == ["chat.postMessage", *["chat.update", "chat.postMessage"] * 3]
    first, update, new, _, taken, last, ended = (request.json for request in slack.requests)
    assert slack.requests[0].headers["Authorization"] == "Bearer xoxb-token"
    assert first["channel"] == "#dba"
    assert (update["channel"], update["ts"]) == ("C1", "17.5")
    assert "[FIRING:2]" in update["text"]
    assert (new["thread_ts"], new["reply_broadcast"]) == ("17.5", True)
    assert new["text"].startswith(":rotating_light: Session 4711")
    assert ":eyes: ada looks after" in taken["text"]
    assert "on it" in taken["text"]
    assert last["attachments"][0]["color"] == "#2e9e5b"
    assert "over after 2m30s · value at recovery 0.5" in ended["text"]
    assert "reply_broadcast" not in ended
    assert end.memory == "", "the next incident begins with a message of its own"


def test_owner_is_told_once(slack: HttpReceiver) -> None:
    channel = bot(slack)
    memory = channel.deliver(notification()).memory
    owned = notification(
        replace(alert(), news=News.STILL, owner="ada"), reason=Reason.SOME_RESOLVED
    )
    for _ in range(2):
        memory = channel.deliver(owned, memory).memory
    channel.close()
    assert calls(slack)[1:] == ["chat.update", "chat.postMessage", "chat.update"]


def test_message_that_is_gone_is_posted_anew(slack: HttpReceiver) -> None:
    channel = bot(slack)
    memory = channel.deliver(notification()).memory
    slack.answers = [refused("message_not_found")]
    channel.deliver(notification(reason=Reason.REPEAT), memory)
    channel.close()
    assert calls(slack) == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert slack.requests[-1].json["channel"] == "#dba"


def test_update_message_false_posts_each_time(slack: HttpReceiver) -> None:
    channel = bot(slack, update_message=False)
    memory = channel.deliver(notification()).memory
    channel.deliver(notification(reason=Reason.REPEAT), memory)
    channel.close()
    assert calls(slack) == ["chat.postMessage"] * 2


def test_test_message_begins_no_conversation(slack: HttpReceiver) -> None:
    assert bot(slack).deliver(notification(reason=Reason.TEST)).memory == ""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("ratelimited", "passing"),
        ("internal_error", "passing"),
        ("not_in_channel", "broken"),
        ("invalid_auth", "broken"),
        ("channel_not_found", "broken"),
        ("msg_too_long", "unreadable"),
    ],
)
def test_refusals_with_status_200(slack: HttpReceiver, error: str, kind: str) -> None:
    slack.then = refused(error)
    with pytest.raises(DeliveryError, match=error) as caught:
        bot(slack).deliver(notification())
    found = (
        "unreadable" if caught.value.unreadable else "broken" if caught.value.broken else "passing"
    )
    assert found == kind
    assert len(slack.requests) == (2 if kind == "unreadable" else 1)


def test_living_message_survives_a_restart(slack: HttpReceiver, tmp_path: Path) -> None:
    me = ChannelId("team-a", "slack[0]")
    now = datetime.now(UTC)
    for reason, ended in ((Reason.FIRST, False), (Reason.ALL_RESOLVED, True)):
        state = State.open(tmp_path / "state.db")
        outbox = Outbox(
            state, {me: bot(slack)}, clock=partial(datetime.fromtimestamp, now.timestamp(), UTC)
        )
        with state.transaction() as changes:
            told = notification(alert(ended=ended), reason=reason, channel=me.channel, time=NOW)
            changes.enqueue(told)
        flights, _ = outbox.deliver_due()
        for flight in flights:
            flight.result(timeout=20)
        outbox.stop()
        state.close()
        now += timedelta(minutes=5)
    assert calls(slack) == ["chat.postMessage", "chat.update", "chat.postMessage"]
