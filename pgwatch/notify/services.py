"""Receivers of services that page or chat, as configuration declares them; texts are templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.receiver import ChannelSettings
from pgwatch.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyImage:
    """A picture of an incident."""

    src: str
    alt: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyLink:
    """A link of an incident."""

    href: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutySettings(ChannelSettings):
    """An entry of `pagerduty_configs` with a routing key: Events API v2."""

    kind: ClassVar[str] = "pagerduty"
    keyed: ClassVar[bool] = True
    url: str
    routing_key: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    client: str = ""
    client_url: str = ""
    description: str = ""
    severity: str = ""
    source: str = ""
    component: str = ""
    group: str = ""
    class_: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    images: tuple[PagerDutyImage, ...] = ()
    links: tuple[PagerDutyLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsGenieResponder:
    """A team or person that is called."""

    type: str
    id: str = ""
    name: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsGenieSettings(ChannelSettings):
    """An entry of `opsgenie_configs`."""

    kind: ClassVar[str] = "opsgenie"
    keyed: ClassVar[bool] = True
    api_url: str  # ends with a slash
    api_key: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    message: str = ""
    description: str = ""
    source: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    entity: str = ""
    responders: tuple[OpsGenieResponder, ...] = ()
    actions: str = ""  # separated by commas
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings(ChannelSettings):
    """An entry of `msteamsv2_configs`: a workflow of Power Automate."""

    kind: ClassVar[str] = "msteamsv2"
    webhook_url: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordSettings(ChannelSettings):
    """An entry of `discord_configs`."""

    kind: ClassVar[str] = "discord"
    webhook_url: Secret
    http: HttpSettings = field(default_factory=HttpSettings)
    content: str = ""
    title: str = ""
    message: str = ""
    username: str = ""
    avatar_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings(ChannelSettings):
    """An entry of `telegram_configs`."""

    kind: ClassVar[str] = "telegram"
    api_url: str
    bot_token: Secret
    chat_id: Secret  # a number; may be in a file
    http: HttpSettings = field(default_factory=HttpSettings)
    message_thread_id: int = 0
    message: str = ""
    disable_notifications: bool = False
    parse_mode: str = "HTML"  # of `message`; what pgwatch writes itself is HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSettings(ChannelSettings):
    """An entry of the key `alertmanagers` of pgwatch.yml: a real Alertmanager."""

    kind: ClassVar[str] = "alertmanager"
    keyed: ClassVar[bool] = True
    url: Secret  # without /api/v2; may hold a password
    http: HttpSettings = field(default_factory=HttpSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseSettings(ChannelSettings):
    """An entry of `apprise` in the key `overrides` of pgwatch.yml: any service that Apprise knows."""

    kind: ClassVar[str] = "apprise"
    urls: tuple[Secret, ...]  # in Apprise's notation, such as ntfys://topic
