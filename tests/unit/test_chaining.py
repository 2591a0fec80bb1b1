"""Which rules are evaluated between slots, and when."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import Answered, QueryRun, Unreachable
from pgwatch.daemon.chaining import Changes, Rhythm, readers, recorded_by
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import RuleGroup
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

DEBT = Source("db", "core/debt", "app")
SITE = Source("", "probe/site")
SECOND = timedelta(seconds=1)


def run(source: Source, values: Sequence[float] | None) -> QueryRun:
    """An answer of as many series of `debt`, or none (None)."""
    collected = None
    if values is not None:
        collected = Collected(
            source=source,
            time_ms=0,
            families=(Family("debt", MetricType.GAUGE, ""),),
            labels=[Labels({METRIC_NAME: "debt", "n": str(n)}) for n in range(len(values))],
            values=values,
        )
    outcome = (
        Unreachable(reason="refused")
        if collected is None
        else Answered(columns=(), rows=(), elapsed=timedelta(0))
    )
    return QueryRun(
        source=source, outcome=outcome, collected=collected, time_ms=0, elapsed_seconds=0.0
    )


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        pytest.param(None, run(DEBT, [1.0]), True, id="the first answer"),
        pytest.param(run(DEBT, [1.0]), run(DEBT, [1.0]), False, id="the same"),
        pytest.param(run(DEBT, [1.0]), run(DEBT, [2.0]), True, id="another value"),
        pytest.param(run(DEBT, [1.0]), run(DEBT, [1.0, 1.0]), True, id="a row more"),
        pytest.param(run(DEBT, [1.0]), run(DEBT, []), True, id="the last row is gone"),
        pytest.param(run(DEBT, None), run(DEBT, [1.0]), True, id="an answer again"),
        pytest.param(run(DEBT, [1.0]), run(DEBT, None), False, id="no answer tells nothing"),
    ],
)
def test_change_is_told_when_the_pass_is_over(
    before: QueryRun | None, now: QueryRun, changed: bool
) -> None:
    changes = Changes()
    assert changes.take(now, before) == frozenset()
    assert changes.settled("other") == frozenset()
    assert changes.settled("db") == ({"debt"} if changed else frozenset())
    assert changes.settled("db") == frozenset()


def test_probe_waits_for_nothing() -> None:
    assert Changes().take(run(SITE, [0.0]), run(SITE, [1.0])) == {"debt"}


def group(*rules: dict[str, str], **more: str) -> RuleGroup:
    text = yaml.safe_dump(
        {"groups": [{"name": "g", "interval": "1h", "rules": list(rules), **more}]}
    )
    return parse_rules(text, file="rules.yml")[0]


@pytest.mark.parametrize(
    ("expr", "more", "names"),
    [
        pytest.param("debt > 0", {}, {"debt"}, id="one metric"),
        pytest.param("rate(a[5m]) > on() b", {}, {"a", "b"}, id="two, and a range"),
        pytest.param("vector(1)", {}, set(), id="none"),
        pytest.param("debt > debt:avg", {}, set(), id="beside what a rule records"),
        pytest.param('ALERTS{alertstate="firing"}', {}, set(), id="alerts of others"),
        pytest.param('{__name__=~"debt.*"}', {}, set(), id="by a pattern"),
        pytest.param("debt > 0", {"query_offset": "1m"}, set(), id="the past"),
    ],
)
def test_who_is_evaluated_between_slots(expr: str, more: dict[str, str], names: set[str]) -> None:
    recording = {"record": "debt:avg", "expr": "avg_over_time(debt[5m])"}
    one = group(recording, {"alert": "A", "expr": expr}, **more)
    assert set(readers(one, recorded_by([one]))) == names


def debt_alert(rule: str, began: datetime, no_data_since: datetime | None = None) -> Alert:
    return Alert(
        rule=rule,
        labels=Labels({"alertname": "A"}),
        state=AlertState.PENDING,
        value=1.0,
        active_at=began,
        no_data_since=no_data_since,
    )


PAIR = group({"alert": "A", "expr": "debt > 0", "for": "10s"}, {"alert": "B", "expr": "other > 0"})
A, B = PAIR.rules


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


def due(
    runner: asyncio.Runner,
    rhythm: Rhythm,
    slot: datetime,
    *alerts: Alert,
    since: datetime | None = None,
) -> tuple[datetime, list[str]]:
    """When something is due, and the names of the rules; raises TimeoutError after a second."""

    async def wait() -> tuple[datetime, RuleGroup]:
        async with asyncio.timeout(1):
            known = {alert.rule: (alert,) for alert in alerts}
            return await rhythm.due(slot, known, since or datetime.now(UTC))

    at, part = runner.run(wait())
    return at, [rule.name for rule in part.rules]


def test_news_bring_the_rules_that_read_them(runner: asyncio.Runner) -> None:
    rhythm, slot = Rhythm(PAIR, frozenset()), datetime.now(UTC) + 1800 * SECOND
    rhythm.notice(["other", "unknown"])
    at, rules = due(runner, rhythm, slot)
    assert (at < slot, rules) == (True, ["B"])
    rhythm.notice(["unknown"])
    with pytest.raises(TimeoutError):
        due(runner, rhythm, slot)


def test_slot_brings_the_whole_group_and_what_was_new(runner: asyncio.Runner) -> None:
    rhythm, slot = Rhythm(PAIR, frozenset()), datetime.now(UTC) + 0.0015 * SECOND
    rhythm.notice(["other"])  # so close to the slot that samples would have one time
    assert due(runner, rhythm, slot) == (slot, ["A", "B"])
    with pytest.raises(TimeoutError):
        due(runner, rhythm, slot + 1800 * SECOND)


def test_costly_evaluations_leave_four_fifths_of_the_time(runner: asyncio.Runner) -> None:
    rhythm, slot = Rhythm(PAIR, frozenset()), datetime.now(UTC) + 1800 * SECOND
    rhythm.evaluated(0.1 * SECOND)
    began = datetime.now(UTC)
    rhythm.notice(["debt"])
    at, rules = due(runner, rhythm, slot)
    assert rules == ["A"]
    assert 0.35 * SECOND < at - began < 0.8 * SECOND


def test_for_ends_when_it_ends(runner: asyncio.Runner) -> None:
    now = datetime.now(UTC)
    rhythm, slot = Rhythm(PAIR, frozenset()), now + 1800 * SECOND
    soon = debt_alert(A.id, now - 9.8 * SECOND)
    at, rules = due(runner, rhythm, slot, soon, since=now)
    assert rules == ["A"]
    assert soon.active_at + 10 * SECOND <= at < soon.active_at + 10.3 * SECOND


@pytest.mark.parametrize("held", [True, False], ids=["held without data", "over before"])
def test_timer_that_stands_still_or_is_over_brings_nothing(
    runner: asyncio.Runner, held: bool
) -> None:
    now = datetime.now(UTC)
    alert = debt_alert(A.id, now - 9.9 * SECOND, now if held else None)
    since = now if held else now + SECOND
    with pytest.raises(TimeoutError):
        due(runner, Rhythm(PAIR, frozenset()), now + 1800 * SECOND, alert, since=since)
