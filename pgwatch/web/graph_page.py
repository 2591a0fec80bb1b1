"""The page behind the link of an alert: an expression and what it is now. Pure, like `pages`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from pgwatch.promql.format import api_number
from pgwatch.samples.labels import Labels
from pgwatch.web.style import STYLE

MAX_ROWS = 1_000  # shown of one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One expression and its answer."""

    query: str
    rows: Sequence[tuple[Labels, float]] = ()
    text: str = ""  # the answer of an expression that is a string
    notes: Sequence[str] = ()  # what to know about the answer
    error: str = ""


def graph_page(panels: Sequence[Panel], now: datetime) -> str:
    """Return the page with a field and a table for each expression."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>query · pgwatch</title><style>{STYLE}{_STYLE}</style></head>\n<body>"
        '<header><h1>pgwatch</h1><span class="quiet small">'
        f"as of {now:%Y-%m-%d %H:%M:%S} UTC</span>"
        '<nav class="small"><a href="./">status</a></nav></header>'
        + "".join(_panel(panel) for panel in panels or [Panel(query="")])
        + "</body></html>\n"
    )


def _panel(panel: Panel) -> str:
    return (
        '<section><form action="graph"><label class="quiet small" for="expr">PromQL</label>'
        f'<textarea id="expr" name="g0.expr" rows="{2 + panel.query.count(chr(10))}">'
        f"\n{escape(panel.query)}</textarea><button>Ask</button></form>"
        + "".join(f'<p class="quiet small">{escape(note)}</p>' for note in panel.notes)
        + (_answer(panel) if panel.query else "")
        + "</section>"
    )


def _answer(panel: Panel) -> str:
    if panel.error:
        return f'<div class="card fail"><span class="mark">error</span> {escape(panel.error)}</div>'
    if panel.text:
        return f'<div class="card">{escape(panel.text)}</div>'
    if not panel.rows:
        return '<div class="card quiet">no series: nothing answers it now</div>'
    rows = "".join(
        f"<tr><td><code>{escape(repr(labels))}</code></td>"
        f'<td class="number">{api_number(value)}</td></tr>'
        for labels, value in panel.rows[:MAX_ROWS]
    )
    left_out = len(panel.rows) - MAX_ROWS
    more = f'<p class="quiet">and {left_out} more series</p>' if left_out > 0 else ""
    head = '<tr><th>series</th><th class="number">value</th></tr>'
    return f'<div class="card scroll"><table class="small">{head}{rows}</table>{more}</div>'


_STYLE = """
form { display: grid; gap: .25rem; margin-top: 1rem; }
textarea { font: .87rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; padding: .4rem .6rem; width: 100%;
  color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .25rem; }
"""
