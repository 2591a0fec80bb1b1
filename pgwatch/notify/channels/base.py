"""What every channel is, and the one way in which channels speak HTTP."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import urlsplit

import requests

from pgwatch import __version__
from pgwatch.errors import PgwatchError
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import HttpSettings
from pgwatch.secret import Secret, redact

_TIMEOUT: Final = timedelta(seconds=10)
_CONNECT_TIMEOUT: Final = 5.0  # seconds
_BROKEN_FOR: Final = timedelta(minutes=15)
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
_SHOWN: Final = 200  # characters of a refusal's body that an error quotes


class DeliveryError(PgwatchError):
    """A receiver did not take a notification; the message holds no secret and no address."""

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        unavailable: bool = True,
    ) -> None:
        """`permanent`: sending the same again is useless. `retry_after`: not before that time has passed.

        `unavailable`: the receiver as a whole, not this message, is the trouble.
        """
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.unavailable = unavailable


class Channel(Protocol):
    """One way to reach one receiver; `deliver` is called by one thread at a time."""

    kind: ClassVar[str]
    min_interval: timedelta  # between two messages

    def deliver(self, notification: Notification) -> str:
        """Deliver and return the receipt: what the receiver answered, such as an id, or nothing.

        Raises DeliveryError if the receiver did not take it.
        """

    def close(self) -> None:
        """Close connections that are kept open."""


class HttpSender:
    """Posts JSON to an address that is a secret, with a time limit, and turns refusals into errors."""

    def __init__(self, url: Secret, settings: HttpSettings, timeout: timedelta) -> None:
        self._url = url
        self._settings = settings
        self._timeout = (timeout or _TIMEOUT) / timedelta(seconds=1)
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc must not decide who is told what
        self._session.headers["User-Agent"] = f"pgwatch/{__version__}"
        tls = settings.tls
        self._session.verify = (
            False if tls.insecure_skip_verify else str(tls.ca_file) if tls.ca_file else True
        )
        if tls.cert_file and tls.key_file:
            self._session.cert = (str(tls.cert_file), str(tls.key_file))

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def post(self, payload: Mapping[str, Any], *, key: str = "") -> str:
        """Post `payload`, with `key` by which the receiver may know a repeat; returns the answer's start.

        Raises DeliveryError.
        """
        secrets: list[str] = []
        try:
            url = _revealed(self._url, secrets)
            path = urlsplit(url).path.strip("/")
            secrets += [path] if len(path) >= 8 else []  # what a receiver may quote in its answer
            response = self._session.post(
                url,
                json=payload,
                headers={"Idempotency-Key": key} | self._authorization(secrets),
                proxies=self._proxies(secrets),
                timeout=(min(_CONNECT_TIMEOUT, self._timeout), self._timeout),
                allow_redirects=self._settings.follow_redirects,
                stream=True,
            )
        except requests.RequestException as error:
            # The library's own texts quote the address, so only the kind of failure is told.
            raise DeliveryError(f"cannot reach the receiver: {_cause(error)}") from None
        except (PgwatchError, ValueError) as error:
            reason = str(error) if isinstance(error, PgwatchError) else "its address is not valid"
            raise DeliveryError(reason, retry_after=_BROKEN_FOR) from None
        with response:
            body = redact(_start_of(response), secrets)
        if response.request.method != "POST":
            raise DeliveryError(
                f"the receiver redirects ({response.history[0].status_code}), which loses the message; "
                "configure the address that it redirects to",
                retry_after=_BROKEN_FOR,
            )
        if not 200 <= response.status_code < 300:
            raise refusal(response.status_code, body, response.headers)
        return body

    def _authorization(self, secrets: list[str]) -> dict[str, str]:
        settings = self._settings
        if settings.username:
            password = "" if settings.password is None else _revealed(settings.password, secrets)
            token = base64.b64encode(f"{settings.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {token}"}
        if settings.authorization is None:
            return {}
        credentials = _revealed(settings.authorization, secrets)
        return {"Authorization": f"{settings.authorization_type} {credentials}"}

    def _proxies(self, secrets: list[str]) -> dict[str, str] | None:
        if self._settings.proxy_url is None:
            return None
        url = _revealed(self._settings.proxy_url, secrets)
        return {"http": url, "https": url}


def refusal(status: int, body: str, headers: Mapping[str, str]) -> DeliveryError:
    """Return the error for an HTTP `status` that is not a success.

    Overload and trouble of the server pass by themselves; a wrong key or address is retried slowly,
    because a person will mend it; what the server cannot read it never will.
    """
    reason = f"the receiver answered {status}" + (f": {body}" if body else "")
    if status in (408, 425, 429) or status >= 500:
        retry_after = retry_after_of(headers, datetime.now(UTC))
        return DeliveryError(reason, retry_after=retry_after, unavailable=status != 500)
    if status in (401, 403, 404, 407, 410):
        return DeliveryError(reason, retry_after=_BROKEN_FOR)
    return DeliveryError(reason, permanent=True)


def retry_after_of(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return what `Retry-After` asks for, seconds or a date (RFC 9110, 10.2.3); at most an hour."""
    text = headers.get("Retry-After", "").strip()
    try:
        pause = timedelta(seconds=float(text)) if text else None
    except (ValueError, OverflowError):
        try:
            pause = parsedate_to_datetime(text) - now
        except (ValueError, TypeError):
            return None
    if pause is None or pause <= timedelta(0):
        return None
    return min(pause, _LONGEST_RETRY_AFTER)


def _revealed(secret: Secret, secrets: list[str]) -> str:
    text = secret.reveal()
    secrets.append(text)
    return text


def _start_of(response: requests.Response) -> str:
    """Return the first characters of the body on one line; a receiver may send megabytes of HTML."""
    try:
        start = next(response.iter_content(4 * _SHOWN), b"")
    except requests.RequestException:  # the status was read, and that is what counts
        return ""
    return " ".join(start.decode("utf-8", errors="replace").split())[:_SHOWN]


_CAUSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.SSLError, "its TLS certificate is not accepted, or TLS fails"),
    (requests.exceptions.ProxyError, "the proxy does not answer or refuses"),
    (requests.ConnectionError, "no connection"),
    (requests.TooManyRedirects, "too many redirects"),
    (requests.exceptions.InvalidHeader, "the authorization is not valid"),
    (ValueError, "its address is not valid"),  # InvalidURL and its kin
)


def _cause(error: requests.RequestException) -> str:
    return next((text for kind, text in _CAUSES if isinstance(error, kind)), type(error).__name__)
