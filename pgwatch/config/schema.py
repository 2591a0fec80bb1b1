"""What `pgwatch.yml` may contain: every key, its kind and its default.

A field's `description` is its reference; `docs/reference/configuration.md` and the sample must have
every key that stands here.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from pgwatch.config.fields import (
    DsnText,
    Duration,
    ExistingFile,
    ExistingFolder,
    ExternalUrl,
    FileOrFolderPattern,
    FilePath,
    FilePattern,
    HttpUrl,
    LabelName,
    Listen,
    ListenAddress,
    Name,
    NewFile,
    OwnLabelName,
    Quantity,
    Regex,
    RoutePrefix,
    SecretFile,
    SecretValue,
    ServiceName,
    Share,
    matches,
)
from pgwatch.config.notifications import NotificationSettings
from pgwatch.config.overrides import HttpAddress, OverrideSettings
from pgwatch.config.section import Section
from pgwatch.notify.matcher import MatcherMode
from pgwatch.targets.target import HostSource

ALL = "all"  # in `packs`: no restriction
DEFAULT_LISTEN = ListenAddress(host="127.0.0.1", port=9432)


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


def _all_is_none(value: object) -> object:
    return () if value in (ALL, [ALL]) else _one_or_more(value)


class HostSettings(Section):
    """`host`: how CPU and memory of the database's machine are read."""

    source: HostSource = HostSource.NONE
    url: HttpUrl | None = None

    @model_validator(mode="after")
    def _url_belongs_to_node_exporter(self) -> "HostSettings":
        if self.source is HostSource.NODE_EXPORTER and self.url is None:
            raise ValueError("source node_exporter needs the url of its /metrics")
        if self.source is not HostSource.NODE_EXPORTER and self.url is not None:
            raise ValueError("url belongs to source: node_exporter only")
        return self


class TargetDefaults(Section):
    """`defaults`: what each target has unless it says otherwise."""

    databases: Annotated[tuple[Name, ...], BeforeValidator(_one_or_more)] = ()
    packs: Annotated[tuple[Name, ...], BeforeValidator(_all_is_none)] = ()  # (): all
    labels: dict[OwnLabelName, str] = {}
    host: HostSettings = HostSettings()
    password: SecretValue | None = None
    password_file: SecretFile | None = None
    max_connections: Annotated[int, Field(ge=1, le=100)] = 3
    connect_timeout: Duration = timedelta(seconds=5)

    @model_validator(mode="after")
    def _one_password(self) -> "TargetDefaults":
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file exclude each other; keep one of them")
        return self


class TargetSettings(TargetDefaults):
    """One entry of `targets`."""

    name: Name | None = None
    dsn: DsnText | None = None
    service: ServiceName | None = None

    @model_validator(mode="after")
    def _one_address(self) -> "TargetSettings":
        if self.dsn is not None and self.service is not None:
            raise ValueError("dsn and service exclude each other; keep one of them")
        return self


class HttpProbeSettings(Section):
    """One entry of `http_probes`."""

    name: Name
    url: HttpUrl
    method: Literal["GET", "HEAD", "POST", "PUT", "OPTIONS"] = "GET"
    headers: dict[Name, SecretValue] = {}
    header_files: dict[Name, SecretFile] = {}
    interval: Duration = timedelta(seconds=30)
    timeout: Duration = timedelta(seconds=5)
    expect_status: Annotated[
        tuple[Annotated[int, Field(ge=100, le=599)], ...], BeforeValidator(_one_or_more)
    ] = ()
    expect_body: Regex | None = None

    @model_validator(mode="after")
    def _timeout_within_interval(self) -> "HttpProbeSettings":
        if self.timeout >= self.interval:
            raise ValueError("timeout must be shorter than interval")
        return self


class BackupSettings(Section):
    """One entry of `backups`: where they are, and what the newest must be."""

    path: FilePath
    pattern: Name = "*"
    max_age: Duration = timedelta(hours=26)
    min_share: Share = 0.5
    target: Name | None = None


class RuleSettings(Section):
    """`rules`: which alert rules are evaluated."""

    builtin: bool = True
    disable: tuple[Name, ...] = ()
    set: dict[Name, Quantity] = {}
    files: tuple[FilePattern, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The rule files that `files` stands for now, each once."""
        return tuple(dict.fromkeys(path for pattern in self.files for path in matches(pattern)))


class BaselineSettings(Section):
    """`baseline`: from when on a difference to a baseline is one."""

    slower: Annotated[float, Field(ge=1)] = 1.5
    slower_by: Duration = timedelta(milliseconds=5)
    min_calls: Annotated[int, Field(ge=1)] = 20
    improvement: Share | None = None


class WebSettings(Section):
    """`web`: where metrics and pages are served."""

    listen: Listen = DEFAULT_LISTEN
    route_prefix: RoutePrefix | None = None
    config_file: ExistingFile | None = None


class IgnoredFinding(Section):
    """One entry of `ignore`: a finding that somebody has accepted."""

    check: Name
    labels: dict[LabelName, str] = {}
    until: date | None = None
    reason: str = ""


class Settings(Section):
    """The whole file, after `conf.d/`, `defaults`, the environment and `${NAME}` have been put in."""

    targets: tuple[TargetSettings, ...] = ()
    defaults: TargetDefaults = TargetDefaults()
    migrations: Annotated[tuple[FileOrFolderPattern, ...], BeforeValidator(_one_or_more)] = ()
    migrations_interval: Duration = timedelta(minutes=5)
    runbook: ExistingFile | None = None
    http_probes: tuple[HttpProbeSettings, ...] = ()
    backups: tuple[BackupSettings, ...] = ()
    queries: tuple[ExistingFolder, ...] = ()
    intervals: dict[Name, Duration] = {}
    rules: RuleSettings = RuleSettings()
    evaluation_interval: Duration = timedelta(seconds=15)
    retention: Duration = timedelta(hours=1)
    keep_history: bool = True
    alertmanager_config: ExistingFile | None = None
    alertmanager_mode: MatcherMode = MatcherMode.FALLBACK
    alertmanagers: tuple[HttpAddress, ...] = ()
    overrides: dict[Name, OverrideSettings] = {}
    notifications: NotificationSettings = NotificationSettings()
    external_labels: dict[LabelName, str] = {}
    external_url: ExternalUrl | None = None
    web: WebSettings = WebSettings()
    state: NewFile | None = None
    ignore: tuple[IgnoredFinding, ...] = ()
    baseline: BaselineSettings = BaselineSettings()

    @property
    def route_prefix(self) -> str:
        """Where all pages are: the path of `external_url` unless `web` names one; "" for none."""
        path = urlsplit(self.external_url or "").path
        return (path if self.web.route_prefix is None else self.web.route_prefix).rstrip("/")
