"""Time intervals: what they contain, and what is refused (cases of Alertmanager's `timeinterval_test.go`)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pgwatch.notify.interval import ALWAYS, Schedule, parse_interval


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OFFICE = {"start_time": "09:00", "end_time": "17:00"}


@pytest.mark.parametrize(
    ("fields", "inside", "outside"),
    [
        pytest.param({}, ["2026-08-01 03:00"], [], id="no field contains everything"),
        pytest.param(
            {"times": [OFFICE]},
            ["2026-08-03 09:00", "2026-08-03 16:59:59"],
            ["2026-08-03 08:59:59", "2026-08-03 17:00"],
            id="the end is outside",
        ),
        pytest.param(
            {"times": [{"start_time": "22:00", "end_time": "24:00"}]},
            ["2026-08-03 23:59:59"],
            ["2026-08-04 00:00"],
            id="24:00",
        ),
        pytest.param(
            {"times": [OFFICE], "weekdays": ["monday:friday"]},
            ["2026-08-03 12:00"],
            ["2026-08-02 12:00", "2026-08-03 20:00"],
            id="all fields must match",
        ),
        pytest.param(
            {"weekdays": ["Sunday", "saturday"]},
            ["2026-08-01 12:00", "2026-08-02 12:00"],
            ["2026-08-03 12:00"],
            id="any range of a field",
        ),
        pytest.param(
            {"days_of_month": ["1:7", "-1"]},
            ["2026-08-07 12:00", "2026-08-31 12:00", "2026-02-28 12:00"],
            ["2026-08-08 12:00", "2026-08-30 12:00"],
            id="days from the end",
        ),
        pytest.param(
            {"days_of_month": ["29:31"]},
            ["2028-02-29 12:00"],
            ["2026-02-28 12:00", "2026-03-01 12:00"],
            id="days that a month does not have",
        ),
        pytest.param(
            {"days_of_month": ["-31:-30"]},
            ["2026-08-01 12:00", "2026-04-01 12:00"],
            ["2026-02-01 12:00", "2026-04-02 12:00"],
            id="days before the beginning are cut",
        ),
        pytest.param(
            {"days_of_month": ["20:-5"]},
            ["2026-02-24 12:00"],
            ["2026-02-25 12:00", "2026-02-19 12:00"],
            id="from a day to one before the end",
        ),
        pytest.param(
            {"months": ["january:march", "12"]},
            ["2026-03-31 12:00", "2026-12-01 12:00"],
            ["2026-04-01 12:00"],
            id="months by name and number",
        ),
        pytest.param(
            {"years": ["2026", "2030:2031"]},
            ["2026-01-01", "2031-01-01"],
            ["2027-01-01"],
            id="years",
        ),
        pytest.param(
            {"times": [OFFICE], "location": "Australia/Sydney"},
            ["2026-08-02 23:00", "2026-08-03 06:59"],
            ["2026-08-02 22:59", "2026-08-03 07:00"],
            id="another zone",
        ),
    ],
)
def test_contains(fields: dict[str, Any], inside: list[str], outside: list[str]) -> None:
    interval = parse_interval(**fields)
    assert [text for text in inside if not interval.contains(at(text))] == []
    assert [text for text in outside if interval.contains(at(text))] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"times": [{"start_time": "22:00", "end_time": "06:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "09:00"}]},
        {"times": [{"start_time": "9:00", "end_time": "17:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "24:01"}]},
        {"times": [{"start_time": "09:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "10:00", "x": "y"}]},
        {"weekdays": ["friday:monday"]},
        {"weekdays": ["1"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"days_of_month": ["-5:5"]},
        {"days_of_month": ["7:1"]},
        {"days_of_month": ["-1:-5"]},
        {"months": ["13"]},
        {"months": ["march:january"]},
        {"years": ["2031:2030"]},
        {"years": ["-1"]},
        {"location": "Middle/Earth"},
        {"location": "../../etc/passwd"},
    ],
    ids=str,
)
def test_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        parse_interval(**fields)


def test_schedule_is_quiet_when_muted_or_not_active() -> None:
    office, august = parse_interval(times=[OFFICE]), parse_interval(months=["8"])
    noon, night = at("2026-08-03 12:00"), at("2026-08-03 03:00")
    assert not ALWAYS.is_quiet(noon)
    assert Schedule(mute=(office,)).is_quiet(noon)
    assert not Schedule(mute=(office,)).is_quiet(night)
    assert Schedule(active=(office,)).is_quiet(night)
    assert Schedule(active=()).is_quiet(noon), "active in none of its intervals"
    assert Schedule(active=(office,), mute=(august,)).is_quiet(noon), "mute wins"
