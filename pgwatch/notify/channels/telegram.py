"""Telegram's Bot API; what comes later about a group answers its first message.

Source: https://core.telegram.org/bots/api#sendmessage
"""

import json
from datetime import timedelta
from functools import partial
from html import escape
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import DeliveryError, Receipt, pause_of
from pgwatch.notify.channels.letter import facts
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import Item, compose, shortened
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.services import TelegramSettings
from pgwatch.notify.template import Templates
from pgwatch.secret import Secret

_LIMIT: Final = 4096  # characters of a message after its HTML was read; here with it, to be safe
_MAX_ITEMS: Final = 12
_ALONE: Final = frozenset({Reason.TEST, Reason.HEARTBEAT, Reason.DEAD_LETTER})


class TelegramChannel(PostingChannel):
    """Sends one message for each notification; its memory is the id of a group's first message."""

    kind: ClassVar[str] = "telegram"
    min_interval = timedelta(seconds=1)  # in one chat: https://core.telegram.org/bots/faq
    at_once = 1

    def __init__(self, settings: TelegramSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def deliver(self, notification: Notification, memory: str = "") -> Receipt:
        """Deliver, as an answer to the message whose id is the memory."""
        return self._tell(notification, partial(self._send, memory=memory))

    def _send(self, notification: Notification, words: Words, memory: str = "") -> Receipt:
        token = self._settings.bot_token.reveal()
        url = Secret(value=f"{self._settings.api_url.rstrip('/')}/bot{token}/sendMessage")
        message = payload(notification, self._settings, words)
        message["chat_id"] = _chat(words.address(self._settings.chat_id.reveal()))
        if memory:
            # Also if somebody has deleted that message.
            known = {"message_id": int(memory), "allow_sending_without_reply": True}
            message["reply_parameters"] = known
        try:
            answer = self._sender.post(
                url, message, key=notification.id, hide=[token, token.partition(":")[2]]
            )
        except DeliveryError as error:
            raise _understood(error) from None
        first = memory or _message_id(answer)
        goes_on = notification.status == "firing" and notification.reason not in _ALONE
        return Receipt(answer=_message_id(answer), memory=first if goes_on else "")


def payload(notification: Notification, settings: TelegramSettings, words: Words) -> dict[str, Any]:
    """Return the message without the chat."""
    own = words(settings.message) if settings.parse_mode != "HTML" else words.html(settings.message)
    message: dict[str, Any] = {
        "text": shortened(own, _LIMIT) if own else _text(notification),
        "disable_notification": settings.disable_notifications,
        "link_preview_options": {"is_disabled": True},
    }
    mode = settings.parse_mode if own else "HTML"
    if words.plain:
        message["text"] = _without_markup(notification)
    elif mode:
        message["parse_mode"] = mode
    if settings.message_thread_id:
        message["message_thread_id"] = settings.message_thread_id
    return message


def _text(notification: Notification) -> str:
    """Return pgwatch's own message as HTML, as many alerts as fit, whole ones."""
    message = compose(notification, max_items=_MAX_ITEMS)
    parts = [f"<b>{escape(message.title)}</b>"]
    parts += [f"<i>{escape(message.remark)}</i>"] if message.remark else []
    used, shown = sum(map(len, parts)) + 60, 0
    for item in message.items:
        part = _item(item, with_more=True)
        if used + len(part) + 2 > _LIMIT:
            part = _item(item, with_more=False)
        if used + len(part) + 2 > _LIMIT:
            break
        parts.append(part)
        used += len(part) + 2
        shown += 1
    omitted = message.omitted + len(message.items) - shown
    parts += [f"and {omitted} more"] if omitted else []
    return "\n\n".join(parts)


def _item(item: Item, *, with_more: bool) -> str:
    mark = "✅ " if item.resolved else ""
    lines = [f"{mark}<b>{escape(item.headline)}</b>"]
    if not with_more:
        return lines[0]
    lines += [escape(item.description)] if item.description else []
    lines += [f"{escape(name)}: {escape(value)}" for name, value in facts(item)]
    lines += [f"<i>{escape(note)}</i>" for note in item.notes]
    if item.fix and not item.resolved:
        lines.append(f"<pre>{escape(item.fix)}</pre>")
    if item.evidence and item.is_new:
        lines.append(f"<pre>{escape(item.evidence)}</pre>")
    if item.page:
        lines.append(f'<a href="{escape(item.page)}">Acknowledge or silence</a>')
    if item.runbook_url.startswith(("http://", "https://")):
        lines.append(f'<a href="{escape(item.runbook_url)}">Runbook</a>')
    return "\n".join(lines)


def _without_markup(notification: Notification) -> str:
    message = compose(notification, max_items=_MAX_ITEMS)
    lines = [message.title, *([message.remark] if message.remark else [])]
    lines += [("Resolved: " if item.resolved else "") + item.headline for item in message.items]
    return shortened("\n".join(lines), _LIMIT)


def _understood(error: DeliveryError) -> DeliveryError:
    """Return `error` with what only Telegram's JSON says: for how long to wait, or that the chat is wrong."""
    body = _json(error.body)
    parameters = body.get("parameters")
    if isinstance(parameters, dict) and error.status == 429:
        error.retry_after = pause_of(parameters.get("retry_after")) or error.retry_after
    if "chat not found" in str(body.get("description", "")):
        return DeliveryError(str(error), broken=True)
    return error


def _chat(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text.strip()  # @channel


def _message_id(answer: str) -> str:
    result = _json(answer).get("result")
    return str(result.get("message_id", "")) if isinstance(result, dict) else ""


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
