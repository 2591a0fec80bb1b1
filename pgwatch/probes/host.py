"""CPU time and memory of the database's host, of this machine or from a node_exporter there.

Names and labels are node_exporter's, with `probe="host"`. (Through SQL it is the query `host/linux`.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import psutil
from prometheus_client.parser import text_string_to_metric_families

from pgwatch.probes.fetch import Fetched, Fetcher
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

CPU = Family("node_cpu_seconds_total", MetricType.COUNTER, "Seconds the CPUs spent in each mode")
MEMORY_TOTAL = Family("node_memory_MemTotal_bytes", MetricType.GAUGE, "Memory of the host")
MEMORY_AVAILABLE = Family(
    "node_memory_MemAvailable_bytes",
    MetricType.GAUGE,
    "Memory that new work could have without swapping, as the kernel estimates it",
)
FAMILIES = (CPU, MEMORY_TOTAL, MEMORY_AVAILABLE)

# guest and guest_nice are left out, as in node_exporter: they are already part of user and nice.
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_NAMES = tuple(family.name for family in FAMILIES)
_INTERVAL = timedelta(seconds=15)
_MAX_PAGE_BYTES = 32 * 1024 * 1024


# ((metric name, labels), value)
_Row = tuple[tuple[str, Mapping[str, str]], float]


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
        return Source(self.target, "probe/host")

    def run(self, now_ms: int) -> Collected:
        """Return CPU time and memory of this machine; raises ProbeError where psutil cannot."""
        try:
            memory = psutil.virtual_memory()
            cpus = psutil.cpu_times(percpu=True)
        except (OSError, psutil.Error) as error:
            raise ProbeError(f"cannot read this machine's CPU and memory: {error}") from error
        rows: list[_Row] = [
            ((CPU.name, {"cpu": str(cpu), "mode": mode}), seconds)
            for cpu, times in enumerate(cpus)
            for mode, seconds in times._asdict().items()
            if mode in _MODES
        ]
        rows.append(((MEMORY_TOTAL.name, {}), memory.total))
        rows.append(((MEMORY_AVAILABLE.name, {}), memory.available))
        return _collected(rows, self, now_ms)


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
        return Source(self.target, "probe/host")

    def run(self, now_ms: int) -> Collected:
        """Return CPU time and memory as the node_exporter gives them; raises ProbeError."""
        try:
            fetched = self._fetcher.fetch(timeout=self.timeout)
            rows = _rows(fetched)
        except ProbeError as error:
            raise ProbeError(f"node_exporter of {self.target}: {error}") from error
        return _collected(rows, self, now_ms)


def _collected(
    rows: Iterable[_Row], probe: LocalHostProbe | NodeExporterProbe, time_ms: int
) -> Collected:
    fixed = {**probe.target_labels, "target": probe.target, "probe": "host"}
    pairs = [(Labels({**labels, **fixed, METRIC_NAME: name}), v) for (name, labels), v in rows]
    return Collected(
        source=probe.source,
        time_ms=time_ms,
        families=FAMILIES,
        labels=[labels for labels, _ in pairs],
        values=[value for _, value in pairs],
        instance=probe.instance,
    )


def _rows(fetched: Fetched) -> list[_Row]:
    if fetched.status != 200:
        raise ProbeError(f"status {fetched.status} instead of 200")
    lines = fetched.body.decode("utf-8", "replace").splitlines(keepends=True)
    # Only ours are parsed: the page has some thousand lines, and the parser is slow.
    wanted = "".join(line for line in lines if line.startswith(_NAMES))
    try:
        rows: list[_Row] = [
            ((sample.name, sample.labels), float(sample.value))
            for family in text_string_to_metric_families(wanted)
            for sample in family.samples
            if sample.name in _NAMES and sample.labels.get("mode", "idle") in _MODES
        ]
    except (ValueError, IndexError) as error:
        raise ProbeError("its page is not in Prometheus's text format") from error
    if missing := [name for name in _NAMES if name not in {name for (name, _), _ in rows}]:
        raise ProbeError(f"its page has no {', '.join(missing)}")
    return rows
