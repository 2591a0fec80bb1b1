"""The checks `migration_readiness` and `migration_disk`: could a migration run here and now at all."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from pgwatch.check.extra import Visit, result, untold, without_accepted
from pgwatch.check.place import place_labels, quoted
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.rules.accepted import Accepted
from pgwatch.targets.session import RefusedError, Session
from pgwatch.targets.target import HostSource, ServerInfo, Target

if TYPE_CHECKING:
    from pgwatch.migration.preflight.readiness import FreeDisk, Obstacle, Readiness
    from pgwatch.migration.sqlfile import Statement

NAME = "migration_readiness"
DISK = "migration_disk"  # a warning of its own: free disk is unknown to most
_LIMIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessChecks:
    """Judges the role that we are connected as, and the server, for what a migration needs."""

    statements: "Sequence[Statement]"
    paths: Sequence[Path]
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (NAME, DISK)  # those wanted

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Return the checks; what kept us from looking is the reason why they are unknown."""
        started = time.perf_counter()
        found = await self._look(visit)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        return [self._result(name, found, visit, elapsed) for name in self.names]

    def _result(self, name: str, found: "Readiness", visit: Visit, elapsed: float) -> CheckResult:
        is_disk = name == DISK
        obstacles = [one for one in found.obstacles if (str(one.topic) == "disk") is is_disk]
        findings = [_finding(one) for one in obstacles if one.known]
        counted, waived = without_accepted(name, findings, self.accepted, visit.now)
        unclear = [one for one in obstacles if not one.known]
        notes = (*(one.message for one in unclear), *(() if is_disk else found.notes))
        verdict = Verdict.UNKNOWN if unclear else Verdict.PASS
        if counted:
            verdict = Verdict.WARN if is_disk else Verdict.FAIL
        return result(
            name,
            visit,
            verdict,
            reason="; ".join((*notes, *waived)),
            cure="\n".join(dict.fromkeys(one.cure for one in unclear if one.cure)),
            findings=counted,
            elapsed=elapsed,
        )

    async def _look(self, visit: Visit) -> "Readiness | str":
        from pgwatch.migration.preflight.readiness import FreeDisk, readiness  # noqa: PLC0415 - the grammar

        async def looked(session: Session, info: ServerInfo) -> "Readiness":
            disk = FreeDisk(bytes=None, reason="")
            if DISK in self.names:
                disk = await free_disk(session, visit.target, role=info.user)
            return await readiness(session, info, self.statements, self.paths, disk)

        return await in_session(visit.target, visit.database, looked)


def _finding(obstacle: "Obstacle") -> Finding:
    place = obstacle.place
    return Finding(
        summary=obstacle.message,
        description=quoted(place) if place else "",
        fix=obstacle.cure,
        labels={
            **(place_labels(place) if place else {}),
            "kind": str(obstacle.topic),
            "object": obstacle.object,
            "problem": "not_ready",
        },
        object=obstacle.object,
    )


async def free_disk(session: Session, target: Target, *, role: str) -> "FreeDisk":
    """Return what is free where the data directory is, if the target's `host` lets us look."""
    from pgwatch.migration.preflight.readiness import FreeDisk  # noqa: PLC0415 - the grammar

    source = target.host
    if source in (HostSource.NONE, HostSource.SERVER):
        cure = "host: {source: local}  # or {source: node_exporter, url: …}, in pgwatch.yml"
        return FreeDisk(bytes=None, reason="PostgreSQL does not tell what is free", cure=cure)
    try:
        answer = await session.run("SELECT current_setting('data_directory')", limit=_LIMIT)
    except RefusedError as error:
        cure = f'GRANT pg_read_all_settings TO "{role}";'
        return FreeDisk(bytes=None, reason=f"where the data is: {error}", cure=cure)
    folder = str(answer.rows[0][0])
    return await asyncio.to_thread(_free_at, target, folder)


def _free_at(target: Target, folder: str) -> "FreeDisk":
    from pgwatch.migration.preflight.readiness import FreeDisk  # noqa: PLC0415 - the grammar
    from pgwatch.probes.disk import local_free_bytes, node_exporter_free_bytes  # noqa: PLC0415 - psutil
    from pgwatch.probes.probe import ProbeError  # noqa: PLC0415 - as above

    try:
        match target.host:
            case HostSource.LOCAL:
                free = local_free_bytes(folder)
            case HostSource.NODE_EXPORTER:
                free = node_exporter_free_bytes(target.host_url, folder, timeout=_LIMIT)
            case HostSource.NONE | HostSource.SERVER:
                return FreeDisk(bytes=None, reason="the host is not watched")
            case _:
                assert_never(target.host)
    except ProbeError as error:
        return FreeDisk(bytes=None, reason=str(error))
    return FreeDisk(bytes=free, reason=f"at {folder}")
