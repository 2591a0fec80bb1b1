"""Keeps the recent history in a file beside the state, so that a restart is a gap and not a beginning."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from pgwatch.daemon.measuring import Measuring
from pgwatch.samples.history import HistoryError, Kept, decode, encode

logger = logging.getLogger(__name__)

PERIOD = timedelta(minutes=1)  # what `kill -9` loses at most
_SHARE = 50  # a write takes at most this part of the time: a large history is written less often


def read_history(path: Path, retention: timedelta, now_ms: int) -> list[Kept]:
    """Return what the file at `path` keeps of the last `retention`; nothing, and a warning, if it is bad."""
    try:
        since_ms = now_ms - retention // timedelta(milliseconds=1)
        return decode(memoryview(path.read_bytes()), since_ms=since_ms, now_ms=now_ms)
    except FileNotFoundError:
        return []
    except (HistoryError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        extra = {"file": str(path), "reason": reason}
        logger.warning("history begins anew, what was kept cannot be used", extra=extra)
        return []


def write_history(path: Path, kept: Iterable[Kept]) -> None:
    """Replace the file at `path` at once: whoever reads it has the whole old or the whole new one."""
    part = path.with_name(path.name + ".part")
    try:
        # Labels may tell more than other users should know.
        part.touch(mode=0o600)
        with part.open("wb") as file:
            file.writelines(encode(kept))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


class HistoryFile:
    """The file of one daemon: read at its start, written each PERIOD and at its end."""

    def __init__(self, path: Path, measuring: Measuring) -> None:
        self._path = path
        self._measuring = measuring
        self._failed = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="history")

    def read(self, retention: timedelta) -> None:
        """Take over what is kept; only before anything is measured."""
        kept = read_history(self._path, retention, round(time.time() * 1000))
        self._measuring.store.restore(kept)
        if kept:
            extra = {"file": str(self._path), "series": self._measuring.store.series_count}
            logger.info("history goes on", extra=extra)

    async def keep(self) -> None:
        """Write now and then until cancelled; on a thread of its own, which no rule waits for."""
        pause = PERIOD.total_seconds()
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            await asyncio.get_running_loop().run_in_executor(self._writer, self.write)
            pause = max(PERIOD.total_seconds(), (time.monotonic() - begun) * _SHARE)

    def write(self) -> None:
        """Write what there is; a failure is logged once."""
        try:
            write_history(self._path, self._measuring.kept())
        except OSError as error:
            if not self._failed:
                extra = {"file": str(self._path), "reason": error.strerror}
                logger.warning("history cannot be kept", extra=extra)
            self._failed = True
        else:
            self._failed = False

    def close(self) -> None:
        """Write for the last time, after nothing is measured any more."""
        self._writer.shutdown()
        self.write()
