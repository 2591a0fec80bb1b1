"""Windows that come again: days of the week, zones, midnight."""

from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.notify.window import Window, parse_window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-08-03 is a Monday.
@pytest.mark.parametrize(
    ("text", "zone", "time", "inside"),
    [
        pytest.param("daily 01:00-02:30", "UTC", "2026-08-03T01:00", True, id="its first minute"),
        pytest.param(
            "daily 01:00-02:30", "UTC", "2026-08-03T02:30", False, id="its end is outside"
        ),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-03T23:00", True, id="before midnight"),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-04T05:59", True, id="after midnight"),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-03T05:00", False, id="sunday's night"),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-04T22:30", False, id="tuesday's night"),
        pytest.param("sat,sun", "UTC", "2026-08-09T23:59", True, id="whole days"),
        pytest.param("sat,sun", "UTC", "2026-08-10T00:00", False, id="no more than whole days"),
        pytest.param(
            "fri-mon", "UTC", "2026-08-03T12:00", True, id="days pass the end of the week"
        ),
        pytest.param("fri-mon", "UTC", "2026-08-05T12:00", False, id="and begin again"),
        pytest.param(
            "mon 09:00-17:00", "Europe/Berlin", "2026-08-03T07:00", True, id="summer time"
        ),
        pytest.param("mon 09:00-17:00", "Europe/Berlin", "2026-12-07T07:30", False, id="winter"),
        pytest.param("daily 22:00-24:00", "UTC", "2026-08-03T23:59", True, id="up to midnight"),
    ],
)
def test_contains(text: str, zone: str, time: str, inside: bool) -> None:
    assert parse_window(text, zone).contains(at(time)) is inside


@pytest.mark.parametrize(
    ("text", "zone", "time", "end"),
    [
        pytest.param("daily 01:00-02:30", "UTC", "2026-08-03T01:10", "2026-08-03T02:30", id="today"),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-03T23:00", "2026-08-04T06:00", id="tomorrow"),
        pytest.param("mon 22:00-06:00", "UTC", "2026-08-04T01:00", "2026-08-04T06:00", id="begun"),
        pytest.param("mon", "UTC", "2026-08-03T01:00", "2026-08-04T00:00", id="whole day"),
        pytest.param(
            "daily 22:00-06:00", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T05:00", id="long"
        ),
        pytest.param(
            # 02:10 comes twice that night; this is the second time.
            "daily 01:00-02:30", "Europe/Berlin", "2026-10-25T01:10", "2026-10-25T01:30", id="again",
        ),
    ],
)  # fmt: skip
def test_until(text: str, zone: str, time: str, end: str) -> None:
    assert parse_window(text, zone).until(at(time)) == at(end)


def test_until_is_none_outside() -> None:
    assert parse_window("mon").until(at("2026-08-04T12:00")) is None


def test_its_end_always_lies_ahead() -> None:
    window = parse_window("daily 01:00-03:00", "America/New_York")
    begin = at("2026-10-31T00:00")
    for minutes in range(0, 3 * 24 * 60, 7):
        time = begin + timedelta(minutes=minutes)
        end = window.until(time)
        assert end is None or end > time


@pytest.mark.parametrize(
    ("text", "zone", "why"),
    [
        ("", "UTC", "is no window"),
        ("mon 22:00-06:00 please", "UTC", "is no window"),
        ("moon", "UTC", "no days of the week"),
        ("mon 25:00-26:00", "UTC", "no part of a day"),
        ("mon 10:00-10:00", "UTC", "no part of a day"),
        ("mon 9-17", "UTC", "no part of a day"),
        ("mon 09:60-17:00", "UTC", "no part of a day"),
        ("mon", "Mars/Olympus", "not a time zone such as Europe/Berlin"),
    ],
)
def test_what_is_no_window_is_refused(text: str, zone: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_window(text, zone)


@pytest.mark.parametrize("text", ["daily 01:00-02:30", "mon,fri 22:00-06:00", "sun,sat", "daily"])
def test_text_is_read_again(text: str) -> None:
    window = parse_window(text, "Europe/Berlin")
    words, _, zone = str(window).rpartition(" ")
    assert words == text
    assert parse_window(words, zone) == window
    assert window != Window()
