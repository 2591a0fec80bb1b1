"""Microsoft Teams by a workflow of Power Automate, which takes an Adaptive Card.

Source: https://learn.microsoft.com/en-us/connectors/teams (the trigger "When a Teams webhook request is
received") and https://adaptivecards.io/explorer
"""

from datetime import timedelta
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import Receipt, shown
from pgwatch.notify.channels.fit import fitting
from pgwatch.notify.channels.letter import facts
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import Item, Message, compose
from pgwatch.notify.notification import Notification
from pgwatch.notify.services import TeamsSettings
from pgwatch.notify.template import Templates

_LIMIT: Final = 28_000  # bytes of a message, without what Teams adds to it
_MAX_ITEMS: Final = 16
_COLOURS: Final = {"critical": "Attention", "warning": "Warning", "info": "Accent"}


class TeamsChannel(PostingChannel):
    """Posts one card for each notification."""

    kind: ClassVar[str] = "msteamsv2"
    # Four requests in a second: https://learn.microsoft.com/en-us/microsoftteams/platform/bots/how-to/rate-limit
    min_interval = timedelta(milliseconds=500)
    at_once = 1

    def __init__(self, settings: TeamsSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def _send(self, notification: Notification, words: Words) -> Receipt:
        card = payload(notification, self._settings, words)
        answer = self._sender.post(self._settings.webhook_url, card, key=notification.id)
        return Receipt(answer=shown(answer))


def payload(notification: Notification, settings: TeamsSettings, words: Words) -> dict[str, Any]:
    """Return the message with its card."""
    title, own = words(settings.title), words(settings.text)

    def build(most: int) -> dict[str, Any]:
        message = compose(notification, max_items=most)
        body = [_own(own, most)] if own else _body(message)
        return _card(message, title, body)

    made: dict[str, Any] = fitting(build, _LIMIT, _MAX_ITEMS)
    return made


def _card(message: Message, title: str, body: list[dict[str, Any]]) -> dict[str, Any]:
    colour = "Good" if message.resolved else _COLOURS[message.severity]
    heading = _block(title or message.title, weight="Bolder", size="Medium", color=colour)
    actions = []
    if message.link:
        actions = [{"type": "Action.OpenUrl", "title": "pgwatch", "url": message.link}]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [heading, *body],
        "actions": actions,
        "msteams": {"width": "Full"},
        "fallbackText": message.title,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _own(text: str, most: int) -> dict[str, Any]:
    """Return the configuration's text, shorter where fewer alerts fit: what `{{ }}` made cannot be split."""
    limit = max(200, len(text) * most // _MAX_ITEMS)
    return _block(text if len(text) <= limit else text[:limit] + "…")


def _body(message: Message) -> list[dict[str, Any]]:
    blocks = [_block(message.remark, isSubtle=True)] if message.remark else []
    for item in message.items:
        blocks += _item(item)
    if message.omitted:
        blocks.append(_block(f"and {message.omitted} more", isSubtle=True))
    return blocks


def _item(item: Item) -> list[dict[str, Any]]:
    mark = "✅ " if item.resolved else ""
    blocks = [_block(_escaped(mark + item.headline), weight="Bolder", separator=True)]
    if item.description:
        blocks.append(_block(_escaped(item.description)))
    rows = [{"title": name, "value": _escaped(value)} for name, value in facts(item)]
    blocks.append({"type": "FactSet", "facts": rows})
    blocks += [_block(_escaped(note)) for note in item.notes]
    if item.fix and not item.resolved:
        blocks.append(_block(_escaped(item.fix), fontType="Monospace"))
    if item.evidence and item.is_new:
        blocks.append(_block(_escaped(item.evidence), fontType="Monospace", size="Small"))
    if item.page:
        blocks.append(_block(f"[Acknowledge or silence]({item.page})"))
    if item.runbook_url.startswith(("http://", "https://")):
        blocks.append(_block(f"[Runbook]({item.runbook_url})"))
    return blocks


def _block(text: str, **looks: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **looks}


def _escaped(text: str) -> str:
    """Return `text` so that no part of it is taken for Markdown; lines stay lines."""
    for char in "\\*_[]`":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", "\n\n")
