"""Bodies of the Alertmanager API: what is read, and in which order silences are listed."""

from datetime import datetime
from typing import Any

import pytest

from pgwatch.web.alertmanager_json import (
    InvalidError,
    posted_silence,
    read_time,
    silence_json,
    silences_in_order,
)
from tests.timeline import at, silence

NOW = at(0)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-08-01T03:00:00Z", NOW),
        ("2026-08-01T05:00:00.000+02:00", NOW),
        ("2026-08-01T03:00:00.000000999Z", NOW),  # Go writes nanoseconds
        ("0001-01-01T00:00:00.000Z", None),  # amtool's way to say nothing
        (None, None),
    ],
)
def test_times(text: str | None, time: datetime | None) -> None:
    assert read_time(text, "startsAt") == time


@pytest.mark.parametrize(
    "text",
    ["soon", 5, "2026-08-01T03:00:00", [], "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-01:00"],
)
def test_what_is_no_time(text: Any) -> None:
    with pytest.raises(InvalidError, match="startsAt in body must be of type date-time"):
        read_time(text, "startsAt")


def test_what_is_shown_can_be_posted_again() -> None:
    known = silence('a=b,c!=d,e=~"f.*",g!~h', 0, 60, deploy=True)
    body = silence_json(known, NOW)
    again = posted_silence(body, NOW)
    assert (again.id, again.matchers, again.deploy) == (known.id, known.matchers, True)


def test_clients_that_do_not_know_our_keys_keep_them() -> None:
    known = silence("a=b", 0, 60, deploy=True)
    body = silence_json(known, NOW)
    del body["deploy"]
    assert posted_silence(body, NOW, {known.id: known}).deploy
    assert not posted_silence({**body, "deploy": False}, NOW, {known.id: known}).deploy
    assert not posted_silence({**body, "id": ""}, NOW, {known.id: known}).deploy


def test_order_of_silences() -> None:
    silences = [
        silence("n=1", -120, -60),
        silence("n=2", -120, -30),
        silence("n=3", 60, 90),
        silence("n=4", 30, 90),
        silence("n=5", -60, 90),
        silence("n=6", -60, 60),
    ]
    order = [one.id for one in silences_in_order(silences, NOW)]
    assert order == ["n=6", "n=5", "n=4", "n=3", "n=2", "n=1"]
