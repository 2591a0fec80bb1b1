"""What the daemon shows of itself: the status page's view, and whether it is ready."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pgwatch import __version__
from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import QueryRun
from pgwatch.collect.report import UP
from pgwatch.collect.worker import Worker
from pgwatch.daemon.measuring import Measuring, overdue
from pgwatch.notify.interventions import Interventions, Silencer
from pgwatch.probes.probe import Probe
from pgwatch.queries.query import Query, Scope
from pgwatch.samples.sample import Source
from pgwatch.web.view import (
    ProbeView,
    QueryView,
    StatusView,
    TargetView,
    alert_view,
    in_order,
    query_view,
)


def status_view(
    *,
    now: datetime,
    started: datetime,
    workers: Sequence[Worker],
    probes: Sequence[Probe],
    measuring: Measuring,
    alerts: Iterable[Alert],
    interventions: Interventions,
    undelivered: int,
    problems: Sequence[str],
) -> StatusView:
    """Return everything that the status page shows."""
    silencer = Silencer(interventions.silences.values(), now)
    acknowledged = interventions.held_acknowledgements(now)
    shown = [
        alert_view(alert, silencer.silencing(alert.labels), acknowledged.get(alert.labels))
        for alert in alerts
        if alert.state is not AlertState.RESOLVED
    ]
    return StatusView(
        now=now,
        version=__version__,
        started=started,
        targets=tuple(_target_view(worker, probes, measuring) for worker in workers),
        probes=tuple(
            _probe_view(probe, measuring.latest.get(probe.source))
            for probe in probes
            if not _of_a_target(probe)
        ),
        alerts=tuple(in_order(tuple(shown))),
        undelivered=undelivered,
        problems=tuple(problems),
    )


def unready(workers: Sequence[Worker], measuring: Measuring, now_ms: int) -> list[str]:
    """Return the queries that have neither a fresh answer nor a known reason, one line each.

    A target of which no database is watched is not ready either: most of its queries are asked nowhere.
    """
    nowhere = [f"{one.target.name}: {one.unwatched}" for one in workers if one.unwatched]
    return nowhere + [
        f"{source.target}: {source.query}"
        + (f" in {source.database}" if source.database else "")
        + (" has not run yet" if run is None else " has no fresh answer")
        for worker in workers
        for source, query in _sources(worker)
        if overdue(run := measuring.latest.get(source), query, now_ms)
    ]


def _sources(worker: Worker) -> Iterator[tuple[Source, Query]]:
    for query in worker.queries:
        if query.scope is Scope.CLUSTER:
            yield Source(worker.target.name, query.name), query
        else:
            for database in worker.databases:
                yield Source(worker.target.name, query.name, database), query


def _target_view(worker: Worker, probes: Sequence[Probe], measuring: Measuring) -> TargetView:
    target = worker.target
    up = measuring.latest.get(Source(target.name, UP))
    value = up.collected.values[0] if up is not None and up.collected is not None else None
    info = worker.infos.get(worker.main)
    own = [p.source for p in probes if _of_a_target(p) and p.source.target == target.name]
    known = [*(source for source, _ in _sources(worker)), *own]
    return TargetView(
        name=target.name,
        instance=target.dsn.host_port,
        up=None if value is None else bool(value),
        version=info.version if info else "",
        role=str(info.role) if info else "",
        error=worker.unreachable(worker.main) or "",
        unwatched=worker.unwatched,
        queries=tuple(_query_view(source, measuring.latest.get(source)) for source in known),
    )


def _query_view(source: Source, run: QueryRun | None) -> QueryView:
    return query_view(run) if run else QueryView(name=source.query, database=source.database)


def _probe_view(probe: Probe, run: QueryRun | None) -> ProbeView:
    name = probe.source.target
    if run is None:
        return ProbeView(name=name)
    success = False
    if run.collected is not None:
        by_name = {
            labels.name: value
            for labels, value in zip(run.collected.labels, run.collected.values, strict=True)
        }
        success = by_name.get("probe_success") == 1
    return ProbeView(
        name=name,
        success=success,
        reason=getattr(probe, "reason", "") or getattr(run.outcome, "reason", ""),
        at=datetime.fromtimestamp(run.time_ms / 1000, UTC),
        elapsed=timedelta(seconds=run.elapsed_seconds),
    )


def _of_a_target(probe: Probe) -> bool:
    return probe.source.query in ("probe/host", "probe/migrations")
