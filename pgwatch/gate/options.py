"""What is wanted of a run of the gate, from the command line and the file; the command line goes first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.baseline.compared import Limits
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.queries.catalog import Catalog
from pgwatch.queries.query import Query
from pgwatch.rules.rule import Phase

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


def migration_files(inputs: Inputs | None, named: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of the migrations in their order; raises InputError where one is not there."""
    from pgwatch.migration.folder import find_migrations  # noqa: PLC0415 - only with migrations

    file = inputs.file if inputs else None
    place = "command line" if named else str(file or "configuration")
    return find_migrations(migration_patterns(inputs, named), named_in=place)


def declarations_of(inputs: Inputs, named: Sequence[str]) -> "Declarations":
    """Return what the migrations declare together, nothing where there are none; raises InputError."""
    from pgwatch.migration.verify import read_migrations  # noqa: PLC0415 - brings the SQL grammar

    return read_migrations(migration_files(inputs, named))


def announced_by(inputs: Inputs | None, named: Sequence[str]) -> "Announced | None":
    """Return what the migrations say they do, None where there are none; raises InputError."""
    if not migration_patterns(inputs, named):
        return None
    from pgwatch.baseline.announced import Announced  # noqa: PLC0415 - only with migrations
    from pgwatch.migration.sqlfile import read_statements  # noqa: PLC0415 - as above

    paths = migration_files(inputs, named)
    try:
        return Announced(one.text for path in paths for one in read_statements(path))
    except OSError as error:
        message = f"a migration cannot be read: {error.strerror or error}"
        raise InputError([Problem(file=str(error.filename), message=message)]) from error


def runbook_of(inputs: Inputs | None, named: Path | None) -> Path | None:
    """Return the runbook: the one on the command line (`named`), else the file's."""
    settings = inputs.settings if inputs else None
    if named is not None or settings is None or settings.runbook is None:
        return named
    return Path(settings.runbook)


def benchmarks_of(inputs: Inputs, catalog: Catalog) -> dict[str, tuple[Query, ...]]:
    """Return the benchmarks of each target's packs, by the target's name."""
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
