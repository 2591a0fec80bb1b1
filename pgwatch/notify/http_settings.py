"""How a receiver is spoken to over HTTP and TLS: Alertmanager's `http_config` and `tls_config`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from pgwatch.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """`tls_config`; certificates and the key are files, or PEM text."""

    ca_file: Path | None = None
    ca: str = ""
    cert_file: Path | None = None
    cert: str = ""
    key_file: Path | None = None
    key: Secret | None = None
    server_name: str = ""  # what the certificate must be for; empty: the address's host
    insecure_skip_verify: bool = False
    min_version: str = ""  # TLS10, TLS11, TLS12, TLS13; empty: the library's choice
    max_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """`proxy_url`, `no_proxy` and `proxy_from_environment`."""

    url: Secret | None = None  # may hold a password
    no_proxy: str = ""  # hosts that are reached without it, separated by commas
    from_environment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Settings:
    """`oauth2`: a token for client credentials (RFC 6749, 4.4)."""

    client_id: str
    client_secret: Secret
    token_url: str
    scopes: tuple[str, ...] = ()
    endpoint_params: Mapping[str, str] = field(default_factory=dict)
    tls: TlsSettings = field(default_factory=TlsSettings)
    proxy: ProxySettings = field(default_factory=ProxySettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """`http_config`."""

    username: str | Secret = ""  # of basic_auth; a secret if it is in a file
    password: Secret | None = None  # of basic_auth
    authorization: Secret | None = None  # what stands after the type
    authorization_type: str = "Bearer"
    oauth2: OAuth2Settings | None = None
    proxy: ProxySettings = field(default_factory=ProxySettings)
    headers: tuple[tuple[str, Secret], ...] = ()  # of http_headers
    follow_redirects: bool = True
    tls: TlsSettings = field(default_factory=TlsSettings)
    timeout: timedelta = timedelta(0)  # of the receiver; 0: the channel's own


def authorized(http: HttpSettings, key: Secret, kind: str) -> HttpSettings:
    """Return `http` with the key that a service has of its own, which wins over any other."""
    plain = replace(http, username="", password=None, oauth2=None)
    return replace(plain, authorization=key, authorization_type=kind)
