"""What pgwatch says in Slack, as Block Kit and mrkdwn."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pgwatch.notify.message import Item, Message
from pgwatch.notify.notes import clock_time

MAX_ITEMS: Final = 10  # three blocks each; Slack takes 50 blocks
_SECTION_LIMIT: Final = (
    3000  # characters of a section, https://api.slack.com/reference/block-kit/blocks
)
COLOURS: Final = {"critical": "#c5221f", "warning": "#e8a200", "info": "#3b78c4"}
GREEN: Final = "#2e9e5b"
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


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


def blocks_of(message: Message) -> list[dict[str, Any]]:
    """Return the blocks of a whole message."""
    blocks = [_small(escape(message.remark))] if message.remark else []
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
    links = [_link(item.page, "Acknowledge or silence")] if item.page else []
    if item.runbook_url.startswith(("http://", "https://")) and len(item.runbook_url) < 300:
        links.append(_link(item.runbook_url, "Runbook"))
    lines += [" · ".join(links)] if links else []
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
