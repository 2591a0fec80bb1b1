"""What migrations declare, beside a database, again and again: the daemon's probe for drift."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

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
class DriftProbe:
    """Verifies migrations on the DSN's own database of a target.

    A run reads the files only if one has changed, takes one session for as long as it looks, and no part
    of it runs on the event loop's thread.
    """

    target: Target
    patterns: Sequence[str]  # as in the key `migrations`
    interval: timedelta
    timeout: timedelta = timedelta(seconds=60)
    _read: Declarations | None = field(default=None, init=False, repr=False)
    _stamp: _Stamp = field(default=(), init=False, repr=False)

    @property
    def source(self) -> Source:
        """The comparison of the target."""
        return Source(self.target.name, "probe/migrations")

    def run(self, now_ms: int) -> Collected:
        """Compare once; raises ProbeError where it cannot be told."""
        try:
            declarations = self._declarations()
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

    def _declarations(self) -> Declarations:
        files = find_migrations(self.patterns, named_in="migrations")
        if self._read is None or _stamp((*files, *self._read.files)) != self._stamp:
            self._read = read_migrations(files)
            self._stamp = _stamp((*files, *self._read.files))  # also those that \i brings
        return self._read

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
