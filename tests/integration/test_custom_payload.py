"""A webhook's own body and the question before an action in Slack, from the file to the receiver."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.errors import InputError
from pgwatch.notify.channels.build import build_channels
from tests.notifications import alert, notification
from tests.receivers import Answer, HttpReceiver


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def delivered(receiver: HttpReceiver, config: str, *answers: Answer) -> list[Any]:
    """Return what came of a notification about two alerts."""
    receiver.answers = list(answers)
    text = (
        f"route: {{receiver: r}}\nreceivers: [{{name: r, {config.replace('URL', receiver.url)}}}]\n"
    )
    routing = parse_alertmanager(text, Path("am.yml"))
    assert not routing.warnings
    (channel,) = build_channels(routing).values()
    channel.deliver(notification(alert(), alert(pid="5")))
    channel.close()
    return [request.json for request in receiver.requests]


def test_webhook_sends_what_the_configuration_writes(receiver: HttpReceiver) -> None:
    payload = "{chat: 42, text: '{{ .Status }} {{ len .Alerts }}', tags: [a, '{{ .Receiver }}']}"
    (body,) = delivered(
        receiver, f"webhook_configs: [{{url: URL, max_alerts: 1, payload: {payload}}}]"
    )
    assert body == {"chat": 42, "text": "firing 1", "tags": ["a", "team-a"]}


def test_what_the_receiver_cannot_read_is_said_in_plain_words(receiver: HttpReceiver) -> None:
    config = "webhook_configs: [{url: URL, payload: {kind: x, text: '{{ .Status }}'}}]"
    first, second = delivered(receiver, config, Answer(status=400))
    assert first == {"kind": "x", "text": "firing"}
    assert second == {"kind": "x", "text": "[FIRING:2] PostgresBlockedSession on roofing"}


def test_slack_asks_before_an_action(receiver: HttpReceiver) -> None:
    confirm = "{title: Sure, text: 'End {{ .Status }}?', ok_text: 'Yes', dismiss_text: 'No'}"
    action = f"{{type: button, text: End, url: 'http://x', confirm: {confirm}}}"
    (body,) = delivered(receiver, f"slack_configs: [{{api_url: URL, actions: [{action}]}}]")
    (attachment,) = body["attachments"]
    assert attachment["actions"] == [
        {
            "type": "button",
            "text": "End",
            "url": "http://x",
            "confirm": {
                "title": "Sure",
                "text": "End firing?",
                "ok_text": "Yes",
                "dismiss_text": "No",
            },
        }
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "webhook_configs: [{url: URL, payload: {a: [b, '{{ .Status']}}]",
            "payload.a[1]: not a template",
        ),
        (
            "slack_configs: [{api_url: URL, actions: [{type: b, text: t, confirm: {title: x}}]}]",
            "confirm.text",
        ),
    ],
)
def test_mistakes_are_told(config: str, message: str, receiver: HttpReceiver) -> None:
    with pytest.raises(InputError) as caught:
        delivered(receiver, config)
    assert message in str(caught.value)
