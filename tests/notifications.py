"""Notifications and settings that the tests of several channels share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.receiver import EmailSettings
from pgwatch.samples.labels import Labels

NOW = datetime(2026, 8, 1, 3, 2, 42, tzinfo=UTC)
PASSWORD = "hunter2-secret"


def alert(
    name: str = "PostgresBlockedSession", *, ended: bool = False, **labels: str
) -> NotifiedAlert:
    return NotifiedAlert(
        labels=Labels(
            {
                "alertname": name,
                "severity": "critical",
                "target": "roofing",
                "pid": "4711",
                **labels,
            }
        ),
        annotations={
            "summary": "Session 4711 has been blocked for <42 s> & waits",
            "description": "It waits for a lock that session 4712 holds.",
            "fix": "SELECT pg_terminate_backend(4712);",
            "runbook_url": "https://runbooks.example/blocked?a=1&b=2",
        },
        starts_at=NOW - timedelta(seconds=150),
        ends_at=NOW if ended else None,
        value=42.0,
        generator_url="http://pgwatch/graph",
    )


def notification(*alerts: NotifiedAlert, **changes: object) -> Notification:
    full = Notification(
        receiver="team-a",
        channel="x[0]",
        group_key='{}:{alertname="PostgresBlockedSession"}',
        reason=Reason.FIRST,
        time=NOW,
        group_labels=Labels({"alertname": "PostgresBlockedSession"}),
        alerts=alerts or (alert(),),
        external_url="http://pgwatch.example",
        id="0123456789abcdef",
    )
    return replace(full, **changes)  # type: ignore[arg-type]


def plain(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def email_settings(port: int, **changes: object) -> EmailSettings:
    settings = EmailSettings(
        to="dba@example.org, Night Shift <night@example.org>",
        sender="pgwatch <pgwatch@example.org>",
        host="127.0.0.1",
        port=port,
        require_tls=False,
    )
    return replace(settings, **changes)  # type: ignore[arg-type]
