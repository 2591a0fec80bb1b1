"""CPU time and memory of a host as node_exporter names them, from what `/proc` says. Pure.

The SQL of `SERVER_SQL` brings the two texts from the database's host; it needs membership in
`pg_read_server_files`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

# With a length: without one, servers before 14 read as many bytes as the file claims to have, 0 here.
SERVER_SQL = """\
SELECT pg_catalog.pg_read_file('/proc/stat', 0, 4194304) AS stat,
       pg_catalog.pg_read_file('/proc/meminfo', 0, 65536) AS meminfo"""
SERVER_PRIVILEGE = "pg_read_server_files"

CPU = Family("node_cpu_seconds_total", MetricType.COUNTER, "Seconds the CPUs spent in each mode")
MEMORY_TOTAL = Family("node_memory_MemTotal_bytes", MetricType.GAUGE, "Memory of the host")
MEMORY_AVAILABLE = Family(
    "node_memory_MemAvailable_bytes",
    MetricType.GAUGE,
    "Memory that new work could have without swapping, as the kernel estimates it",
)
FAMILIES = (CPU, MEMORY_TOTAL, MEMORY_AVAILABLE)

# Order of the columns: proc_stat(5). guest and guest_nice are already part of user and nice.
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
# USER_HZ, in which /proc/stat counts, is 100 on every architecture that PostgreSQL is packaged for.
_TICKS_PER_SECOND = 100


# ((metric name, labels), value)
Row = tuple[tuple[str, Mapping[str, str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStats:
    """One reading of a host."""

    cpu_seconds: Mapping[tuple[str, str], float]  # {(cpu "0", mode): seconds since boot}
    memory_total: int  # bytes
    memory_available: int  # bytes


def parse_proc(stat: str, meminfo: str) -> HostStats:
    """Return what the texts of `/proc/stat` and `/proc/meminfo` say; raises ProbeError if they do not."""
    try:
        cpu_seconds = _cpu_seconds(stat)
        memory = _memory(meminfo)
        total, available = memory["MemTotal"], memory["MemAvailable"]
    except (ValueError, KeyError, IndexError) as error:
        raise ProbeError("/proc/stat or /proc/meminfo does not look as Linux writes it") from error
    if not cpu_seconds:
        raise ProbeError("/proc/stat names no CPU")
    return HostStats(cpu_seconds=cpu_seconds, memory_total=total, memory_available=available)


def _cpu_seconds(stat: str) -> dict[tuple[str, str], float]:
    seconds = {}
    for line in stat.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            for mode, ticks in zip(MODES, rest.split(), strict=False):
                seconds[name.removeprefix("cpu"), mode] = int(ticks) / _TICKS_PER_SECOND
    return seconds


def _memory(meminfo: str) -> dict[str, int]:
    memory = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            memory[name] = int(rest.split()[0]) * 1024  # "kB" there means KiB
    return memory


def stats_collected(
    stats: HostStats,
    *,
    source: Source,
    time_ms: int,
    instance: str = "",
    target_labels: Mapping[str, str] | None = None,
) -> Collected:
    """Return `stats` as the answer of `source`, labelled `probe="host"`."""
    rows: list[Row] = [
        *(((CPU.name, {"cpu": cpu, "mode": mode}), seconds)
          for (cpu, mode), seconds in stats.cpu_seconds.items()),
        ((MEMORY_TOTAL.name, {}), float(stats.memory_total)),
        ((MEMORY_AVAILABLE.name, {}), float(stats.memory_available)),
    ]  # fmt: skip
    return rows_collected(
        rows, source=source, time_ms=time_ms, instance=instance, target_labels=target_labels or {}
    )


def rows_collected(
    rows: Iterable[Row],
    *,
    source: Source,
    time_ms: int,
    instance: str,
    target_labels: Mapping[str, str],
) -> Collected:
    """Return rows of the host's families as an answer of `source`."""
    fixed = {**target_labels, "target": source.target, "probe": "host"}
    pairs = [
        (Labels({**labels, **fixed, METRIC_NAME: name}), value) for (name, labels), value in rows
    ]
    return Collected(
        source=source,
        time_ms=time_ms,
        families=FAMILIES,
        labels=[labels for labels, _ in pairs],
        values=[value for _, value in pairs],
        instance=instance,
    )
