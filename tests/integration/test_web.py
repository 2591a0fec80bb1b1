"""The HTTP server as its clients see it."""

import gzip
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import requests

from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.rules.functions import table_link
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.web.app import Providers, create_app
from pgwatch.web.prometheus_api import ApiSources
from pgwatch.web.server import WebServer
from pgwatch.web.view import ProbeView, StatusView, TargetView
from tests.integration.webserver import serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UP = Family("pg_up", MetricType.GAUGE, "Whether the target was reached")


def up(target: str) -> Collected:
    labels = Labels({"__name__": "pg_up", "target": target})
    return Collected(
        source=Source(target, "up"), time_ms=0, families=(UP,), labels=[labels], values=[1]
    )


@dataclass
class Daemon:
    """What a daemon would answer, changed by the tests."""

    exposition: Exposition = field(default_factory=Exposition)
    unhealthy: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    refused: str = ""
    reloads: int = 0

    def status(self) -> StatusView:
        targets = (
            TargetView(name="db1", instance="h1:5432", up=True),
            TargetView(name="a b/c", up=True),
        )
        probes = (ProbeView(name="app"),)
        return StatusView(now=NOW, version="1.2.3", started=NOW, targets=targets, probes=probes)

    async def reload(self) -> str:
        self.reloads += 1
        return self.refused

    def providers(self) -> Providers:
        return Providers(
            page=self.exposition.page,
            status=self.status,
            unhealthy=lambda: self.unhealthy,
            unready=lambda: self.unready,
            reload=self.reload,
        )


@pytest.fixture
def daemon() -> Daemon:
    daemon = Daemon(exposition=Exposition(OwnMetrics(version="1.2.3").render))
    daemon.exposition.accept(up("db1"))
    daemon.exposition.accept(up("a b/c"))
    return daemon


@pytest.fixture
def url(daemon: Daemon) -> Iterator[str]:
    with serving(daemon.providers()) as url:
        yield url


