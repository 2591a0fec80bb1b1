"""What is known of an alert after several posts: Alertmanager's merge (`alert/alert.go`, `provider/mem`)."""

from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.alerts.alert import AlertState
from pgwatch.alerts.posted import PostedAlert, lapsed, merged, received, resumed
from pgwatch.samples.labels import Labels

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
LABELS = Labels({"alertname": "A"})


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def post(now: float, start: float | None = None, end: float | None = None) -> PostedAlert:
    return received(
        LABELS,
        {"at": str(now)},
        starts_at=None if start is None else at(start),
        ends_at=None if end is None else at(end),
        generator_url="",
        resolve_timeout=timedelta(minutes=5),
        now=at(now),
    )


@pytest.mark.parametrize(
    ("start", "end", "begins", "ends", "timeout"),
    [
        pytest.param(None, None, 0, 5, True, id="nothing named"),
        pytest.param(-3, None, -3, 5, True, id="no end"),
        pytest.param(None, -1, -1, -1, False, id="only an end"),
        pytest.param(-3, 4, -3, 4, False, id="both"),
    ],
)
def test_times_that_are_not_named(
    start: float | None, end: float | None, begins: float, ends: float, timeout: bool
) -> None:
    found = post(0, start, end)
    assert (found.starts_at, found.ends_at, found.timeout) == (at(begins), at(ends), timeout)


@pytest.mark.parametrize(
    ("before", "new", "begins", "ends"),
    [
        pytest.param(post(0), post(1, 1), 0, 6, id="earliest start, newer lease"),
        pytest.param(post(0, 0, 10), post(1, 1), 0, 10, id="an end that was named rules"),
        pytest.param(post(0, 0), post(1, 0.5, 3), 0, 3, id="a lease without a name does not"),
        pytest.param(post(0, 0), post(1, 0, 1), 0, 1, id="ended"),
        pytest.param(post(0, -5, -1), post(1, 0), 0, 6, id="fires anew"),
        pytest.param(post(4.8, 2.9, 4.8), post(4.8, 2.9, 4.1), 2.9, 4.8, id="latest of two ends"),
    ],
)
def test_merge(before: PostedAlert, new: PostedAlert, begins: float, ends: float) -> None:
    found = merged(before, new, new.updated_at)
    assert (found.starts_at, found.ends_at) == (at(begins), at(ends))
    assert found.annotations == new.annotations


def test_lease_that_is_over_is_noted_once() -> None:
    (ended,) = lapsed([post(0), post(3)], at(5))
    assert ended.as_alert(at(5)).state is AlertState.RESOLVED
    assert not lapsed([ended], at(6))
    assert not resumed([ended], at(60), timedelta(minutes=5)), "it was seen to end"


def test_only_a_lease_that_nobody_could_renew_is_renewed() -> None:
    (renewed,) = resumed([post(0), post(0, -5, -1)], at(60), timedelta(minutes=5))
    assert renewed.ends_at == at(65)
    assert renewed.as_alert(at(60)).state is AlertState.FIRING


@pytest.mark.parametrize(
    ("labels", "start", "end", "why"),
    [(Labels(), 0, 1, "at least one label pair"), (LABELS, 2, 1, "start time must be before end")],
)
def test_what_is_no_alert(labels: Labels, start: float, end: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        received(
            labels,
            {},
            starts_at=at(start),
            ends_at=at(end),
            generator_url="",
            resolve_timeout=timedelta(minutes=5),
            now=START,
        )
