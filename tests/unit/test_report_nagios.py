"""The plugin's output: one status line with performance data, bounded, and the four exit codes."""

import re

import pytest

from pgwatch.check.report.nagios import mistake, render, status_of
from pgwatch.check.verdict import Report, Verdict
from tests.reports import ALL, HEALTHY, MANY, TROUBLED

# label=value[UOM];[warn];[crit], as the guidelines of monitoring-plugins.org have it.
PERFORMANCE = re.compile(r"(?:[a-z]+=[0-9.]+s?(?:;[0-9]*){0,2} ?)+")


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.PASS, 0),
        (Verdict.WARN, 1),
        (Verdict.FAIL, 2),
        (Verdict.UNKNOWN, 3),
        (Verdict.SKIPPED, 3),  # nothing was judged
    ],
)
def test_exit_status(verdict: Verdict, status: int) -> None:
    assert status_of(verdict) == status


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_output_is_what_a_plugin_may_print(one: Report) -> None:
    text = render(one)
    first, *rest = text.splitlines()
    status, _, performance = first.partition(" | ")
    assert re.match(r"PGWATCH (OK|WARNING|CRITICAL|UNKNOWN) - ", status)
    assert PERFORMANCE.fullmatch(performance)
    assert len(first.encode()) <= 1_000
    assert len(text.encode()) <= 8_192
    assert text.count("|") == 1
    assert not any(line.startswith("PGWATCH") for line in rest)


def test_healthy() -> None:
    assert render(HEALTHY) == (
        "PGWATCH OK - 1 passed, 1 skipped | pass=1 warn=0;0 fail=0;;0 unknown=0 skipped=1 time=0.250s\n"
    )


def test_gravest_is_said_first_and_the_rest_in_the_long_output() -> None:
    text = render(TROUBLED)
    first, *rest = text.splitlines()
    assert first.startswith(
        r"PGWATCH CRITICAL - 2 failed, 2 unknown, 1 warned, 2 passed, 1 skipped; other: no route\x07 to"
        " host; migration_constraints: house_price: missing; "
    )
    assert "[unknown] Slots (roofing, post)" in rest
    assert "    cure: CREATE INDEX house_price ON house (price);" in rest


def test_what_is_cut_is_said() -> None:
    assert render(MANY).endswith("\n… cut; --format text shows all\n")
    assert " cut" not in render(TROUBLED)


def test_mistake_of_the_caller_is_unknown() -> None:
    assert mistake("no | such\nfile") == "PGWATCH UNKNOWN - no ¦ such file\n"
