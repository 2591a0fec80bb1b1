"""What the status page shows: plain values that the daemon fills in. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import Answered, Denied, OutcomeKind, QueryRun
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.notes import evidence_text
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels

_EVIDENCE_LIMIT = 2000  # characters

# How a run can end without telling us anything, though it should have.
_UNTOLD = frozenset(OutcomeKind) - {OutcomeKind.ANSWERED, OutcomeKind.NOT_APPLICABLE}


class Level(StrEnum):
    """How things are, in the words of the gate's verdicts."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    WARN = "warn"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryView:
    """The last run of one query or probe."""

    name: str
    database: str = ""
    outcome: OutcomeKind | None = None  # None: it has not run yet
    reason: str = ""  # why it was not answered
    fix: str = ""  # the GRANT that cures it
    at: datetime | None = None  # when it began
    elapsed: timedelta = timedelta(0)
    series: int = 0
    dropped: int = 0  # series that are missing from the answer

    @property
    def untold(self) -> bool:
        """Whether it should have told us something and did not."""
        return self.outcome in _UNTOLD


def query_view(run: QueryRun) -> QueryView:
    """Return `run` as the page shows it."""
    outcome, collected = run.outcome, run.collected
    return QueryView(
        name=run.source.query,
        database=run.source.database,
        outcome=outcome.kind,
        reason="" if isinstance(outcome, Answered) else outcome.reason,
        fix=outcome.grant if isinstance(outcome, Denied) else "",
        at=datetime.fromtimestamp(run.time_ms / 1000, UTC),
        elapsed=timedelta(seconds=run.elapsed_seconds),
        series=0 if collected is None else len(collected.labels),
        dropped=0 if collected is None else sum(collected.dropped.values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target and its queries."""

    name: str
    instance: str = ""  # host:port
    up: bool | None = None  # None: not tried yet
    version: str = ""
    role: str = ""
    error: str = ""  # why there is no session
    unwatched: str = ""  # why none of its databases is watched
    queries: tuple[QueryView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeView:
    """One HTTP probe."""

    name: str
    success: bool | None = None  # None: it has not run yet
    reason: str = ""
    at: datetime | None = None
    elapsed: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One pending or firing alert."""

    name: str
    state: AlertState
    severity: str
    labels: Mapping[str, str] = field(default_factory=dict)  # without alertname and severity
    summary: str = ""
    description: str = ""
    fix: str = ""
    value: float
    since: datetime
    no_data_since: datetime | None = None
    query_url: str = ""  # where its expression is shown
    quiet: str = ""  # who keeps it from being told, and why
    owner: str = ""  # who looks after it
    owner_comment: str = ""
    evidence: str = ""  # rows from the database, as lines
    identity: Labels | None = None  # all of its labels; None: it has no page of its own


def alert_view(
    alert: Alert,
    silences: Sequence[Silence] = (),
    acknowledged: Acknowledgement | None = None,
) -> AlertView:
    """Return `alert` as the page shows it, with the `silences` that keep it quiet."""
    hidden = ("alertname", "severity")
    return AlertView(
        name=alert.labels.label("alertname"),
        state=alert.state,
        severity=alert.labels.label("severity") or "warning",
        labels=dict(alert.labels.without(hidden)),
        summary=alert.annotations.get("summary", ""),
        description=alert.annotations.get("description", ""),
        fix=alert.annotations.get("fix", ""),
        value=alert.value,
        since=alert.fired_at or alert.active_at,
        no_data_since=alert.no_data_since,
        query_url=alert.generator_url,
        quiet=silences[0].because if silences else "",
        owner=acknowledged.owner if acknowledged else "",
        owner_comment=acknowledged.comment if acknowledged else "",
        evidence=evidence_text(alert.evidence, _EVIDENCE_LIMIT) if alert.evidence else "",
        identity=alert.labels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """Everything on the page, as it was at `now`."""

    now: datetime
    version: str
    started: datetime
    targets: tuple[TargetView, ...] = ()
    probes: tuple[ProbeView, ...] = ()
    alerts: tuple[AlertView, ...] = ()
    undelivered: int = 0  # notifications in the outbox
    problems: tuple[str, ...] = ()  # of pgwatch itself, such as a reload that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The whole in one line."""

    level: Level
    text: str


def headline(view: StatusView) -> Headline:
    """Return how things are: what fails before what nobody could tell, before what deserves a look."""
    firing = [alert for alert in view.alerts if alert.state is AlertState.FIRING]
    critical = sum(alert.severity == "critical" for alert in firing)
    warnings = sum(alert.severity == "warning" for alert in firing)
    held = sum(alert.no_data_since is not None for alert in firing)
    down = sum(target.up is False for target in view.targets)
    untried = sum(target.up is None for target in view.targets)
    untold = sum(query.untold for target in view.targets for query in target.queries)
    nowhere = sum(bool(target.unwatched) for target in view.targets)
    said = [
        _counted(down, "target is down", "targets are down"),
        _counted(critical, "critical alert fires", "critical alerts fire"),
        _counted(warnings, "warning fires", "warnings fire"),
        _counted(held, "of them has no data", "of them have no data"),
        _counted(untried, "target was not tried yet", "targets were not tried yet"),
        _counted(nowhere, "target has no database to watch", "targets have no database to watch"),
        _counted(untold, "query could not tell", "queries could not tell"),
    ]
    text = ", ".join(part for part in said if part)
    if critical or down:
        return Headline(level=Level.FAIL, text=text)
    if held or untried or untold or nowhere:
        return Headline(level=Level.UNKNOWN, text=text)
    if warnings:
        return Headline(level=Level.WARN, text=text)
    if not view.targets and not view.probes:
        return Headline(level=Level.UNKNOWN, text="nothing is watched")
    return Headline(level=Level.PASS, text="nothing fires, and everything could be seen")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}" if count else ""


_SEVERITIES = ("critical", "warning", "info")


def in_order(alerts: tuple[AlertView, ...]) -> list[AlertView]:
    """Return `alerts` with those first that one should read first; what is held without data comes late."""

    def rank(alert: AlertView) -> tuple[bool, bool, int, datetime, str, str]:
        known = alert.severity in _SEVERITIES
        severity = _SEVERITIES.index(alert.severity) if known else len(_SEVERITIES)
        firing = alert.state is AlertState.FIRING
        held = (
            alert.no_data_since is not None
        )  # true once; most often it waits for one that is fresh
        labels = str(sorted(alert.labels.items()))
        return (not firing, held, severity, alert.since, alert.name, labels)

    return sorted(alerts, key=rank)
