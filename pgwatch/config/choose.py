"""What a command works on: connection strings, a file, or both; read only as far as needed.

A connection string alone is enough for everything, and then nothing of pydantic is imported.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.config.nearest import nearest
from pgwatch.config.targets import targets_of_dsns, targets_of_settings
from pgwatch.errors import InputError, Problem
from pgwatch.files import not_a_file, unreadable
from pgwatch.targets.target import Target

if TYPE_CHECKING:
    from pgwatch.config.document import Tree
    from pgwatch.config.schema import Settings

DEFAULT_FILES = (Path("pgwatch.yml"), Path("/etc/pgwatch/pgwatch.yml"))

# Any of these means that somebody has set up libpq for one database.
_LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a command was given to work on."""

    targets: tuple[Target, ...]  # never empty
    settings: "Settings | None"  # None: no file and no PGWATCH__ variable, so the defaults
    file: Path | None  # where the settings came from
    tree: "Tree | None" = None  # knows the place of each setting


def choose_inputs(
    *, dsns: Sequence[str] = (), names: Sequence[str] = (), config: Path | None = None
) -> Inputs:
    """Return the targets that the command line means, and the settings if there are any.

    `dsns` and `names` (of targets in the file) are what the command line names; with `dsns` alone only a
    file that was named explicitly is read. If it names none: `PGWATCH_DSN`, else all targets of the
    file, else what libpq's PG* variables say. Raises InputError with every problem.
    """
    file = find_file(config, look_around=not dsns or bool(names))
    settings, tree = None, None
    if file is not None or any(name.startswith("PGWATCH__") for name in os.environ):
        from pgwatch.config.load import read  # noqa: PLC0415  # brings pydantic

        settings, tree = read(file)
    targets = _targets(dsns, names, settings)
    if not targets:
        message = (
            "nothing to watch: name a connection string (postgresql://…), set PGWATCH_DSN or PGHOST,"
            " or list targets in pgwatch.yml (`pgwatch config init` writes one)"
        )
        raise InputError([Problem(file=str(file or "command line"), message=message)])
    return Inputs(targets=targets, settings=settings, file=file, tree=tree)


def find_file(config: Path | None, *, look_around: bool = True) -> Path | None:
    """Return the configuration file: `config`, `$PGWATCH_CONFIG`, else the first of DEFAULT_FILES.

    `look_around=False` leaves out the default places. Raises InputError if a named file is not there.
    """
    named = os.environ.get("PGWATCH_CONFIG")
    source = "--config" if config else "PGWATCH_CONFIG"
    if config is None and named:
        config = Path(named)
    if config is not None:
        if problem := not_a_file(config):
            message = f"{problem} (named by {source})"
            raise InputError([Problem(file=str(config), message=message)])
        return config
    return next((file for file in DEFAULT_FILES if _is_there(file)), None) if look_around else None


def _is_there(file: Path) -> bool:
    """Return whether `file` is there; raises InputError if nobody can tell."""
    try:
        return file.is_file()
    except OSError as error:
        raise InputError([Problem(file=str(file), message=unreadable(file, error))]) from None


def _targets(
    dsns: Sequence[str], names: Sequence[str], settings: "Settings | None"
) -> tuple[Target, ...]:
    defaults = settings.defaults if settings else None
    if empty := _empty(dsns, names):
        raise InputError(empty)
    if dsns or names:
        direct = targets_of_dsns(dsns, defaults=defaults)
        return (*direct, *_named(names, targets_of_settings(settings) if settings else ()))
    if dsn := os.environ.get("PGWATCH_DSN"):
        return targets_of_dsns([dsn], file="PGWATCH_DSN", defaults=defaults)
    if settings and settings.targets:
        return targets_of_settings(settings)
    if any(os.environ.get(variable) for variable in _LIBPQ_VARIABLES):
        return targets_of_dsns([""], file="the PG* environment", defaults=defaults)
    return ()


def _empty(dsns: Sequence[str], names: Sequence[str]) -> list[Problem]:
    """Return a problem for each connection string without content.

    libpq takes it for "whatever PG* says": the wrong database, where a variable was forgotten.
    """
    problems = [
        Problem(
            file="command line",
            message=f"connection string {number} is empty; is the variable it came from not set?",
        )
        for number, dsn in enumerate(dsns, 1)
        if not dsn.strip()
    ]
    written = os.environ.get("PGWATCH_DSN")
    if not dsns and not names and written is not None and not written.strip():
        message = "is empty; set it to a connection string (postgresql://…), or unset it"
        problems.append(Problem(file="environment", path="PGWATCH_DSN", message=message))
    return problems


def _named(names: Sequence[str], targets: Sequence[Target]) -> tuple[Target, ...]:
    by_name = {target.name: target for target in targets}
    problems = [
        Problem(file="command line", message=f"no target {name!r}; {nearest(name, by_name)}")
        for name in names
        if name not in by_name
    ]
    if problems:
        raise InputError(problems)
    return tuple(by_name[name] for name in dict.fromkeys(names))
