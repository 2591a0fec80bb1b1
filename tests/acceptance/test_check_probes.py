"""The gate with probes: of web applications, which are judged by their own names, and of the host."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.gate import gate, pgwatch
from tests.watching import silent_server


class _Answers(BaseHTTPRequestHandler):
    """Answers `/<status>` with that status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing on standard error."""


@contextmanager
def application() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def write(folder: Path, dsn: str, *probes: str, host: str = "none") -> None:
    (folder / "pgwatch.yml").write_text(
        f"targets: [{{name: db, dsn: '{dsn}', host: {{source: {host}}}}}]\n"
        f"http_probes: [{', '.join(probes)}]\n"
    )


def test_each_probe_is_judged_by_its_name(database: str, tmp_path: Path) -> None:
    with application() as url:
        write(
            tmp_path,
            database,
            f"{{name: good, url: '{url}/200'}}",
            f"{{name: bad, url: '{url}/503'}}",
        )
        ran = gate(cwd=tmp_path)
        text = pgwatch("check", "--once", "--only", "HttpProbeFailed", cwd=tmp_path).out
    assert ran.status == 1
    assert ran.check("HttpProbeFailed", "good")["verdict"] == "pass"
    bad = ran.check("HttpProbeFailed", "bad")
    assert (bad["verdict"], bad["sources"], bad["database"]) == ("fail", ["probe/bad"], "")
    assert bad["reason"] == "status 503 instead of 2xx"
    assert bad["findings"][0]["object"] == "bad"
    names = [(check["name"], check["target"]) for check in ran.report["checks"]]
    assert ("HttpProbeFailed", "db") not in names
    assert [target["name"] for target in ran.report["targets"]] == ["db"]
    assert "HTTP probe bad\n\n  After the migration\n    ✗ HttpProbeFailed" in text


def test_a_probe_that_the_run_has_no_time_for_is_unknown(database: str, tmp_path: Path) -> None:
    """What is not answered within the probe's own timeout fails; what we cut short could not be told."""
    with silent_server() as port:
        url = f"http://127.0.0.1:{port}/"
        write(tmp_path, database, f"{{name: slow, url: '{url}', timeout: 20s}}")
        cut = gate("--timeout", "2s", cwd=tmp_path)
        write(tmp_path, database, f"{{name: slow, url: '{url}', timeout: 500ms}}")
        failed = gate(cwd=tmp_path)
    assert cut.status == 3
    assert cut.check("HttpProbeFailed")["verdict"] == "unknown"
    assert "the time for the whole pass, 2s, was over" in cut.check("HttpProbeFailed")["reason"]
    assert cut.seconds < 2 + 5
    assert (failed.status, failed.check("HttpProbeFailed")["verdict"]) == (1, "fail")


def test_an_application_is_judged_where_the_database_is_down(tmp_path: Path) -> None:
    with application() as url:
        write(tmp_path, "postgresql://u@127.0.0.1:1/d", f"{{name: good, url: '{url}/200'}}")
        ran = gate(cwd=tmp_path)
    assert (ran.status, ran.check("HttpProbeFailed")["verdict"]) == (3, "pass")


def test_the_host_is_seen_where_it_is_watched(database: str, tmp_path: Path) -> None:
    write(tmp_path, database, host="local")
    seen = gate("--only", "HostHigh*", cwd=tmp_path)
    write(tmp_path, database)
    unseen = gate("--only", "HostHigh*", cwd=tmp_path)
    assert seen.check("HostHighMemory")["verdict"] in ("pass", "warn")
    assert seen.check("HostHighMemory")["sources"] == ["probe/host"]
    assert seen.check("HostHighCpu")["reason"].startswith("needs history")
    assert unseen.check("HostHighMemory")["verdict"] == "skipped"
    assert "host is not watched" in unseen.check("HostHighMemory")["reason"]
