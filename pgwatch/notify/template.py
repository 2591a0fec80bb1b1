"""The texts that a configuration writes itself: Go templates over Alertmanager's data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.rules.template import TemplateError

if TYPE_CHECKING:
    from pgwatch.rules.gomessage import MessageTemplates

DEFAULT_NAME = "default.tmpl"


@dataclass(frozen=True, slots=True)
class Templates:
    """The named templates that the texts of a configuration may use: the shipped ones and its files'."""

    files: tuple[tuple[str, str], ...] = ()  # (name, content), in order; later definitions win

    def check(self, text: str) -> None:
        """Raise TemplateError if `text` does not parse."""
        if "{{" in text:
            _parsed(self.files).check(text)

    def text(self, text: str, notification: Notification) -> str:
        """Return `text` expanded; raises TemplateError."""
        if "{{" not in text:
            return text
        return _parsed(self.files).text(text, data_of(notification), notification.time)

    def html(self, text: str, notification: Notification) -> str:
        """Return `text` expanded as HTML, values escaped; raises TemplateError."""
        if "{{" not in text:
            return text
        return _parsed(self.files).html(text, data_of(notification), notification.time)


SHIPPED = Templates()


def data_of(notification: Notification) -> dict[str, Any]:
    """Return what templates see (Alertmanager `template/template.go`, `Data`)."""
    alerts = notification.alerts
    return {
        "receiver": as_pattern(notification.receiver),
        "status": notification.status,
        "alerts": [_alert(one) for one in alerts],
        "group_labels": notification.group_labels,
        "common_labels": common([one.labels for one in alerts]),
        "common_annotations": common([one.annotations for one in alerts]),
        "external_url": notification.external_url,
        "reason": str(notification.reason),
    }


def as_pattern(receiver: str) -> str:
    """Return a receiver's name as Alertmanager shows it: as a regular expression (Go's QuoteMeta)."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", receiver)


def common(sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the pairs that all of `sets` have."""
    if not sets:
        return {}
    first, *others = sets
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def _alert(alert: NotifiedAlert) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "generator_url": alert.generator_url,
        "fingerprint": alert.labels.fingerprint(),
    }


@lru_cache(maxsize=8)
def _parsed(files: tuple[tuple[str, str], ...]) -> "MessageTemplates":
    from pgwatch.rules.gomessage import MessageTemplates  # noqa: PLC0415 - slow to import

    shipped = resources.files("pgwatch.notify") / DEFAULT_NAME
    return MessageTemplates({DEFAULT_NAME: shipped.read_text("utf-8"), **dict(files)})


def first_error(name: str, content: str) -> TemplateError | None:
    """Return what is wrong with the file `name` of templates, if anything."""
    from pgwatch.rules.gomessage import MessageTemplates  # noqa: PLC0415 - slow to import

    try:
        MessageTemplates({name: content})
    except TemplateError as error:
        return error
    return None
