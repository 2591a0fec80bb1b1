"""Statements before and since: by what their texts say, whatever became of their queryids. Pure.

pg_stat_statements only counts up, so what happened since the baseline is a difference, row by row. A row
that is gone or began anew was thrown away or reset: what it counted in between nobody knows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgwatch.baseline.compared import (
    Change,
    Compared,
    Limits,
    State,
    at,
    count,
    duration,
    skipped,
    unknown,
)
from pgwatch.baseline.model import Entry, Statement, Statements, Untold
from pgwatch.rules.rule import Severity

# All statements together are slower only if that cost anybody something worth a red light.
_OVERALL_CALLS, _OVERALL_SECONDS = 200, 1.0
_SHOWN = 300  # characters of a text
_EARLIER = 1e-6  # seconds by which rounding may make a counter smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """One statement before the baseline and since."""

    statement: Statement  # as it was then
    calls: int  # since
    seconds: float  # since
    told: bool  # False: rows of it were thrown away or reset

    @property
    def before(self) -> float:
        """The mean time before."""
        return self.statement.seconds / self.statement.calls

    @property
    def after(self) -> float:
        """The mean time since."""
        return self.seconds / self.calls


def compare_statements(
    old: Statements | Untold | None, new: Statements | Untold | None, limits: Limits
) -> Compared:
    """Return the statements that became slower."""
    if isinstance(both := _readable(old, new), Compared):
        return both
    every = _since(*both)
    judged = _judged(every, limits)
    slower = sorted(
        (one for one in judged if _differs(one.before, one.after, limits)), key=_cost, reverse=True
    )
    reasons = [*_doubts(every, *both)]
    changes = tuple(_change(one) for one in slower)
    if reasons:
        return Compared(changes=changes, state=State.UNKNOWN, reason="; ".join(reasons))
    if not judged:
        return skipped(_too_few(limits))
    faster = sum(_differs(one.after, one.before, limits) for one in judged)
    told = f"{count(len(judged), 'statement')} compared: {faster} faster, {len(slower)} slower"
    return Compared(changes=changes, reason=told)


def compare_performance(
    old: Statements | Untold | None, new: Statements | Untold | None, limits: Limits
) -> Compared:
    """Return whether all statements together became slower, or less fast than was asked for.

    Each statement counts by its calls since: the time that they took, beside the time that the same calls
    would have taken before.
    """
    if isinstance(both := _readable(old, new), Compared):
        return both
    every = _since(*both)
    if reasons := list(_doubts(every, *both)):
        return unknown("; ".join(reasons))
    judged = _judged(every, limits)
    expected = sum(one.calls * one.before for one in judged)
    took = sum(one.seconds for one in judged)
    if not expected or not took:
        return skipped(_too_few(limits))
    calls = sum(one.calls for one in judged)
    of = f"{count(calls, 'call')} of {count(len(judged), 'statement')}"
    saved = 1 - took / expected
    word = f"{saved:.0%} less" if saved >= 0 else f"{-saved:.0%} more"
    told = f"{of} took {word} time than before ({duration(took)}, then {duration(expected)})"
    labels = {"problem": "slower"}
    grave = calls >= _OVERALL_CALLS and took - expected >= _OVERALL_SECONDS
    if took >= limits.slower * expected and grave:
        slow = Change(summary=told, severity=Severity.CRITICAL, labels=labels, value=-saved)
        return Compared(changes=(slow,))
    if limits.improvement is not None and saved < limits.improvement:
        less = Change(
            summary=f"{told}; {limits.improvement:.0%} less is asked for",
            severity=Severity.WARNING,
            labels={"problem": "not_improved"},
            value=-saved,
        )
        return Compared(changes=(less,))
    return Compared(reason=told)


def _readable(
    old: Statements | Untold | None, new: Statements | Untold | None
) -> tuple[Statements, Statements] | Compared:
    """Return both sides, or why they cannot be compared."""
    if isinstance(old, Untold):
        return unknown(f"the baseline has no statements: {old.unknown}")
    if isinstance(new, Untold):
        return unknown(new.unknown, new.cure)
    if old is None:
        return skipped("the baseline has no statements, as pg_stat_statements was not there")
    if new is None:
        return unknown("pg_stat_statements is not there any more")
    reason = _incomparable(old, new)
    return unknown(reason) if reason else (old, new)


def _incomparable(old: Statements, new: Statements) -> str:
    if old.grammar != new.grammar:
        versions = f"{old.grammar}, now {new.grammar}"
        return f"the baseline's fingerprints are another version's: {versions}"
    if old.stats_reset != new.stats_reset:
        when = f" at {at(new.stats_reset)}" if new.stats_reset is not None else ""
        return f"pg_stat_statements was reset{when}, since the baseline"
    return ""


def _since(old: Statements, new: Statements) -> list[Since]:
    now = {statement.key: statement for statement in new.items}
    return [_difference(before, now.get(before.key)) for before in old.items]


def _difference(before: Statement, now: Statement | None) -> Since:
    entries = {entry.queryid: entry for entry in (now.entries if now else ())}
    calls, seconds, told = 0, 0.0, True
    for entry in before.entries:
        current = entries.pop(entry.queryid, None)
        if current is None or _began_anew(entry, current):
            told = False
            continue
        calls += current.calls - entry.calls
        seconds += max(0.0, current.seconds - entry.seconds)
    # Under another queryid, after its table changed: all of it is since.
    calls += sum(entry.calls for entry in entries.values())
    seconds += sum(entry.seconds for entry in entries.values())
    return Since(statement=before, calls=calls, seconds=seconds, told=told)


def _began_anew(before: Entry, now: Entry) -> bool:
    if before.since is not None and now.since is not None:
        return now.since != before.since
    return now.calls < before.calls or now.seconds < before.seconds - _EARLIER


def _doubts(every: Sequence[Since], old: Statements, new: Statements) -> Iterator[str]:
    lost = sum(not one.told for one in every)
    thrown = (new.dealloc or 0) - (old.dealloc or 0)
    if thrown:
        times = count(thrown, "time")
        yield f"pg_stat_statements threw statements away {times} since the baseline (its max is too low)"
    if lost:
        are = "is" if lost == 1 else "are"
        yield f"{count(lost, 'statement')} of the baseline {are} gone or began anew"


def _judged(every: Sequence[Since], limits: Limits) -> list[Since]:
    least = max(1, limits.min_calls)
    return [
        one for one in every if one.told and one.statement.calls >= least and one.calls >= least
    ]


def _differs(less: float, more: float, limits: Limits) -> bool:
    """Return whether the mean time `more` is more than `less` by what counts as a difference."""
    return more >= limits.slower * less and more - less >= limits.slower_by.total_seconds()


def _cost(one: Since) -> float:
    return (one.after - one.before) * one.calls


def _too_few(limits: Limits) -> str:
    return f"no statement was called {limits.min_calls} times before the baseline and since"


def _change(one: Since) -> Change:
    statement = one.statement
    text = statement.text or f"statement {statement.fingerprint}"
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    times = f", {one.after / one.before:.1f} times" if one.before else ""
    return Change(
        summary=f"{duration(one.after)} a call, {duration(one.before)} before{times}: {shown}",
        severity=Severity.WARNING,
        labels={
            "fingerprint": statement.fingerprint,
            "user": statement.user,
            "toplevel": str(statement.toplevel).lower(),
            "problem": "slower",
        },
        description=f"by {statement.user}, {count(one.calls, 'call')} since, {statement.calls:,} before",
        value=one.after,
        object=statement.fingerprint,
    )
