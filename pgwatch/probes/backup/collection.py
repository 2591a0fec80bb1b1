"""The backups of a folder, newest first."""

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgwatch.files import locked_folder
from pgwatch.probes.backup.inspect import database_of, size_of

_MOST = 200  # of the newest are looked at for one of the right database
_WRITTEN_LAST = (
    "toc.dat",
    "backup_manifest",
)  # of a folder: its own time changes with any file in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The newest backup of a database, and the one before it."""

    path: Path
    made: datetime  # aware UTC: when it was last written to
    previous: Path | None
    previous_bytes: int


def choose(folder: Path, pattern: str, database: str) -> Chosen | str:
    """Return the newest backup of `database` (or that does not say of which it is), else why there is none.

    Raises OSError where the folder cannot be read.
    """
    if not folder.is_dir():
        return f"{folder} is no folder" if folder.exists() else f"{folder} does not exist"
    if locked := locked_folder(folder / pattern):  # which glob passes over
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(locked))
    found = sorted(
        ((_made(path), path) for path in folder.glob(pattern) if _is_backup(path)), reverse=True
    )
    if not found:
        return f"nothing in {folder} matches {pattern!r}"
    fitting = [(made, path) for made, path in found[:_MOST] if database_of(path) in ("", database)]
    if not fitting:
        newest = found[0][1]
        return f"no backup in {folder} is of {database}; {newest.name} is of {database_of(newest)}"
    (made, path), *older = fitting
    previous = older[0][1] if older else None
    return Chosen(
        path=path,
        made=made,
        previous=previous,
        previous_bytes=size_of(previous) if previous else 0,
    )


def is_one(folder: Path) -> bool:
    """Return whether a folder is a backup itself, not one that holds backups."""
    return any((folder / name).is_file() for name in (*_WRITTEN_LAST, "PG_VERSION"))


def _is_backup(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_file() or path.is_dir())


def _made(path: Path) -> datetime:
    times = [path.stat().st_mtime]
    if path.is_dir():
        times = [
            (path / name).stat().st_mtime for name in _WRITTEN_LAST if (path / name).is_file()
        ] or times
    return datetime.fromtimestamp(max(times), UTC)
