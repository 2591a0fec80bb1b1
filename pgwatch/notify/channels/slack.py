"""Slack's incoming webhooks, with Block Kit; Mattermost and Rocket.Chat take the same."""

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pgwatch.notify.channels.base import DeliveryError, HttpSender
from pgwatch.notify.message import Item, Message, compose
from pgwatch.notify.notes import clock_time
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import SlackSettings

_MAX_ITEMS: Final = 10  # three blocks each; Slack takes 50 blocks
_SECTION_LIMIT: Final = (
    3000  # characters of a section, https://api.slack.com/reference/block-kit/blocks
)
_COLOURS: Final = {"critical": "#c5221f", "warning": "#e8a200", "info": "#3b78c4"}
_GREEN: Final = "#2e9e5b"
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_PASSING: Final = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error"})


class SlackChannel:
    """Posts one message for each notification."""

    kind: ClassVar[str] = "slack"
    # "1 per second … short bursts" is allowed: https://api.slack.com/apis/rate-limits
    min_interval = timedelta(seconds=1)

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings
        self._sender = HttpSender(settings.api_url, settings.http, timedelta(0))

    def deliver(self, notification: Notification) -> str:
        """Post the message; Slack answers `ok`."""
        answer = self._sender.post(payload(notification, self._settings), key=notification.id)
        if not _accepted(answer):
            error = _error_of(answer)
            passing = error in _PASSING
            raise DeliveryError(f"Slack refused: {error}", permanent=not passing)
        return answer

    def close(self) -> None:
        """Close the connection that is kept open."""
        self._sender.close()


def payload(notification: Notification, settings: SlackSettings) -> dict[str, Any]:
    """Return the JSON object for an incoming webhook."""
    message = compose(notification, max_items=_MAX_ITEMS)
    identity = {
        "channel": settings.channel,
        "username": settings.username,
        "icon_emoji": settings.icon_emoji,
        "icon_url": settings.icon_url,
    }
    return {
        **{key: value for key, value in identity.items() if value},
        "text": f"*{escape(message.title)}*",
        "attachments": [
            {
                "color": _GREEN if message.resolved else _COLOURS[message.severity],
                "fallback": message.title,
                "blocks": _blocks(message),
            }
        ],
    }


def escape(text: str, limit: int = 1000) -> str:
    """Return `text` so that Slack shows it as it is (no mention, no link), in at most `limit` characters."""
    escaped = "".join(_ENTITIES.get(char, char) for char in text[:limit])
    if len(text) <= limit and len(escaped) <= limit:
        return escaped
    # Cut between two characters of the original, never inside an entity.
    size, kept = 0, ""
    for char in text:
        size += len(_ENTITIES.get(char, char))
        if size > limit - 1:
            break
        kept += _ENTITIES.get(char, char)
    return kept + "…"


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks = [_small(message.remark)] if message.remark else []
    for item in message.items:
        blocks.append(_section(_words(item)))
        if item.fix and not item.resolved:
            # Three backquotes would end the block; nothing else is special inside.
            code = escape(item.fix.replace("```", "'''"), _SECTION_LIMIT - 20)
            blocks.append(_section(f"*Cure*\n```{code}```"))
        if item.evidence and item.is_new:
            code = escape(item.evidence.replace("```", "'''"), _SECTION_LIMIT - 40)
            blocks.append(_section(f"*When it fired*\n```{code}```"))
    if message.omitted:
        blocks.append(_small(f"and {message.omitted} more"))
    if message.link:
        blocks.append(_small(_link(message.link, "pgwatch")))
    return blocks


def _words(item: Item) -> str:
    mark = ":white_check_mark: " if item.resolved else ""
    lines = [f"{mark}*{escape(item.headline, 500)}*"]
    if item.description:
        lines.append(escape(item.description))
    since = f"since {_time(item.starts_at)}"
    if item.ends_at is not None:
        lines.append(
            f"{since}, ended {_time(item.ends_at)} after {item.lasted} · last value {item.value}"
        )
    else:
        lines.append(f"{since} ({item.lasted}) · value *{item.value}*")
    if item.no_data_since is not None:
        lines.append(f"_no data since {_time(item.no_data_since)}: this may have changed_")
    lines += [f"_{escape(note, 300)}_" for note in item.notes]
    lines += _labels(item)
    if item.runbook_url.startswith(("http://", "https://")) and len(item.runbook_url) < 300:
        lines.append(_link(item.runbook_url, "Runbook"))
    return "\n".join(lines)


def _labels(item: Item) -> list[str]:
    """Return the line of labels: as many as fit, whole ones."""
    line = ""
    for key, value in item.labels:
        pair = f"{escape(key)} `{escape(value, 200)}`"
        if len(line) + len(pair) > 600:
            return [f"{line} …"]
        line += f" · {pair}" if line else pair
    return [line] if line else []


def _time(time: datetime) -> str:
    # Slack shows the reader's own time zone; what stands after the bar is for those who cannot.
    return f"<!date^{int(time.timestamp())}^{{date_short_pretty}} {{time_secs}}|{clock_time(time)}>"


def _link(url: str, text: str) -> str:
    return f"<{quote(url, safe=':/?#[]@!$&()*+,;=%~')}|{text}>"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _small(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _accepted(answer: str) -> bool:
    """Return whether an answer of status 200 means success; Rocket.Chat says it with JSON."""
    if answer in ("ok", ""):
        return True
    body = _json(answer)
    return body.get("ok") is True or body.get("success") is True


def _error_of(answer: str) -> str:
    return str(_json(answer).get("error") or answer)


def _json(answer: str) -> dict[str, Any]:
    try:
        body = json.loads(answer)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
