"""From the receivers of an alertmanager.yml to channels' settings, with the global defaults filled in."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from pgwatch.config.alertmanager_file import (
    EmailConfig,
    Globals,
    HttpConfig,
    ReceiverConfig,
    Section,
    SlackConfig,
    TlsConfig,
    WebhookConfig,
    ignored_keys,
)
from pgwatch.notify.receiver import (
    ChannelSettings,
    EmailSettings,
    HttpSettings,
    Receiver,
    SlackSettings,
    TlsSettings,
    WebhookSettings,
)
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

_OWN_MESSAGE = "pgwatch writes its own message; this key has no effect"
_SILENT = frozenset({"enable_http2", "timeout", "labels"})  # nobody would miss them


class ReceiverBuilder:
    """Turns receivers into settings; tells problems and warnings with the path they belong to."""

    def __init__(
        self,
        defaults: Globals,
        folder: FilePath,
        problem: Callable[[Path, str], None],
        warn: Callable[[Path, str], None],
    ) -> None:
        self._defaults = defaults
        self._folder = folder  # of the file; relative paths start there
        self._problem = problem
        self._warn = warn

    def build(self, config: ReceiverConfig, others: Iterable[str], path: Path) -> Receiver:
        """Return the receiver; channels that cannot work are told as problems and left out.

        `others` are its keys such as `sns_configs`, which pgwatch does not deliver.
        """
        channels: list[ChannelSettings] = []
        for index, webhook in enumerate(config.webhook_configs):
            channels += self._webhook(webhook, (*path, "webhook_configs", index), index)
        undeliverable = list(others)
        for index, slack in enumerate(config.slack_configs):
            place = (*path, "slack_configs", index)
            if slack.app_token or slack.app_token_file:
                undeliverable.append("slack_configs with app_token")
                continue
            channels += self._slack(slack, place, index)
        for index, email in enumerate(config.email_configs):
            channels += self._email(email, (*path, "email_configs", index), index)
        for kind in undeliverable:
            self._warn(
                path, f"pgwatch does not deliver {kind}; receiver {config.name!r} goes without"
            )
        return Receiver(
            name=config.name, channels=tuple(channels), undeliverable=tuple(undeliverable)
        )

    def _webhook(self, config: WebhookConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        self._warn_of_ignored(config, path)
        if (config.url is None) == (not config.url_file):
            self._problem(path, "expected either url or url_file")
            return
        self._check_url(config.url, (*path, "url"))
        yield WebhookSettings(
            index=index,
            send_resolved=config.send_resolved,
            url=self._secret(config.url, config.url_file),
            http=self._http(config.http_config, (*path, "http_config")),
            max_alerts=config.max_alerts,
            timeout=config.timeout,
        )

    def _slack(self, config: SlackConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        self._warn_of_ignored(config, path)
        url, file = config.api_url, config.api_url_file
        if url is not None and file:
            self._problem(path, "expected either api_url or api_url_file")
        if url is None and not file:
            url, file = self._defaults.slack_api_url, self._defaults.slack_api_url_file
        if url is None and not file:
            self._problem(
                path, "no Slack address: set api_url, api_url_file or global slack_api_url"
            )
            return
        self._check_url(config.api_url, (*path, "api_url"))
        for key in ("channel", "username", "icon_emoji", "icon_url"):
            self._check_plain(getattr(config, key), (*path, key))
        yield SlackSettings(
            index=index,
            send_resolved=config.send_resolved,
            api_url=self._secret(url, file),
            http=self._http(config.http_config, (*path, "http_config")),
            channel=config.channel,
            username=config.username,
            icon_emoji=config.icon_emoji,
            icon_url=config.icon_url,
        )

    def _email(self, config: EmailConfig, path: Path, index: int) -> Iterator[ChannelSettings]:
        defaults = self._defaults
        self._warn_of_ignored(config, path)
        host, _, port = (config.smarthost or defaults.smtp_smarthost).rpartition(":")
        sender = config.sender or defaults.smtp_from
        problems = [
            ("to is missing", not config.to),
            ("from is missing; set it here or as global smtp_from", not sender),
            ("smarthost (host:port) is missing; set it here or as global smtp_smarthost", not port),
            ("smarthost must be host:port, such as mail.example.org:587", port and not host),
            ("the port of smarthost must be a number", host and not port.isdecimal()),
        ]
        for message, wrong in problems:
            if wrong:
                self._problem(path, message)
        if any(wrong for _, wrong in problems):
            return
        self._check_plain(config.to, (*path, "to"))
        own = config.auth_password is not None or config.auth_password_file
        password, file = (
            (config.auth_password, config.auth_password_file)
            if own
            else (defaults.smtp_auth_password, defaults.smtp_auth_password_file)
        )
        require_tls = config.require_tls
        yield EmailSettings(
            index=index,
            send_resolved=config.send_resolved,
            to=config.to,
            sender=sender,
            host=host.strip("[]"),
            port=int(port),
            hello=config.hello or defaults.smtp_hello,
            username=config.auth_username or defaults.smtp_auth_username,
            password=self._secret(password, file) if password or file else None,
            require_tls=defaults.smtp_require_tls if require_tls is None else require_tls,
            tls=self._tls(config.tls_config or defaults.smtp_tls_config or TlsConfig()),
            headers=self._headers(config, path),
        )

    def _headers(self, config: EmailConfig, path: Path) -> dict[str, str]:
        headers = {}
        for name, value in config.headers.items():
            if "{{" in value:
                self._warn((*path, "headers", name), f"templates are not read here; {_OWN_MESSAGE}")
            else:
                headers[name] = value
        return headers

    def _http(self, config: HttpConfig | None, path: Path) -> HttpSettings:
        config = config or self._defaults.http_config or HttpConfig()
        basic, authorization = config.basic_auth, config.authorization
        if basic is not None and authorization is not None:
            self._problem(path, "at most one of basic_auth and authorization may be set")
        password = self._optional(basic.password, basic.password_file) if basic else None
        credentials = (
            self._optional(authorization.credentials, authorization.credentials_file)
            if authorization
            else None
        )
        return HttpSettings(
            username=basic.username if basic else "",
            password=password,
            authorization=credentials,
            authorization_type=authorization.type if authorization else "Bearer",
            proxy_url=config.proxy_url,
            follow_redirects=config.follow_redirects,
            tls=self._tls(config.tls_config),
        )

    def _tls(self, config: TlsConfig) -> TlsSettings:
        return TlsSettings(
            ca_file=self._path(config.ca_file),
            cert_file=self._path(config.cert_file),
            key_file=self._path(config.key_file),
            insecure_skip_verify=config.insecure_skip_verify,
        )

    def _path(self, text: str) -> FilePath | None:
        return self._folder / FilePath(text).expanduser() if text else None

    def _optional(self, value: Secret | None, file: str) -> Secret | None:
        return self._secret(value, file) if value is not None or file else None

    def _secret(self, value: Secret | None, file: str) -> Secret:
        return value if value is not None else Secret(file=self._path(file))

    def _check_url(self, url: Secret | None, path: Path) -> None:
        if url is None:
            return
        text = url.reveal()
        if "{{" in text:
            self._problem(path, "templates are not supported here yet; write the address itself")
            return
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            good = False
        if not good:
            self._problem(path, "expected an address that begins with http:// or https://")

    def _check_plain(self, text: str, path: Path) -> None:
        if "{{" in text:
            self._problem(path, "templates are not supported here yet; write the value itself")

    def _warn_of_ignored(self, section: Section, path: Path) -> None:
        for key in ignored_keys(section):
            if key not in _SILENT:
                self._warn((*path, key), _OWN_MESSAGE)
