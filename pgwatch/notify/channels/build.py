"""From what is configured to channels that deliver."""

from pgwatch.notify.channels.alertmanager import AlertmanagerChannel
from pgwatch.notify.channels.apprise import AppriseChannel
from pgwatch.notify.channels.base import Channel
from pgwatch.notify.channels.discord import DiscordChannel
from pgwatch.notify.channels.email import EmailChannel
from pgwatch.notify.channels.log import LogChannel
from pgwatch.notify.channels.msteams import TeamsChannel
from pgwatch.notify.channels.opsgenie import OpsGenieChannel
from pgwatch.notify.channels.pagerduty import PagerDutyChannel
from pgwatch.notify.channels.slack import SlackChannel
from pgwatch.notify.channels.telegram import TelegramChannel
from pgwatch.notify.channels.webhook import WebhookChannel
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.receiver import (
    ChannelSettings,
    EmailSettings,
    LogSettings,
    SlackSettings,
    WebhookSettings,
)
from pgwatch.notify.route import Routing
from pgwatch.notify.services import (
    AlertmanagerSettings,
    AppriseSettings,
    DiscordSettings,
    OpsGenieSettings,
    PagerDutySettings,
    TeamsSettings,
    TelegramSettings,
)
from pgwatch.notify.template import SHIPPED, Templates


def build_channels(routing: Routing) -> dict[ChannelId, Channel]:
    """Return the channels of all receivers of `routing`; no connection is opened yet."""
    return {
        ChannelId(receiver.name, settings.name): build_channel(settings, routing.templates)
        for receiver in (*routing.receivers.values(), *routing.hidden)
        for settings in receiver.channels
    }


def build_channel(settings: ChannelSettings, templates: Templates = SHIPPED) -> Channel:  # noqa: PLR0911
    """Return the channel that `settings` configure."""
    match settings:
        case WebhookSettings():
            return WebhookChannel(settings, templates)
        case SlackSettings():
            return SlackChannel(settings, templates)
        case EmailSettings():
            return EmailChannel(settings, templates)
        case PagerDutySettings():
            return PagerDutyChannel(settings, templates)
        case OpsGenieSettings():
            return OpsGenieChannel(settings, templates)
        case TeamsSettings():
            return TeamsChannel(settings, templates)
        case DiscordSettings():
            return DiscordChannel(settings, templates)
        case TelegramSettings():
            return TelegramChannel(settings, templates)
        case AlertmanagerSettings():
            return AlertmanagerChannel(settings, templates)
        case AppriseSettings():
            return AppriseChannel(settings)
        case LogSettings():
            return LogChannel()
        case _:
            raise TypeError(f"no channel delivers {settings.name}")
