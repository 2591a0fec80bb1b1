"""http_config: each way to prove who one is, proxies, headers and TLS, with real servers."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.channels.proxy import is_exempt, proxy_of_environment
from pgwatch.notify.http_settings import (
    HttpSettings,
    OAuth2Settings,
    ProxySettings,
    TlsSettings,
)
from pgwatch.notify.receiver import WebhookSettings
from pgwatch.secret import Secret
from tests.notifications import notification
from tests.receivers import Answer, HttpReceiver, throwaway_certificate

SECRET = "client-secret-of-mine"


def deliver(url: str, settings: HttpSettings, times: int = 1) -> None:
    channel = build_channel(WebhookSettings(url=Secret(value=url), http=settings))
    try:
        for _ in range(times):
            channel.deliver(notification())
    finally:
        channel.close()


def token(text: str, expires_in: int = 3600) -> Answer:
    return Answer(body=json.dumps({"access_token": text, "expires_in": expires_in}))


def oauth2(url: str) -> HttpSettings:
    settings = OAuth2Settings(
        client_id="me",
        client_secret=Secret(value=SECRET),
        token_url=url,
        scopes=("a", "b"),
        endpoint_params={"audience": "x"},
    )
    return HttpSettings(oauth2=settings)


class TestOAuth2:
    def test_token_is_fetched_once_and_again_when_it_expires(self) -> None:
        with HttpReceiver() as receiver, HttpReceiver() as tokens:
            tokens.answers = [token("short", 5), token("long")]
            deliver(receiver.url, oauth2(tokens.url), times=3)
            sent = [request.headers["Authorization"] for request in receiver.requests]
            asked = [request.headers["Authorization"] for request in tokens.requests]
            form = str(tokens.requests[0].json)
        assert sent == ["Bearer short", "Bearer long", "Bearer long"]
        assert all(one.startswith("Basic ") for one in asked)
        assert form == "grant_type=client_credentials&audience=x&scope=a+b"

    def test_refused_token_is_replaced(self) -> None:
        with HttpReceiver() as receiver, HttpReceiver() as tokens:
            tokens.answers = [token("first"), token("second")]
            receiver.answers = [Answer(status=401)]
            channel = build_channel(
                WebhookSettings(url=Secret(value=receiver.url), http=oauth2(tokens.url))
            )
            with pytest.raises(DeliveryError):
                channel.deliver(notification())
            channel.deliver(notification())
            channel.close()
            assert receiver.requests[-1].headers["Authorization"] == "Bearer second"

    @pytest.mark.parametrize(
        ("answer", "broken"),
        [
            (Answer(status=401, body=f"wrong {SECRET}"), True),
            (Answer(status=400, body="unknown scope"), True),
            (Answer(status=503), False),
            (Answer(body="no json"), True),
        ],
    )
    def test_no_token_is_no_reason_to_give_up(self, answer: Answer, broken: bool) -> None:
        with HttpReceiver() as receiver, HttpReceiver(then=answer) as tokens:
            with pytest.raises(DeliveryError, match="no OAuth 2 token") as caught:
                deliver(receiver.url, oauth2(tokens.url))
            assert not receiver.requests
        assert (caught.value.permanent, caught.value.broken) == (False, broken)
        assert SECRET not in str(caught.value)


def test_headers_come_from_values_and_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    headers = (("X-Team", Secret(value="dba")), ("X-Key", Secret(file=tmp_path / "key")))
    with HttpReceiver() as receiver:
        deliver(receiver.url, HttpSettings(headers=headers))
        (request,) = receiver.requests
    assert (request.headers["X-Team"], request.headers["X-Key"]) == ("dba", "from-file")


def test_secret_headers_do_not_follow_to_another_host() -> None:
    headers = (("X-Key", Secret(value="key-of-mine")),)
    with HttpReceiver() as receiver, HttpReceiver() as other:
        there = other.url.replace("127.0.0.1", "localhost")
        receiver.answers = [Answer(status=307, headers={"Location": there})]
        deliver(receiver.url, HttpSettings(headers=headers))
        assert receiver.requests[0].headers["X-Key"] == "key-of-mine"
        assert "X-Key" not in other.requests[0].headers


def test_redirects_are_not_followed_unless_wanted() -> None:
    with HttpReceiver() as receiver:
        receiver.then = Answer(status=307, headers={"Location": receiver.url + "/other"})
        with pytest.raises(DeliveryError, match=r"redirects \(307\)"):
            deliver(receiver.url, HttpSettings(follow_redirects=False))
        assert len(receiver.requests) == 1


class TestProxy:
    def test_request_goes_through_the_proxy(self) -> None:
        with HttpReceiver() as proxy:
            settings = ProxySettings(url=Secret(value=proxy.url))
            deliver("http://receiver.invalid/hook", HttpSettings(proxy=settings))
            assert [request.path for request in proxy.requests] == ["http://receiver.invalid/hook"]

    def test_no_proxy_goes_past_it(self) -> None:
        with HttpReceiver() as receiver, HttpReceiver() as proxy:
            settings = ProxySettings(url=Secret(value=proxy.url), no_proxy="127.0.0.0/8")
            deliver(receiver.url, HttpSettings(proxy=settings))
            assert (len(receiver.requests), len(proxy.requests)) == (1, 0)

    def test_environment_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with HttpReceiver() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "other.invalid")
            with pytest.raises(DeliveryError):
                deliver("http://receiver.invalid/", HttpSettings())
            deliver(
                "http://receiver.invalid/",
                HttpSettings(proxy=ProxySettings(from_environment=True)),
            )
            assert len(proxy.requests) == 1

    @pytest.mark.parametrize(
        ("url", "no_proxy", "expected"),
        [
            ("http://a.example.org", "example.org", True),
            ("http://example.org", "example.org", True),
            ("http://example.org", ".example.org", False),
            ("http://badexample.org", "example.org", False),
            ("http://a.example.org:8080", "example.org:8080", True),
            ("http://a.example.org", "example.org:8080", False),
            ("https://x.y", "x.y:443", True),
            ("http://10.1.2.3", "10.0.0.0/8", True),
            ("http://10.1.2.3", "10.1.2.3", True),
            ("http://10.1.2.3", "10.1.2.4, a", False),
            ("http://[fe80::1]:9", "[fe80::1]:9", True),
            ("http://x", "*", True),
            ("http://localhost:1", "", True),
            ("http://x", "", False),
        ],
    )
    def test_exemptions(self, url: str, no_proxy: str, expected: bool) -> None:
        assert is_exempt(url, no_proxy) is expected

    def test_environment_by_scheme(self) -> None:
        names = {"https_proxy": "http://p:1", "no_proxy": "b"}
        assert proxy_of_environment("https://a", names) == "http://p:1"
        assert proxy_of_environment("https://b", names) == ""
        assert proxy_of_environment("http://a", names) == ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return throwaway_certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def https(certificate: tuple[Path, Path], *, client: bool = False) -> Iterator[str]:
    """An HTTPS server that accepts everything; with `client`, only from whoever has the certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestTls:
    def test_authority_by_file_and_by_text(self, certificate: tuple[Path, Path]) -> None:
        with https(certificate) as url:
            deliver(url, HttpSettings(tls=TlsSettings(ca_file=certificate[0])))
            deliver(url, HttpSettings(tls=TlsSettings(ca=certificate[0].read_text())))
            deliver(url, HttpSettings(tls=TlsSettings(insecure_skip_verify=True)))
            with pytest.raises(DeliveryError, match="its TLS certificate is not accepted"):
                deliver(url, HttpSettings())

    def test_server_name_is_what_the_certificate_must_be_for(
        self, certificate: tuple[Path, Path]
    ) -> None:
        with https(certificate) as url:
            trusted = TlsSettings(ca_file=certificate[0])
            deliver(url, HttpSettings(tls=replace(trusted, server_name="localhost")))
            with pytest.raises(DeliveryError, match="its TLS certificate is not accepted"):
                deliver(url, HttpSettings(tls=replace(trusted, server_name="other.invalid")))

    def test_client_certificate_by_file_and_by_text(self, certificate: tuple[Path, Path]) -> None:
        public, key = certificate
        by_file = TlsSettings(ca_file=public, cert_file=public, key_file=key)
        by_text = TlsSettings(
            ca_file=public, cert=public.read_text(), key=Secret(value=key.read_text())
        )
        with https(certificate, client=True) as url:
            deliver(url, HttpSettings(tls=by_file))
            deliver(url, HttpSettings(tls=by_text))
            with pytest.raises(DeliveryError):
                deliver(url, HttpSettings(tls=TlsSettings(ca_file=public)))

    def test_versions_are_limits(self, certificate: tuple[Path, Path]) -> None:
        tls = TlsSettings(ca_file=certificate[0], min_version="TLS12", max_version="TLS12")
        with https(certificate) as url:
            deliver(url, HttpSettings(tls=tls))

    def test_file_that_is_gone_is_told_and_is_no_bug(self, tmp_path: Path) -> None:
        settings = HttpSettings(tls=TlsSettings(ca_file=tmp_path / "absent.pem"))
        with pytest.raises(DeliveryError, match=r"absent\.pem: No such file") as caught:
            deliver("https://127.0.0.1:9/", settings)
        assert caught.value.broken
