"""Short writes of several threads in one transaction: they share the wait for the disk."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Target = TypeVar("Target")


@dataclass(slots=True)
class _Write(Generic[Target]):
    work: Callable[[Target], None]
    done: bool = False
    error: Exception | None = None


class Together(Generic[Target]):
    """Lets those who wait for their turn write with whom the turn is."""

    def __init__(self, transact: Callable[[Sequence[Callable[[Target], None]]], None]) -> None:
        """`transact` does all it is given in one durable transaction, or raises, and has done nothing."""
        self._transact = transact
        self._waiting: list[_Write[Target]] = []
        self._lock = threading.Lock()  # of the list
        self._turn = threading.Lock()

    def write(self, work: Callable[[Target], None]) -> None:
        """Return once what `work` does to the transaction is durable; raises if it is not."""
        own = _Write(work)
        with self._lock:
            self._waiting.append(own)
        with self._turn:
            if not own.done:
                self._write_all()
        if own.error is not None:
            raise own.error

    def _write_all(self) -> None:
        with self._lock:
            writes, self._waiting = self._waiting, []
        try:
            self._transact([one.work for one in writes])
        except Exception as error:  # noqa: BLE001 (given to those whose work it is)
            if len(writes) == 1:
                writes[0].error = error
            else:
                self._write_each(writes)
        for one in writes:
            one.done = True

    def _write_each(self, writes: Sequence[_Write[Target]]) -> None:
        """Let nobody pay for what only another cannot write."""
        for one in writes:
            try:
                self._transact([one.work])
            except Exception as error:  # noqa: BLE001 (raised where the work came from)
                one.error = error
