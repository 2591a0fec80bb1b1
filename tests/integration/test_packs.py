"""Every shipped query on every supported server: it runs, fits its header, and hides nothing."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.queries.query import Inapplicable, Lacking, Query, Runnable, Scope, plan
from tests.conftest import create_database, drop_database
from tests.packs import CATALOG, Connection, collected, connect, info_of, run
from tests.roofing_tables import TABLES
from tests.servers import ROOT, bin_of, missing_peer

FAMILIES = ROOT.parent / "shared" / "peers" / "postgres_exporter_families.json"
QUERIES = tuple(CATALOG.queries.values())
_PLAIN, _MONITOR = "plain_role", "monitor_role"
# What they see changes between two looks.
_FLEETING = (
    "core/activity",
    "core/longest_query",
    "core/longest_idle_in_transaction",
    "statements/top",
)


@pytest.fixture(scope="module")
def packs_dsn(any_server: LocalServer) -> Iterator[str]:
    """A database with everything that the packs look at, on each version in turn."""
    name = create_database(any_server)
    with psycopg.connect(any_server.dsn(name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(TABLES.encode())
        connection.execute("CREATE MATERIALIZED VIEW dashboard AS SELECT 1 AS one")
        for role in (_PLAIN, _MONITOR):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'".encode())
        connection.execute(f"GRANT pg_monitor TO {_MONITOR}".encode())
        connection.execute("SELECT pg_create_logical_replication_slot('packs', 'pgoutput')")
    yield any_server.dsn(name)
    with psycopg.connect(any_server.dsn(name), autocommit=True) as connection:
        connection.execute("SELECT pg_drop_replication_slot('packs')")
    drop_database(any_server, name)
    with psycopg.connect(any_server.dsn(), autocommit=True) as connection:
        for role in (_PLAIN, _MONITOR):
            connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture(scope="module")
def session(packs_dsn: str) -> Iterator[Connection]:
    with connect(packs_dsn) as connection:
        yield connection


@pytest.fixture(scope="module")
def plain(any_server: LocalServer, packs_dsn: str) -> Iterator[Connection]:
    with connect(_as(any_server, packs_dsn, _PLAIN)) as connection:
        yield connection


@pytest.fixture(scope="module")
def monitor(any_server: LocalServer, packs_dsn: str) -> Iterator[Connection]:
    with connect(_as(any_server, packs_dsn, _MONITOR)) as connection:
        yield connection


def _as(server: LocalServer, dsn: str, role: str) -> str:
    return server.dsn(dsn.rpartition("/")[2], user=role, password=role)


def _each_query(test: Any) -> Any:
    return pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)(test)


@_each_query
def test_a_query_runs_and_fits_its_header(session: Connection, query: Query) -> None:
    info = info_of(session)
    planned = plan(query, info)
    if isinstance(planned, Inapplicable):
        assert query.requires.version.bounds or query.requires.settings or query.role
        return
    assert isinstance(planned, Runnable), planned
    columns, rows = run(session, planned.sql)
    answer = collected(query, info, columns, rows)
    declared = {column for m in query.metrics for column in (m.value, *m.labels)}
    assert set(columns) == declared
    assert answer.notes == ()
    assert len(answer.labels) == len(set(answer.labels))


@_each_query
def test_psql_runs_the_file_as_it_is(
    packs_dsn: str, session: Connection, query: Query, tmp_path: Path
) -> None:
    info = info_of(session)
    if not query.requires.version.holds((info.major,)):
        pytest.skip(f"needs PostgreSQL {query.requires.version}")
    variants = [variant.sql for variant in query.variants if variant.versions.holds((info.major,))]
    file = query.path
    if variants or query.variants:
        file = tmp_path / "variant.sql"
        file.write_text(variants[0] if variants else query.sql)
    psql = bin_of(15) / "psql"
    done = subprocess.run(
        [psql, "-X", "-v", "ON_ERROR_STOP=1", "-f", file, packs_dsn],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    setting = dict(query.requires.settings)
    if any(info.settings.get(name) != value for name, value in setting.items()):
        assert "track_commit_timestamp" in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, "")


@_each_query
def test_a_role_without_rights_sees_all_or_is_told_what_it_lacks(
    session: Connection, plain: Connection, query: Query
) -> None:
    info = info_of(plain)
    planned = plan(query, info)
    if isinstance(planned, Lacking):
        assert query.requires.privileges
        assert planned.grant == f'GRANT {", ".join(query.requires.privileges)} TO "{_PLAIN}";'
        return
    if isinstance(planned, Inapplicable):
        return
    try:
        columns, rows = run(plain, planned.sql)
    except psycopg.errors.InsufficientPrivilege:
        assert query.requires.relations, "the header does not declare the privilege"
        return
    seen = set(collected(query, info, columns, rows).labels)
    full = set(collected(query, info_of(session), *run(session, planned.sql)).labels)
    assert seen == full


@pytest.mark.parametrize(
    "query",
    [query for query in QUERIES if query.pack in ("core", "statements")],
    ids=lambda query: query.name,
)
def test_pg_monitor_is_enough(session: Connection, monitor: Connection, query: Query) -> None:
    info = info_of(monitor)
    planned = plan(query, info)
    if isinstance(planned, Inapplicable):
        return
    assert isinstance(planned, Runnable), planned
    seen = set(collected(query, info, *run(monitor, planned.sql)).labels)
    if query.name not in _FLEETING:
        full = set(collected(query, info_of(session), *run(session, planned.sql)).labels)
        assert seen == full


def test_the_grant_that_planning_names_cures(
    any_server: LocalServer, packs_dsn: str, session: Connection, plain: Connection
) -> None:
    query = CATALOG.queries["core/activity"]
    lacking = plan(query, info_of(plain))
    assert isinstance(lacking, Lacking)
    with psycopg.connect(packs_dsn, autocommit=True) as admin:
        admin.execute(lacking.grant.encode())
        try:
            assert isinstance(plan(query, info_of(plain)), Runnable)
        finally:
            admin.execute(f"REVOKE pg_read_all_stats FROM {_PLAIN}".encode())


def _postgres_exporter() -> dict[str, dict[str, Any]]:
    """Return postgres_exporter's families by name."""
    if not FAMILIES.exists():
        missing_peer("the list of postgres_exporter's families")
    content = json.loads(FAMILIES.read_text())
    families = [family for one in content["collectors"] for family in one["families"]]
    return {family["name"]: family for family in families + content["legacy_and_self"]}


def test_series_that_postgres_exporter_has_keep_its_type_and_labels() -> None:
    known = _postgres_exporter()
    shared = 0
    for query in QUERIES:
        added = ["datname"] if query.scope is Scope.DATABASE else []
        for metric in query.metrics:
            name = metric.family.name
            if (theirs := known.get(name)) is None:
                continue
            shared += 1
            # `server` is a label of the exporter's legacy half only; here it is `target`.
            assert {*metric.labels, *added} == set(theirs["labels"]) - {"server"}, name
            assert metric.family.type == theirs["type"], name
    assert shared > 80


@pytest.mark.peer
def test_promtool_has_nothing_against_names_of_our_own() -> None:
    page = []
    for name, queries in CATALOG.by_metric.items():
        family = next(m.family for m in queries[0].metrics if m.family.name == name)
        page.append(f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n{name} 1\n")
    if (promtool := shutil.which("promtool")) is None:
        missing_peer("promtool")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input="".join(page),
        capture_output=True,
        text=True,
        check=False,
    )
    told = {line.split()[0] for line in (done.stdout + done.stderr).splitlines()}
    inherited = set(_postgres_exporter())
    assert {name for name in told - inherited if not name.startswith("node_")} == set()
