"""Probes against this machine, a real PostgreSQL and real HTTP servers that misbehave in every way."""

import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from pgwatch.demo.server import LocalServer, free_port
from pgwatch.probes.host import LocalHostProbe, NodeExporterProbe
from pgwatch.probes.http import HttpProbe
from pgwatch.probes.probe import Probe, ProbeError
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.secret import Secret
from tests.packs import collect, connect

TOKEN = "t0p-s3cret"


class Handler(BaseHTTPRequestHandler):
    """Answers by path; what it does not know is 404."""

    protocol_version = "HTTP/1.1"
    node_page = b""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/ok":
            self.answer(200, b'{"status": "ok"}')
        elif path == "/gzip":
            self.answer(200, gzip.compress(b'{"status": "ok"}'), {"Content-Encoding": "gzip"})
        elif path == "/large":
            self.answer(200, b"x" * 3_000_000)
        elif path == "/redirect":
            self.answer(302, b"", {"Location": "/ok"})
        elif path == "/loop":
            self.answer(302, b"", {"Location": "/loop"})
        elif path == "/header":
            self.answer(200 if self.headers.get("Authorization") == TOKEN else 401, b"")
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        elif path == "/silent":
            time.sleep(3)
        elif path == "/drip":
            self.drip()
        elif path == "/metrics":
            self.answer(200, type(self).node_page)
        else:
            self.answer(404, b"not found")

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        with suppress(OSError):
            for _ in range(30):
                self.wfile.write(b"H")
                time.sleep(0.1)

    def log_message(self, *args: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what these tests are about


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def values(collected: Collected) -> dict[str, float]:
    return {
        labels.name.removeprefix("probe_"): value
        for labels, value in zip(collected.labels, collected.values, strict=True)
    }


def by_labels(collected: Collected) -> dict[Labels, float]:
    return dict(zip(collected.labels, collected.values, strict=True))


def http(url: str, **more: object) -> HttpProbe:
    return HttpProbe(name="app", url=url, timeout=timedelta(milliseconds=400), **more)  # type: ignore[arg-type]


def authorization(token: str) -> dict[str, object]:
    return {"headers": {"Authorization": Secret(value=token)}}


@pytest.mark.parametrize(
    ("path", "more", "success", "status", "reason"),
    [
        ("/ok", {}, 1, 200, ""),
        ("/gzip", {"expect_body": re.compile('"ok"')}, 1, 200, ""),
        ("/redirect", {}, 1, 200, ""),
        ("/loop", {}, 0, 0, "too many redirects"),
        ("/missing", {}, 0, 404, "status 404 instead of 2xx"),
        ("/missing", {"expect_status": frozenset({404})}, 1, 404, ""),
        ("/ok", {"expect_status": frozenset({204, 404})}, 0, 200, "status 200 instead of 204 or 404"),
        ("/ok", {"expect_body": re.compile("down")}, 0, 200, "the body does not contain what was expected"),
        ("/cut", {}, 0, 0, "the connection was closed before the answer was complete"),
        ("/silent", {}, 0, 0, "no answer within 400ms"),
        ("/drip", {}, 0, 0, "no answer within 400ms"),
        ("/header", authorization(TOKEN), 1, 200, ""),
        ("/header", authorization("x" + TOKEN), 0, 401, "status 401 instead of 2xx"),
        ("/ok", authorization(TOKEN + "\n"), 0, 0, "the request failed (InvalidHeader)"),
        ("/ok", {"method": "POST"}, 1, 200, ""),
    ],
)  # fmt: skip
def test_http_answers(
    web: str, path: str, more: dict[str, object], success: int, status: int, reason: str
) -> None:
    probe = http(f"{web}{path}?token={TOKEN}", **more)
    found = values(probe.run(7))
    assert (found["success"], found["http_status_code"]) == (success, status)
    assert probe.reason == reason
    assert TOKEN not in repr(probe) + probe.reason


def test_http_samples_are_named_as_blackbox_exporter_names_them(web: str) -> None:
    probe = http(f"{web}/ok", expect_body=re.compile("down"), labels={"env": "test"})
    collected = probe.run(7)
    assert collected.source == Source("app", "probe/app") == probe.source
    assert {labels.name for labels in collected.labels} == {
        "probe_duration_seconds",
        "probe_failed_due_to_regex",
        "probe_http_status_code",
        "probe_http_uncompressed_body_length",
        "probe_success",
    }
    assert {tuple(labels.without(["__name__"]).items()) for labels in collected.labels} == {
        (("env", "test"), ("probe", "app"), ("target", "app"))
    }
    found = values(collected)
    assert found["failed_due_to_regex"] == 1
    assert found["http_uncompressed_body_length"] == 16
    assert 0 < found["duration_seconds"] < 0.4


def test_http_reads_no_more_than_it_must(web: str) -> None:
    assert values(http(f"{web}/large").run(0))["http_uncompressed_body_length"] == 1024 * 1024


@pytest.mark.parametrize("path", ["/silent", "/drip"])
def test_http_probe_ends_in_time_and_never_twice_at_once(web: str, path: str) -> None:
    probe = http(web + path)
    start = time.perf_counter()
    found = values(probe.run(0))
    assert time.perf_counter() - start < 1
    assert 0.3 < found["duration_seconds"] < 1
    if path == "/drip":
        probe.run(1)
        assert probe.reason == "the previous request has still not ended"
        assert len([t for t in threading.enumerate() if t.name == "probe"]) >= 1


def test_refused_connection_is_a_failure_that_says_so() -> None:
    probe = http(f"http://127.0.0.1:{free_port()}/?token={TOKEN}")
    assert values(probe.run(0))["success"] == 0
    assert probe.reason == "connection refused"


def test_plain_http_behind_https_is_a_failure_that_says_so(web: str) -> None:
    probe = http(web.replace("http:", "https:"))
    probe.run(0)
    assert probe.reason.startswith("TLS: ")


def test_recovers_when_the_application_does(web: str) -> None:
    port = free_port()
    probe = http(f"http://127.0.0.1:{port}/ok")
    assert values(probe.run(0))["success"] == 0
    server = QuietServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        assert values(probe.run(1))["success"] == 1
        assert probe.reason == ""
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_local_host_is_what_psutil_and_proc_agree_on() -> None:
    probe = LocalHostProbe(target="db1")
    found = by_labels(probe.run(0))
    assert {labels.label("probe") for labels in found} == {"host"}
    totals = [v for labels, v in found.items() if labels.name == "node_memory_MemTotal_bytes"]
    assert totals == [psutil.virtual_memory().total]
    idle = {x.label("cpu") for x in found if x.label("mode") == "idle"}
    assert len(idle) == psutil.cpu_count()


def test_host_through_sql_is_the_same_series_with_the_same_values(any_server: LocalServer) -> None:
    """The test servers run on this machine, so both ways must see the same."""
    with connect(any_server.dsn()) as connection:
        through_sql = by_labels(collect(connection, "host/linux"))
    local = by_labels(LocalHostProbe(target="t").run(0))
    assert set(through_sql) == set(local)
    for labels, value in through_sql.items():
        if labels.name == "node_memory_MemAvailable_bytes":
            assert value == pytest.approx(local[labels], rel=0.2)
        else:
            assert value == pytest.approx(local[labels], abs=5), labels


def test_node_exporter_gives_the_few_families_and_its_other_series_do_not_matter(web: str) -> None:
    Handler.node_page = b"""\
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 1.5e+06
node_cpu_seconds_total{cpu="0",mode="user"} 20
node_cpu_guest_seconds_total{cpu="0",mode="user"} 0
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 4e+09
node_memory_MemTotal_bytes 8e+09
node_memory_MemFree_bytes 1e+09
node_filesystem_avail_bytes{mountpoint="odd \\"name\\"\\n"} 1
"""
    collected = NodeExporterProbe(target="db1", url=f"{web}/metrics").run(0)
    assert {
        (labels.name, labels.label("mode"), labels.label("target")): value
        for labels, value in zip(collected.labels, collected.values, strict=True)
    } == {
        ("node_cpu_seconds_total", "idle", "db1"): 1.5e6,
        ("node_cpu_seconds_total", "user", "db1"): 20,
        ("node_memory_MemAvailable_bytes", "", "db1"): 4e9,
        ("node_memory_MemTotal_bytes", "", "db1"): 8e9,
    }


@pytest.mark.parametrize(
    ("path", "page", "message"),
    [
        ("/metrics", b"", "its page has no node_cpu_seconds_total, node_memory_MemTotal_bytes"),
        ("/metrics", b'node_cpu_seconds_total{cpu="0 1\n', "not in Prometheus's text format"),
        ("/missing", b"", "status 404 instead of 200"),
    ],
)
def test_node_exporter_that_is_none(web: str, path: str, page: bytes, message: str) -> None:
    Handler.node_page = page
    probe = NodeExporterProbe(target="db1", url=f"{web}{path}?token={TOKEN}")
    with pytest.raises(ProbeError, match=re.escape(message)) as caught:
        probe.run(0)
    assert "node_exporter of db1" in str(caught.value)
    assert TOKEN not in str(caught.value) + repr(probe)


def test_unreachable_node_exporter_is_an_error() -> None:
    with pytest.raises(ProbeError, match="node_exporter of db1: connection refused"):
        NodeExporterProbe(target="db1", url=f"http://127.0.0.1:{free_port()}/metrics").run(0)


@pytest.mark.parametrize(
    "probe",
    [
        LocalHostProbe(target="db1"),
        NodeExporterProbe(target="db1", url="http://127.0.0.1/metrics"),
        HttpProbe(name="app", url="http://127.0.0.1/"),
    ],
)
def test_each_probe_is_what_the_collector_expects(probe: Probe) -> None:
    assert probe.timeout < probe.interval
    assert probe.source.query.startswith("probe/")
