"""Opsgenie, and Jira Service Management, which kept its API: one alert for each group.

Source: https://docs.opsgenie.com/docs/alert-api
"""

from dataclasses import asdict
from typing import Any, ClassVar, Final
from urllib.parse import urljoin

from pgwatch.notify.acknowledged import (
    ACKNOWLEDGED_BY,
    ACKNOWLEDGED_COMMENT,
    is_looked_after,
)
from pgwatch.notify.channels.base import DeliveryError, Receipt, shown
from pgwatch.notify.channels.fit import fitting
from pgwatch.notify.channels.letter import text
from pgwatch.notify.channels.pagerduty import incident_key
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.http_settings import authorized
from pgwatch.notify.message import compose, shortened
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.services import OpsGenieSettings
from pgwatch.notify.template import Templates

_MESSAGE: Final = 130  # characters, and so on
_DESCRIPTION: Final = 15_000
_NOTE: Final = 25_000
_SOURCE: Final = 100
_DETAILS: Final = 8000  # of all together
_MAX_ITEMS: Final = 20
_PRIORITIES: Final = {"critical": "P1", "warning": "P3", "info": "P5"}


class OpsGenieChannel(PostingChannel):
    """Creates and closes alerts under the alias that Alertmanager gives them."""

    kind: ClassVar[str] = "opsgenie"
    tells_owner_briefly = False
    at_once = 4  # each group is an incident of its own

    def __init__(self, settings: OpsGenieSettings, templates: Templates) -> None:
        http = authorized(settings.http, settings.api_key, "GenieKey")
        super().__init__(http, templates)
        self._settings = settings

    def _send(self, notification: Notification, words: Words) -> Receipt:
        alias = incident_key(notification.group_key)
        base = urljoin(words.address(self._settings.api_url), "v2/alerts")
        by_alias = "?identifierType=alias"
        if notification.status == "resolved":
            close = {"source": _source(notification, self._settings, words)}
            answer = self._sender.post(
                f"{base}/{alias}/close{by_alias}", close, key=notification.id
            )
            return Receipt(answer=shown(answer))
        owned = is_looked_after(notification)
        if notification.reason is Reason.ACKNOWLEDGED:
            answer = self._acknowledge(f"{base}/{alias}", by_alias, notification) if owned else ""
            return Receipt(answer=shown(answer))
        if notification.reason is Reason.UNOWNED and not owned:
            said = {"source": _source(notification, self._settings, words)}
            url = f"{base}/{alias}/unacknowledge{by_alias}"
            self._sender.post(url, said, key=notification.id)
        alert = payload(notification, self._settings, words)
        answer = self._sender.post(base, {"alias": alias, **alert}, key=notification.id)
        if self._settings.update_alerts:
            for what in ("message", "description"):
                self._update(f"{base}/{alias}/{what}{by_alias}", {what: alert[what]})
        return Receipt(answer=shown(answer))

    def _acknowledge(self, alert: str, by_alias: str, notification: Notification) -> str:
        said = {
            "user": shortened(notification.extra.get(ACKNOWLEDGED_BY, ""), _SOURCE),
            "note": shortened(notification.extra.get(ACKNOWLEDGED_COMMENT, ""), _NOTE),
        }
        known = {name: text for name, text in said.items() if text}
        return self._sender.post(f"{alert}/acknowledge{by_alias}", known, key=notification.id)

    def _update(self, url: str, change: dict[str, str]) -> None:
        try:
            self._sender.post(url, change, method="PUT")
        except DeliveryError as error:
            # It may not exist yet, for creation is not at once; the alert itself has arrived.
            if not (error.permanent or error.broken):
                raise


def payload(notification: Notification, settings: OpsGenieSettings, words: Words) -> dict[str, Any]:
    """Return the alert without its alias."""
    message = compose(notification, max_items=0)

    def build(most: int) -> str:
        return text(compose(notification, max_items=most), notification.group_key)

    body = str(fitting(build, _DESCRIPTION, _MAX_ITEMS))  # bytes of JSON are more than characters
    details = {**dict(notification.group_labels), **words.all(settings.details)}
    responders = [words.all(asdict(one)) for one in settings.responders]
    alert = {
        "message": shortened(words(settings.message, message.title), _MESSAGE),
        "description": shortened(words(settings.description, body), _DESCRIPTION),
        "details": _limited(details),
        "source": _source(notification, settings, words),
        "responders": [one for one in responders if len(one) > 1],
        "actions": _list(words(settings.actions)),
        "tags": _list(words(settings.tags)),
        "note": shortened(words(settings.note), _NOTE),
        "entity": words(settings.entity),
        "priority": words(settings.priority, _PRIORITIES[message.severity]),
    }
    return {name: value for name, value in alert.items() if value}


def _source(notification: Notification, settings: OpsGenieSettings, words: Words) -> str:
    own = notification.external_url or "pgwatch"
    return shortened(words(settings.source, own), _SOURCE)


def _limited(details: dict[str, str]) -> dict[str, str]:
    kept, used = {}, 0
    for name, value in details.items():
        short = shortened(value, 1000)
        used += len(name) + len(short)
        if used > _DETAILS:
            break
        kept[name] = short
    return kept


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
