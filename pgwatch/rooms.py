"""Settings and options → what runs the checks that no rule makes. Nothing here waits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.baseline.compare import CHECKS as BASELINE_CHECKS
from pgwatch.baseline.compared import Limits
from pgwatch.baseline.model import Baseline
from pgwatch.check import backup
from pgwatch.check.baseline import BaselineChecks, BenchmarkChecks
from pgwatch.check.extra import ExtraCheck
from pgwatch.check.liveness import LIVENESS, LivenessCheck
from pgwatch.check.migrations import MigrationChecks
from pgwatch.check.news import News, news_of
from pgwatch.check.rooms_before import rooms_before, wanted_before
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.queries.query import Query
from pgwatch.rules.rule import Phase
from pgwatch.wiring import accepted_findings, catalog_of

if TYPE_CHECKING:
    from pgwatch.baseline.announced import Announced
    from pgwatch.migration.objects import Declarations

# `pre` only by name: after a deploy it would predict failures of what is already there.
DEFAULT_PHASES = (Phase.STRUCTURE, Phase.TYPES, Phase.CONSTRAINTS, Phase.POST)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """What the command line wants of a run."""

    phases: Collection[Phase] = DEFAULT_PHASES
    only: Sequence[str] = ()  # names of checks, or patterns
    skip: Sequence[str] = ()
    migrations: Sequence[str] = ()  # files, folders, patterns; instead of the configured ones
    baseline: Path | None = None  # a file of `pgwatch baseline save`
    runbook: Path | None = None  # instead of the configured one
    timeout: timedelta = timedelta(seconds=60)  # of the whole run
    strict: bool = False
    fail_on_warn: bool = False
    window: timedelta | None = None  # look twice, this far apart
    backups: Sequence[str] = ()  # patterns of their names; instead of the configured ones
    probe_writes: bool = False  # write to each table that the migrations touch, and roll back


def migration_patterns(inputs: Inputs | None, named: Sequence[str]) -> tuple[str, ...]:
    """Return what stands for migrations: on the command line (`named`), else in the file."""
    settings = inputs.settings if inputs else None
    return tuple(named or map(str, settings.migrations if settings else ()))


def runbook_of(inputs: Inputs | None, named: Path | None) -> Path | None:
    """Return the runbook: the one on the command line (`named`), else the file's."""
    settings = inputs.settings if inputs else None
    if named is not None or settings is None or settings.runbook is None:
        return named
    return Path(settings.runbook)


# The rooms: each has its rows in `EXTRA_SPECS`, one line in `given_options`, one in `extra_checks`.


def given_options(inputs: Inputs | None, options: GateOptions) -> frozenset[str]:
    """Return which of the options are given, or stand in the file, that bring checks of their own."""
    given = {
        "": True,
        "--migrations": bool(migration_patterns(inputs, options.migrations)),
        "--baseline": options.baseline is not None,
        "--runbook": runbook_of(inputs, options.runbook) is not None,
    }
    return frozenset(option for option, here in given.items() if here)


def extra_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...], baseline: Baseline | None
) -> tuple[ExtraCheck, ...]:
    """Return what runs the checks `names`; raises InputError where a file is not there."""
    rooms: tuple[ExtraCheck | None, ...] = (
        _backup_checks(inputs, options, names),
        *_readiness_checks(inputs, options, names),
        *_migration_checks(inputs, options, names),
        _promise_check(inputs, options, names),
        _benchmark_checks(inputs, names, baseline),
        _baseline_checks(inputs, options, names, baseline),
    )
    return tuple(room for room in rooms if room is not None)


def _migration_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...]
) -> Sequence[ExtraCheck]:
    own = ("migration_structure", "migration_types", "migration_constraints")
    wanted = tuple(name for name in names if name in own)
    if not wanted and LIVENESS not in names:
        return ()
    declarations = declarations_of(inputs, options)
    accepted = accepted_findings(inputs)
    checks: list[ExtraCheck] = []
    if wanted:
        checks.append(MigrationChecks(declarations=declarations, names=wanted, accepted=accepted))
    if LIVENESS in names:
        checks.append(
            LivenessCheck(declarations=declarations, accepted=accepted, probe=options.probe_writes)
        )
    return checks


