"""The long tail of services (ntfy, Gotify, Matrix, SMS, …) through Apprise, an optional extra."""

import importlib
import importlib.util
import logging
from datetime import timedelta
from typing import Any, ClassVar, Final

from pgwatch.notify.acknowledged import brief
from pgwatch.notify.channels.base import DeliveryError, Receipt
from pgwatch.notify.channels.letter import text
from pgwatch.notify.message import compose
from pgwatch.notify.notification import Notification
from pgwatch.notify.services import AppriseSettings

NOT_INSTALLED: Final = "Apprise is not installed; pip install 'pgwatch[apprise]'"
_MAX_ITEMS: Final = 20


def is_installed() -> bool:
    """Return whether the extra is there; does not import it, which takes a while."""
    return importlib.util.find_spec("apprise") is not None


class AppriseChannel:
    """Hands title and text to Apprise, which says no more than whether it worked: retries are coarse."""

    kind: ClassVar[str] = "apprise"
    min_interval = timedelta(seconds=1)
    at_once = 1

    def __init__(self, settings: AppriseSettings) -> None:
        self._settings = settings
        self._apprise: Any = None

    def deliver(self, notification: Notification, _memory: str = "") -> Receipt:
        """Notify all addresses; raises DeliveryError unless every one of them took it."""
        message = compose(brief(notification), max_items=_MAX_ITEMS)
        library = _library()
        kinds = library.NotifyType
        kind = kinds.SUCCESS if message.resolved else kinds.FAILURE
        kind = kinds.WARNING if message.severity != "critical" and not message.resolved else kind
        for place, service in enumerate(self._services(library)):
            body = text(message, notification.group_key)
            if not service.notify(title=message.title, body=body, notify_type=kind):
                name = f"address {place + 1} ({service.app_id and service.service_name})"
                raise DeliveryError(f"Apprise could not deliver to {name}")
        return Receipt()

    def close(self) -> None:
        """Nothing is kept open."""

    def _services(self, library: Any) -> list[Any]:
        services = []
        for place, url in enumerate(self._settings.urls):
            service = library.Apprise.instantiate(url.reveal(), suppress_exceptions=True)
            if service is None:
                reason = f"address {place + 1} is none that Apprise knows"
                raise DeliveryError(reason, broken=True)
            services.append(service)
        return services


def _library() -> Any:
    if not is_installed():
        raise DeliveryError(NOT_INSTALLED, broken=True)
    # Its log quotes answers and addresses, and what matters of it is raised.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return importlib.import_module("apprise")
