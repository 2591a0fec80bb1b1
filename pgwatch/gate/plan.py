"""Settings and options → one run of the gate: the plan of `pgwatch check`."""

from collections.abc import Collection, Sequence

from pgwatch.baseline.file import read as read_baseline
from pgwatch.check.backup import NAME as BACKUP
from pgwatch.check.baseline import BENCHMARKS
from pgwatch.check.liveness import LIVENESS
from pgwatch.check.news import news_of
from pgwatch.check.run import CheckPlan, Subject
from pgwatch.check.spec import CheckSpec, Producers
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.gate.choose import choose, nothing_left
from pgwatch.gate.extra import extra_checks
from pgwatch.gate.options import GateOptions
from pgwatch.queries.catalog import Catalog
from pgwatch.targets.target import Target
from pgwatch.units import format_duration
from pgwatch.wiring import (
    accepted_findings,
    catalog_of,
    host_probes,
    http_probes,
    producers_of,
    queries_of,
    refuse_equal_names,
    rule_groups,
    surroundings_of,
)


def check_plan(inputs: Inputs, options: GateOptions) -> CheckPlan:
    """Return the plan of one run of the gate: only the queries that feed a chosen check are run.

    Raises InputError if no check is left: a gate that looks at nothing must not say yes.
    """
    catalog, groups = catalog_of(inputs), rule_groups(inputs)
    _refuse_long_window(options)
    http = http_probes(inputs.settings, at_most=options.timeout)
    refuse_equal_names([*inputs.targets, *http])
    producers = producers_of(catalog, groups, http, window=options.window)
    found = choose(groups, inputs, options)
    if not found.specs and not found.extra:
        raise InputError(
            [Problem(file="command line", message=nothing_left(groups, inputs, options))]
        )
    names = tuple(spec.name for spec in found.extra)
    _refuse_idle_options(options, names)
    baseline = read_baseline(options.baseline) if options.baseline else None
    extra = extra_checks(inputs, options, names, catalog=catalog, baseline=baseline)
    targets = [target.name for target in inputs.targets]
    wanted = _wanted(found.specs, producers)
    return CheckPlan(
        subjects=[
            _subject(target, catalog, wanted, timed=BENCHMARKS in names)
            for target in inputs.targets
        ],
        http_probes=[probe for probe in http if probe.source.query in wanted],
        specs=found.specs,
        groups=groups,
        producers=producers,
        accepted=accepted_findings(inputs),
        timeout=options.timeout,
        strict=options.strict,
        fail_on_warn=options.fail_on_warn,
        surroundings=surroundings_of(inputs.settings),
        extra=extra,
        news=news_of(baseline.findings, baseline.judged, targets) if baseline else None,
        window=options.window,
        twice=_twice(found.specs, producers) if options.window else frozenset(),
    )


def _wanted(specs: Sequence[CheckSpec], producers: Producers) -> frozenset[str]:
    """Return the queries and probes that feed a rule which one run can tell."""
    feeding = [
        producers.of(rule) for spec in specs if not spec.needs_history for rule in spec.rules
    ]
    return frozenset[str]().union(*feeding)


def _subject(target: Target, catalog: Catalog, wanted: Collection[str], *, timed: bool) -> Subject:
    return Subject(
        target=target,
        benchmarks=catalog.benchmarks_of(target.packs) if timed else (),
        queries=[query for query in queries_of(target, catalog) if query.name in wanted],
        probes=[probe for probe in host_probes(target) if probe.source.query in wanted],
    )


def _twice(specs: Sequence[CheckSpec], producers: Producers) -> frozenset[str]:
    """Return the queries and probes that feed a rule which is judged over the window."""
    rules = (rule for spec in specs for rule in spec.rules)
    over = [
        producers.of(rule)
        for rule in rules
        if producers.looks_twice(rule) and not producers.lacks(rule)
    ]
    return frozenset[str]().union(*over)


def _refuse_long_window(options: GateOptions) -> None:
    if options.window is not None and options.window >= options.timeout:
        window, timeout = format_duration(options.window), format_duration(options.timeout)
        message = (
            f"{window} does not fit into the whole run's --timeout {timeout}; name a longer one"
        )
        raise InputError([Problem(file="command line", path="--window", message=message)])


def _refuse_idle_options(options: GateOptions, names: Sequence[str]) -> None:
    """Raise InputError for options whose check is left out: who names a backup expects a word about it."""
    belongings = (
        ("--probe-writes", options.probe_writes, LIVENESS, "name --migrations"),
        ("--backup", options.backups, BACKUP, "name --phase pre"),
        ("--runbook", options.runbook, "documentation_promises", "name --phase post, or none"),
    )
    problems = [
        Problem(
            file="command line",
            path=option,
            message=f"it belongs to {check}: {cure}, and do not leave that check out",
        )
        for option, given, check, cure in belongings
        if given and check not in names
    ]
    if problems:
        raise InputError(problems)
