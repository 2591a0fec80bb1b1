"""Discord's webhooks: one embed for each alert.

Source: https://discord.com/developers/docs/resources/webhook#execute-webhook and its "Embed limits"
"""

import json
from datetime import timedelta
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import DeliveryError, Receipt, pause_of
from pgwatch.notify.channels.letter import facts
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import Item, Message, compose, shortened
from pgwatch.notify.notification import Notification
from pgwatch.notify.services import DiscordSettings
from pgwatch.notify.template import Templates

_CONTENT: Final = 2000  # characters, and so on
_TITLE: Final = 256
_DESCRIPTION: Final = 4096
_ALL: Final = 6000  # of all embeds together
_MAX_ITEMS: Final = 9  # embeds; ten are allowed, and one says how many more there are
_COLOURS: Final = {"critical": 0xC5221F, "warning": 0xE8A200, "info": 0x3B78C4}
_GREEN: Final = 0x2E9E5B
_GREY: Final = 0x9AA0A6


class DiscordChannel(PostingChannel):
    """Posts one message for each notification."""

    kind: ClassVar[str] = "discord"
    # Five in two seconds for a webhook; the answer to more says how long to wait.
    min_interval = timedelta(milliseconds=500)
    at_once = 1

    def __init__(self, settings: DiscordSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def _send(self, notification: Notification, words: Words) -> Receipt:
        message = payload(notification, self._settings, words)
        try:
            self._sender.post(self._settings.webhook_url, message, key=notification.id)
        except DeliveryError as error:
            # A fraction of seconds in the body; the header is rounded up.
            error.retry_after = _pause(error.body) or error.retry_after
            raise
        return Receipt()


def payload(notification: Notification, settings: DiscordSettings, words: Words) -> dict[str, Any]:
    """Return the message."""
    message = compose(notification, max_items=_MAX_ITEMS)
    colour = _GREEN if message.resolved else _COLOURS[message.severity]
    title, own = words(settings.title), words(settings.message)
    if own:
        embeds = [
            {
                "title": shortened(title or message.title, _TITLE),
                "description": shortened(own, _DESCRIPTION),
                "color": colour,
            }
        ]
    else:
        embeds = _embeds(message, title, colour)
    return {
        **words.all({"username": settings.username, "avatar_url": settings.avatar_url}),
        "content": shortened(words(settings.content), _CONTENT),
        "embeds": embeds,
        # Nobody is called by what stands in a label; only `content` is the configuration's to say.
        "allowed_mentions": {"parse": ["everyone", "roles", "users"] if settings.content else []},
    }


def _embeds(message: Message, title: str, colour: int) -> list[dict[str, Any]]:
    """Return as many embeds as fit, and one that says how many alerts they leave out."""
    heading: dict[str, Any] = {
        "title": shortened(title or message.title, _TITLE),
        "description": _escaped(message.remark),
        "color": colour,
    }
    if message.link:
        heading["url"] = message.link
    embeds, left = [heading], _ALL - len(heading["title"]) - len(heading["description"]) - 60
    shown = 0
    for item in message.items:
        embed = _embed(item)
        left -= len(embed["title"]) + len(embed["description"])
        if left < 0:
            break
        embeds.append(embed)
        shown += 1
    omitted = message.omitted + len(message.items) - shown
    if omitted:
        heading["description"] = f"{heading['description']}\nand {omitted} more".strip()
    return embeds


def _embed(item: Item) -> dict[str, Any]:
    lines = [_escaped(item.description)] if item.description else []
    lines += [f"{name}: {_escaped(value)}" for name, value in facts(item)]
    lines += [_escaped(note) for note in item.notes]
    if item.fix and not item.resolved:
        lines.append(f"```\n{item.fix.replace('```', chr(39) * 3)}\n```")
    if item.evidence and item.is_new:
        lines.append(f"```\n{item.evidence.replace('```', chr(39) * 3)}\n```")
    if item.page:
        lines.append(f"[Acknowledge or silence](<{item.page}>)")
    if item.runbook_url.startswith(("http://", "https://")):
        lines.append(f"[Runbook](<{item.runbook_url}>)")
    text = "\n".join(lines)
    if len(text) > _DESCRIPTION:  # the cut may have opened a block of code
        text = shortened(text, _DESCRIPTION - 4)
        text += "\n```" if text.count("```") % 2 else ""
    mark = "✅ " if item.resolved else ""
    return {
        "title": shortened(_escaped(mark + item.headline), _TITLE),
        "description": text,
        "color": _GREEN if item.resolved else _GREY,
    }


def _escaped(text: str) -> str:
    """Return `text` so that no part of it is taken for Markdown."""
    for char in "\\*_~`|>[]":
        text = text.replace(char, f"\\{char}")
    return text


def _pause(body: str) -> timedelta | None:
    try:
        return pause_of(json.loads(body).get("retry_after"))
    except (ValueError, AttributeError):
        return None
