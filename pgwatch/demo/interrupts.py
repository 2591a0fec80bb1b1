"""SIGINT and SIGTERM end the demo, but not in the middle of starting a process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """After `listen()` a signal raises KeyboardInterrupt in the main thread; a second one ends us at once."""

    def __init__(self) -> None:
        self._is_held = False
        self._is_due = False

    def listen(self) -> None:
        """Take over both signals."""
        for number in _ENDING:
            signal.signal(number, self._hear)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep an interrupt back until the end of the block.

        In the middle of `Popen` it would leave a process behind that nobody knows.
        """
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._is_due:
                raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        for again in _ENDING:
            signal.signal(again, signal.SIG_DFL)  # what is left then is the guard's
        self._is_due = True
        if not self._is_held:
            raise KeyboardInterrupt
