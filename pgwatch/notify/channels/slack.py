"""Slack: incoming webhooks (which Mattermost and Rocket.Chat have, too), and bots with a living message.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, /reference/methods
"""

import json
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urljoin

from pgwatch.notify.channels.base import DeliveryError, Receipt, shown
from pgwatch.notify.channels.posting import PostingChannel, in_plain_words_if_needed
from pgwatch.notify.channels.slack_message import message_of
from pgwatch.notify.channels.slack_story import is_loud, owners_of, story
from pgwatch.notify.channels.words import Words
from pgwatch.notify.http_settings import authorized
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.receiver import SlackSettings
from pgwatch.notify.template import Templates

_PASSING: Final = frozenset(
    {
        *("fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout"),
        *("service_unavailable", "team_added_to_org", "message_limit_exceeded"),
    }
)
_UNREADABLE: Final = frozenset(
    {
        *("invalid_attachments", "invalid_blocks", "invalid_blocks_format", "invalid_payload"),
        *("msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments"),
    }
)
# The message that is to be updated is not there any more, or Slack keeps it as it is.
_LOST: Final = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
)
_ALONE: Final = frozenset({Reason.TEST, Reason.HEARTBEAT, Reason.DEAD_LETTER})


class SlackChannel(PostingChannel):
    """Posts one message for each notification; with a token, one for each incident."""

    kind: ClassVar[str] = "slack"
    # "1 per second … short bursts" is allowed: https://api.slack.com/apis/rate-limits
    min_interval = timedelta(seconds=1)
    at_once = 1

    def __init__(self, settings: SlackSettings, templates: Templates) -> None:
        http = settings.http
        if settings.token is not None:
            http = authorized(http, settings.token, "Bearer")
        super().__init__(http, templates)
        self._settings = settings

    def deliver(self, notification: Notification, memory: str = "") -> Receipt:
        """Deliver; a living message shows the whole group also when its thread tells who looks after it."""
        if self._settings.token is None or not memory:
            return super().deliver(notification)
        send = partial(self._send, memory=memory)
        return in_plain_words_if_needed(send, self._templates, notification)

    def _send(self, notification: Notification, words: Words, memory: str = "") -> Receipt:
        message = message_of(notification, self._settings, words)
        channel = words.address(self._settings.channel)
        if self._settings.token is None:
            message |= {"channel": channel} if channel else {}
            return self._post_to_webhook(message, notification.id)
        before = _json(memory)
        if before.get("ts") and self._settings.update_message:
            try:
                return self._go_on(notification, message, before)
            except DeliveryError as error:
                if error.body not in _LOST:
                    raise
        answer = self._call("chat.postMessage", {**message, "channel": channel}, notification.id)
        return _receipt(notification, answer)

    def _post_to_webhook(self, message: dict[str, Any], key: str) -> Receipt:
        answer = self._sender.post(self._settings.api_url, message, key=key)
        body = _json(answer)
        # Slack says `ok`, Rocket.Chat says it with JSON.
        if answer not in ("ok", "") and not (body.get("ok") is True or body.get("success") is True):
            raise _refusal(str(body.get("error") or answer))
        return Receipt(answer=shown(answer))

    def _go_on(
        self, notification: Notification, message: dict[str, Any], before: dict[str, Any]
    ) -> Receipt:
        """Update the message in place, and tell in its thread what happened."""
        place = {"channel": before["channel"], "ts": before["ts"]}
        # What the update does not name would stay.
        whole = {"text": "", "attachments": [], **message, **place}
        answer = self._call("chat.update", whole, notification.id)
        reply = story(notification, before.get("owners") or {})
        if reply:
            said = {"channel": before["channel"], "thread_ts": before["ts"], "text": reply}
            said |= {"reply_broadcast": True} if is_loud(notification) else {}
            self._call("chat.postMessage", said, notification.id)
        return _receipt(notification, {**answer, **place})

    def _call(self, method: str, payload: dict[str, Any], key: str) -> dict[str, Any]:
        url = urljoin(self._settings.api_url.reveal(), method)  # its last part is chat.postMessage
        answer = self._sender.post(url, payload, key=key)
        body = _json(answer)
        if body.get("ok") is not True:
            raise _refusal(str(body.get("error") or answer))
        return body


def _receipt(notification: Notification, answer: dict[str, Any]) -> Receipt:
    """Return the receipt; its memory ends with the incident."""
    place = {"channel": str(answer.get("channel", "")), "ts": str(answer.get("ts", ""))}
    shown_place = f"{place['channel']} {place['ts']}"
    if notification.status == "resolved" or notification.reason in _ALONE:
        return Receipt(answer=shown_place)
    memory = json.dumps({**place, "owners": owners_of(notification)}, sort_keys=True)
    return Receipt(answer=shown_place, memory=memory)


def _refusal(error: str) -> DeliveryError:
    """Return the error for an answer of status 200 that is none."""
    code = shown(error)
    reason = f"Slack refused: {code}"
    if code in _PASSING:
        return DeliveryError(reason, body=code)
    if code in _UNREADABLE:
        return DeliveryError(reason, unreadable=True, body=code)
    # A wrong token, a channel that is gone, a bot that was not invited: a person mends that.
    return DeliveryError(reason, broken=True, body=code)


def _json(answer: str) -> dict[str, Any]:
    try:
        body = json.loads(answer) if answer else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
