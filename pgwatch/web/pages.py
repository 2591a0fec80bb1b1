"""The status page as HTML: values in, text out. Pure; works without scripts and external parts."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape

from pgwatch.alerts.alert import AlertState
from pgwatch.collect.outcome import OutcomeKind
from pgwatch.units import format_duration
from pgwatch.web.style import STYLE
from pgwatch.web.view import (
    AlertView,
    Level,
    ProbeView,
    QueryView,
    StatusView,
    TargetView,
    headline,
    in_order,
)

REFRESH_SECONDS = 15
MAX_ALERTS = 200  # shown; a thousand cards help nobody, and the page is rendered on the event loop
_SEVERITY_LEVELS = {"critical": Level.FAIL, "warning": Level.WARN}


def status_page(view: StatusView) -> str:
    """Return the whole page."""
    head = headline(view)
    parts = [
        _header(view),
        f'<div class="card headline {head.level}"><b>{head.level}</b>{escape(head.text)}</div>',
        *(f'<div class="card warn"><span class="mark">pgwatch</span> {escape(problem)}</div>'
          for problem in view.problems),
        _section("Alerts", _alerts(view)),
        _section("Targets", _targets(view)),
        _section("HTTP probes", _probes(view)) if view.probes else "",
        _section("Queries", _queries(view)) if view.targets else "",
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{head.level} · pgwatch</title><style>{STYLE}</style></head>\n<body>"
        + "\n".join(part for part in parts if part)
        + "</body></html>\n"
    )


def _header(view: StatusView) -> str:
    undelivered = (
        f'<span class="mark warn">{view.undelivered} notifications wait to be delivered</span>'
        if view.undelivered
        else ""
    )
    return (
        f'<header><h1>pgwatch</h1><span class="quiet">{escape(view.version)}</span>'
        f'<span class="quiet small">up for {_ago(view.now, view.started)}, '
        f"as of {view.now:%Y-%m-%d %H:%M:%S} UTC</span>{undelivered}"
        '<nav class="small"><a href="graph">query</a> · <a href="metrics">metrics</a> · '
        '<a href="-/ready">ready</a></nav></header>'
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _alerts(view: StatusView) -> str:
    if not view.alerts:
        return '<p class="quiet">None is pending or firing.</p>'
    shown = in_order(view.alerts)[:MAX_ALERTS]
    left_out = len(view.alerts) - len(shown)
    more = f'<p class="quiet">and {left_out} more</p>' if left_out else ""
    return "".join(alert_card(alert, view.now, with_link=True) for alert in shown) + more


def alert_card(alert: AlertView, now: datetime, *, with_link: bool = False) -> str:
    """Return `alert` as a card; `with_link` to its own page, seen from the status page."""
    level = _SEVERITY_LEVELS.get(alert.severity, Level.UNKNOWN)
    pending = " pending" if alert.state is AlertState.PENDING else ""
    # Its text is written for the time when it fires, such as "has not been refreshed for a day".
    lead = '<span class="quiet">once it fires:</span> ' if pending else ""
    no_data = (
        f'<span class="mark unknown">no data for {_ago(now, alert.no_data_since)}</span>'
        if alert.no_data_since is not None
        else ""
    )
    marks = no_data
    if alert.quiet:
        marks += f'<span class="mark unknown">{escape(alert.quiet)}</span>'
    if alert.owner:
        comment = f": {alert.owner_comment}" if alert.owner_comment else ""
        marks += f'<span class="mark">{escape(alert.owner)} looks after it{escape(comment)}</span>'
    evidence = (
        f"<details><summary>when it fired</summary><pre>{escape(alert.evidence)}</pre></details>"
        if alert.evidence
        else ""
    )
    own_page = ""
    if with_link and alert.identity and not pending:
        words = "acknowledge or silence" if not alert.owner else "silence"
        address = f"alert/{alert.identity.fingerprint()}"
        own_page = f'<p class="small"><a href="{address}">{words}</a></p>'
    labels = "".join(
        f"<code>{escape(name)}={escape(value)}</code>" for name, value in alert.labels.items()
    )
    return (
        f'<article class="card alert {level}{pending}"><div class="row">'
        f'<span class="mark">{escape(alert.severity)}</span><strong>{escape(alert.name)}</strong>'
        f'<span class="quiet">{alert.state} for {_ago(now, alert.since)}</span>{marks}'
        f'<span class="end quiet small">{_value(alert)}</span></div>'
        + (f"<p>{lead}{escape(alert.summary)}</p>" if alert.summary else "")
        + (f'<p class="quiet small">{escape(alert.description)}</p>' if alert.description else "")
        + (f"<pre>{escape(alert.fix)}</pre>" if alert.fix else "")
        + f'{evidence}<div class="labels">{labels}</div>{own_page}</article>'
    )


def _value(alert: AlertView) -> str:
    value = f"value {_number(alert.value)}"
    return f'<a href="{escape(alert.query_url)}">{value}</a>' if alert.query_url else value


def _targets(view: StatusView) -> str:
    if not view.targets:
        return '<p class="quiet">None is configured.</p>'
    head = "<tr><th>target</th><th>state</th><th>role</th><th>version</th><th>queries</th></tr>"
    return _table(head, (_target(target) for target in view.targets))


def _target(target: TargetView) -> str:
    level = {True: Level.PASS, False: Level.FAIL, None: Level.UNKNOWN}[target.up]
    word = {True: "up", False: "down", None: "not tried yet"}[target.up]
    why = target.error or target.unwatched
    error = f'<br><span class="small">{escape(why)}</span>' if why else ""
    answered = sum(query.outcome is OutcomeKind.ANSWERED for query in target.queries)
    untold = sum(query.untold for query in target.queries)
    counts = f"{answered} answered"
    if untold:
        counts += f', <span class="mark unknown">{untold} could not tell</span>'
    return (
        f"<tr><td><strong>{escape(target.name)}</strong>"
        f'<br><span class="quiet small">{escape(target.instance)}</span></td>'
        f'<td class="{level}"><span class="mark">{word}</span>{error}</td>'
        f"<td>{escape(target.role)}</td><td>{escape(target.version)}</td><td>{counts}</td></tr>"
    )


def _probes(view: StatusView) -> str:
    head = (
        '<tr><th>probe</th><th>state</th><th class="number">took</th>'
        '<th class="number">age</th></tr>'
    )
    return _table(head, (_probe(probe, view.now) for probe in view.probes))


def _probe(probe: ProbeView, now: datetime) -> str:
    level = {True: Level.PASS, False: Level.FAIL, None: Level.UNKNOWN}[probe.success]
    word = {True: "answers", False: "fails", None: "not tried yet"}[probe.success]
    return (
        f"<tr><td><strong>{escape(probe.name)}</strong></td>"
        f'<td class="{level}"><span class="mark">{word}</span> {escape(probe.reason)}</td>'
        f"{_took(probe.at, probe.elapsed, now)}</tr>"
    )


def _queries(view: StatusView) -> str:
    """Return a table for each target, closed where there is nothing to see."""
    head = (
        '<tr><th>query</th><th>outcome</th><th class="number">series</th>'
        '<th class="number">took</th><th class="number">age</th></tr>'
    )
    parts = []
    for target in view.targets:
        untold = sum(query.untold for query in target.queries)
        note = f' <span class="mark unknown">{untold} could not tell</span>' if untold else ""
        rows = _table(head, (_query(query, view.now) for query in _worst_first(target.queries)))
        parts.append(
            f'<details class="card"{" open" if untold else ""}><summary>{escape(target.name)} '
            f'<span class="quiet">{len(target.queries)} queries</span>{note}</summary>{rows}</details>'
        )
    return "".join(parts)


def _worst_first(queries: Iterable[QueryView]) -> list[QueryView]:
    return sorted(queries, key=lambda query: (not query.untold, query.name, query.database))


def _query(query: QueryView, now: datetime) -> str:
    level, word = Level.UNKNOWN, "not run yet"
    if query.outcome is not None:
        level = Level.UNKNOWN if query.untold else Level.PASS
        word = query.outcome.replace("_", " ")
    quiet = "quiet" if query.outcome is OutcomeKind.NOT_APPLICABLE else "mark"
    database = f' <span class="quiet">{escape(query.database)}</span>' if query.database else ""
    dropped = f' <span class="mark warn">({query.dropped} dropped)</span>' if query.dropped else ""
    return (
        f'<tr><td>{escape(query.name)}{database}</td><td class="{level}">'
        f'<span class="{quiet}">{word}</span> <span class="small">{escape(query.reason)}</span>'
        + (f"<pre>{escape(query.fix)}</pre>" if query.fix else "")
        + f'</td><td class="number">{query.series}{dropped}</td>'
        f"{_took(query.at, query.elapsed, now)}</tr>"
    )


def _took(at: datetime | None, elapsed: timedelta, now: datetime) -> str:
    took = "" if at is None else f"{elapsed / timedelta(milliseconds=1):.0f} ms"
    age = "" if at is None else _ago(now, at)
    return f'<td class="number">{took}</td><td class="number">{age}</td>'


def _table(head: str, rows: Iterable[str]) -> str:
    return f'<div class="scroll"><table class="small">{head}{"".join(rows)}</table></div>'


def _ago(now: datetime, then: datetime) -> str:
    """Return how long ago `then` was, in its two largest units."""
    seconds = max(0, round((now - then).total_seconds()))
    unit = next((size for size in (86_400, 3_600, 60) if seconds >= size), 1)
    rounded = seconds - seconds % {86_400: 3_600, 3_600: 60, 60: 1, 1: 1}[unit]
    return format_duration(timedelta(seconds=rounded))


def _number(value: float) -> str:
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"
