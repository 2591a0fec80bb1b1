"""Receivers and their channels as configuration declares them, with every default filled in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pgwatch.errors import PgwatchError
from pgwatch.notify.http_settings import HttpSettings, TlsSettings
from pgwatch.secret import Secret


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
    url: Secret  # may be a template
    http: HttpSettings = field(default_factory=HttpSettings)
    max_alerts: int = 0  # 0: all
    payload: Any = None  # scalars, lists and mappings of templates; None: Alertmanager's JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackField:
    """A field of a Slack attachment."""

    title: str
    value: str
    short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackConfirm:
    """What is asked before an action is done."""

    text: str
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackAction:
    """A button of a Slack attachment."""

    type: str
    text: str
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: SlackConfirm | None = None  # None: it is done without a question


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings(ChannelSettings):
    """An entry of `slack_configs`; texts are templates, empty ones are what pgwatch writes itself."""

    kind: ClassVar[str] = "slack"
    api_url: Secret  # an incoming webhook's; with a token, that of `chat.postMessage`
    token: Secret | None = (
        None  # of a bot: then messages are updated, and their threads tell the story
    )
    update_message: bool = True  # with a token
    http: HttpSettings = field(default_factory=HttpSettings)
    channel: str = ""
    username: str = ""
    icon_emoji: str = ""
    icon_url: str = ""
    message_text: str = ""
    title: str = ""
    title_link: str = ""
    text: str = ""
    pretext: str = ""
    fallback: str = ""
    footer: str = ""
    color: str = ""
    callback_id: str = ""
    image_url: str = ""
    thumb_url: str = ""
    fields: tuple[SlackField, ...] = ()
    actions: tuple[SlackAction, ...] = ()
    mrkdwn_in: tuple[str, ...] = ()
    link_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings(ChannelSettings):
    """An entry of `email_configs`, with the global SMTP settings merged in; texts are templates."""

    kind: ClassVar[str] = "email"
    to: str  # one or several addresses, separated by commas
    sender: str
    host: str
    port: int
    hello: str = "localhost"
    username: str = ""
    password: Secret | None = None
    secret: Secret | None = None  # for CRAM-MD5, instead of the password
    identity: str = ""  # for PLAIN: on whose behalf
    require_tls: bool = True
    implicit_tls: bool | None = None  # TLS from the start; None: on port 465
    tls: TlsSettings = field(default_factory=TlsSettings)
    headers: Mapping[str, str] = field(default_factory=dict)
    html: str | None = None  # None: pgwatch writes it; empty: there is none
    text: str | None = None
    threading: bool = True
    thread_by_date: bool = False  # a thread for each day


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
            found |= {text, *secret_parts(text)}
    return frozenset(found)


def secret_parts(address: str) -> set[str]:
    """Return what of an address may be secret alone: its path, long parts of that, its password."""
    try:
        parts = urlsplit(address) if "://" in address else None
    except ValueError:
        return set()
    if parts is None:
        return set()
    path = parts.path.strip("/")
    long = {part for part in path.split("/") if len(part) >= 10}
    return long | ({path} if len(path) >= 8 else set()) | ({parts.password or ""} - {""})


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _secrets(getattr(value, each.name))
