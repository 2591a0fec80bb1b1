"""Permissions that count in a test, whoever runs it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534  # by Debian's policy


@contextmanager
def unprivileged() -> Iterator[None]:
    """A while in which permissions count, also for root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(was)
