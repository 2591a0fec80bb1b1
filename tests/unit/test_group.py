"""Whether a channel needs to be told: Alertmanager's five rules."""

from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.notify.group import LogEntry, reason_to_notify
from pgwatch.notify.notification import Reason

NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
REPEAT = timedelta(hours=4)


def entry(firing: str, resolved: str = "", *, age: timedelta = timedelta(0)) -> LogEntry:
    return LogEntry(time=NOW - age, firing=frozenset(firing), resolved=frozenset(resolved))


@pytest.mark.parametrize(
    ("told", "firing", "resolved", "send_resolved", "expected"),
    [
        pytest.param(None, "a", "", True, Reason.FIRST, id="1 never told, one fires"),
        pytest.param(None, "", "a", True, None, id="1 never told, only resolved"),
        pytest.param(entry(""), "a", "", True, Reason.FIRST, id="2 nothing fired then"),
        pytest.param(entry("a"), "ab", "", True, Reason.NEW_ALERTS, id="2 one more"),
        pytest.param(entry("ab"), "bc", "a", True, Reason.NEW_ALERTS, id="2 one for another"),
        pytest.param(entry("a"), "", "a", True, Reason.ALL_RESOLVED, id="3 all over"),
        pytest.param(entry("a"), "", "a", False, Reason.ALL_RESOLVED, id="3 also if not sent"),
        pytest.param(entry("", "a"), "", "a", True, None, id="3 already told over"),
        pytest.param(entry("ab"), "a", "b", True, Reason.SOME_RESOLVED, id="4 some over"),
        pytest.param(entry("ab"), "a", "b", False, None, id="4 not wanted"),
        pytest.param(entry("a", "b"), "a", "b", True, None, id="4 already told"),
        pytest.param(
            entry("a", age=REPEAT - timedelta(milliseconds=1)),
            "a",
            "",
            True,
            None,
            id="5 within the interval",
        ),
        pytest.param(
            entry("a", age=REPEAT), "a", "", True, Reason.REPEAT, id="5 exactly the interval"
        ),
        pytest.param(
            entry("ab", age=2 * REPEAT), "a", "", False, Reason.REPEAT, id="5 fewer fire, still due"
        ),
        pytest.param(entry("ab"), "a", "", True, None, id="5 fewer fire, nothing new"),
    ],
)
def test_reason(
    told: LogEntry | None,
    firing: str,
    resolved: str,
    send_resolved: bool,
    expected: Reason | None,
) -> None:
    reason = reason_to_notify(
        told, entry(firing, resolved), send_resolved=send_resolved, repeat_interval=REPEAT
    )
    assert reason is expected
