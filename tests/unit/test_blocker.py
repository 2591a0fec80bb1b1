"""Which of several sessions is taken for the one that blocks us."""

from datetime import timedelta

import pytest

from pgwatch.collect.blocker import Blocker, likeliest


def blocker(pid: int, relation: str, *, granted: bool = True) -> Blocker:
    return Blocker(
        pid=pid, relation=relation, granted=granted, query="", since=timedelta(seconds=pid)
    )


@pytest.mark.parametrize(
    ("blockers", "pid"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([blocker(1, "public.other"), blocker(2, "public.orders")], 2, id="named by the SQL"),
        pytest.param([blocker(1, "public.other"), blocker(2, "public.more")], 1, id="else the first"),
        pytest.param([blocker(1, ""), blocker(2, "app.orders", granted=False)], 2, id="a queued one too"),
    ],
)  # fmt: skip
def test_likeliest(blockers: list[Blocker], pid: int | None) -> None:
    found = likeliest(blockers, "SELECT count(*) FROM app.orders")
    assert (found.pid if found else None) == pid


def test_it_says_what_it_does() -> None:
    queued = blocker(7, "app.orders", granted=False)
    assert queued.holds == "process 7 is queued for ACCESS EXCLUSIVE on app.orders"
