"""E-mail by SMTP: plain text with an HTML twin, one thread for each group."""

import smtplib
import ssl
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import ClassVar, Final

from pgwatch.errors import PgwatchError
from pgwatch.notify.acknowledged import brief
from pgwatch.notify.channels.base import DeliveryError, Receipt
from pgwatch.notify.channels.letter import html, text
from pgwatch.notify.channels.pagerduty import incident_key
from pgwatch.notify.channels.posting import in_plain_words_if_needed
from pgwatch.notify.channels.smtp import send
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import compose
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.receiver import EmailSettings
from pgwatch.notify.template import Templates
from pgwatch.rules.template import TemplateError
from pgwatch.secret import Secret, redact

_MAX_ITEMS: Final = 50
_DOMAIN: Final = "pgwatch.invalid"  # of Message-IDs; they must be unique, not resolvable (RFC 2606)
_TOO_BIG: Final = (523, 552)  # RFC 1870, and what servers use for it


class EmailChannel:
    """Opens a session for each message: alerts are rare, and servers drop sessions that idle."""

    kind: ClassVar[str] = "email"
    min_interval = timedelta(seconds=1)
    at_once = 1

    def __init__(self, settings: EmailSettings, templates: Templates) -> None:
        self._settings = settings
        self._templates = templates

    def deliver(self, notification: Notification, _memory: str = "") -> Receipt:
        """Send the message; the answer is the recipients that the server refused, if it took some."""
        plain = notification.reason is Reason.ACKNOWLEDGED
        said = brief(notification)
        return in_plain_words_if_needed(self._send, self._templates, said, plain=plain)

    def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, notification: Notification, words: Words) -> Receipt:
        secrets: list[str] = []
        try:
            secrets = [_now(self._settings.password), _now(self._settings.secret)]
            message = letter(notification, self._settings, words)
            sender = next(iter(recipients(str(message["From"]))), None)
            refused = send(message, self._settings, sender, recipients(str(message["To"])))
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise _refusal(code, answer, secrets) from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error, secrets) from None
        except (ssl.SSLError, smtplib.SMTPNotSupportedError) as error:
            reason = f"the mail server cannot be used safely: {type(error).__name__}"
            raise DeliveryError(f"{reason}: {error}{_advice(error)}", broken=True) from None
        except smtplib.SMTPException as error:
            raise DeliveryError(f"the mail server broke off: {type(error).__name__}") from None
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise DeliveryError(f"cannot reach the mail server: {cause}") from None
        except (DeliveryError, TemplateError):
            raise
        except PgwatchError as error:
            raise DeliveryError(str(error), broken=True) from None
        return Receipt(answer=f"refused: {', '.join(refused)}" if refused else "")


def _advice(error: Exception) -> str:
    if "STARTTLS" in str(error):
        return " `require_tls: false` (smtp_require_tls for all) sends without encryption."
    return ""


def letter(notification: Notification, settings: EmailSettings, words: Words) -> EmailMessage:
    """Return the whole e-mail; a repeat of the same notification has the same Message-ID."""
    said = compose(notification, max_items=_MAX_ITEMS)
    message = EmailMessage()
    message["From"] = words.address(settings.sender)
    message["To"] = words.address(settings.to)
    message["Subject"] = said.title
    message["Date"] = format_datetime(notification.time)
    message["Message-ID"] = f"<{notification.id}@{_DOMAIN}>"
    if settings.threading:
        root = thread_root(notification, by_date=settings.thread_by_date)
        message["References"] = root
        message["In-Reply-To"] = root
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    if said.severity == "critical" and not said.resolved:
        message["Importance"] = "high"
    for name, value in settings.headers.items():
        if expanded := " ".join(words(value).split()):
            del message[name]
            message[name] = expanded
    group = notification.group_key
    body = None if settings.text is None else words(settings.text)
    page = None if settings.html is None else words.html(settings.html)
    if words.plain or not (body or page):
        body, page = text(said, group), html(said, group)
    elif body is None:
        body = text(said, group)
    if body:
        message.set_content(body)
    if page:
        if body:
            message.add_alternative(page, subtype="html")
        else:
            message.set_content(page, subtype="html")
    return message


def thread_root(notification: Notification, *, by_date: bool) -> str:
    """Return the Message-ID that all mails of a group answer, though there is none such.

    It is Alertmanager's (`notify/email/email.go`), so that a thread goes on when the other one takes over.
    """
    day = notification.time.date().isoformat() if by_date else ""
    return f"<alert-{incident_key(notification.group_key)[:16]}-{day}@alertmanager>"


def recipients(to: str) -> list[str]:
    """Return the addresses of a header's value; empty if there is none."""
    return [address for _, address in getaddresses([to]) if "@" in address]


def _now(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()


def _refusal(code: int, answer: bytes | str, secrets: list[str]) -> DeliveryError:
    """Return the error for an SMTP reply: 4xx passes, authentication is mended by people, 5xx is final."""
    said = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"the mail server answered {code}: {redact(' '.join(said.split())[:200], secrets)}"
    if code in (530, 534, 535, 538):
        return DeliveryError(reason, broken=True, status=code)
    too_big = code in _TOO_BIG
    return DeliveryError(reason, permanent=500 <= code < 600, unreadable=too_big, status=code)
