"""What `receivers` and the global defaults for them may contain (Alertmanager `config/notifiers.go`)."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from pgwatch.config.alertmanager_fields import Duration, Hidden, Ignored, Section, Tree, Word
from pgwatch.config.http_sections import HttpConfig, TlsConfig

_OTHER_KINDS: Final = (
    *("incidentio", "jira", "mattermost", "msteams", "pushover", "rocketchat", "sns"),
    *("victorops", "webex", "wechat"),
)
OTHER_RECEIVERS: Final = frozenset(f"{kind}_configs" for kind in _OTHER_KINDS)
_OTHER_GLOBALS: Final = tuple(f"{kind}_" for kind in _OTHER_KINDS)


class SmtpGlobals(Section):
    """The global keys that begin with `smtp_`."""

    smtp_from: str = ""
    smtp_hello: str = "localhost"
    smtp_smarthost: str = ""
    smtp_auth_username: str = ""
    smtp_auth_password: Hidden | None = None
    smtp_auth_password_file: str = ""
    smtp_auth_secret: Hidden | None = None
    smtp_auth_secret_file: str = ""
    smtp_auth_identity: str = ""
    smtp_require_tls: bool = True
    smtp_force_implicit_tls: bool | None = None
    smtp_tls_config: TlsConfig | None = None


class Globals(SmtpGlobals):
    """`global`."""

    resolve_timeout: Duration = timedelta(minutes=5)
    http_config: HttpConfig | None = None
    slack_api_url: Hidden | None = None
    slack_api_url_file: str = ""
    slack_app_token: Hidden | None = None
    slack_app_token_file: str = ""
    slack_app_url: str = "https://slack.com/api/chat.postMessage"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    opsgenie_api_url: str = "https://api.opsgenie.com/"
    opsgenie_api_key: Hidden | None = None
    opsgenie_api_key_file: str = ""
    telegram_api_url: str = "https://api.telegram.org"
    telegram_bot_token: Hidden | None = None
    telegram_bot_token_file: str = ""

    @model_validator(mode="before")
    @classmethod
    def _drop_other_receivers(cls, value: Any) -> Any:
        """Drop the defaults of receivers that pgwatch does not deliver to."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if not str(k).startswith(_OTHER_GLOBALS)}


class ChannelConfig(Section):
    """What all entries of receivers that speak HTTP have."""

    send_resolved: bool = True
    http_config: HttpConfig | None = None
    timeout: Duration = timedelta(0)


class WebhookConfig(ChannelConfig):
    """An entry of `webhook_configs`."""

    url: Hidden | None = None
    url_file: str = ""
    max_alerts: Annotated[int, Field(ge=0)] = 0
    payload: Tree = None


class SlackFieldConfig(Section):
    """An entry of `fields`."""

    title: Word = ""
    value: Word = ""
    short: bool | None = None


class SlackConfirmConfig(Section):
    """`confirm` of an action: what is asked before it is done."""

    title: str = ""
    text: Annotated[str, Field(min_length=1)]
    ok_text: str = ""
    dismiss_text: str = ""


class SlackActionConfig(Section):
    """An entry of `actions`."""

    type: str = ""
    text: str = ""
    url: str = ""
    style: str = ""
    name: str = ""
    value: Word = ""
    confirm: SlackConfirmConfig | None = None


class SlackConfig(ChannelConfig):
    """An entry of `slack_configs`."""

    send_resolved: bool = False
    api_url: Hidden | None = None
    api_url_file: str = ""
    app_token: Hidden | None = None
    app_token_file: str = ""
    app_url: str = ""
    update_message: bool = True
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
    fields: Annotated[tuple[SlackFieldConfig, ...], Field()] = ()
    actions: tuple[SlackActionConfig, ...] = ()
    mrkdwn_in: tuple[str, ...] = ()
    link_names: bool = False
    short_fields: bool = False


