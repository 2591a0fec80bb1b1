"""Runs the real `pgwatch` command, and reads what its gate said."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What would lead the command to another database or file than a test means.
_OURS = ("PG", "STATE_DIRECTORY", "COLUMNS", "NO_COLOR")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How one run of the command ended."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report on standard output."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    def check(self, name: str, target: str | None = None) -> dict[str, Any]:
        """The check called `name`, there exactly once (of `target`, if named)."""
        (found,) = (
            check
            for check in self.report["checks"]
            if check["name"] == name and target in (None, check["target"])
        )
        assert isinstance(found, dict)
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each check of a report on one target."""
        checks = self.report["checks"]
        assert len({check["name"] for check in checks}) == len(checks)
        return {check["name"]: check["verdict"] for check in checks}


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without anything of pgwatch's or libpq's, and with `more`."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_OURS)} | dict(more or {})


def pgwatch(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run `pgwatch` with `arguments` in the folder `cwd`."""
    begun = os.times().elapsed
    done = subprocess.run(
        [sys.executable, "-m", "pgwatch", *arguments],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    seconds = os.times().elapsed - begun
    return Ran(status=done.returncode, out=done.stdout, err=done.stderr, seconds=seconds)


def gate(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run `pgwatch check --once --format json` with `arguments`."""
    return pgwatch("check", "--once", "--format", "json", *arguments, cwd=cwd, env=env)
