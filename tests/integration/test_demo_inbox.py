"""Slack webhooks, generic webhooks and e-mails arrive in the demo's inbox over the wire."""

import http.client
import json
import smtplib
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from shutil import which

import pytest
import requests

from pgwatch.demo.inbox import Inbox
from pgwatch.demo.received import Email, SlackMessage, WebhookMessage
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.receiver import EmailSettings, SlackSettings
from pgwatch.samples.labels import Labels
from pgwatch.secret import Secret
from tests.servers import missing_peer

AT = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
ATTACK = "<script>document.title='owned'</script>"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def send(inbox: Inbox, message: EmailMessage, *recipients: str) -> None:
    host, _, port = inbox.smarthost.partition(":")
    with smtplib.SMTP(host, int(port), timeout=5) as smtp:
        smtp.send_message(message, to_addrs=recipients or ("dba@roofing.example",))


def email(subject: str, body: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = "pgwatch@roofing.example"
    message["To"] = "dba@roofing.example"
    message.set_content(body)
    return message


def test_slack_message_is_answered_as_slack_does_and_shown(inbox: Inbox) -> None:
    answer = requests.post(inbox.slack_url, json={"text": f"*down* {ATTACK}"}, timeout=5)
    assert (answer.status_code, answer.text) == (200, "ok")
    page = requests.get(inbox.url, timeout=5)
    assert "<strong>down</strong>" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    (message,) = inbox.messages
    assert isinstance(message, SlackMessage)


def test_email_arrives_as_it_was_sent(inbox: Inbox) -> None:
    body = f"first\n.\n..a line with dots\nümlaut {ATTACK}\n"
    send(inbox, email("[FIRING] größer ✓", body), "a@x.example", "b@x.example")
    (message,) = inbox.messages
    assert isinstance(message, Email)
    assert message.message.get_content() == body
    assert message.message["Subject"] == "[FIRING] größer ✓"
    page = requests.get(inbox.url, timeout=5).text
    assert "..a line with dots" in page
    assert "[FIRING] größer ✓" in page
    assert "<script" not in page


def notification(*, over: bool) -> Notification:
    alert = NotifiedAlert(
        labels=Labels(
            {"alertname": "PostgresInvalidIndex", "severity": "critical", "target": "roofing"}
        ),
        annotations={
            "summary": f"Index idx_a_b on users is invalid {ATTACK}",
            "fix": 'REINDEX INDEX CONCURRENTLY "public"."idx_a_b";',
            "runbook_url": "https://runbook.example/index",
        },
        starts_at=AT - timedelta(minutes=3),
        ends_at=AT if over else None,
        value=1,
    )
    return Notification(
        receiver="demo",
        channel="slack[0]",
        group_key="{}:{target=roofing}",
        reason=Reason.ALL_RESOLVED if over else Reason.FIRST,
        time=AT,
        group_labels=Labels({"target": "roofing"}),
        alerts=(alert,),
        external_url="http://127.0.0.1:9432",
        id=f"demo-{over}",
    )


def test_messages_of_our_own_channels_look_as_they_should(inbox: Inbox) -> None:
    host, _, port = inbox.smarthost.partition(":")
    slack = build_channel(SlackSettings(api_url=Secret(value=inbox.slack_url), channel="#alerts"))
    mail = build_channel(
        EmailSettings(
            to="dba@roofing.example",
            sender="pgwatch@roofing.example",
            host=host,
            port=int(port),
            require_tls=False,
        )
    )
    for over in (False, True):
        for channel in (slack, mail):
            channel.deliver(notification(over=over))
    slack.close()
    page = requests.get(inbox.url, timeout=5).text
    assert page.count('<article class="slack">') == 2
    assert page.count('<article class="mail">') == 1  # one thread
    assert '<pre>REINDEX INDEX CONCURRENTLY "public"."idx_a_b";</pre>' in page
    assert '<a href="https://runbook.example/index" rel="noreferrer">' in page
    assert "<script" not in page
    assert "{date_short_pretty}" not in page


def test_webhook_is_kept_and_shown_with_its_json(inbox: Inbox) -> None:
    payload = {
        "version": "4",
        "status": "firing",
        "receiver": "hook",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "PostgresDown"}, "annotations": {}}
        ],
    }
    assert requests.post(inbox.webhook_url, json=payload, timeout=5).ok
    (message,) = inbox.messages
    assert isinstance(message, WebhookMessage)
    assert message.payload == payload
    assert "PostgresDown" in requests.get(inbox.url, timeout=5).text


