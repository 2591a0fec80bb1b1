"""CPU and memory of the database's host: of this machine, or from a node_exporter there.

(The third way, through SQL, is `hoststats.SERVER_SQL` and `hoststats.parse_proc`.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import psutil
from prometheus_client.parser import text_string_to_metric_families

from pgwatch.probes.fetch import Fetched, Fetcher
from pgwatch.probes.hoststats import (
    FAMILIES,
    MODES,
    HostStats,
    Row,
    rows_collected,
    stats_collected,
)
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.sample import Collected, Source

_NAMES = tuple(family.name for family in FAMILIES)
_INTERVAL = timedelta(seconds=15)
_MAX_PAGE_BYTES = 32 * 1024 * 1024


def host_source(target: str) -> Source:
    """Return the source of the host metrics of `target`, however they are read."""
    return Source(target, "probe/host")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHostProbe:
    """Reads this machine, for a database that runs on it."""

    target: str
    instance: str = ""  # host:port of the database, as its other series have it
    target_labels: Mapping[str, str] = field(default_factory=dict)
    interval: timedelta = _INTERVAL
    timeout: timedelta = timedelta(seconds=5)

    @property
    def source(self) -> Source:
        """The host metrics of the target."""
        return host_source(self.target)

    def run(self, now_ms: int) -> Collected:
        """Return CPU time and memory of this machine; raises ProbeError where psutil cannot."""
        try:
            memory = psutil.virtual_memory()
            cpu_seconds = {
                (str(cpu), mode): float(seconds)
                for cpu, times in enumerate(psutil.cpu_times(percpu=True))
                for mode, seconds in _modes(times._asdict())
            }
        except (OSError, psutil.Error) as error:
            raise ProbeError(f"cannot read this machine's CPU and memory: {error}") from error
        stats = HostStats(
            cpu_seconds=cpu_seconds,
            memory_total=memory.total,
            memory_available=memory.available,
        )
        return stats_collected(
            stats,
            source=self.source,
            time_ms=now_ms,
            instance=self.instance,
            target_labels=self.target_labels,
        )


def _modes(times: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for mode in MODES:
        if mode in times:
            yield mode, times[mode]


@dataclass(slots=True, kw_only=True)
class NodeExporterProbe:
    """Reads the page of a node_exporter on the database's host and keeps the few families we judge."""

    target: str
    url: str = field(repr=False)  # of its /metrics; may hold credentials
    instance: str = ""
    target_labels: Mapping[str, str] = field(default_factory=dict)
    interval: timedelta = _INTERVAL
    timeout: timedelta = timedelta(seconds=5)
    _fetcher: Fetcher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._fetcher = Fetcher(url=self.url, max_bytes=_MAX_PAGE_BYTES)

    @property
    def source(self) -> Source:
        """The host metrics of the target."""
        return host_source(self.target)

    def run(self, now_ms: int) -> Collected:
        """Return CPU time and memory as the node_exporter gives them; raises ProbeError."""
        try:
            fetched = self._fetcher.fetch(timeout=self.timeout)
            rows = _rows(fetched)
        except ProbeError as error:
            raise ProbeError(f"node_exporter of {self.target}: {error}") from error
        return rows_collected(
            rows,
            source=self.source,
            time_ms=now_ms,
            instance=self.instance,
            target_labels=self.target_labels,
        )


def _rows(fetched: Fetched) -> list[Row]:
    if fetched.status != 200:
        raise ProbeError(f"status {fetched.status} instead of 200")
    lines = fetched.body.decode("utf-8", "replace").splitlines(keepends=True)
    # Only ours are parsed: the page has some thousand lines, and the parser is slow.
    wanted = "".join(line for line in lines if line.startswith(_NAMES))
    try:
        rows: list[Row] = [
            ((sample.name, sample.labels), float(sample.value))
            for family in text_string_to_metric_families(wanted)
            for sample in family.samples
            if sample.name in _NAMES and sample.labels.get("mode", "idle") in MODES
        ]
    except (ValueError, IndexError) as error:
        raise ProbeError("its page is not in Prometheus's text format") from error
    if missing := [name for name in _NAMES if name not in {name for (name, _), _ in rows}]:
        raise ProbeError(f"its page has no {', '.join(missing)}")
    return rows
