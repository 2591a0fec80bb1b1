"""What every channel must do, and what each does in its own way, with real receivers."""

import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from pgwatch.notify.channels.base import Channel, DeliveryError, retry_after_of
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.receiver import (
    ChannelSettings,
    EmailSettings,
    HttpSettings,
    SlackSettings,
    TlsSettings,
    WebhookSettings,
)
from pgwatch.notify.trial import trial
from pgwatch.samples.labels import Labels
from pgwatch.secret import Secret
from tests.receivers import Answer, HttpReceiver, MailReceiver, throwaway_certificate

NOW = datetime(2026, 8, 1, 3, 2, 42, tzinfo=UTC)
SECRET_PATH = "/services/T000/B000/XXXsecretXXX"
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


@dataclass
class Bench:
    """A channel and its real receiver; `how` is `accept`, `later`, `never` or `broken`."""

    channel: Channel
    http: HttpReceiver | None = None
    mail: MailReceiver | None = None

    def answer(self, how: str) -> None:
        if self.http is not None:
            status = {"accept": 200, "later": 503, "never": 400, "broken": 403}[how]
            body = (
                "ok"
                if how == "accept"
                else f"no such thing: {self.http.url}{SECRET_PATH} {PASSWORD}"
            )
            self.http.then = Answer(status=status, body=body)
        if self.mail is not None:
            self.mail.reply = {
                "accept": "250 OK",
                "later": "451 4.3.0 try again later",
                "never": f"554 5.7.1 not with {PASSWORD}",
                "broken": "535 5.7.8 authentication is gone",
            }[how]

    def received(self) -> str:
        if self.http is not None:
            return str([request.json for request in self.http.requests])
        assert self.mail is not None
        return "".join(str(plain(one)) for one in self.mail.mails)


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


