"""What can be said about the Dockerfile without a Docker engine."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

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

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("host", "prefix"), [("0.0.0.0", ""), ("127.0.0.1", ""), ("", ""), ("0.0.0.0", "/pg")]
)
@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_health_check_asks_where_the_server_listens(
    status: int, exit_code: int, host: str, prefix: str
) -> None:
    (line,) = instructions("HEALTHCHECK")
    _, python_option, code = json.loads(line.partition("CMD ")[2])
    handler = type("Handler", (_Healthy,), {"status": status, "prefix": prefix})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    done = subprocess.run(
        [sys.executable, python_option, code],
        env={"PGWATCH__WEB__LISTEN": f"{host}:{server.server_port}"},
        capture_output=True,
        check=False,
    )
    server.shutdown()
    thread.join()
    server.server_close()
    assert done.returncode == exit_code