def test_metrics_are_the_page_in_the_text_format(url: str) -> None:
    answer = requests.get(f"{url}/metrics", headers={"Accept-Encoding": "identity"}, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert "Content-Encoding" not in answer.headers
    assert 'pg_up{target="db1"} 1.0\n' in answer.text
    assert 'pgwatch_build_info{version="1.2.3"} 1.0\n' in answer.text


def test_metrics_are_openmetrics_for_who_names_it(url: str) -> None:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    for page in ("metrics", "metrics/db1"):
        answer = requests.get(f"{url}/{page}", headers=headers, timeout=5)
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1")
        assert 'pg_up{target="db1"} 1.0\n' in answer.text
        assert answer.text.endswith("\n# EOF\n")


@pytest.mark.parametrize(
    ("accept", "compressed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("GZIP; q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
    ],
)
def test_gzip_only_for_those_who_take_it(url: str, accept: str, compressed: bool) -> None:
    headers = {"Accept-Encoding": accept}
    with requests.get(f"{url}/metrics/db1", headers=headers, timeout=5, stream=True) as answer:
        raw = answer.raw.read(decode_content=False)
    assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
    assert (gzip.decompress(raw) if compressed else raw).endswith(b'pg_up{target="db1"} 1.0\n')


def test_metrics_of_one_target_and_of_none(url: str) -> None:
    answer = requests.get(f"{url}/metrics/a%20b/c", timeout=5)
    assert answer.text.splitlines()[2:] == ['pg_up{target="a b/c"} 1.0']
    missing = requests.get(f"{url}/metrics/db9", timeout=5)
    assert (missing.status_code, missing.text) == (404, "no target is called 'db9'\n")


def test_head_is_answered_without_a_body(url: str) -> None:
    answer = requests.head(f"{url}/metrics", timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")


def test_service_discovery_leads_to_each_target(url: str) -> None:
    answer = requests.get(f"{url}/sd", timeout=5)
    assert answer.headers["Content-Type"] == "application/json"
    address = url.removeprefix("http://")
    assert answer.json() == [
        {
            "targets": [address],
            "labels": {
                "__metrics_path__": f"/metrics/{name}",
                "__meta_pgwatch_target": name,
                "__meta_pgwatch_instance": instance,
            },
        }
        for name, instance in (("a b/c", ""), ("app", ""), ("db1", "h1:5432"))
    ]


def test_health_and_readiness_give_their_reasons(url: str, daemon: Daemon) -> None:
    for path, word in (("healthy", "healthy"), ("ready", "ready")):
        answer = requests.get(f"{url}/-/{path}", timeout=5)
        assert (answer.status_code, answer.text) == (200, f"pgwatch is {word}\n")
    daemon.unready.append("db1: core/activity has no answer yet")
    answer = requests.get(f"{url}/-/ready", timeout=5)
    assert answer.status_code == 503
    assert answer.text == "pgwatch is not ready:\n- db1: core/activity has no answer yet\n"
    assert requests.get(f"{url}/-/healthy", timeout=5).status_code == 200
    daemon.unhealthy.append("the state file is gone")
    assert requests.get(f"{url}/-/healthy", timeout=5).status_code == 503


def test_reload_answers_when_it_is_done(url: str, daemon: Daemon) -> None:
    answer = requests.post(f"{url}/-/reload", timeout=5)
    assert (answer.status_code, answer.text, daemon.reloads) == (200, "reloaded\n", 1)


def test_reload_that_fails_says_why(url: str, daemon: Daemon) -> None:
    daemon.refused = "pgwatch.yml:3: web.listen: not an address"
    answer = requests.post(f"{url}/-/reload", timeout=5)
    assert answer.status_code == 500
    assert "pgwatch.yml:3: web.listen: not an address" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_no_web_site_and_no_proxy_can_reload(
    url: str, daemon: Daemon, headers: dict[str, str]
) -> None:
    answer = requests.post(f"{url}/-/reload", headers=headers, timeout=5)
    assert (answer.status_code, daemon.reloads) == (403, 0)


def test_get_does_not_reload(url: str, daemon: Daemon) -> None:
    assert requests.get(f"{url}/-/reload", timeout=5).status_code == 405
    assert daemon.reloads == 0


def test_other_machines_cannot_reload(daemon: Daemon) -> None:
    """Through this machine's own address, as another machine would come."""
    own = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    if not own:
        pytest.skip("this machine has only the loopback address")
    with serving(daemon.providers(), host="0.0.0.0") as url:
        outside = url.replace("0.0.0.0", own[0])
        assert requests.get(f"{outside}/-/healthy", timeout=5).status_code == 200
        assert requests.post(f"{outside}/-/reload", timeout=5).status_code == 403
    assert daemon.reloads == 0


def test_status_page_is_html_that_loads_nothing(url: str) -> None:
    answer = requests.get(f"{url}/", timeout=5)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "db1" in answer.text


def test_address_in_use_is_an_error_that_names_it(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PgwatchError, match=f"cannot listen on 127.0.0.1:{port}: Address"):
            WebServer(create_app(daemon.providers()), host="127.0.0.1", port=port)


def test_stopping_closes_connections_that_are_kept_alive(daemon: Daemon) -> None:
    with requests.Session() as session, serving(daemon.providers()) as url:
        session.get(f"{url}/metrics", timeout=5)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/metrics", timeout=1)


def test_server_writes_no_access_log(
    url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level("DEBUG"):
        requests.get(f"{url}/metrics", timeout=5)
        requests.get(f"{url}/missing", timeout=5)
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_the_link_of_an_alert_shows_its_expression(daemon: Daemon) -> None:
    store = Store()
    store.append(replace(up("<b>"), time_ms=round(datetime.now(UTC).timestamp() * 1000)))
    with serving(replace(daemon.providers(), api=ApiSources(store=store))) as url:
        link = url + table_link('pg_up{target!="x"} > 0')
        shown = requests.get(link, timeout=5)
        mistaken = requests.get(url + table_link("sum(("), timeout=5).text
        empty = requests.get(url + table_link("absent_metric"), timeout=5).text
        nothing = requests.get(f"{url}/graph", timeout=5)
    assert "pg_up{target=&quot;&lt;b&gt;&quot;}" in shown.text
    assert "form-action 'self'" in shown.headers["Content-Security-Policy"]
    assert "1:6: parse error: " in mistaken
    assert "no series" in empty
    assert nothing.ok
    assert "no series" not in nothing.text
