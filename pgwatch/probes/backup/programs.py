"""PostgreSQL's own programs for backups, where they are installed on this machine."""

import shutil
import subprocess
import time
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")


def run_program(program: str, arguments: list[str], until: float) -> tuple[int, str] | None:
    """Return the exit status and first complaint of a program of PostgreSQL; None: not installed, no time."""
    found = find_program(program)
    left = until - time.monotonic()
    if found is None or left <= 0:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=left,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
    return done.returncode, said


def find_program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; Debian keeps most of them beside the server's."""
    ours = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda file: float(file.parts[-3]))
    return shutil.which(name) if not ours else str(ours[-1])
