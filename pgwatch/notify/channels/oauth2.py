"""A token for client credentials, kept until shortly before it expires (RFC 6749, 4.4)."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.http_settings import OAuth2Settings

_EARLY: Final = timedelta(seconds=10)  # as Go's oauth2 does
_NO_EXPIRY: Final = timedelta(hours=1)

# (form, user, password) → the body of the answer; raises DeliveryError
Post = Callable[[dict[str, str], str, str], str]


class TokenSource:
    """Gets a token when it is needed, and again when it is about to expire or was refused."""

    def __init__(self, settings: OAuth2Settings, post: Post) -> None:
        self._settings = settings
        self._post = post
        self._token = ""
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()  # several messages may be on their way

    def token(self) -> str:
        """Return a token that is valid now; raises DeliveryError."""
        now = datetime.now(UTC)
        with self._lock:
            if not self._token or now >= self._until:
                self._token, lifetime = self._fetch()
                self._until = now + lifetime
            return self._token

    def forget(self) -> None:
        """Let the next call get another token: this one was refused."""
        self._token = ""

    def _fetch(self) -> tuple[str, timedelta]:
        settings = self._settings
        form = {"grant_type": "client_credentials", **settings.endpoint_params}
        if settings.scopes:
            form["scope"] = " ".join(settings.scopes)
        try:
            body = self._post(form, settings.client_id, settings.client_secret.reveal())
        except DeliveryError as error:
            # That the token server cannot read it is no reason to give the notification up.
            reason = f"no OAuth 2 token: {error}"
            broken = error.permanent or error.broken
            raise DeliveryError(reason, broken=broken, retry_after=error.retry_after) from None
        return _read(body)


def _read(body: str) -> tuple[str, timedelta]:
    try:
        answer = json.loads(body)
        token = answer["access_token"]
        seconds = answer.get("expires_in")
        lifetime = timedelta(seconds=float(seconds)) - _EARLY if seconds else _NO_EXPIRY
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        token, lifetime = "", _NO_EXPIRY
    if not isinstance(token, str) or not token:
        raise DeliveryError("no OAuth 2 token: its server's answer holds none", broken=True)
    return token, lifetime
