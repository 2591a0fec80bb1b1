"""TLS and users from `web.config_file`: browsers, the command line and a real Prometheus."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
import yaml

from pgwatch.web.healthcheck import complaint
from tests.daemon_process import DaemonProcess, until
from tests.integration.prometheus import running_prometheus

PASSWORD = "sesame-zebra"
ANN = ("ann", PASSWORD)
ALERT = [{"labels": {"alertname": "Posted"}}]


def certificate(folder: Path, name: str = "server") -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


class Served(DaemonProcess):
    """A daemon with TLS and a user; tests ask it through `session`."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = certificate(folder)
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        web = {
            "tls_server_config": {"cert_file": "server.pem", "key_file": "server.key"},
            "basic_auth_users": {"ann": hashed},
            "http_server_config": {"headers": {"X-Frame-Options": "deny"}},
        }
        (folder / "web.yml").write_text(yaml.safe_dump(web))
        super().__init__(
            folder,
            targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
            rules={"builtin": False},
        )
        settings = yaml.safe_load(self.config.read_text())
        settings["web"]["config_file"] = "web.yml"
        self.config.write_text(yaml.safe_dump(settings))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, *, user: bool = True, **more: Any) -> requests.Response:
        auth = ANN if user else None
        return requests.request(
            method, self.url + path, auth=auth, verify=str(self.cert), timeout=10, **more
        )

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path) as running:
        yield running


def test_nothing_is_shown_to_strangers(served: Served) -> None:
    for path in ("/", "/metrics", "/-/healthy", "/api/v2/alerts", "/alert/0123456789abcdef"):
        answer = served.ask("GET", path, user=False)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for wrong in (("ann", "wrong"), ("eve", PASSWORD), ("ann", PASSWORD + "x" * 100), ("ann", "")):
        url = f"{served.url}/metrics"
        answer = requests.get(url, auth=wrong, verify=str(served.cert), timeout=10)
        assert answer.status_code == 401
    assert complaint(f"0.0.0.0:{served.port}") == "", "the container's health check needs no name"
    assert served.get("/").headers["X-Frame-Options"] == "deny"
    assert PASSWORD not in served.log
    assert "$2b$" not in served.log


def test_users_change_things_and_other_sites_do_not(served: Served) -> None:
    """Also from afar, through a proxy; but a browser sends a password along for any site's form."""
    posted = served.ask(
        "POST", "/api/v2/alerts", json=ALERT, headers={"X-Forwarded-For": "192.0.2.1"}
    )
    assert posted.status_code == 200, posted.text
    evil = {"Origin": "https://evil.example"}
    assert served.ask("POST", "/api/v2/alerts", json=ALERT, headers=evil).status_code == 403
    assert served.ask("POST", "/-/reload", headers=evil).status_code == 403
    (alert,) = served.get("/api/v2/alerts").json()
    page = f"/alert/{alert['fingerprint']}"
    assert 'value="ann"' in served.get(page).text, "the form knows who asks"
    form = {"owner": "ann", "for": ""}
    assert served.ask("POST", f"{page}/acknowledge", data=form, headers=evil).status_code == 403
    own = {"Origin": served.url}
    assert served.ask("POST", f"{page}/acknowledge", data=form, headers=own).status_code == 200
    assert len(served.get("/api/pgwatch/v1/acknowledgements").json()) == 1


def test_commands_say_who_they_are(served: Served) -> None:
    def silence(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "pgwatch", "silence", "add", "a=b"),
                *("--for", "2h", "--comment", "x", "--config", str(served.config)),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "REQUESTS_CA_BUNDLE": str(served.cert), **environment},
        )

    stranger = silence()
    assert stranger.returncode == 1
    assert "set PGWATCH_WEB_USER and PGWATCH_WEB_PASSWORD" in stranger.stderr
    known = silence(PGWATCH_WEB_USER="ann", PGWATCH_WEB_PASSWORD=PASSWORD)
    assert known.returncode == 0, known.stderr
    assert len(served.get("/api/v2/silences").json()) == 1
    untrusted = silence(REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt")
    assert "is not trusted" in untrusted.stderr


def test_reload_shows_the_new_certificate_and_knows_the_new_user(
    served: Served, tmp_path: Path
) -> None:
    before = ssl.get_server_certificate(("127.0.0.1", served.port))
    new_cert, new_key = certificate(served.folder, "new")
    both = tmp_path / "both.pem"
    both.write_bytes(served.cert.read_bytes() + new_cert.read_bytes())
    new_cert.replace(served.cert)
    new_key.replace(served.key)
    web = yaml.safe_load((served.folder / "web.yml").read_text())
    web["basic_auth_users"]["bob"] = web["basic_auth_users"]["ann"]
    (served.folder / "web.yml").write_text(yaml.safe_dump(web))
    reloaded = requests.post(f"{served.url}/-/reload", auth=ANN, verify=str(both), timeout=20)
    assert reloaded.status_code == 200, reloaded.text
    assert ssl.get_server_certificate(("127.0.0.1", served.port)) != before
    bob = requests.get(
        f"{served.url}/metrics", auth=("bob", PASSWORD), verify=str(served.cert), timeout=10
    )
    assert bob.status_code == 200
    (served.folder / "web.yml").write_text("basic_auth_users: {ann: plain}")
    refused = served.ask("POST", "/-/reload")
    assert refused.status_code == 500
    assert "expected a bcrypt hash" in refused.text
    assert served.get("/metrics").status_code == 200, "what was in force stays"


@pytest.mark.peer
def test_prometheus_scrapes_and_posts_as_a_user(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    # Prometheus forgets what fires before it has looked for its Alertmanagers, for a minute.
    rule = {"alert": "Theirs", "expr": "vector(1)", "for": "8s"}
    rules = {"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    where = {
        "scheme": "https",
        "tls_config": {"ca_file": str(served.cert)},
        "basic_auth": {"username": "ann", "password": PASSWORD},
        "static_configs": [{"targets": [f"127.0.0.1:{served.port}"]}],
    }
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "pgwatch", **where}],
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [where]},
    }

    def posted() -> bool:
        return any(
            one["labels"]["alertname"] == "Theirs" for one in served.get("/api/v2/alerts").json()
        )

    with running_prometheus(yaml.safe_dump(config), folder) as prometheus:
        (up,) = prometheus.wait_for('up{job="pgwatch"} == 1')
        assert up
        until(posted, "Prometheus posts", seconds=30, log=served)
