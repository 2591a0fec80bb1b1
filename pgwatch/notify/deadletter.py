"""What one receiver could not be told is told to another, so that nothing is lost in silence."""

from datetime import datetime
from typing import Final

from pgwatch.notify.flush import notification_to
from pgwatch.notify.group import LogKey
from pgwatch.notify.notification import UNRECORDED, Notification, Reason
from pgwatch.notify.receiver import Receiver
from pgwatch.notify.route import Routing

DEAD_LETTER_OF: Final = "dead_letter_of"  # in `extra`: `<receiver>/<channel>`
DEAD_LETTER_ERROR: Final = "dead_letter_error"  # in `extra`: what it answered last

_NEVER: Final = UNRECORDED | {Reason.DEAD_LETTER}
# A dead letter of a dead letter could go on for ever; a heartbeat that is missing tells by itself.


def dead_letters(
    lost: Notification, error: str, routing: Routing, *, wanted: str = "", now: datetime
) -> tuple[Notification, ...]:
    """Return what to tell about `lost`, given up `now` because of `error`; none if there is nobody.

    Without an `error` it has arrived, and its channel works again.

    `wanted` is the receiver that hears of it; else it is the root route's, else any other one, else another
    channel of the same. Channels with an incident for each group are passed over if there is another: nobody
    would end that incident.
    """
    if lost.reason in _NEVER:
        return ()
    names = [wanted] if wanted else [routing.root.receiver, *routing.receivers]
    others = [name for name in dict.fromkeys(names) if name != lost.receiver]
    for name in [*others, lost.receiver]:
        receiver = routing.receivers.get(name)
        if receiver is not None and (channels := _channels(receiver, lost)):
            return tuple(
                _letter(lost, error, (name, channel), routing, now) for channel in channels
            )
    return ()


def _channels(receiver: Receiver, lost: Notification) -> list[str]:
    usable = [
        one
        for one in receiver.channels
        if (receiver.name, one.name) != (lost.receiver, lost.channel)
    ]
    plain = [one for one in usable if not one.keyed]
    return [one.name for one in plain or usable]


def _letter(
    lost: Notification, error: str, to: tuple[str, str], routing: Routing, now: datetime
) -> Notification:
    origin = f"{lost.receiver}/{lost.channel}"
    # One for each lost group: a later one of the same supersedes it while it waits.
    key = LogKey(*to, f"{{}}:{{dead_letter={origin!r}}}:{lost.group_key}")
    return notification_to(
        key,
        Reason.DEAD_LETTER,
        now,
        alerts=lost.alerts,
        external_url=routing.external_url,
        extra={DEAD_LETTER_OF: origin, DEAD_LETTER_ERROR: error},
    )
