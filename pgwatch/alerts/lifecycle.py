"""From the findings of an alerting rule to its alerts: a pure state machine.

It is Prometheus's (`rules/alerting.go`, `Eval`), with two differences. An alert ends only because an
evaluation on fresh data did not find it: while the rule cannot be evaluated, or a source that fed the alert
does not answer, the alert stays as it was and says since when; `for` and `keep_firing_for` do not count
that time. And a longer `for` does not turn a firing alert back to pending, since it was announced.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.rules.evaluate import Evaluation, Finding
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

RESOLVED_RETENTION = timedelta(
    minutes=15
)  # as long as Prometheus keeps and re-sends resolved alerts


class ChangeKind(StrEnum):
    """What happened to an alert in one step."""

    PENDING = "pending"  # found for the first time, its `for` is not over
    FIRED = "fired"
    RESOLVED = "resolved"
    DROPPED = "dropped"  # was pending and is gone
    HELD = "held"  # no data about it, from now on
    SEEN_AGAIN = "seen again"  # there is data about it again, and it is still found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One alert that a step changed."""

    kind: ChangeKind
    alert: Alert  # after the step; of a dropped one, as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The alerts of a rule after one evaluation, and what is new about them."""

    alerts: tuple[Alert, ...]  # in label order; with those that resolved in the last 15 minutes
    changes: tuple[Change, ...] = ()


def step(
    rule: AlertingRule,
    previous: Iterable[Alert],
    evaluation: Evaluation | None,
    *,
    now: datetime,
    silent: Collection[Source] = (),
    generator_url: str = "",
) -> Step:
    """Return the alerts of `rule` after the evaluation of `now`.

    `previous` are those after the step before, or of a saved state, each label set once. `evaluation` is
    None where the evaluation failed, also for being over its limit. `silent` are the sources that have no
    usable answer at `now` (after a start: all that have not answered yet), with the recording rules that
    they feed. `generator_url` leads to the expression.
    """
    alerts = {alert.labels: alert for alert in previous}
    found = {} if evaluation is None else {one.labels: one for one in evaluation.findings}
    sources = frozenset[Source]() if evaluation is None else evaluation.sources
    after: list[Alert] = []
    changes: list[Change] = []
    for labels in sorted({*alerts, *found}, key=Labels.pairs):
        before = alerts.get(labels)
        if finding := found.get(labels):
            alert = _found(rule, before, finding, now=now)
            kept: Alert | None = _fed(alert, sources, generator_url)
        elif before is None or before.state is AlertState.RESOLVED:
            kept = before if before and not _expired(before, now) else None
        elif evaluation is None or _fed_by(rule, before, silent):
            kept = replace(before, no_data_since=before.no_data_since or now)
        else:
            kept = _missing(rule, before, now=now)
        if kept is not None:
            after.append(kept)
        if change := _change(before, kept):
            changes.append(change)
    return Step(alerts=tuple(after), changes=tuple(changes))


def unwatched(alerts: Iterable[Alert], since: datetime) -> tuple[Alert, ...]:
    """Return saved `alerts` as they are when nobody has evaluated their rule after `since`.

    A timer that runs stands still from then on, as in Prometheus; else nothing changes.
    """
    return tuple(
        replace(alert, no_data_since=alert.no_data_since or since)
        if alert.state is AlertState.PENDING or alert.keep_firing_since
        else alert
        for alert in alerts
    )


def _found(rule: AlertingRule, before: Alert | None, finding: Finding, *, now: datetime) -> Alert:
    """Return the alert that an evaluation found."""
    if before is None or before.state is AlertState.RESOLVED:
        alert = Alert(
            rule=rule.id,
            labels=finding.labels,
            annotations=finding.annotations,
            state=AlertState.PENDING,
            value=finding.value,
            active_at=now,
        )
    else:
        alert = _seen(_resumed(before, now), finding)
    if alert.state is AlertState.PENDING and now - alert.active_at >= rule.hold:
        alert = replace(alert, state=AlertState.FIRING, fired_at=now)
    return alert


