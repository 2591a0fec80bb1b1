"""What a baseline holds. The fields' names are those of the file's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """Stands for a part that could not be read."""

    unknown: str  # why
    cure: str = ""  # the SQL that would let it be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who answered."""

    system_identifier: str  # of the cluster (pg_control_system); "" where our role may not know it
    version: str
    version_num: int  # as server_version_num
    role: str  # primary or standby
    user: str  # whose rights decided what could be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of pg_settings."""

    value: str  # with its unit
    source: str  # as pg_settings names it: `default`, `configuration file`, `database` …


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object of the database."""

    kind: str  # in the words of `pgwatch.migration.objects.Kind`
    schema: str
    name: str
    table: str = ""  # whose column, constraint, trigger or index it is
    facts: Mapping[str, str] = field(default_factory=dict)  # what is compared
    columns: tuple[str, ...] = ()  # of its table, that it goes with
    uses: tuple[
        str, ...
    ] = ()  # relations `schema.name` that a view reads or a foreign key refers to

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells it apart from all others."""
        return self.kind, self.schema, self.table, self.name

    @property
    def title(self) -> str:
        """Kind and name, as people write it: `column public.users.email`."""
        return f"{self.kind} {self.path}"

    @property
    def path(self) -> str:
        """The qualified name; an index's table is no part of it."""
        table = "" if self.kind == "index" else self.table
        return ".".join(part for part in (self.schema, table, self.name) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How large a table or materialized view is."""

    schema: str
    name: str
    size_bytes: int  # with its indexes and TOAST, as the last VACUUM or ANALYZE counted pages
    rows: float | None  # None: never counted (reltuples < 0)
    exact: bool  # counted now, not as the last VACUUM or ANALYZE estimated it
    dead_rows: int

    @property
    def path(self) -> str:
        """The qualified name."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Figures of a database's condition."""

    gauges: Mapping[str, float | None]  # as they are now; None: our role may not see it
    counters: Mapping[str, float]  # since `counters_since`
    counters_since: float | None  # Unix time of pg_stat_database.stats_reset; None: never reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of pg_stat_statements."""

    queryid: str
    calls: int
    seconds: float  # total execution time
    rows: int
    since: float | None  # Unix time (stats_since, PostgreSQL 17+)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All rows of pg_stat_statements whose texts mean the same."""

    fingerprint: str
    user: str
    toplevel: bool
    text: str  # normalised, without any literal; "" where it could hold one
    entries: tuple[Entry, ...]

    @property
    def key(self) -> tuple[str, str, bool]:
        """What it is compared by."""
        return self.fingerprint, self.user, self.toplevel

    @property
    def calls(self) -> int:
        """Executions, all rows together."""
        return sum(entry.calls for entry in self.entries)

    @property
    def seconds(self) -> float:
        """Execution time, all rows together."""
        return sum(entry.seconds for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What pg_stat_statements knows of a database."""

    grammar: str  # the library that made the fingerprints
    stats_reset: float | None  # Unix time; None before PostgreSQL 14
    dealloc: int | None  # times that statements were thrown away; None before PostgreSQL 14
    items: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a benchmark took, and by which plan."""

    name: str  # of its query, such as app/roofing/dashboard
    limit_seconds: float
    runs: int
    p50_seconds: float
    p95_seconds: float
    plan: tuple[str, ...]  # the plan's shape, a line a node; () where it could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTimed:
    """Why there is no timing of a benchmark."""

    name: str
    reason: str
    applies: bool  # False: it has no meaning in this database, and nothing is wrong
    cure: str = ""
    too_slow: bool = False  # a run did not end within its timeout, and so not within its limit


Timed = Timing | NotTimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One database at one time."""

    target: str
    database: str
    taken: float  # Unix time
    server: Server
    settings: Mapping[str, Setting] | Untold
    objects: tuple[Object, ...] | Untold
    extents: tuple[Extent, ...] | Untold
    health: Health | Untold
    statements: Statements | Untold | None  # None: the extension is not installed
    benchmarks: tuple[Timing, ...] = ()  # those that apply and were measured


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFinding:
    """A finding of the gate that was there when the baseline was saved."""

    target: str
    check: str
    summary: str
    digest: str  # of the labels that tell it apart from the check's other findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The content of one file."""

    saved: str  # UTC, ISO 8601
    pgwatch: str  # the version that saved it
    judged: tuple[str, ...]  # targets on which the gate ran, so that `findings` are complete
    findings: tuple[KnownFinding, ...]
    snapshots: tuple[Snapshot, ...]
