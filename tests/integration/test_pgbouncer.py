"""Through PgBouncer in transaction pooling: it works, leaves nothing behind, and says what it is."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.collect.outcome import OutcomeKind
from pgwatch.collect.poll import poll_once
from pgwatch.demo.server import LocalServer, free_port
from pgwatch.targets.connect import open_session
from pgwatch.targets.session import RefusedError
from tests.servers import missing_peer
from tests.watching import SECOND, query, sql, target

pytestmark = pytest.mark.peer


@pytest.fixture(params=["", "options,extra_float_digits"], ids=["refuses options", "drops options"])
def pooled(
    request: pytest.FixtureRequest, server: LocalServer, database: str, tmp_path: Path
) -> Iterator[str]:
    """The URL of `database` through a PgBouncer that has one server connection for all its clients."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing_peer("pgbouncer")
    port = free_port()
    (tmp_path / "users.txt").write_text(f'"postgres" "{server.password}"\n')
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = plain\npool_mode = transaction\ndefault_pool_size = 1\n"
        f"auth_file = {tmp_path}/users.txt\n"
        + (f"ignore_startup_parameters = {request.param}\n" if request.param else "")
    )
    for path in (tmp_path, *tmp_path.iterdir()):
        path.chmod(0o755)
    process = subprocess.Popen(
        [
            program,
            "-q",
            *(("-u", "postgres") if Path("/etc/debian_version").exists() else ()),
            config,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"postgresql://postgres:{server.password}@127.0.0.1:{port}/{database.rpartition('/')[2]}"
    try:
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "refused" not in str(error):
                raise
        else:
            return
    pytest.fail("pgbouncer does not listen")


def test_it_works_and_leaves_nothing_in_the_pool(pooled: str) -> None:
    async def scenario() -> None:
        session, info = await open_session(target(pooled))
        assert info.pooled
        for name, expected in (("lock_timeout", "100ms"), ("statement_timeout", "900ms")):
            answer = await session.run(f"SHOW {name}", limit=timedelta(milliseconds=900))
            assert answer.rows == [(expected,)]
        with pytest.raises(RefusedError, match="read-only"):
            await session.run("CREATE TABLE public.t ()", limit=SECOND)
        with pytest.raises(RefusedError, match="statement timeout"):
            await session.run("SELECT pg_sleep(30)", limit=timedelta(milliseconds=200))
        assert (await session.run("SELECT 1", limit=SECOND)).rows == [(1,)]
        await session.close()

    asyncio.run(scenario())
    # The next client gets the same server connection.
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as other:
        for name, default in (
            ("lock_timeout", "0"),
            ("statement_timeout", "0"),
            ("default_transaction_read_only", "off"),
        ):
            assert other.execute(f"SHOW {name}".encode()).fetchone() == (default,)
        assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_a_poll_goes_through_it(pooled: str, database: str) -> None:
    sql(database, "CREATE TABLE public.t (v integer)")
    queries = [
        query("SELECT 7 AS value", name="test/a"),
        query("SELECT count(*) AS value FROM public.t", name="test/b"),
    ]
    (polled,) = asyncio.run(poll_once(target(pooled), queries, deadline=5 * SECOND))
    assert polled.error is None
    assert polled.info is not None
    assert polled.info.pooled
    assert {run.outcome.kind for run in polled.runs} == {OutcomeKind.ANSWERED}
