"""What `http_config` and `tls_config` may contain (prometheus/common `config/http_config.go`)."""

from typing import Literal

from pgwatch.config.alertmanager_fields import Hidden, Ignored, Section, Word

TlsVersion = Literal["", "TLS10", "TLS11", "TLS12", "TLS13"]


class TlsConfig(Section):
    """`tls_config`."""

    ca: str = ""
    ca_file: str = ""
    cert: str = ""
    cert_file: str = ""
    key: Hidden | None = None
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: TlsVersion = ""
    max_version: TlsVersion = ""


class BasicAuth(Section):
    """`basic_auth`."""

    username: Word = ""
    username_file: str = ""
    password: Hidden | None = None
    password_file: str = ""


class Authorization(Section):
    """`authorization`."""

    type: str = "Bearer"
    credentials: Hidden | None = None
    credentials_file: str = ""


class ProxyKeys(Section):
    """The keys that say which proxy is used."""

    proxy_url: Hidden | None = None
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_connect_header: Ignored = None


class OAuth2(ProxyKeys):
    """`oauth2`."""

    client_id: Word = ""
    client_secret: Hidden | None = None
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ()
    token_url: str = ""
    endpoint_params: dict[str, Word] = {}
    tls_config: TlsConfig = TlsConfig()


class Header(Section):
    """An entry of `http_headers`."""

    values: tuple[Word, ...] = ()
    secrets: tuple[Hidden, ...] = ()
    files: tuple[str, ...] = ()


class HttpConfig(ProxyKeys):
    """`http_config`."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    bearer_token: Hidden | None = None  # the older way to write authorization
    bearer_token_file: str = ""
    follow_redirects: bool = True
    http_headers: dict[str, Header] = {}
    tls_config: TlsConfig = TlsConfig()
    enable_http2: Ignored = None
