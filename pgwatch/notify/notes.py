"""What a message says about an alert beside what, where and since when, in sentences."""

from datetime import UTC, datetime
from typing import Final

from pgwatch.alerts.evidence import Evidence
from pgwatch.notify.notification import News, NotifiedAlert

_CELL: Final = 60  # characters of a cell of evidence; the last column is only cut by the whole


def clock_time(time: datetime) -> str:
    """Return `time` as people read it: `2026-08-01 03:00:12 UTC`."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def notes(alert: NotifiedAlert) -> tuple[str, ...]:
    """Return the sentences, the most important first."""
    said = []
    if alert.news is News.MISSED:
        said.append("It fired and ended before anything could be told of it.")
    if alert.held_until is not None:
        said.append(
            f"It does not fire at this moment; unless it fires again it is over at "
            f"{clock_time(alert.held_until)}."
        )
    if alert.flaps:
        said.append(f"It comes and goes: {alert.flaps} times lately. Further changes are folded.")
    if alert.quiet_since is not None:
        said.append(f"Not told since {clock_time(alert.quiet_since)}: {alert.quiet_because}.")
    if alert.owner:
        comment = f": {alert.owner_comment}" if alert.owner_comment else ""
        said.append(f"{alert.owner} looks after it{comment}.")
    if alert.ends_at is not None and alert.value_at_recovery is not None:
        said.append(f"Value at recovery: {alert.value_at_recovery:.6g}.")
    return tuple(said)


def evidence_text(evidence: Evidence, limit: int) -> str:
    """Return the rows as lines of a table of at most `limit` characters."""
    lines = [f"{evidence.query} at {clock_time(evidence.at)}"]
    if evidence.note:
        lines.append(evidence.note)
    rows = [evidence.columns, *evidence.rows] if evidence.rows else []
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [min(_CELL, max(map(len, column))) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [
            f"{_cut(cell, width):<{width}}" for cell, width in zip(row[:-1], widths, strict=False)
        ]
        lines.append("  ".join([*padded, row[-1]]).rstrip())
    if evidence.omitted:
        lines.append(f"and {evidence.omitted} more rows")
    return _cut("\n".join(lines), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
