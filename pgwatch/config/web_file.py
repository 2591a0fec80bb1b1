"""Reads `web.config_file`: TLS, users and headers, in the form that Prometheus and its exporters share.

Source: prometheus/exporter-toolkit `docs/web-configuration.md`. What would be less safe if it were passed
over is refused.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from pgwatch import yamlfile
from pgwatch.config.section import Section
from pgwatch.errors import InputError, Problem
from pgwatch.yamlfile import Document

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_ASKS: Final = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
_Version = Literal["TLS12", "TLS13"]


class _TlsSection(Section):
    cert_file: str
    key_file: str
    client_ca_file: str = ""
    client_auth_type: Literal[
        "", "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
    ] = ""
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    prefer_server_cipher_suites: bool = True  # without effect in Go, too, since 1.17


class _HttpSection(Section):
    http2: bool = True  # pgwatch speaks HTTP/1.1, which every client takes
    headers: dict[str, str] = {}


class _WebFile(Section):
    tls_server_config: _TlsSection | None = None
    http_server_config: _HttpSection = _HttpSection()
    basic_auth_users: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """How the server proves who it is, and whether clients must."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth_type: str = ""
    min_version: str = "TLS12"
    max_version: str = "TLS13"

    @property
    def knows_clients(self) -> bool:
        """Whether every client has proved who it is."""
        return _ASKS[self.client_auth_type] is ssl.CERT_REQUIRED

    def load(self, context: ssl.SSLContext) -> None:
        """Let `context` show the certificate as it is now, to new connections; raises OSError."""
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(self.cert_file, self.key_file, password=lambda: b"")

    def context(self) -> ssl.SSLContext:
        """Return the context with the files as they are now; raises OSError (ssl.SSLError is one)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        context.maximum_version = _VERSIONS[self.max_version]
        self.load(context)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
        context.verify_mode = _ASKS[self.client_auth_type]
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSecurity:
    """What `web.config_file` says; without one, nothing."""

    tls: ServerTls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)  # bcrypt hashes
    headers: Mapping[str, str] = field(default_factory=dict)


def load_web_file(path: Path) -> WebSecurity:
    """Return what the file at `path` says; raises InputError with every problem."""
    try:
        document = yamlfile.load(path.read_text(encoding="utf-8"), file=str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError([Problem(file=str(path), message=f"cannot read it: {reason}")]) from None
    try:
        file = _WebFile.model_validate(document.value or {})
    except ValidationError as error:
        raise InputError([_explained(one, document) for one in error.errors()]) from None
    tls = _tls(file.tls_server_config, path.parent)
    problems = [*_hash_problems(file, document), *_tls_problems(tls, document)]
    if problems:
        raise InputError(problems)
    return WebSecurity(
        tls=tls, users=file.basic_auth_users, headers=file.http_server_config.headers
    )


def _explained(error: Any, document: Document) -> Problem:
    path = tuple(error["loc"])
    if not path:
        return document.problem(path, "expected keys such as tls_server_config, basic_auth_users")
    if error["type"] == "extra_forbidden":
        return document.problem(path, "pgwatch does not know this key")
    return document.problem(path, str(error["msg"]).replace("Input should be", "expected"))


def _tls(section: _TlsSection | None, folder: Path) -> ServerTls | None:
    if section is None:
        return None
    return ServerTls(
        cert_file=folder / section.cert_file,
        key_file=folder / section.key_file,
        client_ca_file=folder / section.client_ca_file if section.client_ca_file else None,
        client_auth_type=section.client_auth_type,
        min_version=section.min_version,
        max_version=section.max_version,
    )


def _hash_problems(file: _WebFile, document: Document) -> list[Problem]:
    # The hash is not quoted: it is nobody's business.
    message = "expected a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it"
    return [
        document.problem(("basic_auth_users", name), message)
        for name, text in file.basic_auth_users.items()
        if not text.startswith(_BCRYPT) or len(text) != 60
    ]


def _tls_problems(tls: ServerTls | None, document: Document) -> list[Problem]:
    if tls is None:
        return []
    if tls.client_auth_type not in ("", "NoClientCert") and tls.client_ca_file is None:
        message = f"{tls.client_auth_type} needs client_ca_file"
        return [document.problem(("tls_server_config", "client_auth_type"), message)]
    files = {
        "cert_file": tls.cert_file,
        "key_file": tls.key_file,
        "client_ca_file": tls.client_ca_file,
    }
    problems = []
    for key, file in files.items():
        try:
            if file is not None:
                file.read_bytes()
        except OSError as error:
            message = f"cannot read {file}: {error.strerror}"
            problems.append(document.problem(("tls_server_config", key), message))
    if problems:
        return problems
    try:
        tls.context()
    except (OSError, ValueError) as error:
        message = f"certificate and key cannot be used (PEM, a pair, no passphrase): {error}"
        return [document.problem(("tls_server_config",), message)]
    return []
