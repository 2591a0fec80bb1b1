"""The inbox as one HTML page: messages as Slack and a mail program would show them, newest first.

Everything that arrived is escaped; the page loads nothing from elsewhere and asks for itself again.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from pgwatch.demo.mrkdwn import mrkdwn_to_html, safe_link, with_emoji
from pgwatch.demo.received import Email, Message, SlackMessage, WebhookMessage

REFRESH_S = 3

# Slack's names for an attachment's colour.
_COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}
_HEX_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})")
_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]")

_STYLE = Path(__file__).with_name("inbox.css").read_text()


def inbox_page(messages: Sequence[Message]) -> str:
    """Return the page of `messages`, which are newest first."""
    slack = [_slack(message) for message in messages if isinstance(message, SlackMessage)]
    threads = _threads([message for message in messages if isinstance(message, Email)])
    mail = [_thread(thread) for thread in threads]
    hooks = [_webhook(message) for message in messages if isinstance(message, WebhookMessage)]
    columns = _column("Slack", slack) + _column("E-mail", mail)
    if hooks:
        columns += _column("Webhook", hooks)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_S}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>({len(messages)}) pgwatch demo inbox</title><style>{_STYLE}</style></head><body>
<header><h1>Inbox</h1><p>what Slack and the mail server would have received · newest first</p></header>
<main>{columns}</main></body></html>
"""


def _column(title: str, entries: Sequence[str]) -> str:
    shown = "".join(entries) or '<article class="empty">nothing yet</article>'
    return f'<div><h2>{title} <span class="count">{len(entries)}</span></h2>{shown}</div>'


def _time(message: Message) -> str:
    return f"<time>{message.at:%H:%M:%S}</time>"


def _slack(message: SlackMessage) -> str:
    payload = message.payload
    name = html.escape(_text(payload.get("username")) or "pgwatch")
    channel = html.escape(_text(payload.get("channel")))
    place = f' <span class="count">{channel}</span>' if channel else ""
    body = _blocks(payload.get("blocks")) or _lead(payload)
    attachments = "".join(_attachment(entry) for entry in _mappings(payload.get("attachments")))
    return (
        f'<article class="slack"><div class="avatar">pg</div><div><b>{name}</b>{place}{_time(message)}'
        f"{body}{attachments}</div></article>"
    )


def _lead(payload: Mapping[str, Any]) -> str:
    text = _text(payload.get("text"))
    return f'<div class="section">{mrkdwn_to_html(text)}</div>' if text else ""


def _attachment(entry: Mapping[str, Any]) -> str:
    colour = _text(entry.get("color"))
    known = _COLOURS.get(colour)
    if known is None and (match := _HEX_COLOUR.fullmatch(colour)):
        known = f"#{match[1]}"
    style = f' style="border-color: {known}"' if known else ""
    blocks = _blocks(entry.get("blocks"))
    body = blocks or _legacy_attachment(entry)
    return f'<div class="attached"{style}>{body}</div>'


def _legacy_attachment(entry: Mapping[str, Any]) -> str:
    """Show what attachments had before blocks, as Alertmanager still sends it."""
    title, link = _text(entry.get("title")), _text(entry.get("title_link"))
    text = _text(entry.get("text")) or _text(entry.get("fallback"))
    fields = "".join(
        f"<div><b>{html.escape(_text(field.get('title')))}</b><br>{mrkdwn_to_html(_text(field.get('value')))}</div>"
        for field in _mappings(entry.get("fields"))
    )
    return (
        (f'<div class="header">{safe_link(link, title)}</div>' if title else "")
        + (f'<div class="section">{mrkdwn_to_html(text)}</div>' if text else "")
        + (f'<div class="fields">{fields}</div>' if fields else "")
        + (
            f'<div class="context">{html.escape(_text(entry["footer"]))}</div>'
            if entry.get("footer")
            else ""
        )
    )


