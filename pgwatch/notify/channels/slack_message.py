"""The message for Slack: pgwatch's own, or the attachment that a configuration describes."""

from dataclasses import asdict
from typing import Any, Final

from pgwatch.notify.channels.slack_blocks import COLOURS, GREEN, MAX_ITEMS, blocks_of, escape
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import Message, compose, shortened
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import SlackAction, SlackSettings

_TITLE: Final = 1024  # characters, as Alertmanager cuts it
_TEXT: Final = (
    12_000  # Slack cuts a message's text at 40,000 characters; nobody reads on for so long
)
_PLAIN: Final = 3000
# What a configuration must say one of, if it is to have an attachment of its own.
_CONTENT: Final = ("title", "text", "pretext", "fallback", "footer", "image_url", "thumb_url")


def message_of(notification: Notification, settings: SlackSettings, words: Words) -> dict[str, Any]:
    """Return the message without its channel; raises TemplateError."""
    message = compose(notification, max_items=MAX_ITEMS)
    identity = words.all(
        {
            "username": settings.username,
            "icon_emoji": settings.icon_emoji,
            "icon_url": settings.icon_url,
        }
    )
    if words.plain:
        return {**identity, "text": _plain(message)}
    own = any(getattr(settings, name) for name in _CONTENT) or settings.fields or settings.actions
    attachment = _attachment(message, settings, words) if own else _native(message, settings, words)
    made: dict[str, Any] = {**identity, "attachments": [attachment]}
    if settings.message_text:
        made["text"] = shortened(words(settings.message_text), _TEXT)
    elif not own:
        made["text"] = f"*{escape(message.title)}*"
    if settings.link_names:
        made["link_names"] = True
    return made


def _native(message: Message, settings: SlackSettings, words: Words) -> dict[str, Any]:
    colour = GREEN if message.resolved else COLOURS[message.severity]
    return {
        "color": words(settings.color, colour),
        "fallback": message.title,
        "blocks": blocks_of(message),
    }


def _attachment(message: Message, settings: SlackSettings, words: Words) -> dict[str, Any]:
    """Return the attachment as Alertmanager builds it (`notify/slack/slack.go`)."""
    colour = GREEN if message.resolved else COLOURS[message.severity]
    texts = words.all(
        {
            "pretext": settings.pretext,
            "footer": settings.footer,
            "callback_id": settings.callback_id,
            "image_url": settings.image_url,
            "thumb_url": settings.thumb_url,
        }
    )
    return {
        **texts,
        "title": shortened(words(settings.title, message.title), _TITLE),
        "title_link": words(settings.title_link, message.link),
        "text": shortened(words(settings.text), _TEXT),
        "fallback": words(settings.fallback, message.title),
        "color": words(settings.color, colour),
        "mrkdwn_in": list(settings.mrkdwn_in or ("fallback", "pretext", "text")),
        "fields": [
            {"title": words(one.title), "value": words(one.value), "short": one.short}
            for one in settings.fields
        ],
        "actions": [_action(one, words) for one in settings.actions],
    }


def _action(action: SlackAction, words: Words) -> dict[str, Any]:
    texts = asdict(action)
    confirm = texts.pop("confirm")
    made: dict[str, Any] = words.all(texts)
    return {**made, "confirm": words.all(confirm)} if confirm else made


def _plain(message: Message) -> str:
    lines = [f"*{escape(message.title)}*", escape(message.remark)]
    for item in message.items:
        mark = "Resolved: " if item.resolved else ""
        lines.append(f"• {mark}{escape(item.headline, 500)}")
    lines += [f"and {message.omitted} more"] if message.omitted else []
    return shortened("\n".join(filter(None, lines)), _PLAIN)
