"""From what is configured to channels that deliver."""

from pgwatch.notify.channels.base import Channel
from pgwatch.notify.channels.email import EmailChannel
from pgwatch.notify.channels.log import LogChannel
from pgwatch.notify.channels.slack import SlackChannel
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


def build_channels(routing: Routing) -> dict[ChannelId, Channel]:
    """Return the channels of all receivers of `routing`; no connection is opened yet."""
    return {
        ChannelId(receiver.name, settings.name): build_channel(settings)
        for receiver in routing.receivers.values()
        for settings in receiver.channels
    }


def build_channel(settings: ChannelSettings) -> Channel:
    """Return the channel that `settings` configure."""
    match settings:
        case WebhookSettings():
            return WebhookChannel(settings)
        case SlackSettings():
            return SlackChannel(settings)
        case EmailSettings():
            return EmailChannel(settings)
        case LogSettings():
            return LogChannel()
        case _:
            raise TypeError(f"no channel delivers {settings.name}")
