"""Real receivers on loopback that answer what a test tells them: HTTP and SMTP."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds; an answer can be slower than the client waits
    hang_up: bool = False  # close the connection instead


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    json: Any
    at: float  # Unix time of its arrival
    answer: Answer  # it gets, if it waits for it


class _Server(ThreadingHTTPServer):
    request_queue_size = 1000  # who is refused for want of place tries again only after a second


class HttpReceiver:
    """Answers each request with the next of `answers`, and with `then` when they are used up.

    `then` may also be a function that chooses.
    """

    def __init__(self, *answers: Answer, then: Answer | Callable[[], Answer] = Answer()) -> None:
        self.answers = list(answers)
        self.then = then
        self.requests: list[Request] = []
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def do_PUT(self) -> None:
                receiver._answer(self)

            def do_GET(self) -> None:
                receiver._answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        if len(body) < length:
            return  # the client was killed
        with self._arrived:
            then = self.then if isinstance(self.then, Answer) else self.then()
            answer = self.answers.pop(0) if self.answers else then
            self.requests.append(
                Request(
                    method=handler.command,
                    path=handler.path,
                    headers=dict(handler.headers),
                    json=_json_of(body),
                    at=time.time(),
                    answer=answer,
                )
            )
            self._arrived.notify_all()
        time.sleep(answer.delay)
        if answer.hang_up:
            return  # which closes the connection
        try:
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(answer.body.encode())))
            handler.end_headers()
            handler.wfile.write(answer.body.encode())
        except OSError:
            pass  # the client gave up

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Request]:
        """Return the requests when there are `count`; fails after `seconds`."""
        self.wait_until(lambda: len(self.requests) >= count, seconds)
        return list(self.requests)

    def wait_until(self, come: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return when `come` is true after a request; fails after `seconds`."""
        with self._arrived:
            assert self._arrived.wait_for(come, seconds), f"{len(self.requests)} requests came"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode()  # a form


class MailReceiver:
    """An SMTP server that keeps what it accepts; `reply` is its answer to DATA."""

    def __init__(
        self,
        *,
        reply: str = "250 OK",
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        refused: frozenset[str] = frozenset(),
        not_offered: str = "",  # a way to log in
    ) -> None:
        self.reply = reply
        self.refused = refused
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.was_encrypted = False
        self._login = login
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=_free_port(),
            ready_timeout=20,
            tls_context=tls,
            authenticator=self._authenticate if login else None,
            auth_required=login is not None and tls is not None,
            auth_require_tls=tls is not None,
            auth_exclude_mechanism=[not_offered] if not_offered else (),
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = (
            (data.login.decode(), data.password.decode())
            if isinstance(data, LoginPassword)
            else None
        )
        return AuthResult(success=given == self._login, handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return f"550 5.1.1 {address}: no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.reply.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.mails.append(BytesParser(policy=default).parsebytes(content))
            self.recipients += envelope.rcpt_tos
            self.was_encrypted = session.ssl is not None
        return self.reply

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def _free_port() -> int:
    # aiosmtpd's controller must know its port beforehand.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def throwaway_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the certificate and key files of a new self-signed certificate for localhost."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        ["openssl", *make, "-addext", names, "-out", str(certificate), "-keyout", str(key)],
        check=True,
        capture_output=True,
    )
    return certificate, key
