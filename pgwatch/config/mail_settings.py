"""From an entry of `email_configs` to its settings, with the global ones of SMTP filled in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pgwatch.config.http_sections import TlsConfig
from pgwatch.config.receiver_sections import EmailConfig
from pgwatch.notify.receiver import ChannelSettings, EmailSettings
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

if TYPE_CHECKING:
    from pgwatch.config.receivers import ReceiverBuilder


def email_settings(
    builder: "ReceiverBuilder", config: EmailConfig, path: Path, index: int
) -> Iterator[ChannelSettings]:
    """Return the settings, none if something is missing, which is told."""
    defaults = builder.defaults
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
            builder.problem(path, message)
    _check_headers(builder, config, path)
    if any(wrong for _, wrong in problems):
        return
    threading = config.threading
    require_tls = config.require_tls
    implicit = config.force_implicit_tls
    tls = config.tls_config or defaults.smtp_tls_config or TlsConfig()
    yield EmailSettings(
        index=index,
        send_resolved=config.send_resolved,
        to=config.to,
        sender=sender,
        host=host.strip("[]"),
        port=int(port),
        hello=config.hello or defaults.smtp_hello,
        username=config.auth_username or defaults.smtp_auth_username,
        password=_own_or_global(builder, config, "auth_password", path),
        secret=_own_or_global(builder, config, "auth_secret", path),
        identity=config.auth_identity or defaults.smtp_auth_identity,
        require_tls=defaults.smtp_require_tls if require_tls is None else require_tls,
        implicit_tls=defaults.smtp_force_implicit_tls if implicit is None else implicit,
        tls=builder.keys.tls(tls, (*path, "tls_config")),
        headers=config.headers,
        html=config.html,
        text=config.text,
        # Alertmanager threads if it is asked to; here mails are a thread unless somebody says no.
        threading=threading is None or threading.enabled,
        thread_by_date=threading is not None and threading.thread_by_date == "daily",
    )


def _own_or_global(
    builder: "ReceiverBuilder", config: EmailConfig, key: str, path: Path
) -> Secret | None:
    own = builder.one_of(config, key, path, needed=False)
    defaults = builder.defaults
    value, file = getattr(defaults, f"smtp_{key}"), getattr(defaults, f"smtp_{key}_file")
    return own or builder.keys.secret(value, file)


def _check_headers(builder: "ReceiverBuilder", config: EmailConfig, path: Path) -> None:
    names = [name.lower() for name in config.headers]
    for name in config.headers:
        if names.count(name.lower()) > 1:
            builder.problem((*path, "headers", name), "this header stands twice")
    threading = config.threading
    if threading and threading.enabled:
        if not threading.thread_by_date:
            message = "expected thread_by_date: none or daily"
            builder.problem((*path, "threading"), message)
        for name in config.headers:
            if name.lower() in ("references", "in-reply-to"):
                message = "threading sets this header itself"
                builder.problem((*path, "headers", name), message)
