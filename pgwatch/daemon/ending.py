"""How the process ends though something hangs, and what of several failures is told."""

import logging
import os
import threading
from types import FrameType

logger = logging.getLogger(__name__)


def end_at_once(number: int, _: FrameType | None) -> None:
    """Handle a signal by ending; everything that matters is in the state file already."""
    os._exit(128 + number)


def leave_in_time(status: int, seconds: float) -> None:
    """End with `status` after `seconds`, unless the process has ended by itself."""

    def leave() -> None:
        logger.warning("pgwatch ends without waiting for a thread that hangs")
        os._exit(status)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what went wrong first, without the groups that asyncio packs it in."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
