"""What an alertmanager.yml may contain: Alertmanager's keys, those that pgwatch honours typed.

A key that Alertmanager has and pgwatch has no use for is of type `Ignored`: it loads, and a warning says
so where the user would notice. Any other key is an error. (Source: Alertmanager `config/config.go`,
`config/notifiers.go`, up to 0.34.)
"""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pgwatch.secret import Secret
from pgwatch.units import parse_duration


def _duration(value: object) -> timedelta:
    if not isinstance(value, str) and value != 0:
        raise ValueError("expected a duration such as 30s, 5m or 4h")
    return parse_duration(str(value))


def _interval(value: object) -> timedelta:
    duration = _duration(value)
    if not duration:
        raise ValueError("cannot be zero")
    return duration


def _scalar(value: object) -> object:
    """Return a YAML number as the text that Alertmanager would read it as."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _secret(value: object) -> Secret:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a string that is not empty")
    return Secret(value=value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Interval = Annotated[timedelta, BeforeValidator(_interval)]
Word = Annotated[str, BeforeValidator(_scalar)]
Hidden = Annotated[Secret, BeforeValidator(_secret)]
Ignored = Any

_OTHER_KINDS = (
    "discord",
    "incidentio",
    "jira",
    "mattermost",
    "msteams",
    "msteamsv2",
    "opsgenie",
    "pagerduty",
    "pushover",
    "rocketchat",
    "sns",
    "telegram",
    "victorops",
    "webex",
    "wechat",
)
OTHER_RECEIVERS = frozenset(f"{kind}_configs" for kind in _OTHER_KINDS)
_OTHER_GLOBALS = tuple(f"{kind}_" for kind in [*_OTHER_KINDS, "slack_app"])


class Section(BaseModel):
    """A mapping of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TlsConfig(Section):
    """`tls_config`."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False


class BasicAuth(Section):
    """`basic_auth`."""

    username: Word = ""
    password: Hidden | None = None
    password_file: str = ""


class Authorization(Section):
    """`authorization`."""

    type: str = "Bearer"
    credentials: Hidden | None = None
    credentials_file: str = ""


class HttpConfig(Section):
    """`http_config`."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    proxy_url: Hidden | None = None
    follow_redirects: bool = True
    tls_config: TlsConfig = TlsConfig()
    enable_http2: Ignored = None


class SmtpGlobals(Section):
    """The global keys that begin with `smtp_`."""

    smtp_from: str = ""
    smtp_hello: str = "localhost"
    smtp_smarthost: str = ""
    smtp_auth_username: str = ""
    smtp_auth_password: Hidden | None = None
    smtp_auth_password_file: str = ""
    smtp_auth_secret: Ignored = None  # for CRAM-MD5 only; the password serves there too
    smtp_auth_secret_file: Ignored = None
    smtp_auth_identity: Ignored = None
    smtp_require_tls: bool = True
    smtp_tls_config: TlsConfig | None = None


class Globals(SmtpGlobals):
    """`global`."""

    resolve_timeout: Duration = timedelta(minutes=5)
    http_config: HttpConfig | None = None
    slack_api_url: Hidden | None = None
    slack_api_url_file: str = ""

    @model_validator(mode="before")
    @classmethod
    def _drop_other_receivers(cls, value: Any) -> Any:
        """Drop the defaults of receivers that pgwatch does not deliver to."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if not str(k).startswith(_OTHER_GLOBALS)}


class WebhookConfig(Section):
    """An entry of `webhook_configs`."""

    send_resolved: bool = True
    http_config: HttpConfig | None = None
    url: Hidden | None = None
    url_file: str = ""
    max_alerts: Annotated[int, Field(ge=0)] = 0
    timeout: Duration = timedelta(0)
    payload: Ignored = None


class SlackConfig(Section):
    """An entry of `slack_configs`."""

    send_resolved: bool = False
    http_config: HttpConfig | None = None
    api_url: Hidden | None = None
    api_url_file: str = ""
    channel: str = ""
    username: str = ""
    icon_emoji: str = ""
    icon_url: str = ""
    app_token: Ignored = None
    app_token_file: Ignored = None
    app_url: Ignored = None
    actions: Ignored = None
    callback_id: Ignored = None
    color: Ignored = None
    fallback: Ignored = None
    fields: Ignored = None
    footer: Ignored = None
    image_url: Ignored = None
    link_names: Ignored = None
    message_text: Ignored = None
    mrkdwn_in: Ignored = None
    pretext: Ignored = None
    short_fields: Ignored = None
    text: Ignored = None
    thumb_url: Ignored = None
    timeout: Ignored = None
    title: Ignored = None
    title_link: Ignored = None
    update_message: Ignored = None


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
    auth_secret: Ignored = None
    auth_secret_file: Ignored = None
    auth_identity: Ignored = None
    headers: dict[str, Word] = {}
    require_tls: bool | None = None
    tls_config: TlsConfig | None = None
    html: Ignored = None
    text: Ignored = None
    threading: Ignored = None


class ReceiverConfig(Section):
    """An entry of `receivers`, without the keys of `OTHER_RECEIVERS`."""

    name: str = ""
    webhook_configs: tuple[WebhookConfig, ...] = ()
    slack_configs: tuple[SlackConfig, ...] = ()
    email_configs: tuple[EmailConfig, ...] = ()
    labels: Ignored = None


class RouteConfig(Section):
    """`route`, and each entry of `routes`."""

    receiver: str = ""
    group_by: tuple[str, ...] | None = None
    group_wait: Duration | None = None
    group_interval: Interval | None = None
    repeat_interval: Interval | None = None
    match: dict[str, Word] = {}
    match_re: dict[str, Word] = {}
    matchers: tuple[str, ...] = ()
    continues: Annotated[bool, Field(alias="continue")] = False
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    routes: tuple["RouteConfig", ...] = ()
    labels: Ignored = None


class InhibitRuleConfig(Section):
    """An entry of `inhibit_rules`."""

    name: str = ""
    source_match: dict[str, Word] = {}
    source_match_re: dict[str, Word] = {}
    source_matchers: tuple[str, ...] = ()
    target_match: dict[str, Word] = {}
    target_match_re: dict[str, Word] = {}
    target_matchers: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()


class IntervalConfig(Section):
    """An entry of `time_intervals` inside a named one."""

    times: tuple[dict[str, str], ...] = ()
    weekdays: tuple[str, ...] = ()
    days_of_month: tuple[Word, ...] = ()
    months: tuple[Word, ...] = ()
    years: tuple[Word, ...] = ()
    location: str = ""


class NamedIntervals(Section):
    """An entry of the file's `time_intervals`."""

    name: str = ""
    time_intervals: tuple[IntervalConfig, ...] = ()


class AlertmanagerFile(Section):
    """The whole file."""

    globals: Annotated[Globals, Field(alias="global")] = Globals()
    route: RouteConfig | None = None
    receivers: tuple[ReceiverConfig, ...] = ()
    inhibit_rules: tuple[InhibitRuleConfig, ...] = ()
    time_intervals: tuple[NamedIntervals, ...] = ()
    mute_time_intervals: tuple[NamedIntervals, ...] = ()  # the older name of the same


def ignored_keys(section: Section) -> list[str]:
    """Return the keys of `section` that were written and have no effect here."""
    fields = type(section).model_fields
    return [name for name in sorted(section.model_fields_set) if fields[name].annotation is Any]
