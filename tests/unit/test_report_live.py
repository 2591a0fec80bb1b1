"""The picture of a report fits the window, and shows first what somebody has to act on."""

import pytest

from pgwatch.check.report.live import picture
from pgwatch.check.verdict import Report, Verdict
from tests.reports import ALL, HEALTHY, check, report


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
@pytest.mark.parametrize("height", [3, 10, 24, 400])
def test_it_is_no_taller_than_the_window(one: Report, height: int) -> None:
    lines = picture(one, headline="now", colour=False, width=80, height=height)
    assert len(lines) <= height
    assert lines[0] == "now"
    assert lines[1].startswith(str(one.verdict).upper())


def test_what_passed_makes_room_and_what_is_cut_is_said() -> None:
    passed = (check(f"Passed{n}", Verdict.PASS) for n in range(30))
    one = report(*passed, check("Broken", Verdict.FAIL, reason="so"))
    shown = "\n".join(picture(one, headline="now", colour=False, width=80, height=24))
    assert "1 failed, 30 passed" in shown
    assert "Broken" in shown
    assert "Passed" not in shown
    assert "more lines" not in shown
    small = picture(ALL["many"], headline="now", colour=False, width=80, height=24)
    assert small[-1].startswith("… ")
    assert "Down" in "\n".join(picture(HEALTHY, headline="now", colour=False, width=80, height=24))
