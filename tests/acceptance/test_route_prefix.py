"""Everything below a prefix, as Alertmanager's `--web.route-prefix` has it (its scenario WebWithPrefix)."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from pgwatch.cli.main import main
from pgwatch.notify.routetest import message_failures
from tests.daemon_process import DaemonProcess, until
from tests.integration.test_alertmanager_peer import alertmanager
from tests.playing import Server, configuration, play, post_alerts, timelines
from tests.receivers import HttpReceiver
from tests.servers import missing_peer

PREFIX = "/foo/bar"
TIMELINE = timelines("alertmanager.yml")["silencing"]
BUSY = timedelta(milliseconds=700)
QUIET: dict[str, Any] = {
    "targets": [{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
    "rules": {"builtin": False},
}


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def config(hook: HttpReceiver, tmp_path: Path) -> Path:
    file = tmp_path / "am.yml"
    file.write_text(configuration([TIMELINE.routing], hook.url), "utf-8")
    return file


@pytest.fixture(scope="module")
def pgwatch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    running = DaemonProcess(
        tmp_path_factory.mktemp("prefix"),
        prefix=PREFIX,
        **QUIET,
    )
    with running.start():
        until(lambda: running.get("/api/v2/status").ok, "the API answers", log=running)
        yield running


def played(url: str, config: Path, hook: HttpReceiver) -> list[str]:
    start = datetime.now(UTC)
    (heard,) = play(Server(url=url, config=config), [TIMELINE], hook, start)
    return list(message_failures(replace(TIMELINE, start=start, tolerance=BUSY), heard))


def refuses_outside(url: str) -> None:
    root = urlsplit(url)._replace(path="").geturl()
    for path in ("/-/healthy", "/-/ready", "/metrics", "/api/v2/status", "/api/v2/alerts"):
        assert requests.get(f"{url}{path}", timeout=10).ok, path
        assert requests.get(f"{root}{path}", timeout=10).status_code == 404, path
    # Who only knows the address is led to the page.
    led = requests.get(f"{root}/", timeout=10)
    assert led.history[0].status_code == 302
    assert urlsplit(led.url).path.rstrip("/") == PREFIX


def test_timeline_to_pgwatch(pgwatch: DaemonProcess, config: Path, hook: HttpReceiver) -> None:
    pgwatch.configure(**QUIET, alertmanager_config=str(config))
    assert pgwatch.reload().ok
    assert played(pgwatch.url, config, hook) == []
    refuses_outside(pgwatch.url)
    (external, *_) = {one.json["externalURL"] for one in hook.requests}
    assert external == pgwatch.url


@pytest.mark.peer
def test_timeline_to_a_real_alertmanager(tmp_path: Path, config: Path, hook: HttpReceiver) -> None:
    with alertmanager(config, tmp_path, PREFIX) as url:
        assert played(url, config, hook) == []
        refuses_outside(url)


def links(page: requests.Response) -> set[str]:
    found = re.findall(r'(?:href|action)="([^"]*)"', page.text)
    return {urljoin(page.url, one.replace("&amp;", "&")) for one in found}


def test_every_link_of_every_page_stays_below(pgwatch: DaemonProcess) -> None:
    post_alerts(pgwatch.url, [{"labels": {"alertname": "Linked"}, "annotations": {}}])
    seen: dict[str, int] = {}
    left = {f"{pgwatch.url}/", f"{pgwatch.url}/graph?g0.expr=up"}
    while left:
        url = left.pop()
        # An address that only takes forms answers that it does.
        answer = requests.get(url, timeout=10, allow_redirects=False)
        seen[url] = answer.status_code
        if "html" in answer.headers.get("Content-Type", ""):
            left |= links(answer) - seen.keys()
    assert all(url.startswith(f"{pgwatch.url}/") for url in seen), seen
    assert set(seen.values()) <= {200, 405, 503}, seen  # 503: it is not ready, no database answers
    assert any("/alert/" in url for url in seen)


def test_a_form_leads_back_below(pgwatch: DaemonProcess) -> None:
    post_alerts(pgwatch.url, [{"labels": {"alertname": "Formed"}}])
    pages = [url for url in links(pgwatch.get("/")) if "/alert/" in url]
    (page,) = (url for url in pages if "Formed" in requests.get(url, timeout=10).text)
    form = {"owner": "ada", "comment": "on it", "for": "1h"}
    done = requests.post(f"{page}/acknowledge", data=form, timeout=10)
    assert (done.ok, done.url, "ada looks after it" in done.text) == (True, page, True)


def test_what_is_discovered_is_below(pgwatch: DaemonProcess) -> None:
    (one,) = pgwatch.get("/sd").json()
    path = one["labels"]["__metrics_path__"]
    assert requests.get(f"http://{one['targets'][0]}{path}", timeout=10).ok
    assert path == f"{PREFIX}/metrics/db"


def test_commands_find_it(pgwatch: DaemonProcess, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(pgwatch.config)]
    assert main(["silence", "add", *config, "--for", "1h", "--comment", "moving", "n=X"]) == 0
    assert main(["silence", "list", *config]) == 0
    assert "moving" in capsys.readouterr().out
    assert main(["query", *config, "1 + 1"]) == 0
    assert "2" in capsys.readouterr().out


@pytest.mark.peer
def test_amtool_finds_it(pgwatch: DaemonProcess) -> None:
    if (program := shutil.which("amtool")) is None:
        missing_peer("amtool")
    command = [program, f"--alertmanager.url={pgwatch.url}", "config", "routes"]
    assert "default" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_another_prefix_comes_with_the_next_start(pgwatch: DaemonProcess) -> None:
    text = pgwatch.config.read_text()
    pgwatch.config.write_text(text.replace(PREFIX, "/other"))
    assert pgwatch.reload().ok
    assert "web.route_prefix changes at the next start only" in pgwatch.page()
