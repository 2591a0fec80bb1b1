"""What a query file declares, and whether and how it runs on a given server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pgwatch.queries.version import ANY_VERSION, VersionRange, numbers
from pgwatch.samples.sample import Family
from pgwatch.targets.target import Role, ServerInfo


class Scope(StrEnum):
    """Where a query runs."""

    DATABASE = "database"  # in each watched database; adds the label `datname`
    CLUSTER = "cluster"  # once per server


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric that each row of the answer gives a sample of."""

    family: Family
    value: str  # the column that holds the value
    labels: tuple[str, ...] = ()  # columns that are labels, by the same names


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension that must be installed in the database."""

    name: str
    versions: VersionRange = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """What must hold for a query to run."""

    version: VersionRange = ANY_VERSION
    extensions: tuple[Extension, ...] = ()
    relations: tuple[str, ...] = ()
    # schema-qualified; not known before the query runs: SQLSTATE 42P01 or 3F000 then means
    # "not applicable"
    privileges: tuple[str, ...] = ()  # predefined roles: without them rows are hidden or cut
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The statement for servers of `versions`."""

    versions: VersionRange
    sql: str
    line: int = 1  # of the file, in which `sql` begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What a query of `kind: benchmark` is judged by: it is timed by the gate, and brings no metrics."""

    limit: timedelta  # that 95 % of the runs must keep
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """One query file; compared by identity, since a catalogue holds each once."""

    name: str  # `<pack>/<file>`, such as core/activity
    pack: str
    help: str
    interval: timedelta
    timeout: timedelta  # below `interval`
    scope: Scope
    role: Role | None  # None: both
    requires: Requires
    max_series: int  # of one answer, all metrics together
    metrics: tuple[Metric, ...]
    sql: str  # the default
    variants: tuple[Variant, ...]  # the first whose range holds replaces the default
    path: Path
    benchmark: Benchmark | None = None  # None: its rows are metrics
    line: int = 1  # of the file, in which `sql` begins
    is_evidence: bool = False  # `kind: evidence`: asked when an alert fires, and never polled


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """The query runs on this server, as `sql`: one statement without parameters."""

    sql: str
    path: Path
    line: int  # of the file at `path`, in which `sql` begins

    def place(self, position: int | None) -> str:
        """Return file and line of the character at `position` of `sql`, from 1; without one, the file."""
        if position is None or position < 1:
            return str(self.path)
        return f"{self.path}:{self.line + self.sql.count(chr(10), 0, position - 1)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inapplicable:
    """The query has no meaning on this server; nothing is wrong."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Our role would not see everything, so that the answer would be a lie."""

    reason: str
    grant: str  # the SQL that cures it


Plan = Runnable | Inapplicable | Lacking


def plan(query: Query, info: ServerInfo) -> Plan:
    """Return how `query` runs on the server and database that `info` describes, or why it does not."""
    if (reason := _inapplicable(query, info)) is not None:
        return Inapplicable(reason=reason)
    if missing := _missing_privileges(query, info):
        roles = ", ".join(missing)
        return Lacking(
            reason=f"role {info.user} is not a member of {roles}",
            grant=f"GRANT {roles} TO {quote_identifier(info.user)};",
        )
    version = server_version(info)
    for variant in query.variants:
        if variant.versions.holds(version):
            return Runnable(sql=variant.sql, path=query.path, line=variant.line)
    return Runnable(sql=query.sql, path=query.path, line=query.line)


def server_version(info: ServerInfo) -> tuple[int, ...]:
    """Return (major, minor) as PostgreSQL counts since version 10: 150004 is (15, 4)."""
    return info.version_num // 10_000, info.version_num % 10_000


def quote_identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _inapplicable(query: Query, info: ServerInfo) -> str | None:
    requires = query.requires
    if query.role is not None and info.role is not query.role:
        return f"runs on a {query.role} only; this server is a {info.role}"
    if not requires.version.holds(server_version(info)):
        return f"needs PostgreSQL {requires.version}; this server is {info.version}"
    for extension in requires.extensions:
        installed = info.extensions.get(extension.name)
        if installed is None:
            return f"extension {extension.name} is not installed in database {info.database}"
        if not extension.versions.holds(numbers(installed)):
            return (
                f"needs extension {extension.name} {extension.versions}; {installed} is installed in"
                f" database {info.database} (ALTER EXTENSION {extension.name} UPDATE)"
            )
    for name, value in requires.settings.items():
        if (actual := info.settings.get(name)) != value:
            return f"needs the setting {name} = {value}; here it is {actual or 'not known'}"
    return None


def _missing_privileges(query: Query, info: ServerInfo) -> list[str]:
    if info.is_superuser:
        return []
    return [role for role in query.requires.privileges if role not in info.memberships]
