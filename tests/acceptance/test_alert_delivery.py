"""Alerts from a real database to real receivers: fire, hold while nobody can tell, resolve."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from pgwatch.demo.server import LocalServer
from tests.daemon_process import DaemonProcess, until
from tests.receivers import HttpReceiver, MailReceiver
from tests.watching import sql

DEBT = """
CREATE TABLE public.orders (id integer, amount integer);
ALTER TABLE public.orders ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID
"""
ALERT = "PostgresConstraintNotValidated"


@dataclass(frozen=True, kw_only=True)
class Receivers:
    webhook: HttpReceiver
    slack: HttpReceiver
    mail: MailReceiver


@contextmanager
def receivers(folder: Path) -> Iterator[Receivers]:
    """Three receivers of one alert, each by a route of its own; am.yml leads to them at once."""
    with ExitStack() as stack:
        webhook = stack.enter_context(HttpReceiver())
        slack = stack.enter_context(HttpReceiver())
        mail = stack.enter_context(MailReceiver())
        everything = {"send_resolved": True}
        channels = {
            "hook": {"webhook_configs": [{"url": webhook.url, **everything}]},
            "chat": {
                "slack_configs": [
                    {
                        "api_url": f"{slack.url}/services/T0/B0/zebra",
                        "channel": "#ops",
                        **everything,
                    }
                ]
            },
            "post": {
                "email_configs": [
                    {
                        "to": "dba@example.org",
                        "from": "pgwatch@example.org",
                        "smarthost": f"127.0.0.1:{mail.port}",
                        "require_tls": False,
                        **everything,
                    }
                ]
            },
        }
        matching = {"matchers": [f"alertname={ALERT}"], "continue": True}
        quick = {"group_wait": "0s", "group_interval": "1s"}
        config = {
            "route": {
                "receiver": "nobody",
                "group_by": ["alertname"],
                **quick,
                "routes": [{**matching, "receiver": name} for name in channels],
            },
            "receivers": [
                {"name": "nobody"},
                *({"name": name, **how} for name, how in channels.items()),
            ],
        }
        (folder / "am.yml").write_text(yaml.safe_dump(config))
        yield Receivers(webhook=webhook, slack=slack, mail=mail)


def settings(dsn: str) -> dict[str, Any]:
    target = {"name": "db", "dsn": dsn, "packs": ["core"], "connect_timeout": "2s"}
    return {"targets": [target], "alertmanager_config": "am.yml"}


def test_an_alert_is_told_and_its_end_too(tmp_path: Path, database: str) -> None:
    with receivers(tmp_path) as told, DaemonProcess(tmp_path, **settings(database)) as daemon:
        until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
        with psycopg.connect(database, autocommit=True) as connection:
            for statement in DEBT.split(";"):
                connection.execute(statement.encode())
        (fired,) = told.webhook.wait_for(1)
        assert fired.json["status"] == "firing"
        assert fired.json["version"] == "4"
        (alert,) = fired.json["alerts"]
        labels = alert["labels"]
        assert (labels["alertname"], labels["target"]) == (ALERT, "db")
        assert (labels["relname"], labels["conname"]) == ("orders", "positive")
        assert 'VALIDATE CONSTRAINT "positive"' in alert["annotations"]["fix"]
        (chat,) = told.slack.wait_for(1)
        assert "Constraint positive on public.orders is not validated" in str(chat.json)
        until(lambda: told.mail.mails, "the mail came", log=daemon)
        assert ALERT in str(told.mail.mails[0]["subject"])
        assert ALERT in daemon.page()

        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(b"ALTER TABLE public.orders VALIDATE CONSTRAINT positive")
        _, ended = told.webhook.wait_for(2)
        assert (ended.json["status"], ended.json["groupKey"]) == (
            "resolved",
            fired.json["groupKey"],
        )
        assert ended.json["alerts"][0]["endsAt"] > alert["startsAt"]
        told.slack.wait_for(2)
        until(lambda: len(told.mail.mails) == 2, "the second mail came", log=daemon)
        assert ALERT not in daemon.page()
        assert [len(told.webhook.requests), len(told.slack.requests)] == [2, 2]
        assert "zebra" not in daemon.log


def test_an_alert_is_held_while_its_target_is_down(tmp_path: Path, own_server: LocalServer) -> None:
    for statement in DEBT.split(";"):
        sql(own_server.dsn(), statement)
    with (
        receivers(tmp_path) as told,
        DaemonProcess(tmp_path, **settings(own_server.dsn())) as daemon,
    ):
        told.webhook.wait_for(1)
        own_server.halt()
        until(lambda: daemon.up("db") == 0, "it is down", log=daemon)
        evaluations = (
            'prometheus_rule_evaluations_total{rule_group="builtin/postgres.yml;postgres"}'
        )
        until(lambda: "no data" in daemon.page(), "the page says that nobody can tell", log=daemon)
        before = daemon.value(evaluations)
        assert before is not None, daemon.get("/metrics").text
        until(lambda: (daemon.value(evaluations) or 0) > before + 30, "several evaluations")
        assert ALERT in daemon.page()
        assert len(told.webhook.requests) == 1  # and no word of an end
        own_server.launch()
        until(lambda: daemon.up("db") == 1, "it is back", seconds=30, log=daemon)
        until(lambda: "no data" not in daemon.page(), "one can tell again", log=daemon)
        assert ALERT in daemon.page()
        assert len(told.webhook.requests) == 1
        sql(own_server.dsn(), "ALTER TABLE public.orders VALIDATE CONSTRAINT positive")
        _, ended = told.webhook.wait_for(2)
        assert ended.json["status"] == "resolved"
