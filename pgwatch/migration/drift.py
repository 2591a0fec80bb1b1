"""What migrations declare, beside a database, again and again: the daemon's probe for drift."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Lock

from pgwatch.errors import InputError
from pgwatch.migration.compare import Problem
from pgwatch.migration.folder import find_migrations
from pgwatch.migration.objects import Declarations
from pgwatch.migration.parse import UnparsableError
from pgwatch.migration.verify import Verification, read_migrations, verify
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError
from pgwatch.targets.target import Target

OBJECTS = Family("pg_declared_objects", MetricType.GAUGE, "Objects that the migrations declare")
PROBLEM = Family(
    "pg_declared_object_problem",
    MetricType.GAUGE,
    "1 for each object that is not as a statement of a migration declares it, until it is",
)
PROBLEM_LABELS = ("migration", "line", "kind", "object", "problem")
_MAX_SERIES = 200  # as a query's
_Stamp = tuple[tuple[Path, int, int], ...]  # (file, mtime in ns, size)


@dataclass(slots=True, kw_only=True)
class MigrationFiles:
    """What migrations declare, read for all targets together, and again only if a file has changed."""

    patterns: Sequence[str]  # as in the key `migrations`
    _read: Declarations | None = field(default=None, init=False, repr=False)
    _stamp: _Stamp = field(default=(), init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def declarations(self) -> Declarations:
        """Return what they declare now; raises InputError. From any thread."""
        with self._lock:
            files = find_migrations(self.patterns, named_in="migrations")
            if self._read is None or _stamp((*files, *self._read.files)) != self._stamp:
                begun = _stamp(files)
                self._read = read_migrations(files)
                as_read = _stamp(files) == begun  # else one was written to meanwhile
                self._stamp = (
                    _stamp((*files, *self._read.files)) if as_read else ()
                )  # with those of \i
            return self._read


@dataclass(slots=True, kw_only=True)
class DriftProbe:
    """Verifies migrations on the DSN's own database of a target.

    A run takes one session for as long as it looks, and no part of it runs on the event loop's thread.
    """

    target: Target
    files: MigrationFiles
    interval: timedelta
    timeout: timedelta = timedelta(seconds=60)

    @property
    def source(self) -> Source:
        """The comparison of the target."""
        return Source(self.target.name, "probe/migrations")

    def run(self, now_ms: int) -> Collected:
        """Compare once; raises ProbeError where it cannot be told."""
        try:
            declarations = self.files.declarations()
        except InputError as error:
            raise ProbeError("; ".join(one.message for one in error.problems)) from error
        try:
            database, found = asyncio.run(self._look(declarations))
        except TimeoutError as error:
            raise ProbeError("the comparison did not end in time") from error
        except (
            ConnectError,
            RefusedError,
            SessionBrokenError,
            SilentServerError,
            UnparsableError,
        ) as error:
            raise ProbeError(f"the catalogue could not be read: {error}") from error
        return self._collected(found, database, now_ms)

    async def _look(self, declarations: Declarations) -> tuple[str, Verification]:
        async with asyncio.timeout(self.timeout.total_seconds()):
            session, info = await open_session(self.target, prepare=False)
            try:
                return info.database, await verify(session, declarations)
            finally:
                await session.close()

    def _collected(self, found: Verification, database: str, now_ms: int) -> Collected:
        here = {**self.target.labels, "target": self.target.name, "datname": database}
        told: dict[Labels, float] = {}
        for problem in found.problems:
            told[Labels({**here, METRIC_NAME: PROBLEM.name, **_labels(problem)})] = 1.0
        kept = list(told)[:_MAX_SERIES]
        dropped = {"max_series": len(told) - len(kept)} if len(told) > len(kept) else {}
        return Collected(
            source=self.source,
            time_ms=now_ms,
            families=(OBJECTS, PROBLEM),
            labels=[Labels({**here, METRIC_NAME: OBJECTS.name}), *kept],
            values=[float(found.objects), *(told[one] for one in kept)],
            instance=self.target.dsn.host_port,
            dropped=dropped,
        )


def _labels(problem: Problem) -> Mapping[str, str]:
    name = str(problem.key) if problem.key is not None else ""
    place = problem.place
    values = (place.migration, str(place.line), problem.kind, name, str(problem.fault))
    return dict(zip(PROBLEM_LABELS, values, strict=True))


def _stamp(files: Sequence[Path]) -> _Stamp:
    stamps = []
    for file in dict.fromkeys(files):
        try:
            status = file.stat()
        except OSError:
            stamps.append((file, 0, 0))
            continue
        stamps.append((file, status.st_mtime_ns, status.st_size))
    return tuple(stamps)
