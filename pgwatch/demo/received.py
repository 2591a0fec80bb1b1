"""What the demo's inbox receives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """What was posted to the Slack webhook: Block Kit, as Slack documents it."""

    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """What was posted to the generic webhook: Alertmanager's JSON."""

    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """An e-mail as it arrived."""

    at: datetime
    message: EmailMessage

    @property
    def thread(self) -> str:
        """The message that started the conversation, by `References`, `In-Reply-To` or itself."""
        for header in ("References", "In-Reply-To", "Message-ID"):
            if words := str(self.message.get(header, "")).split():
                return words[0]
        return str(id(self))


Message = SlackMessage | WebhookMessage | Email
