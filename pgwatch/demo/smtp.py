"""A mail server that keeps what it gets: enough of SMTP (RFC 5321) to receive, on loopback, without TLS."""

import socketserver
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

_LARGEST = 1_000_000  # bytes of a message
_LONGEST_LINE = 2_000  # bytes; RFC 5321 allows 1000
_IDLE_S = 30.0
_ANSWERS = {
    "EHLO": f"250-pgwatch\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {_LARGEST}",
    **dict.fromkeys(("HELO", "MAIL", "NOOP", "RCPT", "RSET"), "250 OK"),
    "QUIT": "221 Bye",
}


class SmtpSink:
    """Listens on 127.0.0.1 and hands each message to `receive`, in the thread of its connection."""

    def __init__(self, receive: Callable[[EmailMessage], None], port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.receive = receive
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="inbox-smtp", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting and release the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    receive: Callable[[EmailMessage], None]


class _Session(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _IDLE_S

    def handle(self) -> None:
        """Answer commands until QUIT, silence or the end of the connection."""
        self._sender = False
        self._recipients: list[str] = []
        try:
            self._say("220 pgwatch demo inbox")
            while (command := self._line()) is not None:
                verb = command[:4].upper()
                self._say(self._answer(verb, command))
                if verb == "QUIT":
                    return
        except OSError:
            return  # the client went away or fell silent

    def _answer(self, verb: str, command: str) -> str:
        if verb in ("MAIL", "RSET"):
            self._sender, self._recipients = verb == "MAIL", []
        elif verb == "RCPT" and self._sender:
            self._recipients.append(command)
        elif verb == "DATA" and self._recipients:
            return self._take_message()
        elif verb in ("RCPT", "DATA"):
            return "503 MAIL and RCPT come first"
        return _ANSWERS.get(verb, "502 not implemented")

    def _take_message(self) -> str:
        self._say("354 end with a dot")
        lines: list[bytes] = []
        size = 0
        while (line := self.rfile.readline(_LONGEST_LINE)) not in (b".\r\n", b".\n"):
            if not line:
                raise ConnectionResetError
            size += len(line)
            if size <= _LARGEST:
                # A line that begins with a dot was sent with one more (RFC 5321, 4.5.2).
                lines.append(line[1:] if line.startswith(b".") else line)
        self._sender, self._recipients = False, []
        if size > _LARGEST:
            return "552 too large"
        message = message_from_bytes(b"".join(lines).replace(b"\r\n", b"\n"), policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.server.receive(message)
        return "250 kept"

    def _line(self) -> str | None:
        line = self.rfile.readline(_LONGEST_LINE)
        return line.decode("utf-8", errors="replace").rstrip("\r\n") if line else None

    def _say(self, answer: str) -> None:
        self.wfile.write(answer.encode() + b"\r\n")
