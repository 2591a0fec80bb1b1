"""How each kind of channel tells who looks after an alert, with real receivers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pgwatch.notify.acknowledged import ACKNOWLEDGED_BY, ACKNOWLEDGED_COMMENT
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.notification import News, Notification, Reason
from tests.channels import KINDS, Kind
from tests.notifications import alert, email_settings, notification, plain
from tests.receivers import Answer, HttpReceiver, MailReceiver

BY_NAME = {kind.name: kind for kind in KINDS}
CHATS = ("slack", "msteamsv2", "discord", "telegram")


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def taken(*, others: bool = False) -> Notification:
    """What is told when ann takes an alert, of a group where `others` fire that nobody has."""
    mine = replace(alert(), owner="ann", owner_comment="on it", news=News.TAKEN)
    rest = [replace(alert(pid="5"), news=News.STILL)] if others else []
    extra = {ACKNOWLEDGED_BY: "ann", ACKNOWLEDGED_COMMENT: "on it"}
    return notification(mine, *rest, reason=Reason.ACKNOWLEDGED, extra=extra)


def sent(kind: Kind, receiver: HttpReceiver, told: Notification, memory: str = "") -> list[Any]:
    receiver.then = Answer(body=kind.accepted)
    channel = build_channel(kind.make(receiver.url, HttpSettings()))
    channel.deliver(told, memory)
    channel.close()
    return [(request.path, request.json) for request in receiver.requests]


@pytest.mark.parametrize("name", CHATS)
def test_chats_get_one_short_message(name: str, receiver: HttpReceiver) -> None:
    (said,) = sent(BY_NAME[name], receiver, taken(others=True))
    assert "ann looks after it: on it" in str(said).replace("\\", "")
    assert "ACKNOWLEDGED" in str(said)
    assert "pg_terminate" not in str(said), "whoever knows the alert knows its cure"


def test_mail_gets_one_short_message() -> None:
    with MailReceiver() as receiver:
        build_channel(email_settings(receiver.port)).deliver(taken(others=True))
        (mail,) = receiver.mails
    assert mail["Subject"] == "[ACKNOWLEDGED] PostgresBlockedSession on roofing"
    assert "ann looks after it: on it" in plain(mail)
    assert "pg_terminate" not in plain(mail)


def test_living_message_shows_the_group_and_its_thread_the_owner(receiver: HttpReceiver) -> None:
    memory = '{"channel": "C1", "ts": "1.5", "owners": {}}'
    update, reply = sent(BY_NAME["slack bot"], receiver, taken(others=True), memory)
    assert update[0].endswith("chat.update")
    assert "pg_terminate" in str(update)
    assert reply[1]["thread_ts"] == "1.5"
    assert reply[1]["text"].startswith(":eyes: ann looks after")


@pytest.mark.parametrize("others", [False, True])
def test_incident_is_acknowledged_when_all_of_it_is_looked_after(
    receiver: HttpReceiver, others: bool
) -> None:
    events = sent(BY_NAME["pagerduty"], receiver, taken(others=others))
    assert [event["event_action"] for _, event in events] == ([] if others else ["acknowledge"])
    receiver.requests.clear()
    calls = sent(BY_NAME["opsgenie"], receiver, taken(others=others))
    assert [path.partition("/acknowledge")[1] for path, _ in calls] == (
        [] if others else ["/acknowledge"]
    )
    if calls:
        assert calls[0][1] == {"user": "ann", "note": "on it"}


def test_incident_that_somebody_took_while_it_waited_is_acknowledged(
    receiver: HttpReceiver,
) -> None:
    merged = replace(taken(), reason=Reason.FIRST)
    events = sent(BY_NAME["pagerduty"], receiver, merged)
    assert [event["event_action"] for _, event in events] == ["trigger", "acknowledge"]


def left(*, others: bool = False) -> Notification:
    """What is told when ann gives an alert back, of a group where bob has the `others`."""
    mine = replace(alert(), news=News.LEFT)
    rest = [replace(alert(pid="5"), news=News.STILL, owner="bob")] if others else []
    extra = {ACKNOWLEDGED_BY: "ann", ACKNOWLEDGED_COMMENT: "on it"}
    return notification(mine, *rest, reason=Reason.UNOWNED, extra=extra)


@pytest.mark.parametrize("name", CHATS)
def test_chats_are_told_that_nobody_looks_after_it(name: str, receiver: HttpReceiver) -> None:
    (said,) = sent(BY_NAME[name], receiver, left())
    words = str(said).replace("\\", "")
    assert "ann looks after it no longer, and it fires on." in words
    assert "ACKNOWLEDGED" not in words


def test_thread_is_told_that_nobody_looks_after_it(receiver: HttpReceiver) -> None:
    memory = '{"channel": "C1", "ts": "1.5", "owners": {}}'
    _, reply = sent(BY_NAME["slack bot"], receiver, left(), memory)
    assert reply[1]["text"].startswith("ann looks after it no longer")
    assert reply[1]["reply_broadcast"] is True


def test_incident_is_nobodys_again_where_the_service_can(receiver: HttpReceiver) -> None:
    calls = sent(BY_NAME["opsgenie"], receiver, left())
    assert [path.partition("?")[0].rpartition("/")[2] for path, _ in calls] == [
        "unacknowledge",
        "alerts",
    ]
    receiver.requests.clear()
    events = sent(BY_NAME["pagerduty"], receiver, left())
    assert [event["event_action"] for _, event in events] == ["trigger"]