def _blocks(blocks: object) -> str:
    return "".join(_block(block) for block in _mappings(blocks))


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "header":
            return f'<div class="header">{_text_object(block.get("text"))}</div>'
        case "section":
            fields = "".join(
                f"<div>{_text_object(field)}</div>" for field in _mappings(block.get("fields"))
            )
            return (
                (
                    f'<div class="section">{_text_object(block["text"])}</div>'
                    if block.get("text")
                    else ""
                )
                + (f'<div class="fields">{fields}</div>' if fields else "")
                + _element(block.get("accessory"))
            )
        case "context":
            return f'<div class="context">{" ".join(map(_element, _mappings(block.get("elements"))))}</div>'
        case "actions":
            return "".join(map(_element, _mappings(block.get("elements"))))
        case "divider":
            return "<hr>"
        case _:
            return f"<pre>{html.escape(json.dumps(block, indent=1, ensure_ascii=False))}</pre>"


def _element(element: object) -> str:
    if not isinstance(element, Mapping):
        return ""
    if element.get("type") == "button":
        label = element.get("text")
        text = _text(label.get("text")) if isinstance(label, Mapping) else ""
        return (
            f'<span class="button">{safe_link(_text(element.get("url")), with_emoji(text))}</span>'
        )
    return _text_object(element)


def _text_object(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    text = _text(value.get("text"))
    if value.get("type") == "mrkdwn":
        return mrkdwn_to_html(text)
    return html.escape(with_emoji(text)).replace("\n", "<br>")


def _threads(emails: Iterable[Email]) -> list[list[Email]]:
    """Return the conversations, the one with the newest message first, each newest first."""
    threads: dict[str, list[Email]] = {}
    for email in emails:
        threads.setdefault(email.thread, []).append(email)
    return list(threads.values())


def _thread(emails: Sequence[Email]) -> str:
    title = _header(emails[0].message, "Subject")
    count = f' <span class="count">{len(emails)}</span>' if len(emails) > 1 else ""
    shown = "".join(_email(email, title) for email in emails)
    return f'<article class="mail"><h3>{html.escape(title)}{count}</h3>{shown}</article>'


def _email(email: Email, title: str) -> str:
    subject = _header(email.message, "Subject")
    heading = "" if subject == title else f"<b>{html.escape(subject)}</b>"
    addresses = " → ".join(html.escape(_header(email.message, name)) for name in ("From", "To"))
    return (
        f'<section>{heading}<div class="address">{addresses}{_time(email)}</div>'
        f"<pre>{_linked(_body(email))}</pre></section>"
    )


def _body(email: Email) -> str:
    part = email.message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content()).strip()
    except (LookupError, UnicodeError, ValueError):  # an unknown charset or encoding
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", errors="replace") if isinstance(payload, bytes) else ""


def _linked(text: str) -> str:
    """Escape `text` and make its http addresses links."""
    shown, end = [], 0
    for match in _URL.finditer(text):
        shown += [html.escape(text[end : match.start()]), safe_link(match[0], match[0])]
        end = match.end()
    return "".join([*shown, html.escape(text[end:])])


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, "")) or f"(no {name.lower()})"


def _webhook(message: WebhookMessage) -> str:
    payload = message.payload
    status = "firing" if payload.get("status") == "firing" else "resolved"
    names = [_alert_name(alert) for alert in _mappings(payload.get("alerts"))]
    receiver = html.escape(_text(payload.get("receiver")))
    source = html.escape(json.dumps(payload, indent=2, ensure_ascii=False))
    return (
        f'<article><span class="status {status}">{status}</span> <b>{receiver}</b>'
        f'{_time(message)}<div class="section">{"<br>".join(names)}</div>'
        f"<details><summary>JSON</summary><pre>{source}</pre></details></article>"
    )


def _alert_name(alert: Mapping[str, Any]) -> str:
    for kind, name in (("annotations", "summary"), ("labels", "alertname")):
        values = alert.get(kind)
        if isinstance(values, Mapping) and values.get(name):
            return html.escape(_text(values[name]))
    return "an alert without a name"


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON list, and nothing where it is something else."""
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
