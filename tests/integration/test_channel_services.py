"""What Teams, Discord, Telegram, PagerDuty, Opsgenie and Apprise get, and how each refuses in its own way."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.receiver import ChannelSettings, SlackField, SlackSettings, WebhookSettings
from pgwatch.notify.services import (
    AppriseSettings,
    DiscordSettings,
    OpsGenieSettings,
    PagerDutyLink,
    PagerDutySettings,
    TeamsSettings,
    TelegramSettings,
)
from pgwatch.secret import Secret
from tests.notifications import alert, notification
from tests.receivers import Answer, HttpReceiver

GROUP = '{}:{alertname="PostgresBlockedSession"}'
KEY = hashlib.sha256(GROUP.encode()).hexdigest()
OVER = notification(alert(ended=True), reason=Reason.ALL_RESOLVED)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


def send(settings: ChannelSettings, told: Notification | None = None, memory: str = "") -> str:
    channel = build_channel(settings)
    try:
        return channel.deliver(told or notification(), memory).memory
    finally:
        channel.close()


class TestPagerDuty:
    def settings(self, receiver: HttpReceiver, **changes: Any) -> PagerDutySettings:
        made = PagerDutySettings(url=receiver.url, routing_key=Secret(value="key"))
        return replace(made, **changes)

    def test_incident_has_alertmanagers_key_and_ends(self, receiver: HttpReceiver) -> None:
        links = (PagerDutyLink(href="{{ .ExternalURL }}", text="{{ .Status }}"),)
        own = {
            "severity": "{{ .CommonLabels.severity }}",
            "links": links,
            "details": {"a": "{{ .Receiver }}"},
        }
        send(self.settings(receiver, **own))
        send(self.settings(receiver), OVER)
        trigger, resolve = (request.json for request in receiver.requests)
        assert trigger["dedup_key"] == resolve["dedup_key"] == KEY
        assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
        inside = trigger["payload"]
        assert inside["summary"] == "[FIRING:1] PostgresBlockedSession on roofing"
        assert (inside["severity"], inside["source"]) == ("critical", "roofing")
        assert (inside["custom_details"]["a"], inside["custom_details"]["num_firing"]) == (
            "team-a",
            "1",
        )
        assert trigger["links"] == [{"href": "http://pgwatch.example", "text": "firing"}]
        assert trigger["client"] == "pgwatch"

    def test_severity_that_pagerduty_does_not_know_is_an_error(
        self, receiver: HttpReceiver
    ) -> None:
        send(self.settings(receiver, severity="page"))
        assert receiver.requests[0].json["payload"]["severity"] == "error"


def test_opsgenie_creates_updates_and_closes_under_one_alias(receiver: HttpReceiver) -> None:
    settings = OpsGenieSettings(
        api_url=receiver.url + "/", api_key=Secret(value="key"), tags="a, b,", update_alerts=True
    )
    send(settings)
    send(settings, OVER)
    create, message, description, close = receiver.requests
    assert create.headers["Authorization"] == "GenieKey key"
    assert (create.path, create.json["alias"]) == ("/v2/alerts", KEY)
    assert (create.json["priority"], create.json["tags"]) == ("P1", ["a", "b"])
    assert (message.method, message.path) == (
        "PUT",
        f"/v2/alerts/{KEY}/message?identifierType=alias",
    )
    assert description.path == f"/v2/alerts/{KEY}/description?identifierType=alias"
    assert (close.method, close.path) == ("POST", f"/v2/alerts/{KEY}/close?identifierType=alias")


def test_teams_gets_a_card(receiver: HttpReceiver) -> None:
    url = Secret(value=receiver.url)
    send(TeamsSettings(webhook_url=url))
    send(TeamsSettings(webhook_url=url, title="T {{ .Status }}", text="**{{ .Receiver }}**"), OVER)
    first, second = (request.json["attachments"][0] for request in receiver.requests)
    assert first["contentType"] == "application/vnd.microsoft.card.adaptive"
    heading, what, *_ = first["content"]["body"]
    assert (heading["text"], heading["color"]) == (
        "[FIRING:1] PostgresBlockedSession on roofing",
        "Attention",
    )
    assert what["text"].startswith("Session 4711")
    texts = [(block["text"], block.get("color")) for block in second["content"]["body"]]
    assert texts == [("T resolved", "Good"), ("**team-a**", None)]


def test_discord_pause_is_a_fraction_of_the_body(receiver: HttpReceiver) -> None:
    body = '{"message": "limited", "retry_after": 0.65, "global": false}'
    receiver.then = Answer(status=429, body=body, headers={"Retry-After": "1"})
    with pytest.raises(DeliveryError) as caught:
        send(DiscordSettings(webhook_url=Secret(value=receiver.url)))
    assert caught.value.retry_after == timedelta(seconds=0.65)


def test_discord_gets_embeds_within_their_limits_and_calls_nobody(receiver: HttpReceiver) -> None:
    long = {"summary": "@everyone " * 90, "description": "x" * 5000, "fix": "```" * 900}
    many = [replace(alert(pid=str(n)), annotations=long) for n in range(40)]
    send(DiscordSettings(webhook_url=Secret(value=receiver.url)), notification(*many))
    sent = receiver.requests[0].json
    assert sent["allowed_mentions"] == {"parse": []}
    assert len(sent["embeds"]) <= 10
    assert sum(len(one["title"]) + len(one["description"]) for one in sent["embeds"]) <= 6000
    for one in sent["embeds"]:
        assert len(one["title"]) <= 256
        assert len(one["description"]) <= 4096
        assert one["description"].count("```") % 2 == 0
    assert "more" in sent["embeds"][0]["description"]


class TestTelegram:
    def settings(self, receiver: HttpReceiver, **changes: Any) -> TelegramSettings:
        token, chat = Secret(value="1:token"), Secret(value="-42")
        made = TelegramSettings(api_url=receiver.url, bot_token=token, chat_id=chat)
        return replace(made, **changes)

    def test_later_messages_answer_the_first(self, receiver: HttpReceiver) -> None:
        receiver.answers = [
            Answer(body=json.dumps({"ok": True, "result": {"message_id": number}}))
            for number in (7, 8)
        ]
        memory = send(self.settings(receiver))
        assert memory == "7"
        assert send(self.settings(receiver, message_thread_id=3), OVER, memory) == ""
        first, last = (request.json for request in receiver.requests)
        assert (first["chat_id"], first["parse_mode"]) == (-42, "HTML")
        assert "blocked for &lt;42 s&gt; &amp; waits" in first["text"]
        assert "reply_parameters" not in first
        assert last["reply_parameters"]["message_id"] == 7
        assert last["message_thread_id"] == 3

    def test_own_message_is_escaped_as_html(self, receiver: HttpReceiver) -> None:
        send(self.settings(receiver, message="<i>{{ .CommonAnnotations.summary }}</i>"))
        text = receiver.requests[0].json["text"]
        assert text == "<i>Session 4711 has been blocked for &lt;42 s&gt; &amp; waits</i>"

    def test_pause_is_in_the_body(self, receiver: HttpReceiver) -> None:
        receiver.then = Answer(status=429, body='{"ok": false, "parameters": {"retry_after": 17}}')
        with pytest.raises(DeliveryError) as caught:
            send(self.settings(receiver))
        assert caught.value.retry_after == timedelta(seconds=17)

    def test_chat_that_is_not_found_is_mended_by_people(self, receiver: HttpReceiver) -> None:
        body = '{"ok": false, "description": "Bad Request: chat not found"}'
        receiver.then = Answer(status=400, body=body)
        with pytest.raises(DeliveryError, match="chat not found") as caught:
            send(self.settings(receiver))
        assert caught.value.broken

    def test_markup_that_is_not_understood_is_left_out(self, receiver: HttpReceiver) -> None:
        body = '{"ok": false, "description": "Bad Request: can\'t parse entities"}'
        receiver.answers = [Answer(status=400, body=body)]
        send(self.settings(receiver, message="{{ .Status }} <", parse_mode="MarkdownV2"))
        plain = receiver.requests[1].json
        assert "parse_mode" not in plain
        assert plain["text"].startswith("[FIRING:1]")


class TestTexts:
    def test_slack_attachment_is_what_the_configuration_says(self, receiver: HttpReceiver) -> None:
        settings = SlackSettings(
            api_url=Secret(value=receiver.url),
            channel="#{{ .CommonLabels.target }}",
            title='{{ template "slack.default.title" . }}',
            text="{{ range .Alerts }}{{ .Labels.pid }}{{ end }}",
            color='{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
            fields=(SlackField(title="a", value="{{ .Status }}", short=True),),
        )
        send(settings)
        sent = receiver.requests[0].json
        assert sent["channel"] == "#roofing"
        (attachment,) = sent["attachments"]
        assert attachment["title"] == "[FIRING:1] PostgresBlockedSession on roofing"
        assert (attachment["text"], attachment["color"]) == ("4711", "danger")
        assert attachment["fields"] == [{"title": "a", "value": "firing", "short": True}]
        assert "blocks" not in attachment

    def test_address_of_a_webhook_is_a_template(self, receiver: HttpReceiver) -> None:
        send(WebhookSettings(url=Secret(value=receiver.url + "/{{ .CommonLabels.target }}")))
        assert receiver.requests[0].path == "/roofing"
        with pytest.raises(DeliveryError, match="the template of its address") as caught:
            send(WebhookSettings(url=Secret(value=receiver.url + "/{{ .Nope }}")))
        assert caught.value.broken

    @pytest.mark.parametrize(
        "make",
        [
            lambda url: SlackSettings(api_url=Secret(value=url), text="{{ .Nope }}"),
            lambda url: PagerDutySettings(
                url=url, routing_key=Secret(value="k"), description="{{ .Nope }}"
            ),
            lambda url: OpsGenieSettings(
                api_url=url, api_key=Secret(value="k"), message="{{ .Nope }}"
            ),
            lambda url: TeamsSettings(webhook_url=Secret(value=url), text="{{ .Nope }}"),
            lambda url: DiscordSettings(webhook_url=Secret(value=url), message="{{ .Nope }}"),
            lambda url: TelegramSettings(
                api_url=url,
                bot_token=Secret(value="t"),
                chat_id=Secret(value="1"),
                message="{{ .Nope }}",
            ),
        ],
    )
    def test_text_that_fails_is_replaced(self, receiver: HttpReceiver, make: Any) -> None:
        channel = build_channel(make(receiver.url))
        receipt = channel.deliver(notification())
        channel.close()
        assert "in plain words, because a template fails" in receipt.answer
        assert "PostgresBlockedSession" in str(receiver.requests[-1].json)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library itself
class TestApprise:
    def test_title_and_text_arrive(self, receiver: HttpReceiver) -> None:
        address = receiver.url.replace("http://", "json://") + "/secret-topic"
        send(AppriseSettings(urls=(Secret(value=address),)))
        sent = receiver.requests[0].json
        assert sent["title"] == "[FIRING:1] PostgresBlockedSession on roofing"
        assert "pg_terminate_backend(4712)" in sent["message"]
        assert sent["type"] == "failure"

    def test_refusal_is_told_without_the_address(
        self, receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver.then = Answer(status=500)
        address = receiver.url.replace("http://", "json://") + "/secret-topic"
        with pytest.raises(DeliveryError, match="Apprise could not deliver to address 1") as caught:
            send(AppriseSettings(urls=(Secret(value=address),)))
        assert not caught.value.permanent
        assert "secret-topic" not in str(caught.value) + caplog.text

    def test_address_that_apprise_does_not_know_is_broken(self) -> None:
        with pytest.raises(DeliveryError, match="address 1 is none that Apprise knows") as caught:
            send(AppriseSettings(urls=(Secret(value="nonsense://x"),)))
        assert caught.value.broken
