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


def build_channel(settings: ChannelSettings, templates: Templates = SHIPPED) -> Channel:
    """Return the channel that `settings` configure."""
    match settings:
        case WebhookSettings():
            channel: Channel = WebhookChannel(settings, templates)
        case SlackSettings():
            channel = SlackChannel(settings, templates)
        case EmailSettings():
            channel = EmailChannel(settings, templates)
        case PagerDutySettings():
            channel = PagerDutyChannel(settings, templates)
        case OpsGenieSettings():
            channel = OpsGenieChannel(settings, templates)
        case TeamsSettings():
            channel = TeamsChannel(settings, templates)
        case DiscordSettings():
            channel = DiscordChannel(settings, templates)
        case TelegramSettings():
            channel = TelegramChannel(settings, templates)
        case AlertmanagerSettings():
            channel = AlertmanagerChannel(settings, templates)
        case AppriseSettings():
            channel = AppriseChannel(settings)
        case LogSettings():
            channel = LogChannel()
        case _:
            raise TypeError(f"no channel delivers {settings.name}")
    return channel
