"""Slack's mrkdwn as HTML, so that the inbox shows a message as Slack would.

Source: https://docs.slack.dev/messaging/formatting-message-text. Everything is escaped; links are
made of http, https and mailto addresses only.
"""

import html
import re

# What alert messages use of Slack's shortcodes.
_EMOJI = {
    "bell": "🔔",
    "boom": "💥",
    "fire": "🔥",
    "information_source": "ℹ️",
    "large_blue_circle": "🔵",
    "large_green_circle": "🟢",
    "large_orange_circle": "🟠",
    "large_yellow_circle": "🟡",
    "red_circle": "🔴",
    "rotating_light": "🚨",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "wrench": "🔧",
}
_TOKEN = re.compile(r"```(?P<block>.*?)```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\n]+)>", re.DOTALL)
_EMPHASIS = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]*[^*\s])\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]*[^_\s])_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(?=\S)([^~\n]*[^~\s])~(?![\w~])"), r"<del>\1</del>"),
)
_SHORTCODE = re.compile(r":([a-z0-9_+-]+):")
_QUOTE = re.compile(r"^&gt; ?(.*?)$\n?", re.MULTILINE)
_LINKED = ("http://", "https://", "mailto:")
_PLACE = re.compile("\x00(\\d+)\x00")


def mrkdwn_to_html(text: str) -> str:
    """Return `text` with Slack's bold, italic, strike, code, quotes, links and emoji as HTML."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        """Set finished HTML aside: what is inside code and links is not formatted again."""
        kept.append(_token(match))
        return f"\x00{len(kept) - 1}\x00"

    line = _TOKEN.sub(keep, text.replace("\x00", ""))
    line = with_emoji(_escape(line))
    for pattern, replacement in _EMPHASIS:
        line = pattern.sub(replacement, line)
    line = _QUOTE.sub(r"<blockquote>\1</blockquote>", line).replace("\n", "<br>")
    return _PLACE.sub(lambda match: kept[int(match[1])], line)


def with_emoji(text: str) -> str:
    """Return `text` with the shortcodes that are known as their emoji."""
    return _SHORTCODE.sub(lambda match: _EMOJI.get(match[1], match[0]), text)


def safe_link(url: str, label: str) -> str:
    """Return an escaped link, or the escaped label where `url` is not one to follow."""
    if not url.lower().startswith(_LINKED):
        return html.escape(label)
    return f'<a href="{html.escape(url)}" rel="noreferrer">{html.escape(label)}</a>'


def _token(match: re.Match[str]) -> str:
    if match["block"] is not None:
        return f"<pre>{_escape(match['block'].strip(chr(10)))}</pre>"
    if match["code"] is not None:
        return f"<code>{_escape(match['code'])}</code>"
    target, _, label = match["link"].partition("|")
    if target.startswith("!date^"):
        return _escape(label)  # Slack shows it in the reader's time zone; the page has one for all
    if target.startswith(("!", "@", "#")):  # <!here>, <@U123>, <#C123|name>
        return f"<b>{_escape(label or '@' + target.lstrip('!@#'))}</b>"
    if target.lower().startswith(_LINKED):
        return safe_link(_unescape(target), _unescape(label or target))
    return html.escape(_unescape(match[0]))


def _escape(text: str) -> str:
    """Escape for HTML what Slack's sender had to escape already (`&`, `<`, `>`), once and not twice."""
    return html.escape(_unescape(text), quote=False)


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
