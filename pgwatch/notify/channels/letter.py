"""A message as a letter: plain text, and HTML that looks the same everywhere."""

from html import escape
from typing import Final

from pgwatch.notify.message import Item, Message
from pgwatch.notify.notes import clock_time

_COLOURS: Final = {"critical": "#c5221f", "warning": "#b06f00", "info": "#2b62a8"}
_GREEN: Final = "#1e7b45"
_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_CODE: Final = (
    "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;background:#f4f5f7;"
    "padding:10px 12px;border-radius:6px;white-space:pre-wrap;margin:2px 0 8px"
)


def text(message: Message, group_key: str) -> str:
    """Return the plain text."""
    parts = [message.title]
    parts += [message.remark] if message.remark else []
    parts += [_paragraph(item) for item in message.items]
    parts += [f"and {message.omitted} more"] if message.omitted else []
    parts.append("-- \n" + "\n".join(filter(None, [f"pgwatch {message.link}".strip(), group_key])))
    return "\n\n".join(parts) + "\n"


def facts(item: Item) -> list[tuple[str, str]]:
    """Return what is known of an alert, by name, in the order that matters at night."""
    rows = [("since", clock_time(item.starts_at))]
    if item.ends_at is None:
        rows += [("for", item.lasted), ("value", item.value)]
    else:
        rows += [("ended", clock_time(item.ends_at)), ("lasted", item.lasted)]
        rows.append(("last value", item.value))
    if item.no_data_since is not None:
        rows.append(("no data since", f"{clock_time(item.no_data_since)}: this may have changed"))
    return [*rows, *item.labels]


def _paragraph(item: Item) -> str:
    lines = [("RESOLVED: " if item.resolved else "") + item.headline]
    lines += [f"  {line}" for line in item.description.splitlines()]
    rows = facts(item)
    width = max(len(name) for name, _ in rows)
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    lines += [f"  {note}" for note in item.notes]
    if item.fix and not item.resolved:
        lines += ["  cure:", *(f"      {line}" for line in item.fix.splitlines())]
    if item.evidence:
        lines += ["  when it fired:", *(f"      {line}" for line in item.evidence.splitlines())]
    if item.runbook_url:
        lines.append(f"  runbook: {item.runbook_url}")
    if item.page:
        lines.append(f"  acknowledge or silence: {item.page}")
    return "\n".join(lines)


def html(message: Message, group_key: str) -> str:
    """Return the HTML; everything that comes from labels and annotations is escaped."""
    colour = _GREEN if message.resolved else _COLOURS[message.severity]
    remark = f"<p style='color:#555'>{escape(message.remark)}</p>" if message.remark else ""
    omitted = f"<p>and {message.omitted} more</p>" if message.omitted else ""
    link = _anchor(message.link, "pgwatch") or "pgwatch"
    return (
        "<!doctype html><html><body style='margin:0;padding:16px;background:#ffffff'>"
        f'<div style="{_FONT};font-size:15px;line-height:1.45;color:#1c1e21;max-width:680px">'
        f"<h2 style='font-size:18px;margin:0 0 12px;padding:10px 14px;color:#fff;"
        f"background:{colour};border-radius:6px'>{escape(message.title)}</h2>"
        f"{remark}{''.join(_card(item) for item in message.items)}{omitted}"
        f"<p style='color:#777;font-size:12px'>{link} · {escape(group_key)}</p>"
        "</div></body></html>"
    )


def _card(item: Item) -> str:
    colour = _GREEN if item.resolved else "#1c1e21"
    mark = "Resolved: " if item.resolved else ""
    rows = "".join(
        f"<tr><td style='color:#777;padding:1px 14px 1px 0;vertical-align:top'>{escape(name)}</td>"
        f"<td style='padding:1px 0'>{escape(value)}</td></tr>"
        for name, value in facts(item)
    )
    description = escape(item.description).replace("\n", "<br>")
    fix = ""
    if item.fix and not item.resolved:
        caption = "<div style='color:#777;font-size:14px;margin-top:6px'>cure</div>"
        fix = f"{caption}<pre style='{_CODE}'>{escape(item.fix)}</pre>"
    if item.evidence:
        caption = "<div style='color:#777;font-size:14px;margin-top:6px'>when it fired</div>"
        fix += f"{caption}<pre style='{_CODE}'>{escape(item.evidence)}</pre>"
    notes = "".join(f"<p style='margin:2px 0'>{escape(note)}</p>" for note in item.notes)
    links = (_anchor(item.page, "Acknowledge or silence"), _anchor(item.runbook_url, "Runbook"))
    return (
        "<div style='margin:0 0 18px;border-bottom:1px solid #e4e6ea;padding-bottom:12px'>"
        f"<p style='margin:0 0 4px;font-weight:600;color:{colour}'>{mark}{escape(item.headline)}</p>"
        + (f"<p style='margin:0 0 6px'>{description}</p>" if description else "")
        + f"<table style='border-collapse:collapse;font-size:14px'>{rows}</table>{notes}{fix}"
        f"{' · '.join(filter(None, links))}</div>"
    )


def _anchor(url: str, label: str) -> str:
    if not url.startswith(("http://", "https://")):
        return ""
    return f'<a href="{escape(url)}">{label}</a>'
