"""What the thread below a living message in Slack says: one reply for each thing that happened."""

from typing import Final

from pgwatch.notify.channels.slack_blocks import escape
from pgwatch.notify.message import Item, compose
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason

_MAX_ITEMS: Final = 50
_MAX_LINES: Final = 20
_LIMIT: Final = 3000  # characters
# Worth a look of everybody in the channel; an update in place calls nobody.
_LOUD: Final = frozenset(
    {Reason.NEW_ALERTS, Reason.FIRST, Reason.REPEAT, Reason.UNMUTED, Reason.UNOWNED}
)


def story(notification: Notification, owners: dict[str, str]) -> str:
    """Return the reply, empty if nothing happened that the message above it does not say.

    `owners` are those that the thread has told, by fingerprint.
    """
    message = compose(notification, max_items=_MAX_ITEMS)
    lines = []
    for alert, item in zip(notification.alerts, message.items, strict=False):
        if line := _line(alert, item):
            lines.append(line)
        if alert.owner and owners.get(alert.labels.fingerprint()) != alert.owner:
            comment = f": {escape(alert.owner_comment, 200)}" if alert.owner_comment else ""
            what = escape(item.headline, 200)
            lines.append(f":eyes: {escape(alert.owner, 80)} looks after _{what}_{comment}")
    more = len(lines) - _MAX_LINES
    lines = lines[:_MAX_LINES] + ([f"and {more} more"] if more > 0 else [])
    if notification.reason in (Reason.REPEAT, Reason.UNMUTED, Reason.UNOWNED):
        lines.insert(0, escape(message.remark))
    if message.resolved:
        lines.append("*All resolved.*")
    text = "\n".join(lines)
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def is_loud(notification: Notification) -> bool:
    """Return whether the reply is shown in the channel, too."""
    return notification.status == "firing" and notification.reason in _LOUD


def owners_of(notification: Notification) -> dict[str, str]:
    """Return who looks after which alert."""
    return {
        one.labels.fingerprint(): one.owner for one in notification.alerts[:_MAX_ITEMS] if one.owner
    }


def _line(alert: NotifiedAlert, item: Item) -> str:
    what = escape(item.headline, 300)
    if alert.ends_at is not None:
        value = alert.value_at_recovery
        recovered = "" if value is None else f" · value at recovery {value:.6g}"
        missed = ", before anything could be told of it" if alert.news is News.MISSED else ""
        return f":white_check_mark: {what}: over after {item.lasted}{missed}{recovered}"
    if alert.news is News.NEW:
        return f":rotating_light: {what} · value {item.value}"
    return ""