@pytest.fixture(params=["webhook", "slack", "email"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as stack:
        settings: ChannelSettings
        if request.param == "email":
            mail = stack.enter_context(MailReceiver(login=("pgwatch", PASSWORD)))
            settings = email_settings(
                mail.port, username="pgwatch", password=Secret(value=PASSWORD)
            )
            yield Bench(build_channel(settings), mail=mail)
            return
        http = stack.enter_context(HttpReceiver())
        url = Secret(value=http.url + SECRET_PATH)
        auth = HttpSettings(username="pgwatch", password=Secret(value=PASSWORD))
        settings = (
            WebhookSettings(url=url, http=auth)
            if request.param == "webhook"
            else SlackSettings(api_url=url, http=auth)
        )
        channel = build_channel(settings)
        yield Bench(channel, http=http)
        channel.close()


class TestContract:
    """What the outbox relies on, for every kind of channel."""

    def test_firing_alert_arrives_with_what_a_person_needs(self, bench: Bench) -> None:
        bench.channel.deliver(notification())
        received = bench.received()
        for part in (
            "PostgresBlockedSession",
            "roofing",
            "42",
            "pg_terminate_backend(4712)",
            "4711",
        ):
            assert part in received

    def test_resolved_alert_arrives_as_resolved(self, bench: Bench) -> None:
        bench.channel.deliver(notification(alert(ended=True), reason=Reason.ALL_RESOLVED))
        assert "RESOLVED" in bench.received().upper()
        assert "FIRING" not in bench.received()

    @pytest.mark.parametrize(
        ("how", "permanent", "slow"),
        [("later", False, False), ("never", True, False), ("broken", False, True)],
    )
    def test_refusal_is_of_its_class(
        self, bench: Bench, how: str, permanent: bool, slow: bool
    ) -> None:
        bench.answer(how)
        with pytest.raises(DeliveryError) as caught:
            bench.channel.deliver(notification())
        assert caught.value.permanent is permanent
        assert caught.value.retry_after == (timedelta(minutes=15) if slow else None)

    @pytest.mark.parametrize("how", ["later", "never", "broken"])
    def test_error_holds_no_secret(self, bench: Bench, how: str) -> None:
        bench.answer(how)
        with pytest.raises(DeliveryError) as caught:
            bench.channel.deliver(notification())
        for secret in (PASSWORD, "XXXsecretXXX"):
            assert secret not in str(caught.value)
            assert secret not in repr(bench.channel.__dict__)

    def test_trial_says_that_nothing_is_wrong(self, bench: Bench) -> None:
        bench.channel.deliver(trial("team", "x[0]", NOW))
        assert "PgwatchTest" in bench.received()
        if bench.channel.kind != "webhook":
            assert "Nothing is wrong" in bench.received()

    def test_channel_works_after_a_refusal(self, bench: Bench) -> None:
        bench.answer("later")
        with pytest.raises(DeliveryError):
            bench.channel.deliver(notification())
        bench.answer("accept")
        bench.channel.deliver(notification())

    def test_ten_thousand_alerts_are_taken(self, bench: Bench) -> None:
        many = [alert(pid=str(number)) for number in range(10_000)]
        bench.channel.deliver(notification(*many))
        if bench.channel.kind != "webhook":
            assert "and 99" in bench.received(), "people read some, and how many more there are"


UNREACHABLE = "127.0.0.1:9"  # the port of `discard`, which nobody serves


@pytest.mark.parametrize(
    "settings",
    [
        WebhookSettings(url=Secret(value=f"http://{UNREACHABLE}{SECRET_PATH}")),
        SlackSettings(api_url=Secret(value=f"http://{UNREACHABLE}{SECRET_PATH}")),
        email_settings(9),
    ],
    ids=lambda settings: settings.kind,
)
def test_silent_port_is_a_passing_trouble(settings: ChannelSettings) -> None:
    with pytest.raises(DeliveryError) as caught:
        build_channel(settings).deliver(notification())
    assert not caught.value.permanent
    assert caught.value.unavailable
    assert "secret" not in str(caught.value)


class TestHttp:
    @pytest.mark.parametrize(
        ("status", "permanent", "unavailable"),
        [
            (400, True, True),
            (401, False, True),
            (404, False, True),
            (408, False, True),
            (410, False, True),
            (413, True, True),
            (422, True, True),
            (429, False, True),
            (500, False, False),
            (502, False, True),
            (503, False, True),
        ],
    )
    def test_status(self, status: int, permanent: bool, unavailable: bool) -> None:
        with HttpReceiver(then=Answer(status=status)) as receiver:
            channel = build_channel(WebhookSettings(url=Secret(value=receiver.url)))
            with pytest.raises(DeliveryError) as caught:
                channel.deliver(notification())
            channel.close()
        assert (caught.value.permanent, caught.value.unavailable) == (permanent, unavailable)

    def test_retry_after_is_heard(self) -> None:
        with HttpReceiver(then=Answer(status=429, headers={"Retry-After": "30"})) as receiver:
            channel = build_channel(SlackSettings(api_url=Secret(value=receiver.url)))
            with pytest.raises(DeliveryError) as caught:
                channel.deliver(notification())
            channel.close()
        assert caught.value.retry_after == timedelta(seconds=30)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("30", timedelta(seconds=30)),
            ("0.5", timedelta(seconds=0.5)),
            ("Sat, 01 Aug 2026 03:03:42 GMT", timedelta(minutes=1)),
            ("86400", timedelta(hours=1)),
            ("-1", None),
            ("soon", None),
            ("nan", None),
            ("", None),
        ],
    )
    def test_retry_after_forms(self, text: str, expected: timedelta | None) -> None:
        assert retry_after_of({"Retry-After": text}, NOW) == expected

    def test_receiver_that_hangs_is_left_alone_after_the_timeout(self) -> None:
        with HttpReceiver(then=Answer(delay=3)) as receiver:
            settings = WebhookSettings(
                url=Secret(value=receiver.url), timeout=timedelta(milliseconds=200)
            )
            channel = build_channel(settings)
            with pytest.raises(DeliveryError, match="no answer in time"):
                channel.deliver(notification())
            channel.close()

    def test_redirect_that_loses_the_message_is_no_success(self) -> None:
        with HttpReceiver() as receiver:
            receiver.answers = [Answer(status=302, headers={"Location": receiver.url + "/new"})]
            channel = build_channel(WebhookSettings(url=Secret(value=receiver.url)))
            with pytest.raises(DeliveryError, match="redirects"):
                channel.deliver(notification())
            channel.close()

    def test_authorization_is_sent_and_a_rotated_secret_is_read_again(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        with HttpReceiver() as receiver:
            http = HttpSettings(authorization=Secret(file=token))
            channel = build_channel(WebhookSettings(url=Secret(value=receiver.url), http=http))
            for text in ("first", "second"):
                token.write_text(text + "\n")
                channel.deliver(notification())
            token.unlink()
            with pytest.raises(DeliveryError, match="cannot read secret file"):
                channel.deliver(notification())
            channel.close()
            sent = [request.headers["Authorization"] for request in receiver.requests]
        assert sent == ["Bearer first", "Bearer second"]

    def test_basic_auth_and_idempotency_key(self) -> None:
        with HttpReceiver() as receiver:
            http = HttpSettings(username="me", password=Secret(value="pä:ss"))
            channel = build_channel(WebhookSettings(url=Secret(value=receiver.url), http=http))
            channel.deliver(notification())
            channel.close()
            (request,) = receiver.requests
        assert request.headers["Authorization"] == "Basic bWU6cMOkOnNz"
        assert request.headers["Idempotency-Key"] == "0123456789abcdef"

    @pytest.mark.parametrize("url", ["not a url", "ftp://x/y", "http://[::1", "http://\nx"])
    def test_bad_address_is_told_without_it(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "url").write_text(url)
        channel = build_channel(WebhookSettings(url=Secret(file=tmp_path / "url")))
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(notification())
        assert url not in str(caught.value)
        channel.close()


def test_webhook_is_alertmanagers_version_4() -> None:
    with HttpReceiver() as receiver:
        channel = build_channel(WebhookSettings(url=Secret(value=receiver.url), max_alerts=1))
        over = replace(alert(ended=True, pid="1"), starts_at=NOW - timedelta(milliseconds=1500))
        channel.deliver(notification(over, alert(), receiver="team.a"))
        channel.close()
        (request,) = receiver.requests
    labels = {
        "alertname": "PostgresBlockedSession",
        "severity": "critical",
        "target": "roofing",
    }
    assert request.json == {
        "receiver": r"team\.a",
        "status": "firing",
        "alerts": [
            {
                "status": "resolved",
                "labels": {**labels, "pid": "1"},
                "annotations": dict(alert().annotations),
                "startsAt": "2026-08-01T03:02:40.5Z",
                "endsAt": "2026-08-01T03:02:42Z",
                "generatorURL": "http://pgwatch/graph",
                "fingerprint": over.labels.fingerprint(),
            }
        ],
        "groupLabels": {"alertname": "PostgresBlockedSession"},
        "commonLabels": labels,
        "commonAnnotations": dict(alert().annotations),
        "externalURL": "http://pgwatch.example",
        "version": "4",
        "groupKey": '{}:{alertname="PostgresBlockedSession"}',
        "truncatedAlerts": 1,
        "notification_reason": "first notification",
    }


class TestSlack:
    @pytest.fixture
    def receiver(self) -> Iterator[HttpReceiver]:
        with HttpReceiver() as receiver:
            yield receiver

    def send(self, receiver: HttpReceiver, one: Notification, **settings: str) -> dict[str, Any]:
        channel = build_channel(SlackSettings(api_url=Secret(value=receiver.url), **settings))  # type: ignore[arg-type]
        channel.deliver(one)
        channel.close()
        sent = receiver.requests[-1].json
        assert isinstance(sent, dict)
        return sent

    def test_message_says_what_where_since_value_and_cure(self, receiver: HttpReceiver) -> None:
        sent = self.send(receiver, notification(), channel="#dba", username="pgwatch")
        assert sent["text"] == "*[FIRING:1] PostgresBlockedSession on roofing*"
        assert (sent["channel"], sent["username"]) == ("#dba", "pgwatch")
        assert "icon_emoji" not in sent
        (attachment,) = sent["attachments"]
        assert attachment["color"] == "#c5221f"
        what, cure, _link = attachment["blocks"]
        assert what["text"]["text"].splitlines() == [
            "*Session 4711 has been blocked for &lt;42 s&gt; &amp; waits*",
            "It waits for a lock that session 4712 holds.",
            "since <!date^1785553212^{date_short_pretty} {time_secs}|2026-08-01 03:00:12 UTC>"
            " (2m30s) · value *42*",
            "pid `4711` · target `roofing`",
            "<https://runbooks.example/blocked?a=1&b=2|Runbook>",
        ]
        assert cure["text"]["text"] == "*Cure*\n```SELECT pg_terminate_backend(4712);```"

    def test_end_is_green_and_has_no_cure(self, receiver: HttpReceiver) -> None:
        sent = self.send(receiver, notification(alert(ended=True), reason=Reason.ALL_RESOLVED))
        assert sent["text"] == "*[RESOLVED] PostgresBlockedSession on roofing*"
        (attachment,) = sent["attachments"]
        assert attachment["color"] == "#2e9e5b"
        assert "pg_terminate" not in str(attachment)
        assert "after 2m30s · last value 42" in str(attachment)

    def test_limits_of_block_kit_are_kept(self, receiver: HttpReceiver) -> None:
        long = {"summary": "<" * 5000, "description": "&" * 9000, "fix": "`" * 9000 + "<>" * 400}
        wide = {f"l{number}": ">" * 500 for number in range(30)}
        one = replace(alert(ended=False, **wide), annotations=long)
        big = [replace(one, labels=one.labels.merged({"pid": str(i)})) for i in range(60)]
        sent = self.send(receiver, notification(*big))
        (attachment,) = sent["attachments"]
        assert len(attachment["blocks"]) <= 50
        for block in attachment["blocks"]:
            if block["type"] == "section":
                assert len(block["text"]["text"]) <= 3000
                assert not re.search(r"&(?!(amp|lt|gt);)", block["text"]["text"]), "half an entity"
                assert block["text"]["text"].count("```") in (0, 2)
            else:
                assert len(block["elements"][0]["text"]) <= 3000
        assert "and 50 more" in str(attachment)

    def test_nobody_is_called_by_an_alert(self, receiver: HttpReceiver) -> None:
        loud = replace(alert(x="<!here>"), annotations={"summary": "<!channel> <@U1>"})
        assert "<!channel>" not in str(sent := self.send(receiver, notification(loud)))
        assert "<!here>" not in str(sent)
        assert "<@U1>" not in str(sent)

    @pytest.mark.parametrize(
        ("body", "permanent"),
        [
            ("no_text", True),
            ('{"ok": false, "error": "channel_not_found"}', True),
            ('{"ok": false, "error": "ratelimited"}', False),
            ('{"success": true}', None),
            ('{"ok": true}', None),
        ],
    )
    def test_refusal_with_status_200_is_a_refusal(
        self, receiver: HttpReceiver, body: str, permanent: bool | None
    ) -> None:
        receiver.then = Answer(body=body)
        if permanent is None:
            self.send(receiver, notification())
            return
        with pytest.raises(DeliveryError) as caught:
            self.send(receiver, notification())
        assert caught.value.permanent is permanent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return throwaway_certificate(tmp_path_factory.mktemp("tls"))


class TestEmail:
    @pytest.fixture
    def tls(self, certificate: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        return context

    def test_letter_reads_well_and_threads(self) -> None:
        with MailReceiver() as receiver:
            channel = build_channel(email_settings(receiver.port))
            channel.deliver(notification())
            over = notification(alert(ended=True), reason=Reason.ALL_RESOLVED, id="fedcba")
            channel.deliver(over)
            first, second = receiver.mails
            assert receiver.recipients[:2] == ["dba@example.org", "night@example.org"]
        assert first["Subject"] == "[FIRING:1] PostgresBlockedSession on roofing"
        assert second["Subject"] == "[RESOLVED] PostgresBlockedSession on roofing"
        assert first["Message-ID"] == "<0123456789abcdef@pgwatch.invalid>"
        assert first["References"] == second["References"]
        assert first["Message-ID"] != second["Message-ID"]
        assert first["Date"].datetime == NOW
        assert plain(first).splitlines() == [
            "[FIRING:1] PostgresBlockedSession on roofing",
            "",
            "Session 4711 has been blocked for <42 s> & waits",
            "  It waits for a lock that session 4712 holds.",
            "  since   2026-08-01 03:00:12 UTC",
            "  for     2m30s",
            "  value   42",
            "  pid     4711",
            "  target  roofing",
            "  cure:",
            "      SELECT pg_terminate_backend(4712);",
            "  runbook: https://runbooks.example/blocked?a=1&b=2",
            "",
            "-- ",
            "pgwatch http://pgwatch.example",
            '{}:{alertname="PostgresBlockedSession"}',
        ]
        html = first.get_body(("html",))
        assert html is not None
        assert "blocked for &lt;42 s&gt; &amp; waits" in html.get_content()

    def test_starttls_and_login(self, tls: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
        with MailReceiver(tls=tls, login=("pgwatch", PASSWORD)) as receiver:
            settings = email_settings(
                receiver.port,
                require_tls=True,
                tls=TlsSettings(ca_file=certificate[0]),
                username="pgwatch",
                password=Secret(value=PASSWORD),
            )
            build_channel(settings).deliver(notification())
            assert receiver.was_encrypted
            wrong = replace(settings, password=Secret(value="wrong-secret"))
            with pytest.raises(DeliveryError) as caught:
                build_channel(wrong).deliver(notification())
            assert "535" in str(caught.value)
            assert not caught.value.permanent

    def test_certificate_that_nobody_vouches_for_is_refused(self, tls: ssl.SSLContext) -> None:
        with MailReceiver(tls=tls) as receiver:
            settings = email_settings(receiver.port, require_tls=True)
            with pytest.raises(DeliveryError, match="cannot be used safely"):
                build_channel(settings).deliver(notification())
            trusting = replace(settings, tls=TlsSettings(insecure_skip_verify=True))
            build_channel(trusting).deliver(notification())

    def test_server_without_tls_is_refused_where_tls_is_required(self) -> None:
        with MailReceiver() as receiver:
            settings = email_settings(receiver.port, require_tls=True)
            with pytest.raises(DeliveryError, match="STARTTLS"):
                build_channel(settings).deliver(notification())
            assert not receiver.mails

    def test_one_refused_recipient_does_not_keep_it_from_the_others(self) -> None:
        with MailReceiver(refused=frozenset({"dba@example.org"})) as receiver:
            channel = build_channel(email_settings(receiver.port))
            assert channel.deliver(notification()) == "refused: dba@example.org"
            assert receiver.recipients == ["night@example.org"]

    def test_no_recipient_at_all_is_permanent(self) -> None:
        everybody = frozenset({"dba@example.org", "night@example.org"})
        with MailReceiver(refused=everybody) as receiver:
            with pytest.raises(DeliveryError, match="no such user") as caught:
                build_channel(email_settings(receiver.port)).deliver(notification())
            assert caught.value.permanent

    def test_headers_of_the_configuration_win_and_odd_labels_do_no_harm(self) -> None:
        with MailReceiver() as receiver:
            settings = email_settings(receiver.port, headers={"Subject": "Alarm", "X-Team": "dba"})
            odd = alert("Bad\nBcc: everyone@example.org")
            build_channel(settings).deliver(notification(odd))
            build_channel(email_settings(receiver.port)).deliver(notification(odd))
            first, second = receiver.mails
        assert (first["Subject"], first["X-Team"]) == ("Alarm", "dba")
        assert second["Bcc"] is None
