"""The link of a message leads to a page where a person says who looks after an alert, without any script."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
import yaml

from tests.daemon_process import DaemonProcess, until
from tests.receivers import HttpReceiver

LABELS = {"alertname": "Slow <b>", "target": "db"}


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def daemon(tmp_path: Path, hook: HttpReceiver) -> Iterator[DaemonProcess]:
    """A pgwatch whose target is not there, to which an alert was posted."""
    quick = {"group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    config = {
        "route": {"receiver": "team", **quick},
        "receivers": [{"name": "team", "webhook_configs": [{"url": hook.url}]}],
    }
    (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
    with DaemonProcess(
        tmp_path,
        targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
        rules={"builtin": False},
        alertmanager_config="am.yml",
    ) as running:
        posted = requests.post(f"{running.url}/api/v2/alerts", json=[{"labels": LABELS}], timeout=9)
        assert posted.ok, posted.text
        yield running


def link(daemon: DaemonProcess) -> str:
    """Return the address behind the link of the status page."""
    until(lambda: 'href="alert/' in daemon.page(), "the alert is shown", log=daemon)
    found = re.search(r'href="(alert/[0-9a-f]{16})"', daemon.page())
    assert found
    return f"{daemon.url}/{found[1]}"


def send(url: str, action: str, *, origin: str | None = None, **fields: str) -> requests.Response:
    headers = {} if origin is None else {"Origin": origin}
    return requests.post(f"{url}/{action}", data=fields, headers=headers, timeout=9)


def test_a_browser_acknowledges_and_gives_back(daemon: DaemonProcess) -> None:
    url = link(daemon)
    assert "Slow &lt;b&gt;" in requests.get(url, timeout=9).text
    fields = {"owner": "ann", "comment": "a <i>look</i>", "for": "1h"}
    page = send(url, "acknowledge", origin=daemon.url, **fields)
    assert (page.status_code, page.url) == (200, url)
    assert "ann looks after it: a &lt;i&gt;look&lt;/i&gt;" in page.text
    held = daemon.get("/api/pgwatch/v1/acknowledgements").json()
    assert [one["owner"] for one in held] == ["ann"]
    assert held[0]["until"], "it was for one hour"

    assert "ann looks" not in send(url, "release", origin=daemon.url).text
    assert daemon.get("/api/pgwatch/v1/acknowledgements").json() == []


def test_a_silence_is_about_this_alert_only(daemon: DaemonProcess) -> None:
    url = link(daemon)
    answer = send(url, "silence", owner="bob", comment="known", **{"for": "4h"})
    assert "silenced by bob: known" in answer.text
    (silence,) = daemon.get("/api/v2/silences").json()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == LABELS


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("acknowledge", {"for": ""}, "say who you are"),
        ("acknowledge", {"owner": "ann", "for": "9y"}, "expected one of 1h, 4h, 1d"),
        ("silence", {"owner": "ann", "for": "1h"}, "say why"),
    ],
)
def test_what_is_missing_is_asked_for(
    daemon: DaemonProcess, action: str, fields: dict[str, str], said: str
) -> None:
    answer = send(link(daemon), action, **fields)
    assert answer.status_code == 400
    assert said in answer.text
    # What stands below the alert leads where the alert's own page does.
    forms = {urljoin(answer.url, one) for one in re.findall(r'action="([^"]*)"', answer.text)}
    assert forms == {f"{link(daemon)}/acknowledge", f"{link(daemon)}/silence"}
    [status] = re.findall(r'<a href="([^"]*)">status</a>', answer.text)
    assert urljoin(answer.url, status) == f"{daemon.url}/"
    assert daemon.get("/api/v2/silences").json() == []
    assert daemon.get("/api/pgwatch/v1/acknowledgements").json() == []


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_form_of_another_site_does_nothing(daemon: DaemonProcess, origin: str) -> None:
    answer = send(link(daemon), "acknowledge", origin=origin, owner="eve", **{"for": ""})
    assert answer.status_code == 403
    assert daemon.get("/api/pgwatch/v1/acknowledgements").json() == []


def test_a_name_that_leads_here_is_not_ours(daemon: DaemonProcess) -> None:
    """DNS rebinding: the browser of somebody here believes that we are `evil.example`."""
    name = f"evil.example:{daemon.port}"
    headers = {"Origin": f"http://{name}", "Host": name}
    url = f"{link(daemon)}/acknowledge"
    answer = requests.post(url, data={"owner": "eve", "for": ""}, headers=headers, timeout=9)
    assert answer.status_code == 403


def test_what_does_not_fire_cannot_be_acknowledged(daemon: DaemonProcess) -> None:
    url = f"{daemon.url}/alert/0123456789abcdef"
    assert requests.get(url, timeout=9).status_code == 404
    answer = send(url, "acknowledge", owner="ann", **{"for": ""})
    assert answer.status_code == 404
    assert "does not fire" in answer.text
