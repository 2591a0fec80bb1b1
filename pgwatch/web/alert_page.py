"""The page of one alert, where a message leads: who looks after it, and forms to say so. Pure."""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from pgwatch.web.pages import alert_card
from pgwatch.web.style import STYLE
from pgwatch.web.view import AlertView

ACK_TIMES: Final = {"": "as long as it fires", "1h": "1 hour", "4h": "4 hours", "1d": "1 day"}
SILENCE_TIMES: Final = {
    "1h": "1 hour",
    "4h": "4 hours",
    "8h": "8 hours",
    "1d": "1 day",
    "7d": "7 days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """What the page shows at `now`."""

    now: datetime
    fingerprint: str
    alert: AlertView | None  # None: it does not fire
    refusal: str = ""  # why whoever asks may not change anything; empty: he may
    error: str = ""  # what is wrong with what he sent
    user: str = ""  # who asks, if known
    base: str = ""  # leads to /alert/ from where the page is seen: "../" below an alert


def alert_page(page: AlertPage) -> str:
    """Return the page; its forms need no script."""
    name = page.alert.name if page.alert else "not firing"
    error = (
        f'<div class="card fail"><span class="mark">error</span> {escape(page.error)}</div>'
        if page.error
        else ""
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)} · pgwatch</title><style>{STYLE}{_STYLE}</style></head>\n<body>"
        '<header><h1>pgwatch</h1><span class="quiet small">'
        f"as of {page.now:%Y-%m-%d %H:%M:%S} UTC</span>"
        f'<nav class="small"><a href="{page.base}../">status</a></nav></header>'
        f"{error}{_content(page)}</body></html>\n"
    )


def _content(page: AlertPage) -> str:
    if page.alert is None:
        return (
            '<section><div class="card">This alert does not fire, or not any more: there is nothing to '
            "acknowledge. <code>pgwatch history</code> knows what became of it.</div></section>"
        )
    card = f"<section>{alert_card(page.alert, page.now)}</section>"
    if page.refusal:
        return card + f'<p class="quiet">Nothing can be changed here: {escape(page.refusal)}.</p>'
    return card + _release(page) + _acknowledge(page) + _silence(page)


def _acknowledge(page: AlertPage) -> str:
    again = "Take over" if page.alert and page.alert.owner else "Acknowledge"
    return _form(
        page,
        "acknowledge",
        button=again,
        title="I look after it",
        about="It is not repeated until it changes; those who were told of it are told who looks after it.",
        fields=_who(page) + _comment(required=False) + _select("for", ACK_TIMES),
    )


def _silence(page: AlertPage) -> str:
    return _form(
        page,
        "silence",
        button="Silence",
        title="I do not want to hear of it",
        about="Nobody is told of it for this time, except of its end.",
        fields=_who(page) + _comment(required=True) + _select("for", SILENCE_TIMES),
    )


def _release(page: AlertPage) -> str:
    if page.alert is None or not page.alert.owner:
        return ""
    about = f"{page.alert.owner} looks after it."
    return _form(page, "release", button="Nobody looks after it", title="Give it back", about=about)


def _form(
    page: AlertPage, action: str, *, button: str, title: str, about: str, fields: str = ""
) -> str:
    return (
        f'<section><h2>{title}</h2><form method="post" action="{page.base}{page.fingerprint}/{action}">'
        f'<p class="quiet small">{escape(about)}</p>{fields}<button>{button}</button></form></section>'
    )


def _who(page: AlertPage) -> str:
    return (
        f'<label>name <input name="owner" required maxlength="100" value="{escape(page.user)}"'
        ' autocomplete="username"></label>'
    )


def _comment(*, required: bool) -> str:
    need = " required" if required else ""
    return f'<label>comment <input name="comment" maxlength="500"{need}></label>'


def _select(name: str, times: dict[str, str]) -> str:
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in times.items())
    return f'<label>for <select name="{name}">{options}</select></label>'


_STYLE = """
form { display: grid; gap: .5rem; max-width: 32rem; }
label { display: grid; grid-template-columns: 6rem 1fr; align-items: baseline; }
input, select { font: inherit; padding: .25rem .5rem; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .25rem; }
form p { margin: 0; }
"""
