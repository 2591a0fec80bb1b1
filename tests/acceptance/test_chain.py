"""Poll, evaluation, flush and delivery follow each other: none waits for the next one's clock."""

import time
from pathlib import Path
from typing import Any

import psycopg

from tests.daemon_process import DaemonProcess, until
from tests.receivers import HttpReceiver
from tests.storm import TABLE, write_configuration


def test_change_is_told_long_before_the_next_slot(tmp_path: Path, database: str) -> None:
    """Polls each second and slots each hour: what fires, ends, and `for`, are told within seconds."""
    with HttpReceiver() as receiver, psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLE)
        settings = write_configuration(tmp_path, database, {"hook": receiver.url}, slots="1h")
        with DaemonProcess(tmp_path, **settings) as daemon:
            until(lambda: daemon.up("db") == 1, "it is up", log=daemon)

            def told(status: str, name: str) -> dict[str, Any]:
                found: list[dict[str, Any]] = []

                def come() -> bool:
                    found[:] = [
                        alert
                        for request in receiver.requests
                        for alert in request.json["alerts"]
                        if (alert["status"], alert["labels"]["incident"]) == (status, name)
                    ]
                    return bool(found)

                receiver.wait_until(come, 10)
                return found[0]

            began = time.monotonic()
            session.execute("INSERT INTO storm VALUES ('i1', 'a', 'now'), ('i2', 'a', 'held')")
            told("firing", "i1")
            assert time.monotonic() - began < 2.5  # a poll's interval, and a busy machine
            told("firing", "i2")
            assert time.monotonic() - began < 4.5  # and its `for`, 2 s
            began = time.monotonic()
            session.execute("DELETE FROM storm")
            told("resolved", "i1")
            told("resolved", "i2")
            assert time.monotonic() - began < 3.5  # a poll's interval, and group_interval, 1 s
