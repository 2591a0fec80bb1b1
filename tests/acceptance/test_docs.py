"""A stranger copies the examples of the documentation, and sees what it says."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from pgwatch.demo.server import LocalServer
from tests.daemon_process import DaemonProcess
from tests.pages import DOCS, answer, block
from tests.receivers import HttpReceiver
from tests.servers import local_server

URL = "postgresql://pgwatch:correct-horse@db1/app"  # as the pages write it
DAMAGE = """
    CREATE TABLE users (id bigint PRIMARY KEY, email text);
    INSERT INTO users VALUES (1, 'ann@example.org'), (2, 'not an address');
    ALTER TABLE users ADD CONSTRAINT chk_users_email_format CHECK (email ~ '@') NOT VALID;
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, total numeric, status text,
        created timestamptz DEFAULT now(), shipped timestamptz);
    INSERT INTO orders
        SELECT n, 1 + n % 5, n, CASE n % 2 WHEN 0 THEN 'paid' ELSE 'new' END, now(),
            CASE WHEN n > 20 THEN now() END
        FROM generate_series(1, 100) AS n;
    CREATE MATERIALIZED VIEW order_totals AS
        SELECT user_id, sum(total) FROM orders GROUP BY 1 WITH NO DATA;
"""


class Stranger:
    """Types what the pages say, in a folder of its own, against a server with a database `app`."""

    def __init__(self, server: LocalServer, folder: Path) -> None:
        self._server = server
        self.folder = folder

    def sql(self, text: str) -> None:
        with psycopg.connect(self._server.dsn("app"), autocommit=True) as connection:
            connection.execute(text.encode())

    def write(self, path: str, text: str) -> None:
        """Write a file of the pages; where they say db1, it is this server."""
        here = f"pgwatch:correct-horse@127.0.0.1:{self._server.port}/"
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("pgwatch@db1/", here))

    def type(self, command: str, status: int = 0) -> str:
        words = shlex.split(command.replace("@db1/", f"@127.0.0.1:{self._server.port}/"))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env={**clean, "COLUMNS": "100", "APP_PASSWORD": "correct-horse"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A server as start.md finds it, with the role that it makes."""
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with local_server(settings=settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE app")
            connection.execute(block("start.md", "sql").encode())
        with psycopg.connect(server.dsn("app"), autocommit=True) as connection:
            connection.execute(b"CREATE EXTENSION pg_stat_statements;" + DAMAGE.encode())
        yield server


@pytest.fixture
def stranger(server: LocalServer, tmp_path: Path) -> Stranger:
    return Stranger(server, tmp_path)


def essence(text: str) -> list[str]:
    """The lines without what differs from run to run: numbers, and the width of columns."""
    lines = (re.sub(r"\d+(\.\d+)*", "N", " ".join(line.split())) for line in text.splitlines())
    return [line for line in lines if line and line != "…"]


def test_first_look_cure_and_second_look(stranger: Stranger) -> None:
    command = f"pgwatch check --once --phase constraints {URL}"
    first = stranger.type(command, status=1)
    assert essence(first) == essence(answer("start.md", command, 0))

    stranger.sql("DELETE FROM users WHERE email !~ '@'")
    cures = re.findall(r"cure: (.*;)$", answer("start.md", command, 0), re.MULTILINE)
    assert len(cures) == 2
    for cure in cures:
        stranger.sql(cure)

    second = stranger.type(command)
    assert essence(second) == essence(answer("start.md", command, 1))


def test_doctor_says_what_the_page_shows(stranger: Stranger) -> None:
    command = f"pgwatch doctor {URL}"
    real = essence(stranger.type(command))
    for line in essence(answer("start.md", command)):
        assert line in real


def test_configuration_of_start_is_good(stranger: Stranger) -> None:
    assert stranger.type("pgwatch config init") == answer("start.md", "pgwatch config init")
    stranger.write("pgwatch.yml", block("start.md", "yaml"))
    real = stranger.type("pgwatch config check")
    assert real == answer("start.md", "pgwatch config check")
    stranger.write("pgwatch.yml", block("start.md", "yaml").replace("${APP_PASSWORD}", "wrong"))
    assert "wrong" not in stranger.type("pgwatch config show")


def test_checks_are_listed_as_the_gate_page_shows(stranger: Stranger) -> None:
    real = essence(stranger.type("pgwatch check --list"))
    for line in essence(answer("how-to/gate-a-deploy.md", "pgwatch check --list")):
        assert line in real


def test_query_of_ones_own_from_nothing(stranger: Stranger) -> None:
    page = "how-to/write-a-query.md"
    stranger.write("my-queries/shop/orders.sql", block(page, "sql", "shop_orders"))
    stranger.write("pgwatch.yml", block(page, "yaml", "queries:"))
    command = "pgwatch queries run shop/orders -t app"
    stranger.type(command, status=1)
    cure = re.search(r"`(GRANT SELECT .*?;)`", (DOCS / page).read_text())
    assert cure is not None
    assert cure[1] in stranger.type("pgwatch doctor -t app", status=1)
    stranger.sql(cure[1])

    assert stranger.type("pgwatch config check") == answer(page, "pgwatch config check")
    assert essence(stranger.type(command)) == essence(answer(page, command))


def test_rule_of_ones_own_from_nothing(stranger: Stranger) -> None:
    query, rule = "how-to/write-a-query.md", "how-to/write-a-rule.md"
    stranger.write("my-queries/shop/orders.sql", block(query, "sql", "shop_orders"))
    stranger.write("my-alerts/shop.yml", block(rule, "yaml", "groups:"))
    stranger.write("pgwatch.yml", block(rule, "yaml", "queries:"))
    command = "pgwatch rules check my-alerts/shop.yml"
    assert stranger.type(command) == answer(rule, command)
    real = essence(stranger.type("pgwatch rules list"))
    for line in essence(answer(rule, "pgwatch rules list")):
        assert line in real
    listed = stranger.type("pgwatch check --list --only ShopOrdersWaiting")
    assert listed.split() == ["ShopOrdersWaiting", "post", "warning"]


def test_mistake_in_a_rule_is_told_as_the_page_shows(stranger: Stranger) -> None:
    rule = "groups:\n  - name: bad\n    rules:\n      - alert: Broken\n        expr: "
    stranger.write("my-alerts/bad.yml", rule + "sum by (target) (shop_orders_waiting > \n")
    words = [sys.executable, "-m", "pgwatch", "rules", "check", "my-alerts/bad.yml"]
    done = subprocess.run(words, cwd=stranger.folder, capture_output=True, text=True, check=False)
    assert done.stderr == block("how-to/write-a-rule.md", "text", "parse error")


def test_host_can_be_read_through_sql_with_the_grants_of_the_page(stranger: Stranger) -> None:
    page = "how-to/monitoring-role.md"
    stranger.write("pgwatch.yml", block(page, "yaml", "host:"))
    assert re.search(r"host/linux +denied", stranger.type("pgwatch doctor", status=1))
    stranger.sql(block(page, "sql", "pg_read_server_files"))
    assert re.search(r"host/linux +runs", stranger.type("pgwatch doctor", status=0))


def test_test_message_arrives_on_each_channel(stranger: Stranger) -> None:
    page = "how-to/notify.md"
    with HttpReceiver() as receiver:
        routing = block(page, "yaml", "receivers:")
        routing = routing.replace("/etc/pgwatch/slack-url", "slack-url")
        stranger.write("alertmanager.yml", routing.replace("http://127.0.0.1:9094", receiver.url))
        stranger.write("slack-url", f"{receiver.url}/slack")
        stranger.write("pgwatch.yml", block(page, "yaml", "alertmanager_config"))
        assert stranger.type("pgwatch config check") == answer(page, "pgwatch config check")
        command = "pgwatch notify test on-call"
        assert stranger.type(command) == answer(page, command)
        assert sorted(request.path for request in receiver.requests) == ["/pager", "/slack"]


def test_every_metric_of_a_daemon_is_in_the_reference(server: LocalServer, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "targets": [{"name": "app", "dsn": server.dsn("app"), "host": {"source": "local"}}],
        "http_probes": [{"name": "nothing", "url": "http://127.0.0.1:9/"}],
    }
    documented = documented_metrics()
    with DaemonProcess(tmp_path, **settings) as daemon:
        daemon.wait_until_ready()
        page = requests.get(f"{daemon.url}/metrics", timeout=10).text
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE))
    assert len(types) > 100
    for name, kind in types.items():
        if not name.startswith(("process_", "python_")):
            assert documented[name][0] == kind, name
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", page, re.MULTILINE):
        if not name.startswith(("process_", "python_")):
            assert set(re.findall(r'(\w+)="', labels)) <= documented[name][1] | {"target"}, name


def documented_metrics() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric that the reference names; the labels of all its rows together."""
    text = (DOCS / "reference" / "metrics.md").read_text()
    found: dict[str, tuple[str, set[str]]] = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE):
        before = found.get(name, (kind, set[str]()))[1]
        found[name] = (kind, before | set(labels.split(", ")))
    return found
