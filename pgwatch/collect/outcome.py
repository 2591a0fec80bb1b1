"""How a run of a query ended: a closed set, in which "could not tell" is never an empty answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pgwatch.samples.sample import Collected, Source


class OutcomeKind(StrEnum):
    """The label `outcome` of `pgwatch_query_outcomes_total`."""

    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"
    DENIED = "denied"
    NOT_APPLICABLE = "not_applicable"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The server answered; no rows is an answer too."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    elapsed: timedelta
    kind: OutcomeKind = OutcomeKind.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """The statement was cancelled (by the server, or given up by us) after `limit`."""

    limit: timedelta
    reason: str
    kind: OutcomeKind = OutcomeKind.TIMED_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A lock was not granted within lock_timeout; who holds it, where that could be learned."""

    reason: str
    pid: int | None = None  # the blocker's
    query: str = ""  # what it runs, shortened
    since: timedelta | None = None  # how long its transaction has been open
    kind: OutcomeKind = OutcomeKind.BLOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Our role may not see this (SQLSTATE 42501, or a declared privilege is missing)."""

    reason: str
    grant: str  # the exact SQL that cures it, such as `GRANT pg_monitor TO pgwatch;`
    kind: OutcomeKind = OutcomeKind.DENIED


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """The query does not apply here: version, role, extension, relation or setting."""

    reason: str
    kind: OutcomeKind = OutcomeKind.NOT_APPLICABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No session: refused, silent, wrong password, too many connections, or it broke."""

    reason: str
    sqlstate: str = ""
    kind: OutcomeKind = OutcomeKind.UNREACHABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The server refused the statement for another reason; `sqlstate` says which."""

    reason: str
    sqlstate: str = ""
    kind: OutcomeKind = OutcomeKind.FAILED


Outcome = Answered | TimedOut | Blocked | Denied | NotApplicable | Unreachable | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRun:
    """One run of one query or probe: how it ended, and what it brought if it was answered."""

    source: Source
    outcome: Outcome
    collected: Collected | None  # None unless answered
    time_ms: int  # Unix time at which the run began
    elapsed_seconds: float
