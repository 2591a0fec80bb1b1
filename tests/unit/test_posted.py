"""Alerts that others post: what two posts of one alert make, and when a lease is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.alerts.alert import AlertState
from pgwatch.alerts.posted import PostedAlert, heard, merged, next_lapse, received
from pgwatch.samples.labels import Labels
from tests.timeline import at

A = Labels({"alertname": "A"})
NOW = 100.0


def post(start: float, end: float, *, timeout: bool = False, heard_at: float = 0) -> PostedAlert:
    return PostedAlert(
        labels=A,
        annotations={"n": str(start)},
        starts_at=at(start),
        ends_at=at(end),
        updated_at=at(heard_at),
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("before", "new", "expected"),
    [
        # Both fire: the earlier start; the end is the newest that somebody has named.
        pytest.param(post(10, 200), post(10, 300), (10, 300), id="renewed"),
        pytest.param(post(10, 300), post(10, 200), (10, 300), id="a named end is kept"),
        pytest.param(post(10, 300, timeout=True), post(10, 200), (10, 200), id="a timeout is not"),
        pytest.param(post(10, 300), post(20, 400), (10, 400), id="the earlier start of before"),
        pytest.param(post(20, 300), post(10, 400), (10, 400), id="the earlier start of the new"),
        # One is over.
        pytest.param(post(10, 300), post(20, 90), (10, 90), id="it ends"),
        pytest.param(post(10, 300, timeout=True), post(20, 90), (10, 90), id="it ends, by name"),
        pytest.param(post(10, 80), post(20, 90), (10, 90), id="over twice: the later end"),
        pytest.param(post(10, 95), post(20, 90), (10, 95), id="over twice: the end of before"),
        # Apart: what is new is another alert.
        pytest.param(post(10, 50), post(60, 200), (60, 200), id="begins after the end"),
        pytest.param(post(60, 200), post(10, 50), (10, 50), id="ends before the start"),
    ],
)
def test_two_posts_of_one_alert(
    before: PostedAlert, new: PostedAlert, expected: tuple[float, float]
) -> None:
    found = merged(before, new, at(NOW))
    assert (found.starts_at, found.ends_at) == tuple(map(at, expected))
    assert found.annotations == new.annotations


def take(start: float | None, end: float | None) -> PostedAlert:
    def time(one: float | None) -> datetime | None:
        return None if one is None else at(one)

    return received(
        A,
        {},
        starts_at=time(start),
        ends_at=time(end),
        generator_url="",
        resolve_timeout=timedelta(seconds=50),
        now=at(NOW),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None), (100, 150, True)),
        ((90, None), (90, 150, True)),
        ((None, 80), (80, 80, False)),
        ((90, 120), (90, 120, False)),
    ],
)
def test_what_is_not_said_is_filled_in(
    given: tuple[float | None, float | None], expected: tuple[float, float, bool]
) -> None:
    found = take(*given)
    start, end, timeout = expected
    assert (found.starts_at, found.ends_at, found.timeout) == (at(start), at(end), timeout)


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start time must be before end time"):
        take(90, 80)


def test_a_lease_without_news_is_over_once() -> None:
    known, news = heard({}, [post(0, 50)], at(0))
    assert len(news) == 1
    assert next_lapse(known.values()) == at(50)
    assert heard(known, [], at(49)) == (known, [])
    known, news = heard(known, [], at(50))
    assert [one.as_alert(at(50)).state for one in news] == [AlertState.RESOLVED]
    assert next_lapse(known.values()) is None
    assert heard(known, [], at(51))[1] == []


def test_what_ended_long_ago_is_forgotten() -> None:
    known, _ = heard({}, [post(0, 50)], at(0))
    known, _ = heard(known, [], at(60))
    other = Labels({"alertname": "B"})
    later = received(
        other,
        {},
        starts_at=None,
        ends_at=None,
        generator_url="",
        resolve_timeout=timedelta(hours=1),
        now=at(3600),
    )
    known, news = heard(known, [later], at(3600))
    assert list(known) == [other]
    assert [one.labels for one in news] == [other]


def test_what_is_posted_until_the_end_of_time_is_kept() -> None:
    forever = replace(post(0, 50), ends_at=datetime.max.replace(tzinfo=UTC))
    known, news = heard({}, [forever], at(0))
    assert heard(known, [post(3600, 4000)], at(3600))[0]
    assert [one.ends_at for one in news] == [forever.ends_at]
