"""Why a message comes, in a sentence for those who read it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pgwatch.notify.acknowledged import ACKNOWLEDGED_BY, ACKNOWLEDGED_COMMENT
from pgwatch.notify.deadletter import DEAD_LETTER_ERROR, DEAD_LETTER_OF
from pgwatch.notify.expiring import SILENCE_BY, SILENCE_COMMENT, SILENCE_ENDS
from pgwatch.notify.notes import clock_time
from pgwatch.notify.notification import News, Notification, Reason

_COUNTED: Final = (("new", News.NEW), ("still firing", News.STILL), ("resolved", News.RESOLVED))


def occasion(notification: Notification) -> str:
    """Return the sentence, empty where the alerts say it themselves."""
    reason = notification.reason
    if reason in _SAID:
        return _SAID[reason](notification.extra)
    if reason in (Reason.NEW_ALERTS, Reason.SOME_RESOLVED):
        news = [alert.news for alert in notification.alerts]
        counts = [f"{news.count(kind)} {name}" for name, kind in _COUNTED if kind in news]
        return f"{', '.join(counts)}." if len(news) > 1 else ""
    return _OCCASIONS.get(reason, "")


def _deploy_over(extra: Mapping[str, str]) -> str:
    said = f" ({extra['deploy']})" if extra.get("deploy") else ""
    return f"The deploy of {extra.get('deploy_by', '')}{said} is over, and this fires."


def _acknowledged(extra: Mapping[str, str]) -> str:
    comment = extra.get(ACKNOWLEDGED_COMMENT, "")
    owner = extra.get(ACKNOWLEDGED_BY, "")
    return f"{owner} looks after it" + (f": {comment}" if comment else ".")


def _unowned(extra: Mapping[str, str]) -> str:
    return f"{extra.get(ACKNOWLEDGED_BY, '')} looks after it no longer, and it fires on."


def _silence_ends(extra: Mapping[str, str]) -> str:
    said = f" ({extra[SILENCE_COMMENT]})" if extra.get(SILENCE_COMMENT) else ""
    end = clock_time(datetime.fromisoformat(extra[SILENCE_ENDS]))
    return f"The silence of {extra.get(SILENCE_BY, '')}{said} ends at {end}, and this still fires."


def _dead_letter(extra: Mapping[str, str]) -> str:
    origin, error = extra.get(DEAD_LETTER_OF, ""), extra.get(DEAD_LETTER_ERROR, "")
    if not error:
        return f"{origin} works again, and has been told this."
    return f"{origin} could not be told this: {error}"


_SAID: Final[Mapping[Reason, Callable[[Mapping[str, str]], str]]] = {
    Reason.DEPLOY_OVER: _deploy_over,
    Reason.ACKNOWLEDGED: _acknowledged,
    Reason.UNOWNED: _unowned,
    Reason.SILENCE_ENDS: _silence_ends,
    Reason.DEAD_LETTER: _dead_letter,
}
_OCCASIONS: Final = {
    Reason.REPEAT: "Nothing new: this is a reminder that it still fires.",
    Reason.TEST: "This is a test of the channel. Nothing is wrong.",
    Reason.HEARTBEAT: "Nothing is wrong: this says that pgwatch works and can be heard.",
    Reason.UNMUTED: "This fires on, now that the mute is over.",
}
