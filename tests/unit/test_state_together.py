"""Writes of several threads in one transaction, and notifications that need not be read back."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pgwatch.notify.notification import Notification, Reason
from pgwatch.samples.labels import Labels
from pgwatch.state.codec import encode_notification
from pgwatch.state.fresh import Fresh
from pgwatch.state.together import Together

Work = Callable[[list[int]], None]


class Book:
    """Writes numbers, all of a transaction or none; the first waits until it may go on."""

    def __init__(self) -> None:
        self.pages: list[list[int]] = []
        self.first_is_in, self.go_on = threading.Event(), threading.Event()

    def transact(self, works: Sequence[Work]) -> None:
        self.first_is_in.set()
        assert self.go_on.wait(20)
        page: list[int] = []
        for work in works:
            work(page)
        self.pages.append(page)


def write_three(book: Book, works: Sequence[Work]) -> list[BaseException | None]:
    """Let the first write alone, and the others wait for it together."""
    together = Together(book.transact)
    with ThreadPoolExecutor(len(works)) as pool:
        writes = [pool.submit(together.write, works[0])]
        assert book.first_is_in.wait(20)
        writes += [pool.submit(together.write, work) for work in works[1:]]
        while len(together._waiting) < len(works) - 1:
            threading.Event().wait(0.001)
        book.go_on.set()
        return [one.exception(20) for one in writes]


def adding(number: int) -> Work:
    return lambda page: page.append(number)


def test_those_who_wait_are_written_together() -> None:
    book = Book()
    assert write_three(book, [adding(n) for n in range(3)]) == [None, None, None]
    assert [sorted(page) for page in book.pages] == [[0], [1, 2]]


def test_nobody_pays_for_what_another_cannot_write() -> None:
    book = Book()

    def fail(_page: list[int]) -> None:
        raise KeyError("no such row")

    errors = write_three(book, [lambda page: page.append(0), fail, lambda page: page.append(2)])
    assert [type(one) for one in errors] == [type(None), KeyError, type(None)]
    assert book.pages == [[0], [2]]


def notification(group: str) -> Notification:
    return Notification(
        receiver="team",
        channel="webhook[0]",
        group_key=group,
        reason=Reason.FIRST,
        time=datetime(2026, 8, 1, tzinfo=UTC),
        group_labels=Labels({"alertname": "A"}),
        alerts=(),
    )


@pytest.mark.parametrize("others", [0, 1000])
def test_what_is_taken_is_what_was_added(others: int) -> None:
    fresh, one = Fresh(), notification("g")
    fresh.add(one, encode_notification(one))
    for number in range(others):
        other = notification(f"g{number}")
        fresh.add(other, encode_notification(other))
    taken = fresh.take(encode_notification(one))
    assert taken == one
    assert (taken is one) is (others == 0)
    assert fresh.take(encode_notification(one)) == one