# Most evaluations of most alerts say what the one before said. To copy those costs more than all the rest.


def _seen(alert: Alert, finding: Finding) -> Alert:
    """Return `alert` as it is found."""
    said = (alert.value, alert.annotations, alert.keep_firing_since)
    if said == (finding.value, finding.annotations, None):
        return alert
    return replace(
        alert, annotations=finding.annotations, value=finding.value, keep_firing_since=None
    )


def _fed(alert: Alert, sources: frozenset[Source], generator_url: str) -> Alert:
    if (alert.sources, alert.generator_url) == (sources, generator_url):
        return alert
    return replace(alert, sources=sources, generator_url=generator_url)


def _missing(rule: AlertingRule, before: Alert, *, now: datetime) -> Alert | None:
    """Return the alert that an evaluation on fresh data did not find; None if it just goes."""
    if before.state is AlertState.PENDING:
        return None
    resumed = _resumed(before, now)
    since = resumed.keep_firing_since or now
    if now - since < rule.keep_firing_for:
        return replace(resumed, keep_firing_since=since)
    return replace(resumed, state=AlertState.RESOLVED, resolved_at=now, keep_firing_since=None)


def _resumed(before: Alert, now: datetime) -> Alert:
    """Return an alert about which there are data again; its timers stood still without."""
    unseen = timedelta(0)
    if before.no_data_since is not None:
        unseen = max(unseen, now - before.no_data_since)
    pending = before.state is AlertState.PENDING
    kept = before.keep_firing_since
    if before.no_data_since is None and max(before.active_at, kept or now) <= now:
        return before
    return replace(
        before,
        active_at=min(now, before.active_at + unseen) if pending else before.active_at,
        keep_firing_since=None if kept is None else min(now, kept + unseen),
        no_data_since=None,
    )


def _fed_by(rule: AlertingRule, alert: Alert, silent: Collection[Source]) -> bool:
    """Return whether a silent source may have fed `alert`.

    The sources of an alert are those of its rule's whole evaluation; its labels say which of them cannot
    have been its own: those of another target or database. But an expression can write those labels too:
    a value that none of the sources has tells nothing.
    """
    if alert.sources.isdisjoint(silent):
        return False
    target = _own(rule, alert, "target", (source.target for source in alert.sources))
    database = _own(rule, alert, "datname", (source.database for source in alert.sources))
    return any(
        source in alert.sources
        and (not target or not source.target or source.target == target)
        and (not database or not source.database or source.database == database)
        for source in silent
    )


def _own(rule: AlertingRule, alert: Alert, name: str, known: Iterable[str]) -> str:
    """Return the label `name` if it is what the sources' series say, one of `known`; else ""."""
    value = alert.labels.label(name)
    return value if name not in rule.labels and value in known else ""


def _expired(alert: Alert, now: datetime) -> bool:
    return alert.resolved_at is not None and now - alert.resolved_at > RESOLVED_RETENTION


def _change(before: Alert | None, after: Alert | None) -> Change | None:
    """Return what is worth telling between two versions of an alert."""
    if after is None:
        dropped = before is not None and before.state is AlertState.PENDING
        return Change(kind=ChangeKind.DROPPED, alert=before) if before and dropped else None
    was = before.state if before else None
    if after.state is not was:
        return Change(kind=_NEW_STATE[after.state], alert=after)
    if before and (before.no_data_since is None) is not (after.no_data_since is None):
        kind = ChangeKind.SEEN_AGAIN if after.no_data_since is None else ChangeKind.HELD
        return Change(kind=kind, alert=after)
    return None


_NEW_STATE = {
    AlertState.PENDING: ChangeKind.PENDING,
    AlertState.FIRING: ChangeKind.FIRED,
    AlertState.RESOLVED: ChangeKind.RESOLVED,
}
