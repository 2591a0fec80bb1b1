"""The rows behind an alert, as they were when it fired: few, short, and without passwords."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pgwatch.samples.labels import Labels
from pgwatch.secret import mask_passwords

_ROWS: Final = 5
_CELL: Final = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a query of the catalogue answered."""

    query: str  # `<pack>/<name>`
    at: datetime
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    omitted: int = 0  # rows that are left out
    note: str = ""  # why there are no rows


def evidence_of(
    labels: Labels,
    query: str,
    at: datetime,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> Evidence:
    """Return the `rows` that belong to the alert with `labels`.

    Those in which each column that is also a label has the label's value; if there are none, all of them.
    Columns that are empty in all are left out.
    """
    texts = [[_text(value) for value in row] for row in rows]
    shared = [(place, labels[name]) for place, name in enumerate(columns) if name in labels]
    own = [row for row in texts if all(row[place] == value for place, value in shared)] or texts
    shown = own[:_ROWS]
    filled = [place for place in range(len(columns)) if any(row[place] for row in shown)]
    return Evidence(
        query=query,
        at=at,
        columns=tuple(columns[place] for place in filled) if shown else (),
        rows=tuple(tuple(row[place] for place in filled) for row in shown),
        omitted=len(own) - len(shown),
        note="" if shown else "no rows any more",
    )


def _text(value: object) -> str:
    text = "" if value is None else mask_passwords(str(value))
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
