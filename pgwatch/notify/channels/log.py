"""Notifications as lines of pgwatch's own log: the receiver of whoever has configured none."""

import logging
from datetime import timedelta
from typing import ClassVar

from pgwatch.notify.channels.base import Receipt
from pgwatch.notify.notification import News, Notification, Reason

logger = logging.getLogger(__name__)


class LogChannel:
    """Writes one line for each alert; it never fails."""

    kind: ClassVar[str] = "log"
    min_interval = timedelta(0)
    at_once = 1

    def deliver(self, notification: Notification, _memory: str = "") -> Receipt:
        """Write the lines: warnings for what fires, information for what has ended or found an owner."""
        owned = notification.reason is Reason.ACKNOWLEDGED
        for alert in notification.alerts:
            if owned and alert.news is not News.TAKEN:
                continue
            ended = alert.ends_at is not None
            facts = {
                "alert": alert.labels.label("alertname"),
                "labels": str(alert.labels.without(["alertname"])),
                "since": alert.starts_at.isoformat(),
                "value": alert.value,
                **{
                    key: alert.annotations[key]
                    for key in ("summary", "fix")
                    if key in alert.annotations
                },
            }
            if owned:
                logger.info("alert acknowledged", extra=facts | {"by": alert.owner})
                continue
            level = logging.INFO if ended else logging.WARNING
            logger.log(level, "alert resolved" if ended else "alert firing", extra=facts)
        return Receipt()

    def close(self) -> None:
        """Nothing is kept open."""
