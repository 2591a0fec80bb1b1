"""What the commands about alerts have in common."""

import time
from collections.abc import Iterator

import pytest

from pgwatch.cli.office import local_time


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-08-01T03:00:00+00:00", "2026-08-01 05:00 CEST"),
        (
            "9999-12-31T23:59:59+00:00",
            "9999-12-31 23:59 UTC",
        ),  # a day later there, which is no date
    ],
)
def test_local_time(text: str, shown: str) -> None:
    assert local_time(text) == shown
