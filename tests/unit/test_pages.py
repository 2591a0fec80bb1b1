"""The status page: what it says about the whole, and that nothing it shows can break it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.evidence import Evidence
from pgwatch.collect.outcome import Answered, Denied, NotApplicable, OutcomeKind, QueryRun, TimedOut
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.web.pages import MAX_ALERTS, status_page
from pgwatch.web.view import (
    AlertView,
    Level,
    ProbeView,
    QueryView,
    StatusView,
    TargetView,
    alert_view,
    headline,
    in_order,
    query_view,
)

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
VOID = {"meta"}
ALL_WELL = "nothing fires, and everything could be seen"


def query(outcome: OutcomeKind | None = OutcomeKind.ANSWERED, name: str = "core/a") -> QueryView:
    return QueryView(name=name, outcome=outcome, at=NOW - timedelta(seconds=5), series=3)


def target(up: bool | None = True, *queries: QueryView, name: str = "db1") -> TargetView:
    return TargetView(name=name, up=up, queries=queries or (query(),))


def alert(
    severity: str = "critical",
    state: AlertState = AlertState.FIRING,
    *,
    name: str = "PostgresDown",
    minutes: int = 1,
    no_data: bool = False,
) -> AlertView:
    return AlertView(
        name=name,
        severity=severity,
        state=state,
        value=1,
        since=NOW - timedelta(minutes=minutes),
        no_data_since=NOW if no_data else None,
    )


def view(
    *alerts: AlertView, targets: tuple[TargetView, ...] = (target(),), probes: tuple[ProbeView, ...] = ()
) -> StatusView:  # fmt: skip
    return StatusView(
        now=NOW,
        version="1.2.3",
        started=NOW - timedelta(days=3, hours=2, minutes=5),
        targets=targets,
        probes=probes,
        alerts=alerts,
    )


class Checker(HTMLParser):
    """Collects the text, and fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in VOID | {"br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data.strip())


def read(page: str) -> tuple[list[str], str]:
    """The tags and the text of a page, which must be well formed."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker.tags, " ".join(part for part in checker.said if part)


@pytest.mark.parametrize(
    ("shown", "level", "text"),
    [
        (view(), Level.PASS, ALL_WELL),
        (view(alert("info")), Level.PASS, ALL_WELL),
        (view(alert("critical", AlertState.PENDING)), Level.PASS, ALL_WELL),
        (view(alert("warning")), Level.WARN, "1 warning fires"),
        (view(alert("warning"), alert("warning")), Level.WARN, "2 warnings fire"),
        (view(alert("warning"), alert()), Level.FAIL, "1 critical alert fires, 1 warning fires"),
        (view(alert("warning", no_data=True)), Level.UNKNOWN, "1 warning fires, 1 of them has no data"),
        (view(targets=(target(False),)), Level.FAIL, "1 target is down"),
        (view(targets=(replace(target(), unwatched="why"),)), Level.UNKNOWN,
         "1 target has no database to watch"),
        (view(targets=(target(None), target(None))), Level.UNKNOWN, "2 targets were not tried yet"),
        (view(targets=(target(True, query(OutcomeKind.DENIED)),)), Level.UNKNOWN, "1 query could not tell"),
        (view(targets=(target(True, query(OutcomeKind.NOT_APPLICABLE), query(None)),)), Level.PASS,
         ALL_WELL),
        (view(targets=()), Level.UNKNOWN, "nothing is watched"),
        (view(targets=(), probes=(ProbeView(name="app", success=True),)), Level.PASS,
         ALL_WELL),
    ],
)  # fmt: skip
def test_headline_says_the_worst_and_never_takes_no_data_for_good(
    shown: StatusView, level: Level, text: str
) -> None:
    assert (headline(shown).level, headline(shown).text) == (level, text)
    page = status_page(shown)
    assert text in read(page)[1]
    assert f'class="card headline {level}"' in page


def test_alerts_that_one_should_read_first_come_first() -> None:
    alerts = (
        alert("info", name="e"),
        alert("critical", AlertState.PENDING, name="f"),
        alert("strange", name="odd"),
        alert("warning", name="d"),
        alert("critical", name="c", minutes=1),
        alert("critical", name="held", minutes=99, no_data=True),
        alert("critical", name="b", minutes=9),
    )
    expected = ["b", "c", "d", "e", "odd", "held", "f"]
    assert [shown.name for shown in in_order(alerts)] == expected


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (AlertState.PENDING, "value 1 once it fires: Not refreshed"),
        (AlertState.FIRING, "value 1 Not refreshed"),
    ],
)
def test_what_a_pending_alert_will_say_is_not_said_as_a_fact(state: AlertState, said: str) -> None:
    shown = replace(alert(state=state), summary="Not refreshed for a day")
    assert said in read(status_page(view(shown)))[1]


def test_alert_shows_what_happened_since_when_and_the_cure() -> None:
    shown = Alert(
        rule="a;b;PostgresInvalidIndex;0",
        labels=Labels(
            {"alertname": "PostgresInvalidIndex", "severity": "critical", "indexrelname": "idx_a"}
        ),
        annotations={"summary": "Index idx_a", "description": "It failed.", "fix": "REINDEX;"},
        state=AlertState.FIRING,
        value=1.0,
        active_at=NOW - timedelta(hours=2),
        fired_at=NOW - timedelta(minutes=90),
        no_data_since=NOW - timedelta(minutes=4),
    )
    text = read(status_page(view(alert_view(shown))))[1]
    for part in (
        "critical PostgresInvalidIndex firing for 1h30m no data for 4m value 1 Index idx_a",
        "It failed. REINDEX; indexrelname=idx_a",
    ):
        assert part in text


def test_alert_shows_who_keeps_it_quiet_who_is_on_it_and_its_evidence() -> None:
    fired = Alert(
        rule="r",
        labels=Labels({"alertname": "Blocked"}),
        state=AlertState.FIRING,
        value=1.0,
        active_at=NOW,
        fired_at=NOW,
        evidence=Evidence(query="core/x", at=NOW, columns=("query",), rows=(("LOCK <t>",),)),
    )
    quiet = Silence(
        id="1",
        matchers=(),
        starts_at=NOW,
        ends_at=NOW,
        updated_at=NOW,
        created_by="ada",
        comment="moving <b>",
    )
    owned = Acknowledgement(labels=fired.labels, owner="bob", comment="on it", at=NOW)
    page = status_page(view(alert_view(fired, [quiet], owned)))
    text = read(page)[1]
    assert "silenced by ada: moving <b>" in text
    assert "bob looks after it: on it" in text
    assert "LOCK <t>" in text
    assert "moving <b>" not in page


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (
            Answered(columns=("a",), rows=[(1,)], elapsed=timedelta(0)),
            "core/a app answered 2 (4 dropped) 250 ms 1m30s",
        ),
        (
            Denied(reason="not a member of pg_monitor", grant="GRANT pg_monitor TO x;"),
            "core/a app denied not a member of pg_monitor GRANT pg_monitor TO x; 0 250 ms 1m30s",
        ),
        (
            TimedOut(limit=timedelta(seconds=1), reason="no answer within 1s"),
            "core/a app timed out no answer within 1s 0 250 ms 1m30s",
        ),
        (NotApplicable(reason="needs 17"), "core/a app not applicable needs 17 0 250 ms 1m30s"),
    ],
)
def test_query_shows_how_it_ended(
    run: Answered | Denied | TimedOut | NotApplicable, expected: str
) -> None:
    source = Source("db1", "core/a", "app")
    collected = Collected(
        source=source,
        time_ms=0,
        families=(),
        labels=[Labels({"__name__": "x"}), Labels({"__name__": "y"})],
        values=[1, 2],
        dropped={"max_series": 3, "duplicate": 1},
    )
    ended = QueryRun(
        source=source,
        outcome=run,
        collected=collected if isinstance(run, Answered) else None,
        time_ms=int((NOW - timedelta(seconds=90)).timestamp() * 1000),
        elapsed_seconds=0.25,
    )
    assert expected in read(status_page(view(targets=(target(True, query_view(ended)),))))[1]


def test_target_that_is_down_says_why_and_the_others_stay() -> None:
    down = replace(target(False, name="db2"), error="connection refused", instance="h:1")
    text = read(status_page(view(targets=(target(), down))))[1]
    assert "db1 up" in text
    assert "db2 h:1 down connection refused" in text


def test_queries_are_open_only_where_one_could_not_tell() -> None:
    assert "<details" in status_page(view())
    assert '<details class="card" open' not in status_page(view())
    untold = view(targets=(target(True, query(OutcomeKind.FAILED)),))
    assert '<details class="card" open' in status_page(untold)


def test_probes_outbox_and_problems_are_shown() -> None:
    shown = replace(
        view(probes=(ProbeView(name="app", success=False, reason="status 500", at=NOW),)),
        undelivered=7,
        problems=("the configuration could not be reloaded",),
    )
    text = read(status_page(shown))[1]
    for part in (
        "app fails status 500",
        "7 notifications wait",
        "the configuration could not be reloaded",
        "up for 3d2h",
    ):
        assert part in text


def test_flood_of_alerts_is_cut_and_says_so() -> None:
    many = [alert("warning", name=f"Rule{number}") for number in range(MAX_ALERTS + 4)]
    page = status_page(view(*many, alert("critical", name="Worst")))
    assert page.count("<article") == MAX_ALERTS
    text = read(page)[1]
    assert "and 5 more" in text
    assert text.index("Worst") < text.index("Rule0")


def test_nothing_that_is_shown_becomes_markup() -> None:
    evil = "</title><script>alert(1)</script>\"'&"
    shown = replace(
        view(
            replace(
                alert(name=evil, severity=evil),
                labels={"a": evil},
                summary=evil,
                description=evil,
                fix=evil,
            ),
            targets=(
                TargetView(
                    name=evil,
                    instance=evil,
                    up=False,
                    version=evil,
                    role=evil,
                    error=evil,
                    queries=(
                        QueryView(
                            name=evil,
                            database=evil,
                            outcome=OutcomeKind.DENIED,
                            reason=evil,
                            fix=evil,
                        ),
                    ),
                ),
            ),
            probes=(ProbeView(name=evil, reason=evil),),
        ),
        version=evil,
        problems=(evil,),
    )
    page = status_page(shown)
    tags, text = read(page)
    assert "script" not in tags
    assert page.count("</title>") == 1
    assert text.count(evil) == 20


def test_page_needs_nothing_from_elsewhere() -> None:
    page = status_page(view(alert()))
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page
    assert "<script" not in page
    assert "url(" not in page
