"""What a message says, before any channel renders it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.alerts.evidence import Evidence
from pgwatch.notify.channels.letter import html, text
from pgwatch.notify.coalesce import supersede
from pgwatch.notify.message import compose, shortened
from pgwatch.notify.notes import evidence_text
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason
from pgwatch.samples.labels import Labels

NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)


def alert(ended: bool = False, annotations: Mapping[str, str] = {}, **labels: str) -> NotifiedAlert:
    return NotifiedAlert(
        labels=Labels({"alertname": "A", "target": "db1", "severity": "warning", **labels}),
        annotations=annotations,
        starts_at=NOW - timedelta(hours=1, seconds=1),
        ends_at=NOW if ended else None,
        value=1234567.891,
    )


def notification(*alerts: NotifiedAlert, reason: Reason = Reason.FIRST) -> Notification:
    return Notification(
        receiver="r",
        channel="email[0]",
        group_key="{}:{}",
        reason=reason,
        time=NOW,
        group_labels=Labels(),
        alerts=alerts,
    )


@pytest.mark.parametrize(
    ("alerts", "title"),
    [
        ([alert()], "[FIRING:1] A on db1"),
        ([alert(), alert(True, pid="2")], "[FIRING:1] A on db1"),
        ([alert(True)], "[RESOLVED] A on db1"),
        ([alert(), alert(target="db2")], "[FIRING:2] A on 2 targets"),
        ([alert(), alert(alertname="B")], "[FIRING:2] 2 kinds of alerts on db1"),
        ([alert(target="")], "[FIRING:1] A"),
        ([alert(alertname="A\nB" * 100)], None),
    ],
)
def test_title_says_what_and_where(alerts: list[NotifiedAlert], title: str | None) -> None:
    found = compose(notification(*alerts), max_items=5).title
    if title is None:
        assert len(found) <= 140
        assert "\n" not in found
    else:
        assert found == title


@pytest.mark.parametrize(
    ("severities", "worst"),
    [
        (["info", "critical", "warning"], "critical"),
        (["info"], "info"),
        ([""], "warning"),
        (["page"], "warning"),
    ],
)
def test_severity_is_the_worst_of_what_fires(severities: list[str], worst: str) -> None:
    firing = [alert(severity=one, pid=str(i)) for i, one in enumerate(severities)]
    over = alert(True, severity="critical", pid="x")
    assert compose(notification(*firing, over), max_items=5).severity == worst
    assert compose(notification(over), max_items=5).severity == "critical"


def late(since: timedelta, *, ended: bool) -> Notification:
    older = replace(notification(alert()), time=NOW - since)
    return supersede(older, notification(alert(ended)))


@pytest.mark.parametrize(
    ("one", "remark"),
    [
        (notification(alert()), ""),
        (notification(alert(), reason=Reason.REPEAT), "Nothing new"),
        (notification(alert(), reason=Reason.TEST), "This is a test"),
        (late(timedelta(hours=1), ended=False), "This comes late"),
        (
            late(timedelta(hours=1), ended=True),
            "This fired and ended while it could not be delivered",
        ),
        (late(timedelta(seconds=5), ended=True), ""),
    ],
    ids=["news", "repeat", "test", "late", "late and over", "a moment is not late"],
)
def test_remark_says_why_it_comes(one: Notification, remark: str) -> None:
    found = compose(one, max_items=5).remark
    assert found.startswith(remark)
    assert bool(found) is bool(remark)


def test_items_are_limited_and_the_rest_is_counted() -> None:
    many = notification(*(alert(pid=str(number)) for number in range(9)))
    message = compose(replace(many, truncated=3), max_items=5)
    assert (len(message.items), message.omitted) == (5, 7)
    assert "and 7 more" in text(message, "g")


def test_alert_without_annotations_is_still_readable() -> None:
    (item,) = compose(notification(alert()), max_items=5).items
    assert (item.headline, item.lasted, item.value) == ("A", "1h1s", "1.23457e+06")
    assert item.labels == (("target", "db1"),)


def test_missing_data_is_said() -> None:
    held = replace(alert(), no_data_since=NOW - timedelta(minutes=7))
    assert "no data since  2026-08-01 02:53:00 UTC" in text(
        compose(notification(held), max_items=5), "g"
    )


def test_html_escapes_what_comes_from_alerts() -> None:
    evil = {
        "summary": "<script>",
        "description": "<b>&",
        "fix": "</pre><img>",
        "runbook_url": "javascript:alert(1)",
    }
    page = html(compose(notification(alert(annotations=evil, x="<i>")), max_items=5), "{<g>}")
    for markup in ("<script", "<b>", "<img", "<i>", "<g>", "javascript:"):
        assert markup not in page


def test_shortened_text_fits_and_shows_it() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"


def test_notes_say_what_a_reader_must_know() -> None:
    told = replace(
        alert(),
        owner="ada",
        owner_comment="on it",
        quiet_since=NOW - timedelta(hours=1),
        quiet_because="silenced by bob: moving",
        flaps=5,
    )
    (item,) = compose(notification(told), max_items=1).items
    assert item.notes == (
        "It comes and goes: 5 times lately. Further changes are folded.",
        "Not told since 2026-08-01 02:00:00 UTC: silenced by bob: moving.",
        "ada looks after it: on it.",
    )
    page = html(compose(notification(told), max_items=1), "g")
    assert all(note in page for note in item.notes)


def test_end_says_the_value_at_recovery() -> None:
    over = replace(alert(ended=True), value_at_recovery=12.5)
    (item,) = compose(notification(over), max_items=1).items
    assert item.notes == ("Value at recovery: 12.5.",)


def test_what_came_and_went_unheard_says_so() -> None:
    (item,) = compose(notification(replace(alert(ended=True), news=News.MISSED)), max_items=1).items
    assert item.notes == ("It fired and ended before anything could be told of it.",)


def test_new_still_and_over_are_counted() -> None:
    several = [
        replace(alert(n="1"), news=News.STILL),
        replace(alert(n="2"), news=News.NEW),
        replace(alert(ended=True, n="3"), news=News.RESOLVED),
    ]
    message = compose(notification(*several, reason=Reason.NEW_ALERTS), max_items=5)
    assert message.remark == "1 new, 1 still firing, 1 resolved."
    assert [item.is_new for item in message.items] == [False, True, False]


def test_evidence_is_a_table_that_fits() -> None:
    evidence = Evidence(
        query="core/blocked",
        at=NOW,
        columns=("pid", "query"),
        rows=(("1", "SELECT\n  now()"), ("4711", "UPDATE <b>")),
        omitted=3,
    )
    (item,) = compose(notification(replace(alert(), evidence=evidence)), max_items=1).items
    assert item.evidence.splitlines() == [
        "core/blocked at 2026-08-01 03:00:00 UTC",
        "pid   query",
        "1     SELECT now()",
        "4711  UPDATE <b>",
        "and 3 more rows",
    ]
    assert "UPDATE &lt;b&gt;" in html(
        compose(notification(replace(alert(), evidence=evidence)), max_items=1), "g"
    )
    assert len(evidence_text(evidence, 50)) == 50


def test_evidence_too_wide_for_a_table_has_a_line_for_each_cell() -> None:
    statement = (
        "UPDATE projects SET notes = 'called the customer' WHERE id = 'prj_0001' RETURNING id"
    )
    evidence = Evidence(
        query="core/blocking_statements",
        at=NOW,
        columns=("pid", "waits_with", "behind"),
        rows=(("1", statement, "7"), ("4711", "SELECT 1", "")),
        omitted=1,
    )
    assert evidence_text(evidence, 500).splitlines() == [
        "core/blocking_statements at 2026-08-01 03:00:00 UTC",
        "pid         1",
        f"waits_with  {statement}",
        "behind      7",
        "",
        "pid         4711",
        "waits_with  SELECT 1",
        "and 1 more row",
    ]
