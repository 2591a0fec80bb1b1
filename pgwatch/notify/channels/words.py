"""What a configuration wants a message to say; where it says nothing, or nothing useful, pgwatch does."""

from collections.abc import Mapping

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.notification import Notification
from pgwatch.notify.template import Templates
from pgwatch.rules.template import TemplateError


class Words:
    """Expands the texts of one channel for one notification.

    `plain`: the texts of the configuration have failed, or the receiver could not read what they made, so
    that each is what pgwatch says in its place.
    """

    def __init__(self, templates: Templates, notification: Notification, *, plain: bool) -> None:
        self._templates = templates
        self._notification = notification
        self.plain = plain

    def __call__(self, text: str, default: str = "") -> str:
        """Return `text` expanded, `default` if there is none; raises TemplateError."""
        if not text or (self.plain and "{{" in text):
            return default
        return self._templates.text(text, self._notification)

    def html(self, text: str, default: str = "") -> str:
        """Return `text` expanded as HTML, values escaped; raises TemplateError."""
        if not text or (self.plain and "{{" in text):
            return default
        return self._templates.html(text, self._notification)

    def address(self, text: str) -> str:
        """Return `text` expanded, that says where the message goes; there is no other place for it.

        Raises DeliveryError.
        """
        try:
            return self._templates.text(text, self._notification)
        except TemplateError:
            # Its message may quote what is secret.
            reason = "the template of its address or channel fails"
            raise DeliveryError(reason, broken=True) from None

    def all(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return each of `texts` expanded, without those that are empty then."""
        expanded = {name: self(text) for name, text in texts.items()}
        return {name: text for name, text in expanded.items() if text}
