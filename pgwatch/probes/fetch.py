"""An HTTP request that ends in time whatever the server does, with errors that hold no secret.

The timeout of requests bounds each read, not the whole: a server that drips a byte a second, or a
name server that hangs, would hold the caller for ever. So a request runs in a thread of its own that
is left behind when time is out; the next one is refused until it has ended, so there is never more
than one a probe.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread

import requests

from pgwatch.probes.probe import ProbeError
from pgwatch.units import format_duration

_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes  # decoded, cut at the limit
    elapsed: timedelta


@dataclass(slots=True, kw_only=True)
class Fetcher:
    """Gets one URL again and again, one request at a time."""

    url: str = field(repr=False)  # may hold credentials
    max_bytes: int  # of the body; the rest is not read
    method: str = "GET"
    _left_behind: Thread | None = None

    def fetch(self, *, timeout: timedelta, headers: Mapping[str, str] | None = None) -> Fetched:
        """Return the answer; raises ProbeError, at the latest after `timeout`."""
        if self._left_behind is not None and self._left_behind.is_alive():
            raise ProbeError("the previous request has still not ended")
        results: SimpleQueue[Fetched | Exception] = SimpleQueue()
        thread = Thread(
            target=self._run, args=(results, timeout, headers or {}), name="probe", daemon=True
        )
        thread.start()
        try:
            result = results.get(timeout=timeout.total_seconds())
        except Empty:
            self._left_behind = thread
            raise ProbeError(f"no answer within {format_duration(timeout)}") from None
        if isinstance(result, Exception):
            raise ProbeError(_reason(result, timeout)) from None
        return result

    def _run(
        self,
        results: "SimpleQueue[Fetched | Exception]",
        timeout: timedelta,
        headers: Mapping[str, str],
    ) -> None:
        try:
            results.put(self._get(timeout, headers))
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which tells it
            results.put(error)

    def _get(self, timeout: timedelta, headers: Mapping[str, str]) -> Fetched:
        start = time.perf_counter()
        limit = timeout.total_seconds()
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc that the configuration does not name
            session.headers["User-Agent"] = "pgwatch"
            response = session.request(
                self.method, self.url, headers=headers, timeout=limit, stream=True
            )
            with response:
                body = b""
                for chunk in response.iter_content(_CHUNK_BYTES):
                    body += chunk
                    if len(body) >= self.max_bytes or time.perf_counter() - start > limit:
                        break
        return Fetched(
            status=response.status_code,
            body=body[: self.max_bytes],
            elapsed=timedelta(seconds=time.perf_counter() - start),
        )


def _reason(error: Exception, timeout: timedelta) -> str:
    """Return why a request failed in our words: those of requests quote the URL and header values."""
    for cause in _causes(error):
        if isinstance(cause, TimeoutError | requests.Timeout):
            return f"no answer within {format_duration(timeout)}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {getattr(cause, 'verify_message', None) or cause.reason}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    if isinstance(error, requests.TooManyRedirects):
        return "too many redirects"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection was closed before the answer was complete"
    return f"the request failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give the innermost cause first; requests and urllib3 wrap it several times."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    yield from reversed(chain)
