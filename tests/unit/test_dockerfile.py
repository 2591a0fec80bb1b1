"""What can be said about the Dockerfile without a Docker engine."""

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.receivers import throwaway_certificate
from tests.servers import ROOT

LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [
        source
        for copy in instructions("COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
    ]
    assert "pgwatch" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored


def test_it_runs_as_nobody_special() -> None:
    assert instructions("USER") == ["10001"]
    assert instructions("ENTRYPOINT") == ['["pgwatch"]']
    assert instructions("CMD") == ['["run"]']


class _Healthy(BaseHTTPRequestHandler):
    """Leads to the page, whatever `web.route_prefix` is, and answers `status` where the process is asked."""

    status = 200
    prefix = ""

    def do_GET(self) -> None:
        known = {"/": 302 if self.prefix else 200, f"{self.prefix}/": 200}
        known[f"{self.prefix}/-/healthy"] = self.status
        self.send_response(known.get(self.path, 404))
        self.send_header("Location", f"{self.prefix}/")
        self.end_headers()
        self.wfile.write(b"the outbox has ended\n")

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def answering(
    status: int, prefix: str, folder: Path | None, *, asks_back: bool = False
) -> Iterator[int]:
    """A server that is asked how it is; with a `folder` it speaks TLS. Gives its port."""
    handler = type("Handler", (_Healthy,), {"status": status, "prefix": prefix})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if folder is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*throwaway_certificate(folder))
        context.verify_mode = ssl.CERT_REQUIRED if asks_back else ssl.CERT_NONE
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(listen: str) -> subprocess.CompletedProcess[str]:
    """Run the image's health check."""
    (line,) = instructions("HEALTHCHECK")
    _, *command = json.loads(line.partition("CMD ")[2])
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PGWATCH__WEB__LISTEN": listen},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("host", "prefix"), [("0.0.0.0", ""), ("127.0.0.1", ""), ("", ""), ("0.0.0.0", "/pg")]
)
@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1), (401, 0)])
def test_health_check_asks_where_the_server_listens(
    status: int, exit_code: int, host: str, prefix: str
) -> None:
    with answering(status, prefix, None) as port:
        done = asked(f"{host}:{port}")
    assert done.returncode == exit_code, done.stderr


@pytest.mark.parametrize("asks_back", [False, True], ids=["TLS", "client certificates"])
def test_health_check_speaks_tls(tmp_path: Path, asks_back: bool) -> None:
    with answering(200, "", tmp_path, asks_back=asks_back) as port:
        assert asked(f"0.0.0.0:{port}").returncode == 0


def test_health_check_says_what_is_wrong(tmp_path: Path) -> None:
    with answering(503, "", tmp_path) as port:
        assert asked(f":{port}").stderr == "503: the outbox has ended\n"
    done = asked(f":{port}")
    assert (done.returncode, "refused" in done.stderr) == (1, True)
