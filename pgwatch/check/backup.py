"""The check `backup`: a recent one is there, whole, and of this database."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pgwatch.check.extra import Visit, result, without_accepted
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.errors import InputError, Problem
from pgwatch.probes.backup.collection import Chosen, choose, is_one
from pgwatch.probes.backup.inspect import inspect
from pgwatch.probes.backup.inspection import Inspection
from pgwatch.rules.accepted import Accepted
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo
from pgwatch.units import format_duration

NAME = "backup"
NONE = "no backup is configured"
CURE = "backups: [{path: /backups, pattern: 'backup_*', max_age: 26h}]  # in pgwatch.yml"
_ENOUGH = timedelta(seconds=2)  # kept of the run's time for the rest of the report
_AHEAD = timedelta(minutes=5)  # by which the clock of another machine may be ahead
_SQL = "SELECT system_identifier FROM pg_catalog.pg_control_system()"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlace:
    """Where backups are, and what is asked of the newest."""

    folder: Path
    pattern: str = "*"
    max_age: timedelta = timedelta(hours=26)
    min_share: float = 0.5  # of the size of the one before
    target: str = ""  # "": of whichever target


def place_of(pattern: str) -> BackupPlace:
    """Return the place that a pattern such as `/backups/roofing_*` names; a folder alone: all in it.

    Raises InputError for one that names nothing.
    """
    if not pattern:
        message = "it is empty; expected a folder, or a pattern such as /backups/roofing_*"
        raise InputError([Problem(file="command line", path="--backup", message=message)])
    path = Path(pattern)
    if path.is_dir() and not is_one(path):
        return BackupPlace(folder=path)
    return BackupPlace(folder=path.parent, pattern=path.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one place says."""

    problems: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    cures: tuple[str, ...] = ()
    note: str = ""
    object: str = ""
    fix: str = "take a new backup, and look at what the last one said"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupChecks:
    """Looks at the newest backup of each place."""

    places: Sequence[BackupPlace]
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (NAME,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Return the check; reading is done in threads, and ends with the run's time."""
        started = time.perf_counter()
        places = [one for one in self.places if one.target in ("", visit.target.name)]
        until = time.monotonic() + max(0.0, (visit.limit - _ENOUGH).total_seconds())
        cluster = await _system_identifier(visit) if places else ""
        told = [await asyncio.to_thread(_look, one, visit, cluster, until) for one in places]
        if not told:
            told = [_Told(untold=(NONE,), cures=(CURE,))]
        findings = [_finding(one, problem) for one in told for problem in one.problems]
        counted, waived = without_accepted(NAME, findings, self.accepted, visit.now)
        notes = [text for one in told for text in (*one.untold, one.note) if text]
        verdict = Verdict.UNKNOWN if any(one.untold for one in told) else Verdict.PASS
        return [
            result(
                NAME,
                visit,
                Verdict.FAIL if counted else verdict,
                reason="; ".join((*notes, *waived)),
                cure="\n".join(dict.fromkeys(cure for one in told for cure in one.cures)),
                findings=counted,
                elapsed=time.perf_counter() - started,
            )
        ]


async def _system_identifier(visit: Visit) -> int | str:
    """Return the cluster's identifier, or why we do not know it."""

    async def asked(session: Session, _: ServerInfo) -> int:
        answer = await session.run(_SQL, limit=timedelta(seconds=5))
        return int(answer.rows[0][0])

    return await in_session(visit.target, visit.database, asked)


def _look(place: BackupPlace, visit: Visit, cluster: int | str, until: float) -> _Told:
    try:
        found = choose(place.folder, place.pattern, visit.database)
    except OSError as error:
        reason = f"{place.folder} cannot be read: {error.strerror or error}"
        return _Told(untold=(reason,), cures=("let pgwatch's user read the folder",))
    if isinstance(found, str):
        fix = "take a backup, or name where they are: --backup, or the key `backups`"
        return _Told(problems=(found,), object=str(place.folder), fix=fix)
    visit.say(f"reading {found.path.name}")
    looked = inspect(found.path, until=until)
    problems = (*looked.problems, *_beside(place, found, looked, visit))
    untold = [*looked.untold]
    if looked.system_identifier is not None:
        if isinstance(cluster, str):
            untold.append(f"whether it is of this cluster could not be asked: {cluster}")
        elif looked.system_identifier != cluster:
            problems = (*problems, "it is of another cluster (its system identifier differs)")
    age = timedelta(seconds=round((visit.now - found.made).total_seconds()))
    if age < -_AHEAD:
        untold.append(f"how old it is: its time is {format_duration(-age)} ahead of this clock")
    read = f"; read: {looked.read}" if looked.read else ""
    old = f", {format_duration(max(age, timedelta(0)))} old" if age >= -_AHEAD else ""
    return _Told(
        problems=tuple(f"{found.path.name}: {problem}" for problem in problems),
        untold=tuple(f"{found.path.name}: {one}" for one in untold),
        cures=looked.cures,
        note=f"{found.path.name} is a {looked.form}, {_size(looked.bytes)}{old}{read}",
        object=str(found.path),
    )


def _beside(place: BackupPlace, found: Chosen, looked: Inspection, visit: Visit) -> list[str]:
    """Return what is wrong beside the limits, the backup before, and the server."""
    problems = []
    age = visit.now - found.made
    if age > place.max_age:
        shown = format_duration(timedelta(seconds=round(age.total_seconds())))
        problems.append(f"it is {shown} old; at most {format_duration(place.max_age)} is wanted")
    if found.previous is not None and looked.bytes < place.min_share * found.previous_bytes:
        problems.append(
            f"it has {_size(looked.bytes)}, less than {place.min_share:.0%} of"
            f" {found.previous.name} before it ({_size(found.previous_bytes)})"
        )
    info = visit.polled[0].info
    if info is not None and looked.server_version:
        was, now = _major(looked.server_version), _major(info.version)
        if was != now:
            problems.append(f"it was taken from PostgreSQL {was}; the server is {now} by now")
    return problems


def _major(version: str) -> str:
    return version.split(" ", maxsplit=1)[0].split(".", maxsplit=1)[0]


def _finding(told: _Told, problem: str) -> Finding:
    return Finding(
        summary=problem,
        fix=told.fix,
        labels={"kind": "backup", "object": told.object, "problem": "backup"},
        object=told.object,
    )


def _size(bytes_: int) -> str:
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if bytes_ >= factor:
            return f"{bytes_ / factor:.1f} {unit}"
    return f"{bytes_} bytes"
