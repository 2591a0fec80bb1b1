"""Settings → objects, for whoever assembles: the daemon here, the gate in `pgwatch.gate.plan`."""

import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.check.extra import BY_NAME
from pgwatch.check.spec import Producers
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.probes.probe import ExplainedProbe, Probe
from pgwatch.queries.catalog import Catalog, load_catalog
from pgwatch.queries.query import Query
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.rules.threshold import in_configuration
from pgwatch.share import share
from pgwatch.targets.target import HostSource, Target

if TYPE_CHECKING:
    from pgwatch.config.fields import ListenAddress
    from pgwatch.config.schema import HttpProbeSettings, Settings
    from pgwatch.config.web_file import WebSecurity
    from pgwatch.notify.duties import Duties
    from pgwatch.notify.route import Routing

HOST_PACK = "host"  # reads /proc of the server's machine; only where the target says `host: {source: server}`
_HTTP_METRICS = (
    "probe_success",
    "probe_duration_seconds",
    "probe_http_status_code",
    "probe_failed_due_to_regex",
    "probe_http_uncompressed_body_length",
)
_HOST_METRICS = (
    "node_cpu_seconds_total",
    "node_memory_MemTotal_bytes",
    "node_memory_MemAvailable_bytes",
)


def catalog_of(inputs: Inputs | None) -> Catalog:
    """Return the shipped queries and the user's own, with the intervals that the settings give them."""
    settings = inputs.settings if inputs else None
    own = [Path(folder) for folder in settings.queries] if settings else []
    catalog = load_catalog([share("queries"), *own])
    intervals = settings.intervals if settings else {}
    if not intervals:
        return catalog
    queries = {name: _at(query, intervals) for name, query in catalog.queries.items()}
    by_metric = {
        metric: tuple(queries[query.name] for query in of_metric)
        for metric, of_metric in catalog.by_metric.items()
    }
    return replace(catalog, queries=queries, by_metric=by_metric)


def _at(query: Query, intervals: Mapping[str, timedelta]) -> Query:
    """Return `query` at the interval of the last pattern that matches its name."""
    for pattern, interval in reversed(list(intervals.items())):
        if fnmatchcase(query.name, pattern):
            # Limits nest: a statement never outlives its interval.
            timeout = min(query.timeout, interval * 0.9)
            return replace(query, interval=interval, timeout=timeout)
    return query


def queries_of(target: Target, catalog: Catalog) -> tuple[Query, ...]:
    """Return the queries of the target's packs."""
    packs = target.packs
    if target.host is HostSource.SERVER and packs:
        packs = (*packs, HOST_PACK)
    wanted = target.host is HostSource.SERVER or HOST_PACK in packs
    return tuple(query for query in catalog.of_packs(packs) if wanted or query.pack != HOST_PACK)


def rule_groups(inputs: Inputs | None) -> tuple[RuleGroup, ...]:
    """Return the shipped and the user's rule groups as the settings want them; raises InputError."""
    settings = inputs.settings if inputs else None
    if settings is None:
        return load_rules((), builtin=share("alerts"))
    rules = settings.rules
    return load_rules(
        rules.paths,
        builtin=share("alerts") if rules.builtin else None,
        disable=rules.disable,
        thresholds=rules.set,
        # A finding of a check that no rule makes can be ignored too.
        also_named={
            ("ignore", index, "check"): one.check
            for index, one in enumerate(settings.ignore)
            if one.check not in BY_NAME
        },
        place=inputs.tree.problem if inputs and inputs.tree else in_configuration,
        default_interval=settings.evaluation_interval,
    )


def accepted_findings(inputs: Inputs | None) -> tuple[Accepted, ...]:
    """Return what the key `ignore` accepts."""
    settings = inputs.settings if inputs else None
    return tuple(
        Accepted(check=one.check, labels=one.labels, until=one.until, reason=one.reason)
        for one in (settings.ignore if settings else ())
    )


def host_probes(target: Target) -> tuple[Probe, ...]:
    """Return the probe of the target's host, none where there is no host source or SQL reads it."""
    if target.host in (HostSource.NONE, HostSource.SERVER):
        return ()
    from pgwatch.probes.host import LocalHostProbe, NodeExporterProbe  # noqa: PLC0415 - psutil

    if target.host is HostSource.LOCAL:
        return (
            LocalHostProbe(
                target=target.name, instance=target.dsn.host_port, target_labels=target.labels
            ),
        )
    return (
        NodeExporterProbe(
            target=target.name,
            url=target.host_url,
            instance=target.dsn.host_port,
            target_labels=target.labels,
        ),
    )


def http_probes(
    settings: "Settings | None", *, at_most: timedelta = timedelta.max
) -> tuple[ExplainedProbe, ...]:
    """Return the probes of web applications; none takes longer than `at_most`."""
    if settings is None or not settings.http_probes:
        return ()
    from pgwatch.probes.http import HttpProbe  # noqa: PLC0415 - requests is slow to import

    def probe(one: "HttpProbeSettings") -> ExplainedProbe:
        return HttpProbe(
            name=one.name,
            url=one.url,
            method=one.method,
            interval=one.interval,
            timeout=min(one.timeout, at_most),
            expect_status=frozenset(one.expect_status),
            expect_body=re.compile(one.expect_body) if one.expect_body else None,
            headers={**one.headers, **one.header_files},
        )

    return tuple(probe(one) for one in settings.http_probes)


