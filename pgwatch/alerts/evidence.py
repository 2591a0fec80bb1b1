"""The rows behind an alert, as they were when it fired."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a query of the catalogue answered; few and short enough for a message."""

    query: str  # `<pack>/<name>`
    at: datetime
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    omitted: int = 0  # rows that are left out
    note: str = ""  # why there are no rows
