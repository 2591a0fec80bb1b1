"""Targets as the rest of pgwatch knows them, from the settings or straight from connection strings.

Importing pydantic costs more than a whole run of the gate's SQL, so nothing here imports the schema.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target

if TYPE_CHECKING:
    from pgwatch.config.schema import Settings, TargetDefaults, TargetSettings


_A_FILE = (
    "this is a file or folder, no connection string; a pattern of files stands in quotes, or the shell"
    " makes several words of it"
)


def targets_of_dsns(
    dsns: Sequence[str], *, file: str = "command line", defaults: "TargetDefaults | None" = None
) -> tuple[Target, ...]:
    """Return a target for each connection string; an empty one is libpq's environment.

    `file` says in messages where the strings come from. `defaults` gives all but passwords, which the
    strings bring themselves. Raises InputError with every bad string, named by its number because it
    may hold a password.
    """
    parsed: list[Dsn] = []
    problems = []
    for number, text in enumerate(dsns, 1):
        try:
            parsed.append(Dsn.parse(text))
        except PgwatchError as error:
            which = f"connection string {number}" if len(dsns) > 1 else ""
            message = _A_FILE if _is_there(text) else str(error)
            problems.append(Problem(file=file, path=which, message=message))
    names = target_names(parsed)
    for name, count in Counter(names).items():
        if count > 1:
            problems.append(Problem(file=file, message=f"{name} is named {count} times"))
    if problems:
        raise InputError(problems)
    return tuple(_target(name, dsn, defaults) for name, dsn in zip(names, parsed, strict=True))


def _is_there(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # no path at all
        return False


def targets_of_settings(settings: "Settings") -> tuple[Target, ...]:
    """Return the targets that the settings declare.

    Raises PgwatchError if the environment has changed so that a connection string became unusable.
    """
    dsns = [dsn_of(target) for target in settings.targets]
    names = target_names(dsns, [target.name for target in settings.targets])
    return tuple(map(_target, names, dsns, settings.targets))


def _target(name: str, dsn: Dsn, options: "TargetDefaults | None") -> Target:
    if options is None:
        return Target(name=name, dsn=dsn)
    return Target(
        name=name,
        dsn=dsn,
        databases=options.databases,
        packs=options.packs,
        labels=options.labels,
        host=options.host.source,
        host_url=options.host.url or "",
        max_connections=options.max_connections,
        connect_timeout=options.connect_timeout,
    )


def dsn_of(target: "TargetSettings") -> Dsn:
    """Return how to reach `target`; without `dsn` and `service` libpq's environment says it.

    Raises PgwatchError if that cannot be used.
    """
    text = target.dsn.reveal() if target.dsn else ""
    if target.service:
        text = service_dsn(target.service)
    return Dsn.parse(text, password=target.password or target.password_file)


def service_dsn(name: str) -> str:
    """Return the connection string that names a service of libpq's service file."""
    escaped = name.replace("\\", r"\\").replace("'", r"\'")
    return f"service='{escaped}'"


def target_names(dsns: Sequence[Dsn], given: Sequence[str | None] = ()) -> list[str]:
    """Return each target's name: the given one, else its database, with the server where two are alike."""
    given = given or [None] * len(dsns)
    names = [name or dsn.dbname for name, dsn in zip(given, dsns, strict=True)]
    count = Counter(names)
    return [
        own or (f"{dsn.host_port}/{name}" if count[name] > 1 else name)
        for own, name, dsn in zip(given, names, dsns, strict=True)
    ]
