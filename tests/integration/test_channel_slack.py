"""Slack: what a message looks like, the limits of Block Kit, and refusals that come with status 200."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.receiver import SlackSettings
from pgwatch.secret import Secret
from tests.notifications import alert, notification
from tests.receivers import Answer, HttpReceiver


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


def send(receiver: HttpReceiver, one: Notification, **settings: str) -> dict[str, Any]:
    channel = build_channel(SlackSettings(api_url=Secret(value=receiver.url), **settings))  # type: ignore[arg-type]
    channel.deliver(one)
    channel.close()
    sent = receiver.requests[-1].json
    assert isinstance(sent, dict)
    return sent


def test_message_says_what_where_since_value_and_cure(receiver: HttpReceiver) -> None:
    sent = send(receiver, notification(), channel="#dba", username="pgwatch")
    assert sent["text"] == "*[FIRING:1] PostgresBlockedSession on roofing*"
    assert (sent["channel"], sent["username"]) == ("#dba", "pgwatch")
    assert "icon_emoji" not in sent
    (attachment,) = sent["attachments"]
    assert attachment["color"] == "#c5221f"
    what, cure, _link = attachment["blocks"]
    assert what["text"]["text"].splitlines() == [
        "*Session 4711 has been blocked for &lt;42 s&gt; &amp; waits*",
        "It waits for a lock that session 4712 holds.",
        "since <!date^1785553212^{date_short_pretty} {time_secs}|2026-08-01 03:00:12 UTC>"
        " (2m30s) · value *42*",
        "pid `4711` · target `roofing`",
        "<http://pgwatch.example/alert/992587f83959bfb4|Acknowledge or silence>"
        " · <https://runbooks.example/blocked?a=1&b=2|Runbook>",
    ]
    assert cure["text"]["text"] == "*Cure*\n```SELECT pg_terminate_backend(4712);```"


def test_end_is_green_and_has_no_cure(receiver: HttpReceiver) -> None:
    sent = send(receiver, notification(alert(ended=True), reason=Reason.ALL_RESOLVED))
    assert sent["text"] == "*[RESOLVED] PostgresBlockedSession on roofing*"
    (attachment,) = sent["attachments"]
    assert attachment["color"] == "#2e9e5b"
    assert "pg_terminate" not in str(attachment)
    assert "after 2m30s · last value 42" in str(attachment)


def test_limits_of_block_kit_are_kept(receiver: HttpReceiver) -> None:
    long = {"summary": "<" * 5000, "description": "&" * 9000, "fix": "`" * 9000 + "<>" * 400}
    wide = {f"l{number}": ">" * 500 for number in range(30)}
    one = replace(alert(ended=False, **wide), annotations=long)
    big = [replace(one, labels=one.labels.merged({"pid": str(i)})) for i in range(60)]
    sent = send(receiver, notification(*big))
    (attachment,) = sent["attachments"]
    assert len(attachment["blocks"]) <= 50
    for block in attachment["blocks"]:
        if block["type"] == "section":
            assert len(block["text"]["text"]) <= 3000
            assert not re.search(r"&(?!(amp|lt|gt);)", block["text"]["text"]), "half an entity"
            assert block["text"]["text"].count("```") in (0, 2)
        else:
            assert len(block["elements"][0]["text"]) <= 3000
    assert "and 50 more" in str(attachment)


def test_nobody_is_called_by_an_alert(receiver: HttpReceiver) -> None:
    loud = replace(alert(x="<!here>"), annotations={"summary": "<!channel> <@U1>"})
    assert "<!channel>" not in str(sent := send(receiver, notification(loud)))
    assert "<!here>" not in str(sent)
    assert "<@U1>" not in str(sent)


@pytest.mark.parametrize(
    ("body", "permanent"),
    [
        ("no_text", True),
        ('{"ok": false, "error": "channel_not_found"}', False),  # somebody invites the bot
        ('{"ok": false, "error": "ratelimited"}', False),
        ('{"success": true}', None),
        ('{"ok": true}', None),
    ],
)
def test_refusal_with_status_200_is_a_refusal(
    receiver: HttpReceiver, body: str, permanent: bool | None
) -> None:
    receiver.then = Answer(body=body)
    if permanent is None:
        send(receiver, notification())
        return
    with pytest.raises(DeliveryError) as caught:
        send(receiver, notification())
    assert caught.value.permanent is permanent
