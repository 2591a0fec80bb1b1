"""What the tables of migration tools say about the schema's version.

Prisma's columns: https://www.prisma.io/docs/orm/prisma-migrate/workflows/troubleshooting and
schema-engine's `imperative_migration_persistence`; Flyway's:
https://documentation.red-gate.com/fd/flyway-schema-history-table-273973417.html; Alembic and Django keep
what was applied, and no failures.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from pgwatch.migration.folder import migration_name
from pgwatch.migration.preflight.row_queries import identifier, literal
from pgwatch.targets.session import RefusedError, Session

_LIMIT = timedelta(seconds=5)
_SHOWN = 3  # names in one message
_MOST = 100_000  # rows of such a table; there are as many as there are migrations
_COLUMNS = {
    "_prisma_migrations": (
        "migration_name",
        "checksum",
        "finished_at IS NOT NULL",
        "rolled_back_at IS NOT NULL",
        "started_at",
    ),
    "flyway_schema_history": (
        "script",
        "success",
        "type",
        "coalesce(version, '')",
        "installed_rank",
    ),
    "alembic_version": ("version_num",),
    "django_migrations": ("app", "name", "id"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionProblem:
    """Something that the table says, and that stands in the way of a migration."""

    table: str  # schema.name
    message: str
    cure: str
    known: bool = True  # False: the table could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """What all such tables of a database say."""

    problems: tuple[VersionProblem, ...]
    notes: tuple[str, ...]  # where each of them stands


async def schema_version(session: Session, paths: Sequence[Path], *, role: str) -> SchemaVersion:
    """Read the tables that are there, and hold them against the migration files; raises as `Session.run`."""
    names = ", ".join(map(literal, _COLUMNS))
    found = await session.run(
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class AS c"  # noqa: S608 - names of ours
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        f" WHERE c.relname IN ({names}) AND c.relkind IN ('r', 'p') ORDER BY 1, 2",
        limit=_LIMIT,
    )
    problems: list[VersionProblem] = []
    notes: list[str] = []
    for schema, name in found.rows:
        table = f"{schema}.{name}"
        columns = ", ".join(_COLUMNS[name])
        sql = (
            f"SELECT {columns} FROM {identifier(schema)}.{identifier(name)}"  # noqa: S608 - as above
            f" ORDER BY {len(_COLUMNS[name])} LIMIT {_MOST}"
        )
        try:
            rows = (await session.run(sql, limit=_LIMIT)).rows
        except RefusedError as error:
            cure = f"GRANT SELECT ON {identifier(schema)}.{identifier(name)} TO {identifier(role)};"
            message = f"{table} could not be read: {error}"
            problems.append(VersionProblem(table=table, message=message, cure=cure, known=False))
            continue
        said, note = _READERS[name](table, rows, paths)
        problems += said
        notes.append(note)
    return SchemaVersion(problems=tuple(problems), notes=tuple(notes))


_Said = tuple[list[VersionProblem], str]


def _prisma(table: str, rows: Sequence[tuple[Any, ...]], paths: Sequence[Path]) -> _Said:
    state: dict[
        str, tuple[str, bool, bool]
    ] = {}  # the last row of each: it may have been tried again
    for name, checksum, finished, rolled_back, _ in rows:
        state[name] = (checksum, finished, rolled_back)
    problems = [
        VersionProblem(
            table=table,
            message=f"{table}: {name} was begun and never finished: it failed, or is half-applied",
            cure="read the column logs of its row, undo what it left, and then"
            f" `prisma migrate resolve --rolled-back {name}`",
        )
        for name, (_, finished, rolled_back) in state.items()
        if not finished and not rolled_back
    ]
    applied = {
        name: checksum
        for name, (checksum, finished, rolled_back) in state.items()
        if finished and not rolled_back
    }
    problems += _recorded(table, [path for path in paths if migration_name(path) in applied])
    problems += _changed(table, applied, _folder_of(paths) or {})
    if (folder := _folder_of(paths)) is not None:
        problems += _unlike(table, applied, folder, [migration_name(path) for path in paths])
    last = max(applied, default="none")
    return problems, f"{table}: {len(applied)} applied, the last is {last}"


def _folder_of(paths: Sequence[Path]) -> dict[str, Path] | None:
    """Return all migrations of the folder in which the given ones are, as Prisma keeps them."""
    ours = [path for path in paths if path.name == "migration.sql"]
    if not ours:
        return None
    root = ours[0].resolve().parent.parent
    return {file.parent.name: file for file in sorted(root.glob("*/migration.sql"))}


def _recorded(table: str, paths: Sequence[Path]) -> list[VersionProblem]:
    if not paths:
        return []
    names = [migration_name(path) for path in paths]
    return [
        VersionProblem(
            table=table,
            message=f"{table} says that {_listed(names)} {_is(names)} applied already",
            cure="leave them out of --migrations; `pgwatch check --once` tells whether they really are",
        )
    ]


def _changed(
    table: str, applied: Mapping[str, str], folder: Mapping[str, Path]
) -> list[VersionProblem]:
    changed = []
    for name in sorted(applied.keys() & folder.keys()):
        try:
            content = folder[name].read_bytes()
        except OSError:
            continue  # that it cannot be read is told where the migrations are read
        if hashlib.sha256(content).hexdigest() != applied[name]:
            changed.append(name)
    if not changed:
        return []
    return [
        VersionProblem(
            table=table,
            message=f"{_listed(changed)} {_is(changed)} not as when applied: the checksum in {table} differs",
            cure="put the file back as it was, and write a further migration for the change",
        )
    ]


def _unlike(
    table: str, applied: Mapping[str, str], folder: Mapping[str, Path], given: Sequence[str]
) -> list[VersionProblem]:
    problems = []
    # A folder may hold the newer migrations only; what is newer than its first should be there.
    lost = sorted(name for name in applied if name not in folder and _when(name) > _first(folder))
    if lost:
        problems.append(
            VersionProblem(
                table=table,
                message=f"{table} says that {_listed(lost)} {_is(lost)} applied, of which there is no folder",
                cure="run the migration from the version of the code that the database has, or newer",
            )
        )
    skipped = sorted(
        name
        for name in folder
        if _when(name) < _first(given) and name not in applied and name not in given
    )
    if skipped:
        problems.append(
            VersionProblem(
                table=table,
                message=f"{_listed(skipped)} in the same folder: earlier, and not applied, says {table}",
                cure="apply them first, or name them with --migrations, too",
            )
        )
    return problems


def _when(name: str) -> str:
    """Return the time stamp that a migration's name begins with; those of one day may come in any order."""
    return "".join(takewhile(str.isdigit, name)).ljust(14, "0")


