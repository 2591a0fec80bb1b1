"""Notifications that were enqueued a moment ago, so that they need not be read back from the outbox."""

from hashlib import blake2b
from typing import Final

from pgwatch.notify.notification import Notification
from pgwatch.state.codec import decode_notification

_MOST: Final = 256  # messages; of those that wait longer, the stored text is read


class Fresh:
    """Knows the newest by their stored text; one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[bytes, Notification] = {}

    def add(self, notification: Notification, payload: str) -> None:
        """Know `notification`, which is stored as `payload`."""
        self._known[_key(payload)] = notification
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def take(self, payload: str) -> Notification:
        """Return the notification that is stored as `payload`, and know it no longer."""
        known = self._known.pop(_key(payload), None)
        return decode_notification(payload) if known is None else known


def _key(payload: str) -> bytes:
    return blake2b(payload.encode(), digest_size=16).digest()
