"""What every channel must do, and what each does in its own way, with real receivers."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.notify.channels.base import Channel, DeliveryError, retry_after_of
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.http_settings import HttpSettings
from pgwatch.notify.notification import Reason
from pgwatch.notify.receiver import ChannelSettings, SlackSettings, WebhookSettings
from pgwatch.notify.trial import trial
from pgwatch.secret import Secret
from tests.notifications import NOW, PASSWORD, alert, email_settings, notification, plain
from tests.receivers import Answer, HttpReceiver, MailReceiver

SECRET_PATH = "/services/T000/B000/XXXsecretXXX"


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
                url=Secret(value=receiver.url),
                http=HttpSettings(timeout=timedelta(milliseconds=200)),
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