class ThreadingConfig(Section):
    """`threading` of an e-mail."""

    enabled: bool = False
    thread_by_date: Literal["", "none", "daily"] = ""


class EmailConfig(Section):
    """An entry of `email_configs`."""

    send_resolved: bool = False
    to: str = ""
    sender: Annotated[str, Field(alias="from")] = ""
    hello: str = ""
    smarthost: str = ""
    auth_username: str = ""
    auth_password: Hidden | None = None
    auth_password_file: str = ""
    auth_secret: Hidden | None = None
    auth_secret_file: str = ""
    auth_identity: str = ""
    headers: dict[str, Word] = {}
    html: str | None = None
    text: str | None = None
    require_tls: bool | None = None
    force_implicit_tls: bool | None = None
    tls_config: TlsConfig | None = None
    threading: ThreadingConfig | None = None


class PagerDutyImageConfig(Section):
    """An entry of `images`."""

    src: str = ""
    alt: str = ""
    href: str = ""


class PagerDutyLinkConfig(Section):
    """An entry of `links`."""

    href: str = ""
    text: str = ""


class PagerDutyConfig(ChannelConfig):
    """An entry of `pagerduty_configs`."""

    routing_key: Hidden | None = None
    routing_key_file: str = ""
    service_key: Hidden | None = None
    service_key_file: str = ""
    url: str = ""
    client: str = ""
    client_url: str = ""
    description: str = ""
    severity: str = ""
    source: str = ""
    component: str = ""
    group: str = ""
    class_: Annotated[str, Field(alias="class")] = ""
    details: dict[str, Word] = {}
    images: tuple[PagerDutyImageConfig, ...] = ()
    links: tuple[PagerDutyLinkConfig, ...] = ()


class OpsGenieResponderConfig(Section):
    """An entry of `responders`."""

    type: str = ""
    id: str = ""
    name: str = ""
    username: str = ""


class OpsGenieConfig(ChannelConfig):
    """An entry of `opsgenie_configs`."""

    api_key: Hidden | None = None
    api_key_file: str = ""
    api_url: str = ""
    message: str = ""
    description: str = ""
    source: str = ""
    details: dict[str, Word] = {}
    entity: str = ""
    responders: tuple[OpsGenieResponderConfig, ...] = ()
    actions: str = ""
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False


class TeamsConfig(ChannelConfig):
    """An entry of `msteamsv2_configs`."""

    webhook_url: Hidden | None = None
    webhook_url_file: str = ""
    title: str = ""
    text: str = ""


class DiscordConfig(ChannelConfig):
    """An entry of `discord_configs`."""

    webhook_url: Hidden | None = None
    webhook_url_file: str = ""
    content: str = ""
    title: str = ""
    message: str = ""
    username: str = ""
    avatar_url: str = ""


class TelegramConfig(ChannelConfig):
    """An entry of `telegram_configs`."""

    api_url: str = ""
    bot_token: Hidden | None = None
    bot_token_file: str = ""
    chat_id: Word = ""
    chat_id_file: str = ""
    message_thread_id: int = 0
    message: str = ""
    disable_notifications: bool = False
    parse_mode: Literal["", "HTML", "Markdown", "MarkdownV2"] = "HTML"


class ReceiverConfig(Section):
    """An entry of `receivers`, without the keys of `OTHER_RECEIVERS`."""

    name: str = ""
    webhook_configs: tuple[WebhookConfig, ...] = ()
    slack_configs: tuple[SlackConfig, ...] = ()
    email_configs: tuple[EmailConfig, ...] = ()
    pagerduty_configs: tuple[PagerDutyConfig, ...] = ()
    opsgenie_configs: tuple[OpsGenieConfig, ...] = ()
    msteamsv2_configs: tuple[TeamsConfig, ...] = ()
    discord_configs: tuple[DiscordConfig, ...] = ()
    telegram_configs: tuple[TelegramConfig, ...] = ()
    labels: Ignored = None
