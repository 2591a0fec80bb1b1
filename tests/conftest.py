"""Fixtures that several kinds of tests share: real PostgreSQL servers, one database a test."""

import itertools
import logging
from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.servers import VERSIONS, local_server

_SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "20000",  # as many tests share a server, 5,000 would not do
    "max_connections": "60",
    "wal_level": "logical",
    "track_commit_timestamp": "off",
}
_names = itertools.count(1)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a command that ran in the test's process did to logging: its stream ends with the test."""
    loggers = (logging.getLogger(), logging.getLogger("pgwatch"))
    before = [(one.handlers[:], one.level) for one in loggers]
    yield
    for one, (handlers, level) in zip(loggers, before, strict=True):
        one.handlers[:] = handlers
        one.setLevel(level)


class Servers:
    """The session's servers by major version, each started when first asked for."""

    def __init__(self) -> None:
        self._running: dict[int, LocalServer] = {}

    def __getitem__(self, version: int) -> LocalServer:
        if version not in self._running:
            server = local_server(version, _SETTINGS)
            self._running[version] = server.start()
        return self._running[version]

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers of all versions, shared by the session: do not freeze, restart or reconfigure them."""
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"pg{version}")
def any_server(request: pytest.FixtureRequest, servers: Servers) -> LocalServer:
    """Each supported version in turn."""
    return servers[request.param]


@pytest.fixture(scope="session")
def server(servers: Servers) -> LocalServer:
    """The newest version; enough where SQL does not differ."""
    return servers[VERSIONS[-1]]


@pytest.fixture
def own_server() -> Iterator[LocalServer]:
    """A server that this test alone has and may freeze, restart or fill up."""
    with local_server(settings=_SETTINGS) as server:
        yield server


def create_database(server: LocalServer) -> str:
    """Create an empty database on `server`; returns its name, drop it with `drop_database`."""
    name = f"test_{next(_names)}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return name


def drop_database(server: LocalServer, name: str) -> None:
    """Drop `name` even if something is still connected to it."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def database(server: LocalServer) -> Iterator[str]:
    """The URL of an empty database of this test's own, on the newest version, as superuser."""
    name = create_database(server)
    yield server.dsn(name)
    drop_database(server, name)


@pytest.fixture
def any_database(any_server: LocalServer) -> Iterator[str]:
    """The URL of an empty database of this test's own, on each supported version in turn."""
    name = create_database(any_server)
    yield any_server.dsn(name)
    drop_database(any_server, name)
