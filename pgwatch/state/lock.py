"""One daemon per state file: an advisory lock that the kernel drops when its holder dies."""

import fcntl
import os
from pathlib import Path
from typing import Self

from pgwatch.state.schema import StateError


class InUseError(StateError):
    """Another process has the state file; `said` is that alone, without what to do."""

    def __init__(self, said: str) -> None:
        super().__init__(f"{said}; stop it, or give this one another state file")
        self.said = said


class StateLock:
    """Holds `<state file>.lock`; the file stays behind, the lock does not.

    It is a file of its own because SQLite drops its own locks when any descriptor of its file is closed.
    """

    def __init__(self, state_file: Path) -> None:
        self._state_file = state_file
        self._path = state_file.with_name(state_file.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock; raises InUseError, with the holder's process id, if another process has it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"state file {self._state_file}: cannot lock it: {error.strerror} ({self._path})"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise InUseError(
                f"state file {self._state_file} is in use by another pgwatch (process {holder})"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Give the lock back; harmless if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
