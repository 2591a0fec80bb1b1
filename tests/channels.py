"""All kinds of channels with settings for a real receiver on loopback, for the tests that each must pass."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.receiver import ChannelSettings, SlackSettings, WebhookSettings
from pgwatch.notify.services import (
    AlertmanagerSettings,
    DiscordSettings,
    OpsGenieSettings,
    PagerDutySettings,
    TeamsSettings,
    TelegramSettings,
)
from pgwatch.secret import Secret

SECRET = "XXXsecretXXX"
_PATH = f"/services/T000/{SECRET}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of channel that speaks HTTP."""

    name: str
    make: Callable[
        [str, HttpSettings], ChannelSettings
    ]  # (address of the receiver, how) → settings
    accepted: str = "ok"  # what the service answers to what it takes
    shows_people: bool = True  # else the receiver is a program that words its own messages
    resolved: str = "RESOLVED"  # what a message about an end has
    tells_cure: bool = True
    secrets: tuple[str, ...] = field(default=(SECRET,))

    def __str__(self) -> str:
        return self.name


def _secret(text: str) -> Secret:
    return Secret(value=text)


KINDS = (
    Kind(
        name="webhook",
        make=lambda url, http: WebhookSettings(url=_secret(url + _PATH), http=http),
        shows_people=False,
    ),
    Kind(
        name="slack",
        make=lambda url, http: SlackSettings(api_url=_secret(url + _PATH), http=http),
    ),
    Kind(
        name="slack bot",
        make=lambda url, http: SlackSettings(
            api_url=_secret(url + "/api/chat.postMessage"),
            token=_secret(SECRET),
            channel="#dba",
            http=http,
        ),
        accepted='{"ok": true, "channel": "C1", "ts": "1.5"}',
    ),
    Kind(
        name="pagerduty",
        make=lambda url, http: PagerDutySettings(
            url=url + "/v2/enqueue", routing_key=_secret(SECRET), http=http
        ),
        accepted='{"status": "success", "message": "Event processed", "dedup_key": "d"}',
        resolved="RESOLVE",
    ),
    Kind(
        name="opsgenie",
        make=lambda url, http: OpsGenieSettings(
            api_url=url + "/", api_key=_secret(SECRET), http=http
        ),
        accepted='{"result": "Request will be processed"}',
        resolved="/CLOSE",
    ),
    Kind(
        name="msteamsv2",
        make=lambda url, http: TeamsSettings(webhook_url=_secret(url + _PATH), http=http),
        accepted="",
    ),
    Kind(
        name="discord",
        make=lambda url, http: DiscordSettings(webhook_url=_secret(url + _PATH), http=http),
        accepted="",
    ),
    Kind(
        name="telegram",
        make=lambda url, http: TelegramSettings(
            api_url=url, bot_token=_secret(f"1:{SECRET}"), chat_id=_secret("-42"), http=http
        ),
        accepted='{"ok": true, "result": {"message_id": 7}}',
    ),
    Kind(
        name="alertmanager",
        make=lambda url, http: AlertmanagerSettings(url=_secret(f"{url}/{SECRET}"), http=http),
        accepted="",
        shows_people=False,
        resolved="ENDSAT",
    ),
)
