"""From the receivers of an alertmanager.yml to channels' settings, with the global defaults filled in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Final
from urllib.parse import urlsplit

from pgwatch.config.alertmanager_fields import Section
from pgwatch.config.http_sections import HttpConfig
from pgwatch.config.http_settings import HttpBuilder, Tell
from pgwatch.config.mail_settings import email_settings
from pgwatch.config.receiver_sections import (
    ChannelConfig,
    DiscordConfig,
    Globals,
    OpsGenieConfig,
    PagerDutyConfig,
    ReceiverConfig,
    TeamsConfig,
    TelegramConfig,
    WebhookConfig,
)
from pgwatch.config.slack_settings import slack_settings
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.receiver import ChannelSettings, Receiver, WebhookSettings
from pgwatch.notify.services import (
    DiscordSettings,
    OpsGenieResponder,
    OpsGenieSettings,
    PagerDutyImage,
    PagerDutyLink,
    PagerDutySettings,
    TeamsSettings,
    TelegramSettings,
)
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

DELIVERED: Final = (
    *("discord", "email", "msteamsv2", "opsgenie", "pagerduty", "slack", "telegram", "webhook"),
)


class ReceiverBuilder:
    """Turns receivers into settings; tells problems and warnings with the path they belong to."""

    def __init__(self, defaults: Globals, folder: FilePath, problem: Tell, warn: Tell) -> None:
        self._defaults = defaults
        self._http = HttpBuilder(folder, problem, warn)
        self._problem = problem
        self._warn = warn

    def build(
        self,
        config: ReceiverConfig,
        others: Iterable[str],
        path: Path,
        more: Sequence[ChannelSettings] = (),
    ) -> Receiver:
        """Return the receiver; channels that cannot work are told as problems and left out.

        `others` are its keys such as `sns_configs`, which pgwatch does not deliver. `more` are channels that
        pgwatch.yml adds.
        """
        undeliverable = list(others)
        channels: list[ChannelSettings] = []
        for key, build in (
            ("webhook_configs", self._webhook),
            ("slack_configs", partial(slack_settings, self)),
            ("email_configs", partial(email_settings, self)),
            ("pagerduty_configs", self._pagerduty),
            ("opsgenie_configs", self._opsgenie),
            ("msteamsv2_configs", self._teams),
            ("discord_configs", self._discord),
            ("telegram_configs", self._telegram),
        ):
            for index, section in enumerate(getattr(config, key)):
                place = (*path, key, index)
                if key == "pagerduty_configs" and _is_old_pagerduty(section):
                    undeliverable.append("pagerduty_configs with service_key")
                    continue
                channels += _built(build, section, place, index)
        for kind in undeliverable:
            message = f"pgwatch does not deliver {kind}; receiver {config.name!r} goes without"
            self._warn(path, message)
        return Receiver(
            name=config.name, channels=(*channels, *more), undeliverable=tuple(undeliverable)
        )

    # For the builders of single kinds, here and in modules of their own.

    @property
    def defaults(self) -> Globals:
        """The section `global`."""
        return self._defaults

    @property
    def keys(self) -> HttpBuilder:
        """What reads secrets, paths and TLS."""
        return self._http

    def problem(self, path: Path, message: str) -> None:
        """Tell a mistake."""
        self._problem(path, message)

    def http(self, config: ChannelConfig, path: Path) -> HttpSettings:
        """Return how the receiver is spoken to."""
        own = config.http_config
        section = own or self._defaults.http_config or HttpConfig()
        place: Path = (*path, "http_config") if own else ("global", "http_config")
        return self._http.http(section, place, config.timeout)

    def one_of(
        self, config: Section, key: str, path: Path, *, needed: bool = True
    ) -> Secret | None:
        """Return what `key` or `<key>_file` holds, here or globally; tells if there is none, or both."""
        value, file = getattr(config, key), getattr(config, f"{key}_file")
        if (value is not None and file) or (value is None and not file and needed):
            self._problem(path, f"expected either {key} or {key}_file")
        return self._http.secret(value, file)

    def check_url(self, url: Secret | str | None, path: Path) -> None:
        """Tell if a written address is none; a template is one when it is expanded."""
        if url is None or url == "" or (isinstance(url, Secret) and url.value is None):
            return
        text = url.reveal() if isinstance(url, Secret) else url
        if "{{" in text:
            return
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            good = False
        if not good:
            self._problem(path, "expected an address that begins with http:// or https://")

    def _webhook(self, config: WebhookConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        self.check_url(config.url, (*path, "url"))
        if url := self.one_of(config, "url", path):
            yield WebhookSettings(
                index=index,
                send_resolved=config.send_resolved,
                url=url,
                http=self.http(config, path),
                max_alerts=config.max_alerts,
                payload=config.payload,
            )

    def _pagerduty(
        self, config: PagerDutyConfig, path: Path, index: int
    ) -> Iterator[ChannelSettings]:
        url = config.url or self._defaults.pagerduty_url
        self.check_url(url, (*path, "url"))
        if key := self.one_of(config, "routing_key", path):
            yield PagerDutySettings(
                **same(config, PagerDutySettings, but=("images", "links", "url")),
                index=index,
                url=url,
                routing_key=key,
                http=self.http(config, path),
                images=tuple(PagerDutyImage(**dict(one)) for one in config.images),
                links=tuple(PagerDutyLink(**dict(one)) for one in config.links),
            )

    def _opsgenie(
        self, config: OpsGenieConfig, path: Path, index: int
    ) -> Iterator[ChannelSettings]:
        url = config.api_url or self._defaults.opsgenie_api_url
        self.check_url(url, (*path, "api_url"))
        for place, one in enumerate(config.responders):
            if not (one.id or one.name or one.username) or not one.type:
                message = "needs a type and one of id, name and username"
                self._problem((*path, "responders", place), message)
        key = self._or_global(config, "api_key", "opsgenie_api_key", path)
        if key is not None:
            yield OpsGenieSettings(
                **same(config, OpsGenieSettings, but=("api_url", "responders")),
                index=index,
                api_url=url if url.endswith("/") else f"{url}/",
                api_key=key,
                http=self.http(config, path),
                responders=tuple(OpsGenieResponder(**dict(one)) for one in config.responders),
            )

    def _teams(self, config: TeamsConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        self.check_url(config.webhook_url, (*path, "webhook_url"))
        if url := self.one_of(config, "webhook_url", path):
            values = same(config, TeamsSettings)
            http = self.http(config, path)
            yield TeamsSettings(**values, index=index, webhook_url=url, http=http)

    def _discord(self, config: DiscordConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        self.check_url(config.webhook_url, (*path, "webhook_url"))
        if url := self.one_of(config, "webhook_url", path):
            values = same(config, DiscordSettings)
            http = self.http(config, path)
            yield DiscordSettings(**values, index=index, webhook_url=url, http=http)

    def _telegram(
        self, config: TelegramConfig, path: Path, index: int
    ) -> Iterator[ChannelSettings]:
        url = config.api_url or self._defaults.telegram_api_url
        self.check_url(url, (*path, "api_url"))
        token = self._or_global(config, "bot_token", "telegram_bot_token", path)
        if bool(config.chat_id) == bool(config.chat_id_file):
            self._problem(path, "expected either chat_id or chat_id_file")
            return
        written = Secret(value=config.chat_id) if config.chat_id else None
        chat = self._http.secret(written, config.chat_id_file)
        if token is not None and chat is not None:
            yield TelegramSettings(
                **same(config, TelegramSettings, but=("api_url", "chat_id")),
                index=index,
                api_url=url,
                bot_token=token,
                chat_id=chat,
                http=self.http(config, path),
            )

    def _or_global(self, config: Section, key: str, name: str, path: Path) -> Secret | None:
        found = self.one_of(config, key, path, needed=False)
        if found is None:
            file = getattr(self._defaults, f"{name}_file")
            found = self._http.secret(getattr(self._defaults, name), file)
        if found is None:
            message = f"no key: set {key}, {key}_file or global {name}"
            self._problem(path, message)
        return found


def same(
    section: Section, settings: type[ChannelSettings], but: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the values of `section` that `settings` have under the same name and in the same form."""
    names = {one.name for one in fields(settings)} & set(type(section).model_fields)
    wanted = (name for name in names if name not in but)
    return {
        name: value
        for name in wanted
        if not isinstance(value := getattr(section, name), Secret | None)
    }


def _is_old_pagerduty(config: PagerDutyConfig) -> bool:
    old = config.service_key is not None or bool(config.service_key_file)
    return old and config.routing_key is None and not config.routing_key_file


def _built(
    build: Callable[..., Iterator[ChannelSettings]], section: Any, path: Path, index: int
) -> list[ChannelSettings]:
    return list(build(section, path, index))
