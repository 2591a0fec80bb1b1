"""From an entry of `slack_configs` to its settings: by an incoming webhook, or by a bot's token."""

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from pgwatch.config.receiver_sections import SlackConfig
from pgwatch.notify.receiver import (
    ChannelSettings,
    SlackAction,
    SlackConfirm,
    SlackField,
    SlackSettings,
)
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

if TYPE_CHECKING:
    from pgwatch.config.receivers import ReceiverBuilder

_METHOD: Final = "/api/chat.postMessage"
_OWN: Final = frozenset({"api_url", "token", "http", "fields", "actions", "index"})


def slack_settings(
    builder: "ReceiverBuilder", config: SlackConfig, path: Path, index: int
) -> Iterator[ChannelSettings]:
    """Return the settings, none if something is missing, which is told."""
    builder.check_url(config.api_url, (*path, "api_url"))
    builder.check_url(config.app_url, (*path, "app_url"))
    http = builder.http(config, path)
    token = _token(builder, config, path)
    url: Secret | None
    if token is not None:
        url = Secret(value=config.app_url or builder.defaults.slack_app_url)
    else:
        url = _webhook(builder, config, path)
        # How a bot is written for Alertmanager before 0.30: the method's address, and its token.
        if url is not None and url.value is not None and url.value.endswith(_METHOD):
            token = http.authorization
    if token is not None and not config.channel:
        builder.problem(path, "a bot needs a channel to write to; set channel")
    if url is None:
        return
    names = {one.name for one in fields(SlackSettings)} - _OWN
    yield SlackSettings(
        **{name: getattr(config, name) for name in names},
        index=index,
        api_url=url,
        token=token,
        http=http,
        fields=tuple(
            SlackField(
                title=one.title,
                value=one.value,
                short=config.short_fields if one.short is None else one.short,
            )
            for one in config.fields
        ),
        actions=tuple(
            SlackAction(
                **{name: getattr(one, name) for name in _ACTION},
                confirm=SlackConfirm(**dict(one.confirm)) if one.confirm else None,
            )
            for one in config.actions
        ),
    )


_ACTION: Final = tuple(one.name for one in fields(SlackAction) if one.name != "confirm")


def _token(builder: "ReceiverBuilder", config: SlackConfig, path: Path) -> Secret | None:
    """Return the bot's token; an entry's own address comes before the global token."""
    own = builder.one_of(config, "app_token", path, needed=False)
    if own is not None and (config.api_url is not None or config.api_url_file):
        builder.problem(path, "expected either an app_token or an api_url")
    if own is not None or config.api_url is not None or config.api_url_file:
        return own
    defaults = builder.defaults
    return builder.keys.secret(defaults.slack_app_token, defaults.slack_app_token_file)


def _webhook(builder: "ReceiverBuilder", config: SlackConfig, path: Path) -> Secret | None:
    url = builder.one_of(config, "api_url", path, needed=False)
    if url is None:
        defaults = builder.defaults
        url = builder.keys.secret(defaults.slack_api_url, defaults.slack_api_url_file)
    if url is None:
        message = (
            "no Slack address: set api_url, api_url_file or global slack_api_url, or an app_token"
        )
        builder.problem(path, message)
    return url
