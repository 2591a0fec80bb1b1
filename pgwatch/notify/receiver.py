"""Receivers and their channels as configuration declares them, with every default filled in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pgwatch.errors import PgwatchError
from pgwatch.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The keys of `tls_config` that we honour."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The keys of `http_config` that we honour."""

    username: str = ""  # of basic_auth
    password: Secret | None = None  # of basic_auth
    authorization: Secret | None = None  # what stands after the type
    authorization_type: str = "Bearer"
    proxy_url: Secret | None = None  # may hold a password
    follow_redirects: bool = True
    tls: TlsSettings = field(default_factory=TlsSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What all channels have."""

    kind: ClassVar[str]
    keyed: ClassVar[bool] = (
        False  # the service keeps one incident for each group, such as PagerDuty
    )
    index: int = 0  # among the receiver's channels of this kind
    send_resolved: bool = True

    @property
    def name(self) -> str:
        """`slack[0]`: the channel's name inside its receiver."""
        return f"{self.kind}[{self.index}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings(ChannelSettings):
    """Notifications as lines of pgwatch's own log."""

    kind: ClassVar[str] = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings(ChannelSettings):
    """An entry of `webhook_configs`."""

    kind: ClassVar[str] = "webhook"
    url: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    max_alerts: int = 0  # 0: all
    timeout: timedelta = timedelta(0)  # 0: the channel's own


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings(ChannelSettings):
    """An entry of `slack_configs` with an incoming webhook."""

    kind: ClassVar[str] = "slack"
    api_url: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    channel: str = ""
    username: str = ""
    icon_emoji: str = ""
    icon_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings(ChannelSettings):
    """An entry of `email_configs`, with the global SMTP settings merged in."""

    kind: ClassVar[str] = "email"
    to: str  # one or several addresses, separated by commas
    sender: str
    host: str
    port: int
    hello: str = "localhost"
    username: str = ""
    password: Secret | None = None
    identity: str = ""
    require_tls: bool = True
    tls: TlsSettings = field(default_factory=TlsSettings)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A name that routes lead to, and the channels that deliver for it."""

    name: str
    channels: tuple[ChannelSettings, ...] = ()
    undeliverable: tuple[
        str, ...
    ] = ()  # keys such as `sns_configs` that pgwatch has no channel for


def secrets_of(receivers: Iterable[Receiver]) -> frozenset[str]:
    """Return the texts of all secrets that `receivers` have now, for hiding them in what is logged.

    Of an address its path too, where a webhook has its key. What cannot be read now is left out.
    """
    found = set[str]()
    for receiver in receivers:
        for secret in _secrets(receiver.channels):
            try:
                text = secret.reveal()
            except PgwatchError:
                continue  # the channel says so when it is used
            path = urlsplit(text).path.strip("/") if "://" in text else ""
            found |= {text, path} if len(path) >= 8 else {text}
    return frozenset(found)


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _secrets(getattr(value, each.name))
