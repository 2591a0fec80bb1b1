"""A person follows the link of a message and says in a real browser who looks after the alert."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.browser import Browser
from tests.daemon_process import DaemonProcess
from tests.receivers import HttpReceiver

pytestmark = pytest.mark.peer

LABELS = {"alertname": "Slow <b>", "target": "db"}
ACKNOWLEDGE = 'form[action$="/acknowledge"]'
SILENCE = 'form[action$="/silence"]'
RELEASE = 'form[action$="/release"]'


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def daemon(
    request: pytest.FixtureRequest, tmp_path: Path, hook: HttpReceiver
) -> Iterator[DaemonProcess]:
    """A pgwatch whose target is not there, to which an alert was posted."""
    quick = {"group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    slack = {"api_url": hook.url, "channel": "#db", "send_resolved": True}
    config = {
        "route": {"receiver": "team", **quick},
        "receivers": [{"name": "team", "slack_configs": [slack]}],
    }
    (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
    with DaemonProcess(
        tmp_path,
        prefix=getattr(request, "param", ""),
        targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
        rules={"builtin": False},
        alertmanager_config="am.yml",
    ) as running:
        posted = requests.post(f"{running.url}/api/v2/alerts", json=[{"labels": LABELS}], timeout=9)
        assert posted.ok, posted.text
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as opened:
        yield opened


def linked(hook: HttpReceiver) -> str:
    """Return the address that the message in Slack leads to."""
    found = re.search(r"<([^<|]+)\|Acknowledge or silence>", str(hook.wait_for(1)[0].json))
    assert found
    return found[1]


def test_a_person_acknowledges_gives_back_and_silences(
    daemon: DaemonProcess, hook: HttpReceiver, browser: Browser
) -> None:
    url = linked(hook)
    assert url.startswith(f"{daemon.url}/alert/")
    browser.open(url)
    assert "Slow <b>" in browser.text

    browser.press(f"{ACKNOWLEDGE} button")  # the browser asks for the name
    assert browser.evaluate("document.activeElement.name") == "owner"
    browser.write(f"{ACKNOWLEDGE} [name=owner]", "Ann Öz")
    browser.write(f"{ACKNOWLEDGE} [name=comment]", "a <i>look</i> & more")
    browser.choose(f"{ACKNOWLEDGE} [name=for]", "1 hour")
    browser.submit(f"{ACKNOWLEDGE} button")
    assert browser.url == url
    assert "Ann Öz looks after it: a <i>look</i> & more" in browser.text
    [held] = daemon.get("/api/pgwatch/v1/acknowledgements").json()
    assert (held["owner"], held["until"] is not None) == ("Ann Öz", True)
    assert "Ann Öz" in str([request.json for request in hook.wait_for(2)][1])

    browser.submit(f"{RELEASE} button")
    assert "looks after it:" not in browser.text
    assert daemon.get("/api/pgwatch/v1/acknowledgements").json() == []

    browser.write(f"{SILENCE} [name=owner]", "Ann")
    browser.write(f"{SILENCE} [name=comment]", "known")
    browser.submit(f"{SILENCE} button")
    assert "silenced by Ann: known" in browser.text
    browser.submit("nav a")
    assert browser.url == f"{daemon.url}/"
    assert "silenced by Ann: known" in browser.text


@pytest.mark.parametrize("daemon", ["/watch"], indirect=True, ids=["below a prefix"])
def test_after_a_mistake_the_form_can_be_sent_again(
    daemon: DaemonProcess, hook: HttpReceiver, browser: Browser
) -> None:
    url = linked(hook)
    browser.open(url)
    browser.write(f"{ACKNOWLEDGE} [name=owner]", "  ")  # which a browser takes for a name
    browser.submit(f"{ACKNOWLEDGE} button")
    assert "say who you are" in browser.text
    browser.write(f"{ACKNOWLEDGE} [name=owner]", "Bob")
    browser.submit(f"{ACKNOWLEDGE} button")
    assert browser.url == url
    assert "Bob looks after it" in browser.text
