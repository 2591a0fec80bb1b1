"""Free disk space, read here or from a node_exporter's page over HTTP."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from pgwatch.probes.disk import local_free_bytes, node_exporter_free_bytes
from pgwatch.probes.probe import ProbeError

PAGE = """# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1e+09
node_filesystem_avail_bytes{device="/dev/sdb1",fstype="xfs",mountpoint="/var/lib/postgresql"} 5e+10
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 9e+09
"""
SECOND = timedelta(seconds=2)


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path != "/absent"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(PAGE.encode() if self.path == "/metrics" else b"up 1\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_file_system_that_holds_the_folder_counts(exporter: str) -> None:
    free = node_exporter_free_bytes
    url = f"{exporter}/metrics"
    assert free(url, "/var/lib/postgresql/18/main", timeout=SECOND) == 50_000_000_000
    assert free(url, "/var/lib/postgresql", timeout=SECOND) == 50_000_000_000
    assert free(url, "/var/lib/postgresql2", timeout=SECOND) == 1_000_000_000


@pytest.mark.parametrize(
    ("path", "told"), [("/absent", "status 404"), ("/other", "no file system")]
)
def test_page_that_does_not_say_is_an_error(exporter: str, path: str, told: str) -> None:
    with pytest.raises(ProbeError, match=told):
        node_exporter_free_bytes(exporter + path, "/data", timeout=SECOND)


def test_this_machine(tmp_path: Path) -> None:
    measured = psutil.disk_usage(str(tmp_path)).free
    assert local_free_bytes(str(tmp_path)) == pytest.approx(measured, rel=0.05)
    with pytest.raises(ProbeError, match="on this machine: No such file"):
        local_free_bytes(str(tmp_path / "absent"))
