"""The test servers themselves: the versions we claim are the versions that run."""

import psycopg

from pgwatch.demo.server import LocalServer
from tests.servers import VERSIONS


def test_each_version_runs_with_pg_stat_statements(any_server: LocalServer) -> None:
    with psycopg.connect(any_server.dsn()) as connection:
        row = connection.execute("SHOW server_version_num").fetchone()
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    assert row is not None
    assert int(row[0]) // 10_000 in VERSIONS


def test_a_stopped_server_leaves_nothing_behind(own_server: LocalServer) -> None:
    folder = own_server.folder
    assert folder.exists()
    own_server.stop()
    assert not folder.exists()
    assert own_server.pid is None
