"""A session with a mail server: TLS, and a login that never goes over an open line."""

import hmac
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any, Final, cast

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.tls import tls_context
from pgwatch.notify.receiver import EmailSettings

_TIMEOUT: Final = 15.0  # seconds for each answer of the server
_TLS_FROM_START: Final = 465  # RFC 8314: submissions


def send(
    message: EmailMessage, settings: EmailSettings, sender: str | None, to: list[str]
) -> list[str]:
    """Send the message; returns the recipients that were refused, if some were accepted.

    Raises smtplib.SMTPException, OSError, PgwatchError.
    """
    context = _context(settings)
    secure = settings.implicit_tls
    if secure is None:
        secure = settings.port == _TLS_FROM_START
    if secure:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, settings.hello, timeout=_TIMEOUT, context=context
        )
    else:
        client = smtplib.SMTP(settings.host, settings.port, settings.hello, timeout=_TIMEOUT)
    try:
        client.ehlo()
        if not secure and (settings.require_tls or client.has_extn("starttls")):
            client.starttls(context=context)
            client.ehlo()
            secure = True
        if settings.username:
            _refuse_to_shout(settings.host, secure=secure)
            _log_in(client, settings)
        refused = client.send_message(message, sender, to)
        with suppress(smtplib.SMTPException, OSError):  # it has the message, whatever comes now
            client.quit()
    finally:
        client.close()
    return list(refused)


def _context(settings: EmailSettings) -> ssl.SSLContext:
    context = tls_context(settings.tls)
    if not settings.tls.server_name:
        return context
    named: Any = _Named(context, settings.tls.server_name)
    return cast("ssl.SSLContext", named)  # as far as smtplib uses one


class _Named:
    """A TLS context that checks certificates against a name other than the host's."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._context = context
        self._name = name

    def wrap_socket(self, sock: socket.socket, **_: str) -> ssl.SSLSocket:
        """Wrap; what smtplib names is the host."""
        return self._context.wrap_socket(sock, server_hostname=self._name)


def _log_in(client: smtplib.SMTP, settings: EmailSettings) -> None:
    """Log in by the first way that the server offers and the settings allow, as Alertmanager tries them."""
    offered = client.esmtp_features.get("auth", "").upper().split()
    user = settings.username
    secret = settings.secret.reveal() if settings.secret else ""
    password = settings.password.reveal() if settings.password else ""

    def cram_md5(challenge: bytes | None = None) -> str:
        assert challenge is not None
        return f"{user} {hmac.new((secret or password).encode(), challenge, 'md5').hexdigest()}"

    def plain(_: bytes | None = None) -> str:
        return f"{settings.identity}\0{user}\0{password}"

    def login(challenge: bytes | None = None) -> str:
        return user if challenge is None or b"user" in challenge.lower() else password

    for mechanism in offered:
        if mechanism == "CRAM-MD5" and secret:
            client.auth("CRAM-MD5", cram_md5, initial_response_ok=False)
            return
        if mechanism == "PLAIN" and password:
            client.auth("PLAIN", plain)
            return
        if mechanism == "LOGIN" and password:
            client.auth("LOGIN", login, initial_response_ok=False)
            return
    raise DeliveryError(
        f"the mail server offers no login that can be used here ({', '.join(offered) or 'none'}); "
        "PLAIN and LOGIN need auth_password, CRAM-MD5 needs auth_secret",
        broken=True,
    )


def _refuse_to_shout(host: str, *, secure: bool) -> None:
    """Raise DeliveryError rather than send a password in the clear to another machine."""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not secure and not local:
        raise DeliveryError(
            "the mail server offers no TLS, so the password is not sent to it; "
            "use a port with TLS, or remove smtp_auth_username",
            broken=True,
        )
