"""The base of channels that post: what cannot be rendered or read is said again in plain words."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from pgwatch.notify.acknowledged import brief
from pgwatch.notify.channels.base import DeliveryError, Receipt, shown
from pgwatch.notify.channels.http import HttpSender
from pgwatch.notify.channels.words import Words
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.template import Templates
from pgwatch.rules.template import TemplateError

Send = Callable[[Notification, Words], Receipt]

logger = logging.getLogger(__name__)


class PostingChannel:
    """Owns the connection, the templates and the second attempt; a channel owns `_send`."""

    kind: ClassVar[str]
    tells_owner_briefly: ClassVar[bool] = True  # by a message of its own, not by the whole group
    min_interval = timedelta(0)
    at_once = 1

    def __init__(self, http: HttpSettings, templates: Templates) -> None:
        self._sender = HttpSender(http)
        self._templates = templates

    def deliver(self, notification: Notification, _memory: str = "") -> Receipt:
        """Deliver, in plain words if those of the configuration fail; raises DeliveryError."""
        return self._tell(notification, self._send)

    def close(self) -> None:
        """Close the connection that is kept open."""
        self._sender.close()

    def _tell(self, notification: Notification, send: Send) -> Receipt:
        """Send by `send`, which raises as `_send` does; raises DeliveryError."""
        if notification.reason is Reason.ACKNOWLEDGED and self.tells_owner_briefly:
            return in_plain_words_if_needed(send, self._templates, brief(notification), plain=True)
        return in_plain_words_if_needed(send, self._templates, notification)

    def _send(self, notification: Notification, words: Words) -> Receipt:
        """Send; raises DeliveryError, or TemplateError before anything is sent."""
        raise NotImplementedError


def in_plain_words_if_needed(
    send: Send,
    templates: Templates,
    notification: Notification,
    *,
    plain: bool = False,
) -> Receipt:
    """Return the receipt of `send`, called a second time with plain words if the first message is no good.

    `plain`: with them from the start. What the receiver still cannot read is given up. Raises DeliveryError.
    """
    try:
        return send(notification, Words(templates, notification, plain=plain))
    except TemplateError as error:
        trouble = f"a template fails: {shown(str(error))}"
    except DeliveryError as error:
        if not error.unreadable:
            raise
        trouble = str(error)
    fields = {"receiver": notification.receiver, "channel": notification.channel}
    logger.warning("notification is sent in plain words", extra=fields | {"because": trouble})
    receipt = send(notification, Words(templates, notification, plain=True))
    answer = f"in plain words, because {trouble}"
    return Receipt(answer=f"{receipt.answer} {answer}".strip(), memory=receipt.memory)
