"""Asks a web application whether it works, and gives the answer under blackbox_exporter's names."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pgwatch.probes.fetch import Fetched, Fetcher
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.secret import Secret

_GAUGES = {
    "probe_duration_seconds": "How long the probe took, until the last byte or until it gave up",
    "probe_failed_due_to_regex": "Whether the body does not contain what was expected",
    "probe_http_status_code": "Status of the answer, 0 without one",
    "probe_http_uncompressed_body_length": "Bytes of the body, as far as it was read",
    "probe_success": "Whether the answer came in time and was as expected",
}
_FAMILIES = tuple(Family(name, MetricType.GAUGE, text) for name, text in _GAUGES.items())
_MAX_BODY_BYTES = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class HttpProbe:
    """One URL that is asked at an interval. A failure is an answer too: `probe_success 0`."""

    name: str  # the labels `probe` and `target`
    url: str = field(repr=False)  # may hold credentials
    method: str = "GET"
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    expect_status: frozenset[int] = frozenset()  # empty: any 2xx
    expect_body: re.Pattern[str] | None = None  # must be found somewhere in the body
    headers: Mapping[str, Secret] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)  # added to every sample
    reason: str = field(default="", init=False)  # why the last run failed; empty if it did not
    _fetcher: Fetcher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._fetcher = Fetcher(url=self.url, method=self.method, max_bytes=_MAX_BODY_BYTES)

    @property
    def source(self) -> Source:
        """The probe itself: it belongs to no PostgreSQL target."""
        return Source(self.name, f"probe/{self.name}")

    def run(self, now_ms: int) -> Collected:
        """Ask once, for at most `timeout`; raises PgwatchError only if a header cannot be read."""
        headers = {name: secret.reveal() for name, secret in self.headers.items()}
        start = time.perf_counter()
        try:
            fetched = self._fetcher.fetch(timeout=self.timeout, headers=headers)
        except ProbeError as error:
            self.reason = str(error)
            elapsed = timedelta(seconds=time.perf_counter() - start)
            return self._collected(now_ms, Fetched(status=0, body=b"", elapsed=elapsed))
        self.reason = self._fault(fetched)
        return self._collected(now_ms, fetched)

    def _fault(self, fetched: Fetched) -> str:
        if self.expect_status and fetched.status not in self.expect_status:
            expected = " or ".join(map(str, sorted(self.expect_status)))
            return f"status {fetched.status} instead of {expected}"
        if not self.expect_status and not 200 <= fetched.status < 300:
            return f"status {fetched.status} instead of 2xx"
        if self._body_differs(fetched):
            return "the body does not contain what was expected"
        return ""

    def _body_differs(self, fetched: Fetched) -> bool:
        if self.expect_body is None:
            return False
        return self.expect_body.search(fetched.body.decode("utf-8", "replace")) is None

    def _collected(self, now_ms: int, fetched: Fetched) -> Collected:
        differs = fetched.status != 0 and self._body_differs(fetched)
        values = {
            "probe_duration_seconds": fetched.elapsed.total_seconds(),
            "probe_failed_due_to_regex": float(differs),
            "probe_http_status_code": float(fetched.status),
            "probe_http_uncompressed_body_length": float(len(fetched.body)),
            "probe_success": float(not self.reason),
        }
        fixed = {**self.labels, "target": self.name, "probe": self.name}
        return Collected(
            source=self.source,
            time_ms=now_ms,
            families=_FAMILIES,
            labels=[Labels({**fixed, METRIC_NAME: name}) for name in values],
            values=list(values.values()),
        )
