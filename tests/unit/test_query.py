"""Which queries run on which server, and the reason and cure where one does not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pgwatch.queries.header import parse_query
from pgwatch.queries.query import Inapplicable, Lacking, Plan, Query, Runnable, plan
from pgwatch.queries.version import numbers, parse_range
from pgwatch.targets.target import Role, ServerInfo


def query(requires: str = "{}", role: str = "any", sql: str = "SELECT 1 AS n;") -> Query:
    header = f"""/*
help: A question
role: {role}
requires: {requires}
metrics:
  pg_n: {{type: gauge, value: n, help: A number}}
*/
"""
    return parse_query(header + sql, name="core/n", path=Path("core/n.sql"))


def server(
    *,
    version_num: int = 170004,
    role: Role = Role.PRIMARY,
    user: str = "pgwatch",
    is_superuser: bool = False,
    memberships: frozenset[str] = frozenset(),
    extensions: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> ServerInfo:
    return ServerInfo(
        version_num=version_num,
        version=f"{version_num // 10000}.{version_num % 10000}",
        role=role,
        database="app",
        user=user,
        is_superuser=is_superuser,
        memberships=memberships,
        extensions=extensions or {},
        settings=settings or {},
    )


RUNS = Runnable(sql="SELECT 1 AS n;", path=Path("core/n.sql"), line=8)


@pytest.mark.parametrize(
    ("asked", "info", "expected"),
    [
        pytest.param(query(), server(), RUNS, id="no requirement"),
        pytest.param(query("{version: '>=17'}"), server(), RUNS, id="version met"),
        pytest.param(
            query("{version: '>=18'}"),
            server(),
            Inapplicable(reason="needs PostgreSQL >=18; this server is 17.4"),
            id="version not met",
        ),
        pytest.param(
            query(role="standby"),
            server(),
            Inapplicable(reason="runs on a standby only; this server is a primary"),
            id="another role in replication",
        ),
        pytest.param(query(role="standby"), server(role=Role.STANDBY), RUNS, id="its role"),
        pytest.param(
            query("{extension: pg_stat_statements}"),
            server(),
            Inapplicable(reason="extension pg_stat_statements is not installed in database app"),
            id="extension absent",
        ),
        pytest.param(
            query("{extension: pg_stat_statements>=1.8}"),
            server(extensions={"pg_stat_statements": "1.10"}),
            RUNS,
            id="1.10 is newer than 1.8",
        ),
        pytest.param(
            query("{extension: pg_stat_statements>=1.8}"),
            server(extensions={"pg_stat_statements": "1.7"}),
            Inapplicable(
                reason="needs extension pg_stat_statements >=1.8; 1.7 is installed in database app"
                " (ALTER EXTENSION pg_stat_statements UPDATE)"
            ),
            id="extension too old",
        ),
        pytest.param(
            query('{setting: {track_commit_timestamp: "on"}}'),
            server(settings={"track_commit_timestamp": "off"}),
            Inapplicable(reason="needs the setting track_commit_timestamp = on; here it is off"),
            id="setting differs",
        ),
        pytest.param(
            query('{setting: {track_commit_timestamp: "on"}}'),
            server(),
            Inapplicable(
                reason="needs the setting track_commit_timestamp = on; here it is not known"
            ),
            id="setting was not read",
        ),
        pytest.param(
            query('{setting: {track_commit_timestamp: "on"}}'),
            server(settings={"track_commit_timestamp": "on"}),
            RUNS,
            id="setting met",
        ),
        pytest.param(
            query("{privilege: pg_read_all_stats}"),
            server(user='odd"name'),
            Lacking(
                reason='role odd"name is not a member of pg_read_all_stats',
                grant='GRANT pg_read_all_stats TO "odd""name";',
            ),
            id="privilege missing, and a name that needs quotes",
        ),
        pytest.param(
            query("{privilege: [pg_read_all_stats, pg_read_all_settings]}"),
            server(memberships=frozenset({"pg_read_all_stats"})),
            Lacking(
                reason="role pgwatch is not a member of pg_read_all_settings",
                grant='GRANT pg_read_all_settings TO "pgwatch";',
            ),
            id="one of two privileges missing",
        ),
        pytest.param(
            query("{privilege: pg_read_all_stats}"),
            server(is_superuser=True),
            RUNS,
            id="a superuser needs no membership",
        ),
        pytest.param(
            query("{privilege: pg_read_all_stats, version: '>=18'}"),
            server(),
            Inapplicable(reason="needs PostgreSQL >=18; this server is 17.4"),
            id="what does not apply needs no privilege",
        ),
        pytest.param(
            query("{relation: public.orders}"), server(), RUNS, id="a relation shows when it runs"
        ),
    ],
)
def test_plan(asked: Query, info: ServerInfo, expected: Plan) -> None:
    assert plan(asked, info) == expected


@pytest.mark.parametrize(
    ("version_num", "expected", "line"),
    [
        pytest.param(180000, "SELECT 3 AS n;", 9, id="default"),
        pytest.param(160009, "SELECT 2 AS n;", 11, id="upper end of a range"),
        pytest.param(130000, "SELECT 2 AS n;", 11, id="lower end of a range"),
        pytest.param(120022, "SELECT 1 AS n;", 14, id="another variant"),
    ],
)
def test_the_variant_for_the_server_s_version(version_num: int, expected: str, line: int) -> None:
    asked = query(
        sql="""-- why
SELECT 3 AS n;
-- version: >=13 <17
SELECT 2 AS n;
-- version: <13

SELECT 1 AS n;
"""
    )
    planned = plan(asked, server(version_num=version_num))
    assert isinstance(planned, Runnable)
    assert planned.sql.endswith(expected)
    assert planned.sql.count("SELECT") == 1
    assert planned.place(planned.sql.index("SELECT") + 1) == f"core/n.sql:{line}"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=12", [(12, 0), (17, 4)], [(11, 9)]),
        ("<13", [(12, 22)], [(13, 0), (15, 1)]),
        (">=13, <17", [(13, 0), (16, 9)], [(12, 9), (17, 0)]),
        ("<=16", [(16, 9), (9, 6)], [(17, 0)]),
        (">16", [(17, 0)], [(16, 9)]),
        ("16", [(16, 0), (16, 3)], [(17, 0), (15, 9)]),
        ("=15.4", [(15, 4)], [(15, 3), (15, 5)]),
        (">=1.8", [(1, 8), (1, 10), (2,)], [(1, 7), (1,)]),
    ],
)
def test_version_ranges(
    text: str, inside: list[tuple[int, ...]], outside: list[tuple[int, ...]]
) -> None:
    versions = parse_range(text)
    assert [version for version in inside if not versions.holds(version)] == []
    assert [version for version in outside if versions.holds(version)] == []


@pytest.mark.parametrize("text", ["", ">=", "x13", ">=13<17", "13.x", "~=13"])
def test_what_is_no_version_range(text: str) -> None:
    with pytest.raises(ValueError, match="version range"):
        parse_range(text)


def test_a_version_s_leading_numbers() -> None:
    assert numbers("15.4 (Debian 15.4-1)") == (15, 4)
    assert numbers("18beta1") == (18,)
    assert numbers("unpackaged") == ()
