"""Findings that a person has accepted for now: the key `ignore` of pgwatch.yml."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One accepted finding: a rule's name and labels that it must have, until a day."""

    check: str
    labels: Mapping[str, str] = field(default_factory=dict)
    until: date | None = None  # inclusive, UTC; None: for ever
    reason: str = ""

    def covers(self, check: str, labels: Mapping[str, str], now: datetime) -> bool:
        """Return whether a finding of `check` with `labels` is accepted at `now`."""
        if check != self.check or (self.until is not None and now.date() > self.until):
            return False
        return all(labels.get(name, "") == value for name, value in self.labels.items())


def accepted_by(
    accepted: Iterable[Accepted], check: str, labels: Mapping[str, str], now: datetime
) -> Accepted | None:
    """Return the first entry that covers the finding, None if nobody accepted it."""
    return next((entry for entry in accepted if entry.covers(check, labels, now)), None)
