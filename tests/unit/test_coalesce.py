"""What is told when nothing could be delivered for a while."""

from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.notify.coalesce import NEVER_TOLD, supersede, waiting_since
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.samples.labels import Labels

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)


def snapshot(reason: Reason, minutes: int, **alerts: int | None) -> Notification:
    """`a=None` fires, `a=5` ended at minute 5."""
    return Notification(
        receiver="r",
        channel="slack[0]",
        group_key="{}:{}",
        reason=reason,
        time=START + timedelta(minutes=minutes),
        group_labels=Labels(),
        alerts=tuple(
            NotifiedAlert(
                labels=Labels({"alertname": name}),
                annotations={},
                starts_at=START,
                ends_at=None if end is None else START + timedelta(minutes=end),
                value=1.0,
            )
            for name, end in alerts.items()
        ),
        id=f"{reason}-{minutes}",
    )


@pytest.mark.parametrize(
    ("older", "newer", "reason", "told"),
    [
        pytest.param(
            snapshot(Reason.FIRST, 0, a=None),
            snapshot(Reason.NEW_ALERTS, 5, a=None, b=None),
            Reason.FIRST,
            {"a": "firing", "b": "firing"},
            id="still the first that they hear",
        ),
        pytest.param(
            snapshot(Reason.FIRST, 0, a=None),
            snapshot(Reason.ALL_RESOLVED, 5, a=4),
            Reason.ALL_RESOLVED,
            {"a": "resolved"},
            id="fired and ended meanwhile",
        ),
        pytest.param(
            snapshot(Reason.SOME_RESOLVED, 5, a=4, b=None),
            snapshot(Reason.ALL_RESOLVED, 10, b=9),
            Reason.ALL_RESOLVED,
            {"a": "resolved", "b": "resolved"},
            id="an end that only the older one had",
        ),
        pytest.param(
            snapshot(Reason.NEW_ALERTS, 5, a=None, b=None),
            snapshot(Reason.REPEAT, 10, a=None, b=None),
            Reason.NEW_ALERTS,
            {"a": "firing", "b": "firing"},
            id="news stays news",
        ),
        pytest.param(
            snapshot(Reason.SOME_RESOLVED, 5, a=4, b=None),
            snapshot(Reason.NEW_ALERTS, 10, a=None, b=None),
            Reason.NEW_ALERTS,
            {"a": "firing", "b": "firing"},
            id="what fires again is not told as ended",
        ),
    ],
)
def test_one_message_tells_what_both_would_have(
    older: Notification, newer: Notification, reason: Reason, told: dict[str, str]
) -> None:
    merged = supersede(older, newer)
    assert merged.reason is reason
    assert {alert.labels["alertname"]: alert.status for alert in merged.alerts} == told
    assert (merged.id, merged.time) == (newer.id, newer.time)
    assert waiting_since(merged) == older.time


def test_a_chain_remembers_its_beginning() -> None:
    first = snapshot(Reason.FIRST, 0, a=None)
    second = supersede(first, snapshot(Reason.NEW_ALERTS, 5, a=None, b=None))
    third = supersede(second, snapshot(Reason.ALL_RESOLVED, 10, a=9, b=9))
    assert waiting_since(third) == START
    assert NEVER_TOLD in third.extra


def test_what_was_told_before_is_not_called_unheard_of() -> None:
    merged = supersede(
        snapshot(Reason.NEW_ALERTS, 5, a=None, b=None), snapshot(Reason.ALL_RESOLVED, 9, a=8, b=8)
    )
    assert NEVER_TOLD not in merged.extra
