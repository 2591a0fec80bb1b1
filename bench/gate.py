"""`pgwatch check --once` beside a bare psycopg script with the same SQL, and check_pgactivity."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import profile
from bench.plan import gate_statements
from bench.timing import interleaved
from pgwatch.demo.server import LocalServer

ROUNDS = 9
# Fifteen services of check_pgactivity that ask what our packs ask.
SERVICES = [
    "connection",
    "backends",
    "backends_status",
    "locks",
    "longest_query",
    "oldest_idlexact",
    "commit_ratio",
    "database_size",
    "hit_ratio",
    "invalid_indexes",
    "max_freeze_age",
    "last_vacuum",
    "sequences_exhausted",
    "settings",
    "table_unlogged",
]
_THRESHOLDS = {
    "backends": ("80%", "90%"),
    "backends_status": ("idle_xact=500", "idle_xact=600"),
    "locks": ("80%", "90%"),
    "longest_query": ("1h", "2h"),
    "oldest_idlexact": ("1h", "2h"),
    "commit_ratio": ("rollbacks=1000", "rollbacks=2000"),
    "database_size": ("100GB", "200GB"),
    "hit_ratio": ("10%", "5%"),
    "max_freeze_age": ("80%", "90%"),
    "last_vacuum": ("100d", "200d"),
    "sequences_exhausted": ("80%", "90%"),
}
_BARE = """
import sys, psycopg
statements = open(sys.argv[2]).read().split("\\0")
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    for statement in statements:
        connection.execute(statement).fetchall()
"""


def measure(server: LocalServer) -> list[tuple[str, str, str]]:
    """Return rows (what, figures, ratio) for the table."""
    url = profile.dsn(server)
    with tempfile.TemporaryDirectory() as folder:
        statements = Path(folder) / "statements.sql"
        statements.write_text("\0".join(gate_statements(url)))
        env = compiled(folder)
        contenders = {
            "pgwatch": lambda: _pgwatch(url, env),
            "bare": lambda: _run(env, sys.executable, "-c", _BARE, url, str(statements)),
        }
        activity = profile.program("check_pgactivity")
        if activity:
            contenders["pgactivity"] = lambda: _pgactivity(activity, server, folder)
        medians = interleaved(contenders, rounds=ROUNDS)
    ours, bare = medians["pgwatch"], medians["bare"]
    rows = [
        (
            "`check --once`, all packs, beside a bare psycopg script with the same SQL",
            f"{ours * 1000:.0f} ms : {bare * 1000:.0f} ms",
            f"{ours / bare:.2f} times (at most 2.5)",
        )
    ]
    if "pgactivity" in medians:
        other = medians["pgactivity"]
        rows.append(
            (
                f"the same beside check_pgactivity with {len(SERVICES)} services",
                f"{ours * 1000:.0f} ms : {other * 1000:.0f} ms",
                f"{ours / other:.2f} of it (at most 0.33)",
            )
        )
    return rows


def compiled(folder: str) -> dict[str, str]:
    """Return an environment in which Python keeps what it compiled, as it does for an installed package."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/pycache"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def _pgwatch(url: str, env: dict[str, str]) -> None:
    done = _run(env, sys.executable, "-m", "pgwatch", "check", "--once", "--format", "json", url)
    if done not in (0, 1):
        raise SystemExit(f"bench: pgwatch check ended with {done}")


def _pgactivity(program: str, server: LocalServer, folder: str) -> None:
    env = {**os.environ, "PGPASSWORD": profile.PASSWORD}
    for service in SERVICES:
        limits = _THRESHOLDS.get(service)
        subprocess.run(
            [
                *(program, "-s", service, "-h", "127.0.0.1", "-p", str(server.port)),
                *("-U", profile.ROLE, "-d", "bench", "--status-file", f"{folder}/status"),
                *(("-w", limits[0], "-c", limits[1]) if limits else ()),
            ],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _run(env: dict[str, str], *command: str) -> int:
    return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False).returncode
