"""The demo's inbox: local receivers for Slack, webhooks and e-mail, and a page that shows what came."""

import json
import threading
from collections import deque
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from pgwatch.demo.page import inbox_page
from pgwatch.demo.received import Email, Message, SlackMessage, WebhookMessage
from pgwatch.demo.smtp import SmtpSink

_KEPT = 500  # messages; older ones are forgotten
_LARGEST = 1_000_000  # bytes of a request
_RECEIVERS: dict[str, type[SlackMessage] | type[WebhookMessage]] = {
    "/slack": SlackMessage,
    "/webhook": WebhookMessage,
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Inbox:
    """Receives on loopback from `start()` to `stop()`: HTTP for Slack and webhooks, SMTP for e-mail."""

    def __init__(self, *, http_port: int = 0, smtp_port: int = 0) -> None:
        """Bind the ports; 0 takes a free one."""
        self._messages: deque[Message] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._mail = SmtpSink(self._take_email, smtp_port)
        self._server = _Server(("127.0.0.1", http_port), _Handler)
        self._server.inbox = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="inbox-http", daemon=True
        )

    @property
    def url(self) -> str:
        """The page's address; also the base of the webhooks' addresses."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def slack_url(self) -> str:
        """What a Slack receiver's `api_url` is set to."""
        return f"{self.url}slack"

    @property
    def webhook_url(self) -> str:
        """What a webhook receiver's `url` is set to."""
        return f"{self.url}webhook"

    @property
    def smarthost(self) -> str:
        """What an e-mail receiver's `smarthost` is set to; it speaks no TLS."""
        return f"127.0.0.1:{self._mail.port}"

    @property
    def messages(self) -> tuple[Message, ...]:
        """What has arrived, newest first."""
        with self._lock:
            return tuple(reversed(self._messages))

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()
        self._mail.start()

    def stop(self) -> None:
        """Stop receiving and release the ports."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._mail.stop()

    def __enter__(self) -> "Inbox":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def take(self, message: Message) -> None:
        """Keep a message that arrived."""
        with self._lock:
            self._messages.append(message)

    def _take_email(self, message: EmailMessage) -> None:
        self.take(Email(at=datetime.now(UTC), message=message))


class _Server(ThreadingHTTPServer):
    inbox: Inbox


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        """Show the page."""
        if self.path != "/":
            self._answer(404, "no such page\n")
            return
        page = inbox_page(self.server.inbox.messages)
        self._answer(200, page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        """Keep a message and answer as Slack's webhook does."""
        kind = _RECEIVERS.get(self.path)
        length = self.headers.get("Content-Length", "")
        if kind is None:
            self._answer(404, "no such receiver\n")
        elif not length.isascii() or not length.isdigit() or int(length) > _LARGEST:
            self._answer(413, "too large\n")
        else:
            self._take(kind, self.rfile.read(int(length)))

    def _take(self, kind: type[SlackMessage] | type[WebhookMessage], body: bytes) -> None:
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            self._answer(400, "invalid_payload\n")
            return
        self.server.inbox.take(kind(at=datetime.now(UTC), payload=payload))
        self._answer(200, "ok")

    def _answer(
        self, status: int, body: str, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        content = body.encode("utf-8", errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the page is the log."""