def _first(names: Iterable[str]) -> str:
    return min(map(_when, names))


def _flyway(table: str, rows: Sequence[tuple[Any, ...]], paths: Sequence[Path]) -> _Said:
    problems = []
    succeeded: dict[str, str] = {}
    for script, success, kind, version, _ in rows:
        if not success:
            problems.append(
                VersionProblem(
                    table=table,
                    message=f"{table}: {script} failed",
                    cure="undo what it left half-done, then `flyway repair` removes its row",
                )
            )
        elif str(kind).startswith("UNDO"):
            succeeded = {name: one for name, one in succeeded.items() if one != version}
        elif kind != "DELETE" and version:  # a repeatable migration is to run again
            succeeded[Path(script).name] = version
    problems += _recorded(table, [path for path in paths if path.name in succeeded])
    versions = list(succeeded.values())
    return problems, f"{table} is at version {versions[-1] if versions else 'none'}"


def _alembic(table: str, rows: Sequence[tuple[Any, ...]], _: Sequence[Path]) -> _Said:
    heads = [version for (version,) in rows]
    if len(heads) < 2:
        return [], f"{table} is at {_listed(heads) or 'none'}"
    problem = VersionProblem(
        table=table,
        message=f"{table} has {len(heads)} heads: {_listed(heads)}",
        cure="`alembic merge heads`, so that there is one version to go on from",
    )
    return [problem], f"{table} has several heads"


def _django(table: str, rows: Sequence[tuple[Any, ...]], _: Sequence[Path]) -> _Said:
    last = f"{rows[-1][0]}.{rows[-1][1]}" if rows else "none"
    return [], f"{table}: {len(rows)} applied, the last is {last}"


_READERS = {
    "_prisma_migrations": _prisma,
    "flyway_schema_history": _flyway,
    "alembic_version": _alembic,
    "django_migrations": _django,
}


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
