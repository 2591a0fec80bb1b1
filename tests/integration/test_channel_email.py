"""E-mail: how a letter reads and threads, TLS, logins and recipients."""

import hmac
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.http_settings import TlsSettings
from pgwatch.notify.notification import Reason
from pgwatch.secret import Secret
from tests.notifications import NOW, PASSWORD, alert, email_settings, notification, plain
from tests.receivers import MailReceiver, throwaway_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return throwaway_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def test_letter_reads_well_and_threads() -> None:
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
    assert first["References"] == second["References"] == first["In-Reply-To"]
    # Alertmanager's: sixteen digits of the group key's sha256.
    assert first["References"] == "<alert-fb14ec015017833d-@alertmanager>"
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
        "  acknowledge or silence: http://pgwatch.example/alert/992587f83959bfb4",
        "",
        "-- ",
        "pgwatch http://pgwatch.example",
        '{}:{alertname="PostgresBlockedSession"}',
    ]
    html = first.get_body(("html",))
    assert html is not None
    assert "blocked for &lt;42 s&gt; &amp; waits" in html.get_content()
    assert 'href="http://pgwatch.example/alert/992587f83959bfb4"' in html.get_content()
    assert "/alert/" not in plain(second), "there is nothing to acknowledge any more"


def test_starttls_and_login(tls: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
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


def test_certificate_that_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    with MailReceiver(tls=tls) as receiver:
        settings = email_settings(receiver.port, require_tls=True)
        with pytest.raises(DeliveryError, match="cannot be used safely"):
            build_channel(settings).deliver(notification())
        trusting = replace(settings, tls=TlsSettings(insecure_skip_verify=True))
        build_channel(trusting).deliver(notification())


def test_server_without_tls_is_refused_where_tls_is_required() -> None:
    with MailReceiver() as receiver:
        settings = email_settings(receiver.port, require_tls=True)
        with pytest.raises(DeliveryError, match="STARTTLS"):
            build_channel(settings).deliver(notification())
        assert not receiver.mails


def test_one_refused_recipient_does_not_keep_it_from_the_others() -> None:
    with MailReceiver(refused=frozenset({"dba@example.org"})) as receiver:
        channel = build_channel(email_settings(receiver.port))
        assert channel.deliver(notification()).answer == "refused: dba@example.org"
        assert receiver.recipients == ["night@example.org"]


def test_no_recipient_at_all_is_permanent() -> None:
    everybody = frozenset({"dba@example.org", "night@example.org"})
    with MailReceiver(refused=everybody) as receiver:
        with pytest.raises(DeliveryError, match="no such user") as caught:
            build_channel(email_settings(receiver.port)).deliver(notification())
        assert caught.value.permanent


def test_headers_of_the_configuration_win_and_odd_labels_do_no_harm() -> None:
    with MailReceiver() as receiver:
        settings = email_settings(receiver.port, headers={"Subject": "Alarm", "X-Team": "dba"})
        odd = alert("Bad\nBcc: everyone@example.org")
        build_channel(settings).deliver(notification(odd))
        build_channel(email_settings(receiver.port)).deliver(notification(odd))
        first, second = receiver.mails
    assert (first["Subject"], first["X-Team"]) == ("Alarm", "dba")
    assert second["Bcc"] is None


def test_texts_of_the_configuration_are_templates() -> None:
    with MailReceiver() as receiver:
        settings = email_settings(
            receiver.port,
            to="{{ .CommonLabels.target }}@example.org",
            headers={"Subject": '{{ template "email.default.subject" . }}!'},
            html="<b>{{ .CommonAnnotations.summary }}</b>",
            text="",
            thread_by_date=True,
        )
        build_channel(settings).deliver(notification())
        (mail,) = receiver.mails
        assert receiver.recipients == ["roofing@example.org"]
    assert mail["Subject"] == "[FIRING:1] PostgresBlockedSession on roofing!"
    assert mail["References"] == "<alert-fb14ec015017833d-2026-08-01@alertmanager>"
    assert mail.get_body(("plain",)) is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>Session 4711 has been blocked for &lt;42 s&gt; &amp; waits</b>" in html.get_content()


def test_template_that_fails_is_replaced_and_an_address_is_not() -> None:
    with MailReceiver() as receiver:
        settings = email_settings(
            receiver.port, html="{{ .Nope }}", headers={"Subject": "{{ .X }}"}
        )
        receipt = build_channel(settings).deliver(notification())
        assert "in plain words, because a template fails" in receipt.answer
        assert "pg_terminate_backend" in plain(receiver.mails[0])
        with pytest.raises(DeliveryError, match="the template of its address") as caught:
            build_channel(replace(settings, to="{{ .Nope }}")).deliver(notification())
        assert caught.value.broken


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_logins(mechanism: str) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    with MailReceiver(login=("pgwatch", PASSWORD), not_offered=other) as receiver:
        settings = email_settings(
            receiver.port, username="pgwatch", password=Secret(value=PASSWORD)
        )
        build_channel(settings).deliver(notification())
        assert len(receiver.mails) == 1
        only_secret = replace(settings, password=None, secret=Secret(value="x"))
        with pytest.raises(DeliveryError, match="offers no login that can be used"):
            build_channel(only_secret).deliver(notification())


def test_server_name_is_what_the_certificate_must_be_for(
    tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    with MailReceiver(tls=tls) as receiver:
        trusted = TlsSettings(ca_file=certificate[0], server_name="localhost")
        settings = email_settings(receiver.port, require_tls=True, tls=trusted)
        build_channel(settings).deliver(notification())
        wrong = replace(settings, tls=replace(trusted, server_name="other.invalid"))
        with pytest.raises(DeliveryError, match="cannot be used safely"):
            build_channel(wrong).deliver(notification())


class CramServer(MailReceiver):
    """Also takes CRAM-MD5 (RFC 2195), where the password never goes over the line."""

    async def auth_CRAM__MD5(self, server: SMTP, arguments: list[str]) -> AuthResult:
        answer = await server.challenge_auth("<1896.697170952@mail>", encode_to_b64=True)
        user, _, digest = (answer if isinstance(answer, bytes) else b"").partition(b" ")
        right = hmac.new(PASSWORD.encode(), b"<1896.697170952@mail>", "md5").hexdigest()
        good = (user, digest) == (b"pgwatch", right.encode())
        return AuthResult(success=good, handled=False, auth_data=user)


def test_cram_md5_is_used_with_a_secret_only() -> None:
    with CramServer(login=("pgwatch", PASSWORD)) as receiver:
        settings = email_settings(receiver.port, username="pgwatch", secret=Secret(value=PASSWORD))
        build_channel(settings).deliver(notification())
        assert len(receiver.mails) == 1
        wrong = replace(settings, secret=Secret(value="wrong-secret"))
        with pytest.raises(DeliveryError, match="535"):
            build_channel(wrong).deliver(notification())
        build_channel(replace(settings, secret=None, password=Secret(value=PASSWORD))).deliver(
            notification()
        )
        assert len(receiver.mails) == 2


def test_server_without_encryption_gets_nothing_unless_told_so() -> None:
    with MailReceiver() as receiver:
        settings = email_settings(receiver.port, require_tls=True)
        with pytest.raises(DeliveryError, match=r"STARTTLS.*`require_tls: false` .*sends without"):
            build_channel(settings).deliver(notification())
        assert receiver.mails == []
