"""What /proc says, as node_exporter's series."""

import pytest

from pgwatch.probes.hoststats import HostStats, parse_proc, stats_collected
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

STAT = """\
cpu  300 10 60 4000 100 0 6 2 40 4
cpu0 200 10 40 2000 100 0 6 2 40 4
cpu1 100 0 20 2000 0 0 0 0 0 0
intr 12345 0 9
ctxt 99
btime 1700000000
"""
MEMINFO = """\
MemTotal:       16384000 kB
MemFree:          100000 kB
MemAvailable:    8192000 kB
HugePages_Total:       0
"""


def test_ticks_become_seconds_and_kib_become_bytes() -> None:
    stats = parse_proc(STAT, MEMINFO)
    assert stats.memory_total == 16384000 * 1024
    assert stats.memory_available == 8192000 * 1024
    assert {key: value for key, value in stats.cpu_seconds.items() if key[0] == "0"} == {
        ("0", "user"): 2.0,
        ("0", "nice"): 0.1,
        ("0", "system"): 0.4,
        ("0", "idle"): 20.0,
        ("0", "iowait"): 1.0,
        ("0", "irq"): 0.0,
        ("0", "softirq"): 0.06,
        ("0", "steal"): 0.02,
    }
    assert ("1", "idle") in stats.cpu_seconds


@pytest.mark.parametrize(
    ("stat", "meminfo"),
    [
        ("", MEMINFO),
        ("cpu  1 2 3 4\n", MEMINFO),  # only the sum: a container that hides its CPUs
        (STAT, ""),
        (STAT, "MemTotal: 1 kB\n"),  # before Linux 3.14
        (STAT.replace("200", "many"), MEMINFO),
        (STAT, "MemTotal:\nMemAvailable:\n"),
    ],
)
def test_anything_else_is_an_error(stat: str, meminfo: str) -> None:
    with pytest.raises(ProbeError, match="/proc"):
        parse_proc(stat, meminfo)


def test_samples_carry_the_target_and_its_labels() -> None:
    stats = HostStats(cpu_seconds={("0", "idle"): 5.0}, memory_total=10, memory_available=4)
    collected = stats_collected(
        stats,
        source=Source("db1", "probe/host"),
        time_ms=7,
        instance="db1:5432",
        target_labels={"env": "test"},
    )
    fixed = {"target": "db1", "probe": "host", "env": "test"}
    assert dict(zip(collected.labels, collected.values, strict=True)) == {
        Labels({"__name__": "node_cpu_seconds_total", "cpu": "0", "mode": "idle", **fixed}): 5.0,
        Labels({"__name__": "node_memory_MemTotal_bytes", **fixed}): 10.0,
        Labels({"__name__": "node_memory_MemAvailable_bytes", **fixed}): 4.0,
    }
    assert (collected.instance, collected.time_ms) == ("db1:5432", 7)