def drift_probes(inputs: Inputs) -> tuple[Probe, ...]:
    """Return the probe of each target that verifies the migrations, none without any."""
    settings = inputs.settings
    if settings is None or not settings.migrations:
        return ()
    from pgwatch.migration.drift import DriftProbe, MigrationFiles  # noqa: PLC0415 - the SQL grammar

    files = MigrationFiles(patterns=tuple(map(str, settings.migrations)))
    return tuple(
        DriftProbe(target=target, files=files, interval=settings.migrations_interval)
        for target in inputs.targets
    )


def producers_of(
    catalog: Catalog,
    groups: Sequence[RuleGroup],
    http: Sequence[Probe] = (),
    window: timedelta | None = None,
) -> Producers:
    """Return which queries and probes bring each metric."""
    by_metric = {
        metric: [query.name for query in queries] for metric, queries in catalog.by_metric.items()
    }
    by_metric["pg_up"] = ["up"]
    missing = dict.fromkeys(_HOST_METRICS, "the target's host is not watched (`host:`)")
    for metric in _HOST_METRICS:
        by_metric[metric] = [*by_metric.get(metric, ()), "probe/host"]
    for metric in _HTTP_METRICS:
        by_metric[metric] = [probe.source.query for probe in http]
        missing[metric] = "no `http_probes` are configured"
    # The gate does not wait for the daemon's next look: it has checks of its own that look at once.
    by_metric["pg_declared_object_problem"] = ["probe/migrations"]
    missing["pg_declared_object_problem"] = "the checks migration_* tell it, with --migrations"
    return Producers(by_metric, groups, missing=missing, window=window)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the daemon runs under one configuration."""

    targets: tuple[tuple[Target, tuple[Query, ...]], ...]
    probes: tuple[Probe, ...]
    evidence: Mapping[str, Query]  # what a rule's annotation `evidence` may name
    groups: tuple[RuleGroup, ...]
    accepted: tuple[Accepted, ...]
    routing: "Routing"
    duties: "Duties"  # what pgwatch tells on its own account
    surroundings: Surroundings  # what templates of rules may say about this pgwatch
    listen: "ListenAddress"
    route_prefix: str  # of every path that is served: "/pgwatch", or ""
    web: "WebSecurity"
    state_path: Path
    keep_history: bool  # in a file beside the state
    retention: timedelta


def assemble(inputs: Inputs) -> House:
    """Return what `inputs` configure; raises InputError with what is wrong with any file it names."""
    from pgwatch.config.notifications import duties_of  # noqa: PLC0415 - brings pydantic
    from pgwatch.config.overrides import routing_of  # noqa: PLC0415 - brings pydantic
    from pgwatch.config.schema import Settings  # noqa: PLC0415 - the gate does without pydantic
    from pgwatch.config.state import default_state_path  # noqa: PLC0415 - only the daemon needs it

    settings = inputs.settings or Settings()
    http = http_probes(settings)
    refuse_equal_names([*inputs.targets, *http])
    catalog, groups = catalog_of(inputs), rule_groups(inputs)
    hosts = [probe for target in inputs.targets for probe in host_probes(target)]
    drift = drift_probes(inputs)
    security = web_security(inputs)
    surroundings = surroundings_of(settings, scheme="https" if security.tls else "http")
    place = inputs.tree.problem if inputs.tree else in_configuration
    routing = replace(routing_of(settings, place), external_url=surroundings.external_url)
    return House(
        targets=tuple((target, queries_of(target, catalog)) for target in inputs.targets),
        probes=(*hosts, *http, *drift),
        evidence={**catalog.queries, **catalog.evidence},
        groups=groups,
        accepted=accepted_findings(inputs),
        routing=routing,
        duties=duties_of(settings.notifications, routing, place),
        surroundings=surroundings,
        listen=settings.web.listen,
        route_prefix=settings.route_prefix,
        web=security,
        state_path=settings.state or default_state_path(),
        keep_history=settings.keep_history,
        retention=settings.retention,
    )


def refuse_equal_names(watched: Iterable[Target | Probe]) -> None:
    """Raise InputError where a connection string and the file name two things alike."""
    names = Counter(one.name if isinstance(one, Target) else one.source.target for one in watched)
    problems = [
        Problem(
            file="command line",
            message=f"{count} targets or probes are called {name!r}: the label `target` must tell them apart",
        )
        for name, count in names.items()
        if count > 1
    ]
    if problems:
        raise InputError(problems)


def web_security(inputs: Inputs) -> "WebSecurity":
    """Return what `web.config_file` says; raises InputError."""
    from pgwatch.config.web_file import WebSecurity, load_web_file  # noqa: PLC0415 - brings pydantic

    file = inputs.settings.web.config_file if inputs.settings else None
    return load_web_file(file) if file else WebSecurity()


def surroundings_of(settings: "Settings | None", *, scheme: str = "http") -> Surroundings:
    """Return what templates may say about this pgwatch, and receivers about where an alert is from."""
    if settings is None:
        return Surroundings()
    own_url = _own_url(settings.web.listen, scheme) + settings.route_prefix
    external_url = settings.external_url or own_url
    return Surroundings(external_url=external_url, external_labels=settings.external_labels)


def _own_url(listen: "ListenAddress", scheme: str) -> str:
    """Return where the pages are: by the host's name if they are on every address, as in Prometheus."""
    host = socket.gethostname() if listen.host in ("", "0.0.0.0", "::") else listen.host  # noqa: S104
    return f"{scheme}://{replace(listen, host=host)}"
