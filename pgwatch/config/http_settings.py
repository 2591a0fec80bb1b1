"""From `http_config` and `tls_config` to settings; paths start at the file's folder."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path as FilePath

from pgwatch.config.alertmanager_fields import ignored_keys
from pgwatch.config.http_sections import HttpConfig, OAuth2, ProxyKeys, TlsConfig
from pgwatch.notify.http_settings import HttpSettings, OAuth2Settings, ProxySettings, TlsSettings
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

_SILENT = frozenset({"enable_http2"})  # nobody would miss it
Tell = Callable[[Path, str], None]


class HttpBuilder:
    """Turns sections into settings; tells problems and warnings with the path they belong to."""

    def __init__(self, folder: FilePath, problem: Tell, warn: Tell) -> None:
        self._folder = folder  # of the file
        self._problem = problem
        self._warn = warn

    def http(self, config: HttpConfig, path: Path, timeout: timedelta) -> HttpSettings:
        """Return the settings of an `http_config`."""
        basic = config.basic_auth
        credentials, kind = self._credentials(config, path)
        wanted = [basic is not None, credentials is not None, config.oauth2 is not None]
        if sum(wanted) > 1:
            message = "at most one of basic_auth, authorization and oauth2 may be set"
            self._problem(path, message)
        for key in ignored_keys(config):
            if key not in _SILENT:
                self._warn((*path, key), "pgwatch does not send it; this key has no effect")
        name: str | Secret = basic.username if basic else ""
        if basic and basic.username_file:
            name = Secret(file=self.path(basic.username_file))
        return HttpSettings(
            username=name,
            password=self.secret(basic.password, basic.password_file) if basic else None,
            authorization=credentials,
            authorization_type=kind,
            oauth2=self._oauth2(config.oauth2, (*path, "oauth2")) if config.oauth2 else None,
            proxy=self._proxy(config, path),
            headers=tuple(self._headers(config, path)),
            follow_redirects=config.follow_redirects,
            tls=self.tls(config.tls_config, (*path, "tls_config")),
            timeout=timeout,
        )

    def tls(self, config: TlsConfig, path: Path) -> TlsSettings:
        """Return the settings of a `tls_config`."""
        pairs = ("ca", "cert", "key")
        for key in pairs:
            if getattr(config, key) and getattr(config, f"{key}_file"):
                self._problem(path, f"at most one of {key} and {key}_file may be set")
        if bool(config.cert or config.cert_file) != bool(config.key or config.key_file):
            self._problem(path, "a client certificate needs both cert and key")
        return TlsSettings(
            ca_file=self.path(config.ca_file),
            ca=config.ca,
            cert_file=self.path(config.cert_file),
            cert=config.cert,
            key_file=self.path(config.key_file),
            key=config.key,
            server_name=config.server_name,
            insecure_skip_verify=config.insecure_skip_verify,
            min_version=config.min_version,
            max_version=config.max_version,
        )

    def path(self, text: str) -> FilePath | None:
        """Return the path that `text` writes; None if it is empty."""
        return self._folder / FilePath(text).expanduser() if text else None

    def secret(self, value: Secret | None, file: str) -> Secret | None:
        """Return what a key or its `…_file` holds; None if there is neither."""
        if value is None and file:
            return Secret(file=self.path(file))
        return value

    def _credentials(self, config: HttpConfig, path: Path) -> tuple[Secret | None, str]:
        old = self.secret(config.bearer_token, config.bearer_token_file)
        authorization = config.authorization
        if authorization is None:
            return old, "Bearer"
        if old is not None:
            self._problem(path, "at most one of authorization and bearer_token may be set")
        if authorization.type.strip().lower() == "basic":
            self._problem((*path, "authorization", "type"), "for basic, write basic_auth instead")
        found = self.secret(authorization.credentials, authorization.credentials_file)
        return found, authorization.type.strip() or "Bearer"

    def _oauth2(self, config: OAuth2, path: Path) -> OAuth2Settings | None:
        secret = self.secret(config.client_secret, config.client_secret_file)
        missing = [
            name
            for name, there in (
                ("client_id", config.client_id),
                ("client_secret (or client_secret_file)", secret),
                ("token_url", config.token_url),
            )
            if not there
        ]
        if missing or secret is None:
            self._problem(path, f"needs {', '.join(missing)}")
            return None
        return OAuth2Settings(
            client_id=config.client_id,
            client_secret=secret,
            token_url=config.token_url,
            scopes=config.scopes,
            endpoint_params=config.endpoint_params,
            tls=self.tls(config.tls_config, (*path, "tls_config")),
            proxy=self._proxy(config, path),
        )

    def _proxy(self, config: ProxyKeys, path: Path) -> ProxySettings:
        if config.proxy_from_environment and (config.proxy_url or config.no_proxy):
            message = "proxy_from_environment stands alone, without proxy_url and no_proxy"
            self._problem(path, message)
        return ProxySettings(
            url=config.proxy_url,
            no_proxy=config.no_proxy,
            from_environment=config.proxy_from_environment,
        )

    def _headers(self, config: HttpConfig, path: Path) -> Iterator[tuple[str, Secret]]:
        for name, header in config.http_headers.items():
            if name.lower() in _OWN_HEADERS:
                self._problem((*path, "http_headers", name), "pgwatch sets this header itself")
                continue
            found = [Secret(value=text) for text in header.values]
            found += header.secrets
            found += [Secret(file=self.path(file)) for file in header.files]
            if len(found) > 1:
                self._warn((*path, "http_headers", name), "only the first value is sent")
            yield from ((name, one) for one in found[:1])


# Those that prometheus/common refuses, too, and that a configuration could plausibly name.
_OWN_HEADERS = frozenset(
    {"authorization", "content-encoding", "content-length", "content-type", "host", "user-agent"}
)
