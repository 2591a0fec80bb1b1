"""A silence that ends soon and keeps quiet what still fires: those who will hear of it are told."""

from collections.abc import Iterable
from typing import Final

from pgwatch.notify.flush import Decision, Muting, notification_to, with_owner
from pgwatch.notify.group import Group, LogKey
from pgwatch.notify.notification import NotifiedAlert, Reason, in_order
from pgwatch.notify.route import Routing
from pgwatch.notify.silence import Silence

SILENCE_BY: Final = "silence_by"  # in `extra`
SILENCE_COMMENT: Final = "silence_comment"
SILENCE_ENDS: Final = "silence_ends"


def reminders(
    ending: Iterable[Silence], groups: Iterable[Group], routing: Routing, *, muting: Muting
) -> tuple[Decision, ...]:
    """Return one message for each silence and channel that would hear of what it keeps quiet.

    What another silence keeps quiet for longer, or an inhibition, is left out. Nothing of it counts as
    told. A channel whose service keeps an incident for each group has no place for such a message.
    """
    groups = tuple(groups)
    told: dict[tuple[Silence, str, str], list[NotifiedAlert]] = {}
    for silence in ending:
        for group in groups:
            if alerts := _kept_quiet(group, silence, muting):
                for channel in routing.receivers[group.id.receiver].channels:
                    if not channel.keyed:
                        known = told.setdefault((silence, group.id.receiver, channel.name), [])
                        known += alerts
    return tuple(
        _message(silence, (receiver, channel), alerts, muting, routing.external_url)
        for (silence, receiver, channel), alerts in told.items()
    )


def _kept_quiet(group: Group, silence: Silence, muting: Muting) -> list[NotifiedAlert]:
    """Return the members that fire and would be told but for `silence`."""
    return [
        with_owner(one, muting.acknowledgements)
        for one in group.members.values()
        if one.ends_at is None
        and one.held_until is None
        and silence.matches(one.labels)
        and all(other.ends_at <= silence.ends_at for other in muting.silencer.silencing(one.labels))
        and not muting.inhibitor.inhibits(one.labels)
    ]


def _message(
    silence: Silence,
    told: tuple[str, str],
    alerts: Iterable[NotifiedAlert],
    muting: Muting,
    external_url: str,
) -> Decision:
    by_labels = {one.labels: one for one in alerts}
    return Decision(
        notification=notification_to(
            LogKey(*told, f"{{}}:{{silence={silence.id}}}"),
            Reason.SILENCE_ENDS,
            muting.silencer.now,
            alerts=in_order(by_labels.values()),
            external_url=external_url,
            extra={
                SILENCE_BY: silence.created_by,
                SILENCE_COMMENT: silence.comment,
                SILENCE_ENDS: silence.ends_at.isoformat(),
            },
        )
    )