def test_newest_message_comes_first(inbox: Inbox) -> None:
    for text in ("the first", "the second"):
        requests.post(inbox.slack_url, json={"text": text}, timeout=5)
    page = requests.get(inbox.url, timeout=5).text
    assert page.index("the second") < page.index("the first")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("slack", b"not json", 400),
        ("slack", b"[1]", 400),
        ("slack", b"[" * 100_000, 400),
        ("elsewhere", b"{}", 404),
        ("slack", b" " * 1_000_001, 413),
    ],
    ids=["not json", "not an object", "nested", "unknown path", "large"],
)
def test_what_is_no_message_is_refused(inbox: Inbox, path: str, body: bytes, status: int) -> None:
    host, _, port = inbox.url.removeprefix("http://").strip("/").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.putrequest("POST", f"/{path}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    if status != 413:
        connection.send(body)
    assert connection.getresponse().status == status
    connection.close()
    assert inbox.messages == ()


def test_request_without_a_length_is_refused(inbox: Inbox) -> None:
    host, _, port = inbox.url.removeprefix("http://").strip("/").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"POST /slack HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 413 " in client.recv(1000)


def test_mail_server_asks_for_the_right_order(inbox: Inbox) -> None:
    host, _, port = inbox.smarthost.partition(":")
    with smtplib.SMTP(host, int(port), timeout=5) as smtp:
        assert smtp.docmd("DATA")[0] == 503
        assert smtp.docmd("RCPT", "TO:<a@x>")[0] == 503
        assert smtp.docmd("NOOP")[0] == 250
        assert smtp.docmd("VRFY", "a")[0] == 502
        smtp.mail("a@x.example")
        smtp.rset()
        assert smtp.docmd("RCPT", "TO:<a@x>")[0] == 503
        with pytest.raises(smtplib.SMTPNotSupportedError):
            smtp.starttls()


def test_mail_that_is_too_large_or_breaks_off_is_not_kept(inbox: Inbox) -> None:
    host, _, port = inbox.smarthost.partition(":")
    with smtplib.SMTP(host, int(port), timeout=5) as smtp:
        smtp.ehlo()
        smtp.mail("a@x.example")
        smtp.rcpt("b@x.example")
        assert smtp.data(b"Subject: x\r\n\r\n" + b"y" * 998 * 1100)[0] == 552
        smtp.mail("a@x.example")
        smtp.rcpt("b@x.example")
        smtp.docmd("DATA")
        smtp.send("Subject: half\r\n")
        smtp.close()
    send(inbox, email("whole", "x"))
    assert [m.message["Subject"] for m in inbox.messages if isinstance(m, Email)] == ["whole"]


def test_inbox_releases_its_ports_and_threads() -> None:
    before = set(threading.enumerate())
    with Inbox() as inbox:
        http_port = int(inbox.url.strip("/").rpartition(":")[2])
        smtp_port = int(inbox.smarthost.rpartition(":")[2])
    for port in (http_port, smtp_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
    with Inbox(http_port=http_port, smtp_port=smtp_port) as again:
        assert again.url.endswith(f":{http_port}/")
    assert set(threading.enumerate()) <= before


@pytest.mark.peer
def test_browser_shows_the_messages_and_runs_nothing(inbox: Inbox, tmp_path: Path) -> None:
    if (chromium := which("chromium")) is None:
        missing_peer("chromium")
    requests.post(
        inbox.slack_url,
        json={"attachments": [{"color": "danger", "text": f"x {ATTACK}"}]},
        timeout=5,
    )
    send(inbox, email(f"s {ATTACK}", f"b {ATTACK}"))
    dom = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path}", "--dump-dom", inbox.url),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    ).stdout
    assert "<title>(2) pgwatch demo inbox</title>" in dom
    assert dom.count("&lt;script&gt;") >= 3
    assert json.dumps("owned") not in dom
