"""What is watched: a Target, and what its server says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from pgwatch.targets.dsn import Dsn


class HostSource(StrEnum):
    """How CPU and memory of the database's host are read."""

    NONE = "none"
    LOCAL = "local"  # psutil: the database runs on this machine
    SERVER = "server"  # pg_read_file('/proc/…') over SQL
    NODE_EXPORTER = "node_exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One PostgreSQL server (or database) we connect to."""

    name: str  # the label `target`
    dsn: Dsn
    databases: tuple[str, ...] = ()
    # names or patterns (`app_*`, `!test_*`; `all` is every database we may connect to);
    # empty: only the one that the DSN names
    packs: tuple[str, ...] = ()  # empty: all shipped packs; each query's `requires` decides
    labels: Mapping[str, str] = field(default_factory=dict)  # added to every sample
    host: HostSource = HostSource.NONE
    host_url: str = ""  # of the node_exporter
    max_connections: int = 3  # of ours on this server, ever
    connect_timeout: timedelta = timedelta(seconds=5)


class Role(StrEnum):
    """What the server does in its replication cluster."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server said about itself and about our role there, for one database."""

    version_num: int  # as server_version_num: 150004
    version: str  # as server_version: "15.4 (Debian …)"
    role: Role
    database: str
    user: str
    is_superuser: bool
    memberships: frozenset[str]  # predefined roles whose rights we have, such as pg_read_all_stats
    extensions: Mapping[str, str]  # name → installed version, in this database
    settings: Mapping[str, str]  # the few that queries depend on, such as track_commit_timestamp
    absent_relations: frozenset[str] = frozenset()  # that queries require, as they write them
    pooled: bool = False  # through PgBouncer in transaction pooling: no session state, no LISTEN

    @property
    def major(self) -> int:
        """The major version: 15."""
        return self.version_num // 10_000
