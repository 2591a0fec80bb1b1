"""A scrape of pgwatch beside a scrape of postgres_exporter, with about 10,000 series on both sides."""

import contextlib
import gzip
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import profile
from pgwatch.demo.server import LocalServer, free_port

ROUNDS, SCRAPES = 6, 10
_TABLE_COLUMNS = [
    "seq_scan",
    "seq_tup_read",
    "idx_scan",
    "idx_tup_fetch",
    "n_tup_ins",
    "n_tup_upd",
    "n_tup_del",
    "n_tup_hot_upd",
    "n_live_tup",
    "n_dead_tup",
    "n_mod_since_analyze",
    "vacuum_count",
    "autovacuum_count",
    "analyze_count",
    "autoanalyze_count",
]
_BLOCK_COLUMNS = [
    f"{kind}_blks_{how}" for kind in ("heap", "idx", "toast", "tidx") for how in ("read", "hit")
]
_INDEX_COLUMNS = ["idx_scan", "idx_tup_read"]


def measure(server: LocalServer) -> list[tuple[str, str, str]]:
    """Return rows (what, figures, ratio) for the table; empty without postgres_exporter."""
    exporter = profile.program("prometheus-postgres-exporter")
    if exporter is None:
        return [("scrape beside postgres_exporter", "not installed", "-")]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        ours = stack.enter_context(_daemon(profile.dsn(server), Path(folder)))
        theirs = stack.enter_context(_exporter(exporter, server, Path(folder)))
        counts = {"pgwatch": _wait_for(ours, 8_000), "pge": _wait_for(theirs, 8_000)}
        return [
            _latency(ours, theirs, counts),
            _second_scraper(server, ours, theirs),
            _server_time(server, theirs),
        ]


def _latency(ours: int, theirs: int, counts: dict[str, int]) -> tuple[str, str, str]:
    taken: dict[int, list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for port, times in taken.items():
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                for _ in range(SCRAPES):
                    begun = time.perf_counter()
                    _get(connection)
                    times.append(time.perf_counter() - begun)
    a, b = statistics.median(taken[ours]), statistics.median(taken[theirs])
    return (
        f"a scrape, {counts['pgwatch']:,} series, beside postgres_exporter's, {counts['pge']:,} series",
        f"{a * 1000:.2f} ms : {b * 1000:.1f} ms",
        f"{b / a:.0f} times faster (at least 50)",
    )


def _second_scraper(server: LocalServer, ours: int, theirs: int) -> tuple[str, str, str]:
    """Count what 20 more scrapes make each side ask the server."""
    asked = {}
    for name, port in (("pgwatch", ours), ("exporter", theirs)):
        role = profile.ROLE if name == "pgwatch" else "exporter"
        before, _ = _load(server, role)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            for _ in range(20):
                _get(connection)
        asked[name] = _load(server, role)[0] - before
    return (
        "SQL statements for 20 scrapes of one more scraper",
        f"{asked['pgwatch']} : {asked['exporter']}",
        "none, polls go by their own clock" if asked["pgwatch"] == 0 else "polls fell in between",
    )


def _server_time(server: LocalServer, theirs: int) -> tuple[str, str, str]:
    """Compare a minute of our polls with a minute of the exporter at a scrape each 15 s."""
    _, ours_before = _load(server, profile.ROLE)
    _, theirs_before = _load(server, "exporter")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", theirs)) as connection:
        for _ in range(4):
            _get(connection)
            time.sleep(15)  # a minute of wall time is what is measured
    ours = _load(server, profile.ROLE)[1] - ours_before
    other = _load(server, "exporter")[1] - theirs_before
    return (
        "server execution time of a minute: all packs at their intervals, beside 4 exporter scrapes",
        f"{ours:.0f} ms : {other:.0f} ms",
        f"{ours / other:.2f} of it",
    )


def _load(server: LocalServer, role: str) -> tuple[int, float]:
    with psycopg.connect(server.dsn("bench")) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time), 0)"
            " FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE rolname = %s",
            (role,),
        ).fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


@contextlib.contextmanager
def _daemon(url: str, folder: Path) -> Iterator[int]:
    port = free_port()
    config = folder / "pgwatch.yml"
    config.write_text(
        f"targets:\n  - {{name: bench, dsn: '{url}'}}\n"
        f"web: {{listen: '127.0.0.1:{port}'}}\nstate: {folder}/state.db\n"
    )
    command = [
        sys.executable,
        "-m",
        "pgwatch",
        "run",
        "--config",
        str(config),
        "--log-level",
        "error",
    ]
    with _running(command, {}):
        yield port


@contextlib.contextmanager
def _exporter(program: str, server: LocalServer, folder: Path) -> Iterator[int]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE exporter LOGIN PASSWORD '{profile.PASSWORD}'")
        connection.execute("GRANT pg_monitor TO exporter")
    port = free_port()
    queries = folder / "queries.yaml"
    queries.write_text(
        _custom("bench_tables", ("schemaname", "relname"), _TABLE_COLUMNS, "pg_stat_user_tables")
        + _custom(
            "bench_indexes",
            ("schemaname", "relname", "indexrelname"),
            _INDEX_COLUMNS,
            "pg_stat_user_indexes",
        )
        + _custom(
            "bench_blocks", ("schemaname", "relname"), _BLOCK_COLUMNS, "pg_statio_user_tables"
        )
    )
    url = server.dsn("bench", user="exporter", password=profile.PASSWORD) + "?sslmode=disable"
    command = [
        program,
        f"--web.listen-address=127.0.0.1:{port}",
        f"--extend.query-path={queries}",
        "--log.level=error",
    ]
    with _running(command, {"DATA_SOURCE_NAME": url}):
        yield port


def _custom(name: str, labels: tuple[str, ...], columns: list[str], view: str) -> str:
    lines = [
        f"{name}:",
        f'  query: "SELECT {", ".join((*labels, *columns))} FROM {view}"',
        "  metrics:",
    ]
    lines += [f'    - {label}: {{usage: "LABEL", description: "-"}}' for label in labels]
    lines += [f'    - {column}: {{usage: "COUNTER", description: "-"}}' for column in columns]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ, **env})
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _get(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise SystemExit(f"bench: /metrics answered {response.status}")
    return body  # to the last byte on the wire; unpacking is the scraper's


def _wait_for(port: int, series: int) -> int:
    """Return the number of series on the page once there are `series` of them, or after 60 s."""
    end = time.monotonic() + 60
    count = 0
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection,
        ):
            page = gzip.decompress(_get(connection))
            count = sum(not line.startswith(b"#") for line in page.splitlines())
            if count >= series:
                return count
        time.sleep(0.5)
    raise SystemExit(f"bench: only {count} series on port {port} after 60 s")
