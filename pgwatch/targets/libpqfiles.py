"""libpq's two files: `pg_service.conf` (named sets of parameters) and `.pgpass` (passwords).

The service file is read here, and not left to libpq, because host names must be resolved without
blocking the event loop, because the label `instance` needs the host, and because the library inside
the psycopg wheel looks for the system's file in a folder that no system has.
https://www.postgresql.org/docs/current/libpq-pgservice.html and libpq-pgpass.html
"""

import os
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from pgwatch.errors import PgwatchError

_SYSTEM_FOLDERS = ("/etc/postgresql-common", "/etc")  # Debian's, and the usual one elsewhere


def read_service(name: str, keywords: Container[str]) -> Mapping[str, str]:
    """Return the parameters of service `name`; the user's file goes before the system's.

    Raises PgwatchError if no file defines it, or one has a line that libpq (its `keywords`) refuses.
    """
    files = list(_service_files())
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise PgwatchError(f"cannot read service file {file}: {error}") from error
        if (section := _section(text, name, keywords, file)) is not None:
            return section
    where = ", ".join(str(file) for file in files)
    raise PgwatchError(f"service {name!r} is not defined (looked in {where})")


def passfile_passwords(passfile: str, user: str) -> Iterator[str]:
    """Yield the passwords that `.pgpass` (or `passfile`) holds for `user`, on whatever server."""
    path = Path(passfile) if passfile else _home() / ".pgpass"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", line)]
        if not line.startswith("#") and len(fields) >= 5 and fields[3] in ("*", user):
            yield fields[4]


def _service_files() -> Iterator[Path]:
    named = os.environ.get("PGSERVICEFILE")
    yield Path(named) if named else _home() / ".pg_service.conf"
    folder = os.environ.get("PGSYSCONFDIR")
    for system in (folder,) if folder else _SYSTEM_FOLDERS:
        yield Path(system) / "pg_service.conf"


def _section(
    text: str, name: str, keywords: Container[str], file: Path
) -> Mapping[str, str] | None:
    inside, found = False, dict[str, str]()
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if inside:
                break
            inside = line == f"[{name}]"
        elif inside:
            keyword, equals, value = line.partition("=")
            if not equals or keyword not in keywords or keyword == "service":
                raise PgwatchError(
                    f"{file}:{number}: expected a keyword of libpq, '=' and a value, without spaces"
                    " around the '='"
                )
            found.setdefault(keyword, value)
    return found if inside else None


def _home() -> Path:
    return Path(os.environ.get("HOME") or "~").expanduser()
