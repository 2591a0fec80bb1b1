"""Whether a migration could run at all: privileges, version, disk, and the schema's version."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pgwatch.migration.objects import Place
from pgwatch.migration.preflight.locks import rewritten_bytes
from pgwatch.migration.preflight.privileges import lacking
from pgwatch.migration.preflight.steps import Step, read_steps
from pgwatch.migration.preflight.syntax import OLDEST, needs_version
from pgwatch.migration.preflight.tool_tables import schema_version
from pgwatch.migration.sqlfile import Statement
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

# "Ensure at least 10 GB": what deployment guides ask for; more if more is written anew.
HEADROOM_BYTES = 10 * 1000**3


class Topic(StrEnum):
    """What a migration needs, beside statements that work."""

    PRIVILEGE = "privilege"
    VERSION = "version"
    DISK = "disk"
    SCHEMA_VERSION = "schema_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeDisk:
    """What is free where the database's files are, and whether somebody could look."""

    bytes: int | None  # None: nobody could
    reason: str  # where it was read, or why not
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that is missing, or (not `known`) that nobody could look at."""

    topic: Topic
    message: str
    cure: str
    object: str = ""
    place: Place | None = None  # the first statement that needs it
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The answer, and where things stand."""

    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...]


async def readiness(
    session: Session,
    info: ServerInfo,
    statements: Sequence[Statement],
    paths: Sequence[Path],
    disk: FreeDisk,
) -> Readiness:
    """Judge the role that we are connected as, and this server; raises as `Session.run` does."""
    steps, unread = read_steps(statements)
    obstacles = [*_old(steps, info)]
    for lack in await lacking(session, steps, info):
        others = f" (and {lack.more} more need it)" if lack.more else ""
        obstacles.append(
            Obstacle(
                topic=Topic.PRIVILEGE,
                message=f"role {info.user} cannot run it: {lack.message}{others}",
                cure=lack.cure,
                object=lack.object,
                place=lack.place,
            )
        )
    if unread and not info.is_superuser:
        message = (
            f"what role {info.user} needs for {len(unread)} that cannot be read (the first is in the line"
            f" {unread[0].line} of {unread[0].migration}) is not known"
        )
        obstacles.append(
            Obstacle(topic=Topic.PRIVILEGE, message=message, cure="", place=unread[0], known=False)
        )
    obstacles += _disk(disk, await rewritten_bytes(session, steps))
    versions = await schema_version(session, paths, role=info.user)
    obstacles += [
        Obstacle(
            topic=Topic.SCHEMA_VERSION,
            message=problem.message,
            cure=problem.cure,
            object=problem.table,
            known=problem.known,
        )
        for problem in versions.problems
    ]
    role = f"judged for role {info.user}, as which pgwatch is connected"
    return Readiness(obstacles=tuple(obstacles), notes=(role, *versions.notes))


def _old(steps: Sequence[Step], info: ServerInfo) -> list[Obstacle]:
    """Return what the server's version is too old for."""
    server = info.version_num // 10000
    found = [
        Obstacle(
            topic=Topic.VERSION,
            message=f"{what} needs PostgreSQL {version}; the server is {info.version.split(' ')[0]}",
            cure=f"upgrade the server to {version}, or write the statement without it",
            place=step.place,
        )
        for step in steps
        for version, what in [needs_version(step.kind, step.node)]
        if version > server
    ]
    if server < OLDEST:
        message = f"PostgreSQL {info.version.split(' ')[0]} is older than {OLDEST}"
        found.append(Obstacle(topic=Topic.VERSION, message=message, cure="upgrade the server"))
    return found


def _disk(disk: FreeDisk, rewritten: int) -> list[Obstacle]:
    wanted = max(HEADROOM_BYTES, rewritten)
    why = f"the tables and indexes that are written anew, {_gb(rewritten)}"
    reason = why if rewritten > HEADROOM_BYTES else f"{_gb(HEADROOM_BYTES)} of headroom"
    if disk.bytes is None:
        message = f"whether {reason} are free on disk could not be told: {disk.reason}"
        return [Obstacle(topic=Topic.DISK, message=message, cure=disk.cure, known=False)]
    if disk.bytes >= wanted:
        return []
    message = f"{_gb(disk.bytes)} are free ({disk.reason}), wanted are {reason}"
    return [
        Obstacle(topic=Topic.DISK, message=message, cure="free some space, or enlarge the disk")
    ]


def _gb(bytes_: int) -> str:
    return f"{bytes_ / 1000**3:.1f} GB"
