"""Runs the real `pgwatch` command, and reads what its gate said."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgwatch.cli import logs
from pgwatch.cli.main import main

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
    """Run `pgwatch` with `arguments` in the folder `cwd`; in this process, since to start one costs more."""
    begun = os.times().elapsed
    with _as_in_a_process_of_its_own(cwd, env) as (out, err):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(bool(end.code))
    seconds = os.times().elapsed - begun
    return Ran(status=status, out=_text(out), err=_text(err), seconds=seconds)


@contextmanager
def _as_in_a_process_of_its_own(
    cwd: Path, env: Mapping[str, str] | None
) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Give a command its folder, environment and streams; whatever it changes is undone."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    on_sigterm = signal.getsignal(signal.SIGTERM)
    variables = environment(env)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        for name in os.environ.keys() - variables.keys():
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setattr(logs, "_hidden", set())
        try:
            yield out, err
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def own_process(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run `pgwatch` as `pgwatch` does, in a process of its own, where that is what a test is about."""
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
