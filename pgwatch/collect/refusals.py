"""Statements that the server refused a short time ago: each new attempt would write to its log."""

from dataclasses import dataclass
from datetime import timedelta

from pgwatch.collect.execute import before_asking
from pgwatch.collect.outcome import Denied, NotApplicable, Outcome
from pgwatch.queries.query import Query, Runnable
from pgwatch.targets.target import ServerInfo

REST = timedelta(minutes=5)  # until it is asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    outcome: Denied | NotApplicable
    info: ServerInfo  # what was known of the server when it refused
    until: float


class Refusals:
    """The last refusals of one target's databases; `now` is in seconds of a clock that never steps back."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], _Refusal] = {}

    def last(
        self, database: str, query: Query, info: ServerInfo | None, *, now: float
    ) -> Outcome | None:
        """Return how `query` was refused, None if it should be asked (again).

        It should after REST, and at once when what is known of the server has changed: a membership,
        an extension, the version.
        """
        refusal = self._last.get((database, query.name))
        if refusal is None or now > refusal.until or refusal.info != info:
            return None
        return refusal.outcome

    def remember(
        self,
        database: str,
        query: Query,
        outcome: Outcome,
        info: ServerInfo | None,
        *,
        now: float,
    ) -> None:
        """Keep `outcome` if it is a refusal by the server itself, and not one of our own plan."""
        self._last.pop((database, query.name), None)
        if info is None or not isinstance(outcome, Denied | NotApplicable):
            return
        if isinstance(before_asking(query, info), Runnable):
            self._last[database, query.name] = _Refusal(
                outcome=outcome, info=info, until=now + REST.total_seconds()
            )

    def forget(self, database: str) -> None:
        """Keep nothing of `database`."""
        for key in [key for key in self._last if key[0] == database]:
            del self._last[key]
