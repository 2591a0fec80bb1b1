"""E-mail by SMTP: plain text with an HTML twin, one thread for each group."""

import hashlib
import smtplib
import ssl
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from ipaddress import ip_address
from typing import ClassVar, Final

from pgwatch.errors import PgwatchError
from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.letter import html, text
from pgwatch.notify.message import compose
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import EmailSettings, TlsSettings
from pgwatch.secret import redact

_TIMEOUT: Final = 15.0  # seconds for each answer of the server
_BROKEN_FOR: Final = timedelta(minutes=15)
_MAX_ITEMS: Final = 50
_TLS_FROM_START: Final = 465  # RFC 8314: submissions
_DOMAIN: Final = "pgwatch.invalid"  # of Message-IDs; they must be unique, not resolvable (RFC 2606)


class EmailChannel:
    """Opens a session for each message: alerts are rare, and servers drop sessions that idle."""

    kind: ClassVar[str] = "email"
    min_interval = timedelta(seconds=1)

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    def deliver(self, notification: Notification) -> str:
        """Send the message; returns the recipients that the server refused, if it took some of them."""
        password = ""
        try:
            password = self._settings.password.reveal() if self._settings.password else ""
            message = letter(notification, self._settings)
            return self._send(message, password)
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise _refusal(code, answer, password) from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error, password) from None
        except (ssl.SSLError, smtplib.SMTPNotSupportedError) as error:
            reason = f"the mail server cannot be used safely: {type(error).__name__}"
            raise DeliveryError(f"{reason}: {error}", retry_after=_BROKEN_FOR) from None
        except smtplib.SMTPException as error:
            raise DeliveryError(f"the mail server broke off: {type(error).__name__}") from None
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise DeliveryError(f"cannot reach the mail server: {cause}") from None
        except DeliveryError:
            raise
        except PgwatchError as error:
            raise DeliveryError(str(error), retry_after=_BROKEN_FOR) from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, message: EmailMessage, password: str) -> str:
        settings = self._settings
        context = _tls_context(settings.tls)
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
                client.login(settings.username, password)
            sender = next(iter(recipients(settings.sender)), None)
            refused = client.send_message(message, sender, recipients(settings.to))
            with suppress(smtplib.SMTPException, OSError):  # it has the message, whatever comes now
                client.quit()
        finally:
            client.close()
        return f"refused: {', '.join(refused)}" if refused else ""


def letter(notification: Notification, settings: EmailSettings) -> EmailMessage:
    """Return the whole e-mail; a repeat of the same notification has the same Message-ID."""
    words = compose(notification, max_items=_MAX_ITEMS)
    thread = hashlib.sha256(notification.group_key.encode()).hexdigest()[:16]
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = settings.to
    message["Subject"] = words.title
    message["Date"] = format_datetime(notification.time)
    message["Message-ID"] = f"<{notification.id}@{_DOMAIN}>"
    message["References"] = f"<alert-{thread}@{_DOMAIN}>"
    message["In-Reply-To"] = f"<alert-{thread}@{_DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    if words.severity == "critical" and not words.resolved:
        message["Importance"] = "high"
    for name, value in settings.headers.items():
        del message[name]
        message[name] = value
    message.set_content(text(words, notification.group_key))
    message.add_alternative(html(words, notification.group_key), subtype="html")
    return message


def recipients(to: str) -> list[str]:
    """Return the addresses of a header's value; empty if there is none."""
    return [address for _, address in getaddresses([to]) if "@" in address]


def _tls_context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


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
            retry_after=_BROKEN_FOR,
        )


def _refusal(code: int, answer: bytes | str, password: str) -> DeliveryError:
    """Return the error for an SMTP reply: 4xx passes, authentication is mended by people, 5xx is final."""
    said = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"the mail server answered {code}: {redact(' '.join(said.split())[:200], [password])}"
    if code in (530, 534, 535, 538):
        return DeliveryError(reason, retry_after=_BROKEN_FOR)
    return DeliveryError(reason, permanent=500 <= code < 600)
