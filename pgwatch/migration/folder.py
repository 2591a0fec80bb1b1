"""Which files are migrations, and in which order they were applied: Prisma's, Flyway's, plain folders."""

import re
from collections.abc import Sequence
from pathlib import Path

from pgwatch.errors import InputError, Problem
from pgwatch.files import locked_below, locked_folder, matching, unreadable

_FLYWAY = re.compile(r"^(?P<kind>[VRUB])(?P<version>[0-9._]*)__.*\.sql$")
_NUMBER = re.compile(r"(\d+)")
_UNDOES = re.compile(r"\.(down|undo|rollback)\.sql$", re.IGNORECASE)
_Order = tuple[int, tuple[tuple[int, int, str], ...]]


def find_migrations(patterns: Sequence[str], *, named_in: str) -> tuple[Path, ...]:
    """Return the files that `patterns` (files, folders, globs) stand for, each once.

    The patterns keep their order; within one, files are ordered as their tool applies them. Raises
    InputError, with `named_in` as its place, for a pattern that stands for nothing, or for a folder that
    may not be read: a migration that nobody sees would count as none.
    """
    found: dict[Path, None] = {}
    problems = []
    for pattern in patterns:
        files = _expand(pattern)
        messages = [unreadable(folder, PermissionError()) for folder in _locked(pattern)]
        if not files and not messages:
            messages = [f"no migration file matches {pattern!r}"]
        path = "--migrations" if named_in == "command line" else "migrations"
        problems += [Problem(file=named_in, path=path, message=one) for one in messages]
        found.update(dict.fromkeys(files))
    if problems:
        raise InputError(problems)
    return tuple(found)


def migration_name(path: Path) -> str:
    """Return what people call the migration: Prisma's folder, elsewhere the file without `.sql`."""
    return path.resolve().parent.name if path.name == "migration.sql" else path.stem


def _expand(pattern: str) -> list[Path]:
    files: list[Path] = []
    for path in matching(pattern, deep=True):
        files += _in_folder(path) if path.is_dir() else [path]
    return sorted(dict.fromkeys(files), key=_order)


def _locked(pattern: str) -> list[Path]:
    if folder := locked_folder(Path(pattern)):
        return [folder]
    named = matching(pattern, deep=True)
    return [folder for path in named for folder in locked_below(path)]


def _in_folder(folder: Path) -> list[Path]:
    files = list(folder.glob("*/migration.sql")) or list(folder.glob("*.sql"))
    return [file for file in files if not _undoes(file)]


def _undoes(file: Path) -> bool:
    flyway = _FLYWAY.match(file.name)
    return bool(_UNDOES.search(file.name)) or (flyway is not None and flyway["kind"] == "U")


def _order(path: Path) -> _Order:
    """Return the sort key: numbers as numbers, and Flyway's repeatable migrations after all versions."""
    flyway = _FLYWAY.match(path.name)
    if flyway is not None:
        last = flyway["kind"] == "R"
        name = path.name if last else flyway["version"].replace("_", ".")
        return (int(last), (*_natural(str(path.parent)), *_natural(name)))
    return (0, _natural(str(path)))


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in _NUMBER.split(text)
        if part
    )
