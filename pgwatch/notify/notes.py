"""What a message says about an alert beside what, where and since when, in sentences."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pgwatch.alerts.evidence import Evidence
from pgwatch.notify.notification import News, NotifiedAlert

_LINE: Final = 72  # characters that mail and Slack show in one line


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
    """Return the rows as lines of at most `limit` characters together.

    They are a table, or where that is wider than a message shows, one line for each cell.
    """
    lines = [f"{evidence.query} at {clock_time(evidence.at)}"]
    if evidence.note:
        lines.append(evidence.note)
    rows = [[" ".join(cell.split()) for cell in row] for row in evidence.rows]
    if rows:
        table = _table([list(evidence.columns), *rows])
        fits = max(map(len, table)) <= _LINE
        lines += table if fits else _records(evidence.columns, rows)
    if evidence.omitted:
        lines.append(f"and {evidence.omitted} more row{'' if evidence.omitted == 1 else 's'}")
    return _cut("\n".join(lines), limit)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(len, columns))
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        lines += [
            f"{name:<{width}}  {cell}" for name, cell in zip(columns, row, strict=True) if cell
        ]
    return lines


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
