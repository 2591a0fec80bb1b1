"""What every channel must do, and what each does in its own way, with real receivers."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.alerts.evidence import Evidence
from pgwatch.notify.channels.base import Channel, DeliveryError, retry_after_of
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.notification import News, Reason
from pgwatch.notify.receiver import WebhookSettings
from pgwatch.notify.trial import trial
from pgwatch.secret import Secret
from tests.channels import KINDS, SECRET, Kind
from tests.notifications import NOW, PASSWORD, alert, email_settings, notification, plain
from tests.receivers import Answer, HttpReceiver, MailReceiver


@dataclass
class Bench:
    """A channel and its real receiver; `how` is `accept`, `later`, `unreadable` or `broken`."""

    channel: Channel
    shows_people: bool
    resolved: str
    accepted: str = ""
    password: str = ""  # if it has one
    http: HttpReceiver | None = None
    mail: MailReceiver | None = None

    def answer(self, how: str) -> None:
        if self.http is not None:
            status = {"accept": 200, "later": 503, "unreadable": 400, "broken": 403}[how]
            echo = (
                f"no such thing: {self.http.url}/services/T000/{SECRET} {self.password} 1:{SECRET}"
            )
            self.http.then = Answer(status=status, body=self.accepted if how == "accept" else echo)
        if self.mail is not None:
            self.mail.reply = {
                "accept": "250 OK",
                "later": f"451 4.3.0 try again later with {PASSWORD}",
                "unreadable": f"552 5.3.4 too big, {PASSWORD}",
                "broken": f"535 5.7.8 authentication with {PASSWORD} is gone",
            }[how]

    def received(self) -> str:
        if self.http is not None:
            return str([(request.path, request.json) for request in self.http.requests])
        assert self.mail is not None
        return "".join(str(one["Subject"]) + str(plain(one)) for one in self.mail.mails)


def bench_of(kind: Kind, stack: ExitStack) -> Bench:
    http = stack.enter_context(HttpReceiver(then=Answer(body=kind.accepted)))
    how = HttpSettings(timeout=timedelta(seconds=20))
    if kind.name in ("webhook", "msteamsv2", "discord", "alertmanager"):
        how = replace(how, username="pgwatch", password=Secret(value=PASSWORD))
    channel = build_channel(kind.make(http.url, how))
    stack.callback(channel.close)
    password = PASSWORD if how.username else ""
    return Bench(channel, kind.shows_people, kind.resolved, kind.accepted, password, http=http)


@pytest.fixture(params=[*KINDS, "email"], ids=str)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as stack:
        if isinstance(request.param, Kind):
            yield bench_of(request.param, stack)
            return
        mail = stack.enter_context(MailReceiver(login=("pgwatch", PASSWORD)))
        login = {"username": "pgwatch", "password": Secret(value=PASSWORD)}
        channel = build_channel(email_settings(mail.port, **login))
        yield Bench(channel, shows_people=True, resolved="RESOLVED", mail=mail)


class TestContract:
    """What the outbox relies on, for every kind of channel."""

    def test_firing_alert_arrives_with_what_a_person_needs(self, bench: Bench) -> None:
        bench.channel.deliver(notification())
        received = bench.received().replace("\\", "")
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
        assert bench.resolved in bench.received().upper()
        assert "FIRING" not in bench.received()

    @pytest.mark.parametrize(
        ("how", "permanent", "slow"),
        [("later", False, False), ("unreadable", True, False), ("broken", False, True)],
    )
    def test_refusal_is_of_its_class_and_holds_no_secret(
        self, bench: Bench, how: str, permanent: bool, slow: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.answer(how)
        if bench.channel.kind == "alertmanager" and how == "unreadable":
            # It stores what it can of a batch, so the others of it are told.
            assert "answered 400" in bench.channel.deliver(notification()).answer
        else:
            with pytest.raises(DeliveryError) as caught:
                bench.channel.deliver(notification())
            assert caught.value.permanent is permanent
            assert caught.value.broken is slow
            assert caught.value.retry_after == (timedelta(minutes=15) if slow else None)
            for secret in (PASSWORD, SECRET):
                assert secret not in str(caught.value)
                assert secret not in caught.value.body
        for secret in (PASSWORD, SECRET):
            assert secret not in repr(vars(bench.channel))
            assert secret not in caplog.text
            assert secret not in "".join(str(vars(record)) for record in caplog.records)

    def test_what_cannot_be_read_is_said_in_plain_words_once(self, bench: Bench) -> None:
        if bench.http is None or bench.channel.kind == "alertmanager":
            pytest.skip("it has no plainer words")
        bench.http.answers = [Answer(status=413, body="too much"), Answer(body=bench.accepted)]
        receipt = bench.channel.deliver(notification(*(alert(pid=str(n)) for n in range(30))))
        assert "in plain words, because the receiver answered 413: too much" in receipt.answer
        assert len(bench.http.requests) == 2
        assert "PostgresBlockedSession" in str(bench.http.requests[1].json)

    def test_trial_says_that_nothing_is_wrong(self, bench: Bench) -> None:
        bench.channel.deliver(trial("team", "x[0]", NOW))
        assert "PgwatchTest" in bench.received()
        if bench.shows_people:
            assert "Nothing is wrong" in bench.received()

    def test_channel_works_after_a_refusal(self, bench: Bench) -> None:
        bench.answer("later")
        with pytest.raises(DeliveryError):
            bench.channel.deliver(notification())
        bench.answer("accept")
        bench.channel.deliver(notification())

    def test_ten_thousand_long_alerts_fit(self, bench: Bench) -> None:
        long = {"summary": "<&*_" * 500, "description": "[x](y)`" * 900, "fix": "é" * 3000}
        many = [
            replace(alert(pid=str(number), more="v" * 300), annotations=long)
            for number in range(10_000 if bench.shows_people else 500)
        ]
        bench.channel.deliver(notification(*many))
        if bench.shows_people:
            found = re.search(r"and (\d{4}) more", bench.received())
            assert found is not None, "people read some, and how many more there are"
            assert int(found[1]) >= 9900
        if bench.http is not None and bench.channel.kind in LIMITS:
            for request in bench.http.requests:
                sent = json.dumps(request.json, ensure_ascii=False)
                assert len(sent.encode()) <= LIMITS[bench.channel.kind]


# Bytes of a whole message: https://developer.pagerduty.com, Teams, Discord and Slack: see the channels.
LIMITS = {"pagerduty": 512_000, "msteamsv2": 28_000, "telegram": 12_000, "slack": 200_000}

ODD_STATUSES = [
    # (status, permanent, broken, the whole receiver is the trouble)
    (401, False, True, True),
    (404, False, True, True),
    (408, False, False, True),
    (410, False, True, True),
    (422, True, False, True),
    (425, False, False, True),
    (429, False, False, True),
    (500, False, False, False),
    (502, False, False, True),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
class TestContractOverHttp:
    """What every channel that speaks HTTP does alike."""

    def test_statuses(self, kind: Kind) -> None:
        with ExitStack() as stack:
            bench = bench_of(kind, stack)
            assert bench.http is not None
            for status, permanent, broken, unavailable in ODD_STATUSES:
                if kind.name == "alertmanager" and permanent:
                    continue
                bench.http.then = Answer(status=status, body="no")
                with pytest.raises(DeliveryError) as caught:
                    bench.channel.deliver(notification())
                error = caught.value
                found = (error.status, error.permanent, error.broken, error.unavailable)
                assert found == (status, permanent, broken, unavailable)

    def test_retry_after_is_heard(self, kind: Kind) -> None:
        with ExitStack() as stack:
            bench = bench_of(kind, stack)
            assert bench.http is not None
            bench.http.then = Answer(status=429, headers={"Retry-After": "30"})
            with pytest.raises(DeliveryError) as caught:
                bench.channel.deliver(notification())
            assert caught.value.retry_after == timedelta(seconds=30)

    def test_redirect_that_loses_the_message_is_no_success(self, kind: Kind) -> None:
        with ExitStack() as stack:
            bench = bench_of(kind, stack)
            assert bench.http is not None
            bench.http.answers = [Answer(status=302, headers={"Location": bench.http.url + "/new"})]
            with pytest.raises(DeliveryError, match=r"redirects \(302\)") as caught:
                bench.channel.deliver(notification())
            assert caught.value.broken

    def test_receiver_that_hangs_is_left_alone(self, kind: Kind) -> None:
        with HttpReceiver(then=Answer(delay=2, body=kind.accepted)) as receiver:
            http = HttpSettings(timeout=timedelta(milliseconds=150))
            channel = build_channel(kind.make(receiver.url, http))
            with pytest.raises(DeliveryError, match="no answer in time") as caught:
                channel.deliver(notification())
            channel.close()
        assert not caught.value.permanent

    def test_silent_port_is_a_passing_trouble(self, kind: Kind) -> None:
        # The port of `discard`, which nobody serves.
        channel = build_channel(kind.make("http://127.0.0.1:9", HttpSettings()))
        with pytest.raises(DeliveryError, match="cannot reach the receiver") as caught:
            channel.deliver(notification())
        assert not caught.value.permanent
        assert SECRET not in str(caught.value)


def test_silent_port_is_a_passing_trouble_of_mail() -> None:
    with pytest.raises(DeliveryError, match="cannot reach the mail server") as caught:
        build_channel(email_settings(9)).deliver(notification())
    assert not caught.value.permanent


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
                "pgwatch": {"news": "new", "value": "42"},
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


def test_webhook_tells_what_version_4_has_no_place_for() -> None:
    evidence = Evidence(query="q", at=NOW, columns=("pid",), rows=(("4711",),))
    since = NOW - timedelta(hours=1)
    known = replace(
        alert(),
        news=News.STILL,
        value=math.inf,
        no_data_since=since,
        evidence=evidence,
        owner="ann",
        owner_comment="on it",
        quiet_since=since,
        quiet_because="silenced by bob",
    )
    over = replace(alert(ended=True, pid="1"), news=News.RESOLVED, value_at_recovery=0.0)
    with HttpReceiver() as receiver:
        channel = build_channel(WebhookSettings(url=Secret(value=receiver.url)))
        channel.deliver(notification(known, over))
        channel.close()
        (request,) = receiver.requests
    firing, resolved = (one["pgwatch"] for one in request.json["alerts"])
    assert firing == {
        "url": f"http://pgwatch.example/alert/{known.labels.fingerprint()}",
        "news": "still",
        "value": "+Inf",
        "noDataSince": "2026-08-01T02:02:42Z",
        "owner": "ann",
        "ownerComment": "on it",
        "quietSince": "2026-08-01T02:02:42Z",
        "quietBecause": "silenced by bob",
        "evidence": {
            "query": "q",
            "at": "2026-08-01T03:02:42Z",
            "columns": ["pid"],
            "rows": [["4711"]],
            "omitted": 0,
            "note": "",
        },
    }
    assert resolved == {"news": "resolved", "value": "42", "valueAtRecovery": "0"}
