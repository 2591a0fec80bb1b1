"""What runs the checks that no rule makes, each made of the settings and options it needs."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from pgwatch.baseline.compare import CHECKS as BASELINE_CHECKS
from pgwatch.baseline.model import Baseline
from pgwatch.check import backup, migration_locks, migration_preflight, migration_readiness
from pgwatch.check.baseline import BENCHMARKS, BaselineChecks, BenchmarkChecks
from pgwatch.check.extra import ExtraCheck
from pgwatch.check.liveness import LIVENESS, LivenessCheck
from pgwatch.check.migrations import MigrationChecks
from pgwatch.config.choose import Inputs
from pgwatch.gate.options import (
    GateOptions,
    announced_by,
    baseline_limits,
    benchmarks_of,
    declarations_of,
    migration_files,
    runbook_of,
)
from pgwatch.queries.catalog import Catalog
from pgwatch.wiring import accepted_findings

if TYPE_CHECKING:
    from pgwatch.migration.objects import Declarations

Declared = Callable[[], "Declarations"]  # what the migrations declare, read when it is wanted


def extra_checks(
    inputs: Inputs,
    options: GateOptions,
    names: tuple[str, ...],
    *,
    catalog: Catalog,
    baseline: Baseline | None,
) -> tuple[ExtraCheck, ...]:
    """Return what runs the checks `names`, in this order; raises InputError where a file is not there."""
    declared = cache(lambda: declarations_of(inputs, options.migrations))  # read once for all
    found: tuple[ExtraCheck | None, ...] = (
        _backup_checks(inputs, options, names),
        *_checks_before(inputs, options, names),
        *_migration_checks(inputs, options, names, declared),
        _promise_check(inputs, options, names, declared),
        _benchmark_checks(inputs, names, catalog, baseline),
        _baseline_checks(inputs, options, names, baseline),
    )
    return tuple(one for one in found if one is not None)


def _backup_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...]
) -> backup.BackupChecks | None:
    if backup.NAME not in names:
        return None
    settings = inputs.settings
    places = [backup.place_of(pattern) for pattern in options.backups] or [
        backup.BackupPlace(
            folder=one.path,
            pattern=one.pattern,
            max_age=one.max_age,
            min_share=one.min_share,
            target=one.target or "",
        )
        for one in (settings.backups if settings else ())
    ]
    return backup.BackupChecks(places=places, accepted=accepted_findings(inputs))


def _checks_before(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...]
) -> Iterator[ExtraCheck]:
    """Iterate over what looks before a migration: could it run, what would fail, whom would it hold up."""
    ready = tuple(
        name for name in names if name in (migration_readiness.NAME, migration_readiness.DISK)
    )
    wanted = {*ready, migration_preflight.NAME, migration_locks.NAME}
    if wanted.isdisjoint(names):
        return
    from pgwatch.migration.preflight.steps import read_files  # noqa: PLC0415 - brings the SQL grammar

    paths, accepted = migration_files(inputs, options.migrations), accepted_findings(inputs)
    statements = read_files(paths)
    if ready:
        yield migration_readiness.ReadinessChecks(
            statements=statements, paths=paths, accepted=accepted, names=ready
        )
    if migration_preflight.NAME in names:
        yield migration_preflight.PreflightChecks(paths=paths, accepted=accepted)
    if migration_locks.NAME in names:
        yield migration_locks.LockChecks(statements=statements, accepted=accepted)


def _migration_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...], declared: Declared
) -> Iterator[ExtraCheck]:
    own = ("migration_structure", "migration_types", "migration_constraints")
    wanted = tuple(name for name in names if name in own)
    if not wanted and LIVENESS not in names:
        return
    declarations = declared()
    accepted = accepted_findings(inputs)
    if wanted:
        yield MigrationChecks(declarations=declarations, names=wanted, accepted=accepted)
    if LIVENESS in names:
        yield LivenessCheck(
            declarations=declarations, accepted=accepted, probe=options.probe_writes
        )


def _promise_check(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...], declared: Declared
) -> ExtraCheck | None:
    file = runbook_of(inputs, options.runbook)
    if "documentation_promises" not in names or file is None:
        return None
    from pgwatch.check.promises import (  # noqa: PLC0415 - brings the SQL grammar
        PromiseCheck,
        declared_columns,
        declared_names,
        load_runbook,
    )

    runbook = load_runbook(file)
    return PromiseCheck(
        runbook=runbook,
        declared=declared_names(declared()),
        columns=declared_columns(declared()),
        accepted=accepted_findings(inputs),
    )


def _benchmark_checks(
    inputs: Inputs, names: tuple[str, ...], catalog: Catalog, baseline: Baseline | None
) -> BenchmarkChecks | None:
    if BENCHMARKS not in names:
        return None
    return BenchmarkChecks(
        benchmarks=benchmarks_of(inputs, catalog),
        limits=baseline_limits(inputs),
        baseline=baseline,
        accepted=accepted_findings(inputs),
    )


def _baseline_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...], baseline: Baseline | None
) -> BaselineChecks | None:
    wanted = tuple(name for name in names if name in BASELINE_CHECKS)
    if not wanted or baseline is None:
        return None
    return BaselineChecks(
        names=wanted,
        baseline=baseline,
        limits=baseline_limits(inputs),
        announced=announced_by(inputs, options.migrations),
        accepted=accepted_findings(inputs),
    )