def declarations_of(inputs: Inputs, options: GateOptions) -> "Declarations":
    """Return what the migrations declare together, nothing where there are none; raises InputError."""
    from pgwatch.migration.verify import read_migrations  # noqa: PLC0415 - brings the SQL grammar

    return read_migrations(migration_files(inputs, options))


def migration_files(inputs: Inputs, options: GateOptions) -> tuple[Path, ...]:
    """Return the files of the migrations in their order; raises InputError where one is not there."""
    from pgwatch.migration.folder import find_migrations  # noqa: PLC0415 - only with migrations

    patterns = migration_patterns(inputs, options.migrations)
    place = "command line" if options.migrations else str(inputs.file or "configuration")
    return find_migrations(patterns, named_in=place)


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


def _readiness_checks(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...]
) -> Sequence[ExtraCheck]:
    if not wanted_before(names):
        return ()
    return rooms_before(names, migration_files(inputs, options), accepted_findings(inputs))


def _promise_check(
    inputs: Inputs, options: GateOptions, names: tuple[str, ...]
) -> ExtraCheck | None:
    file = runbook_of(inputs, options.runbook)
    if "documentation_promises" not in names or file is None:
        return None
    from pgwatch.check.promises import (  # noqa: PLC0415 - brings the SQL grammar
        PromiseCheck,
        declared_names,
        load_runbook,
    )

    runbook = load_runbook(file)
    return PromiseCheck(
        runbook=runbook,
        declared=declared_names(declarations_of(inputs, options)),
        accepted=accepted_findings(inputs),
    )


def _benchmark_checks(
    inputs: Inputs, names: tuple[str, ...], baseline: Baseline | None
) -> BenchmarkChecks | None:
    if "benchmarks" not in names:
        return None
    return BenchmarkChecks(
        benchmarks=benchmarks_of(inputs),
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


def news(inputs: Inputs, baseline: Baseline | None) -> News | None:
    """Return what tells new findings from old ones, None without a baseline."""
    if baseline is None:
        return None
    targets = [target.name for target in inputs.targets]
    return news_of(baseline.findings, baseline.judged, targets)


def benchmarks_of(inputs: Inputs) -> dict[str, tuple[Query, ...]]:
    """Return the benchmarks of each target's packs, by the target's name."""
    catalog = catalog_of(inputs)
    return {target.name: catalog.benchmarks_of(target.packs) for target in inputs.targets}


def baseline_limits(inputs: Inputs | None) -> Limits:
    """Return from when on a difference is one."""
    if inputs is None or inputs.settings is None:
        return Limits()
    settings = inputs.settings.baseline
    return Limits(
        slower=settings.slower,
        slower_by=settings.slower_by,
        min_calls=settings.min_calls,
        improvement=settings.improvement,
    )


def announced_by(inputs: Inputs | None, named: Sequence[str]) -> "Announced | None":
    """Return what the migrations say they do, None where there are none; raises InputError."""
    patterns = migration_patterns(inputs, named)
    if not patterns:
        return None
    from pgwatch.baseline.announced import Announced  # noqa: PLC0415 - only with migrations
    from pgwatch.migration.folder import find_migrations  # noqa: PLC0415 - as above
    from pgwatch.migration.sqlfile import read_statements  # noqa: PLC0415 - as above

    file = inputs.file if inputs else None
    place = "command line" if named else str(file or "configuration")
    paths = find_migrations(patterns, named_in=place)
    try:
        return Announced(one.text for path in paths for one in read_statements(path))
    except OSError as error:
        message = f"a migration cannot be read: {error.strerror or error}"
        raise InputError([Problem(file=str(error.filename), message=message)]) from error
