"""A storm of alerts: each row of a real table is an incident, and the daemon's own query reads it."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
import yaml

TABLE = """
CREATE TABLE storm (
    incident text PRIMARY KEY,
    service text NOT NULL,
    kind text NOT NULL  -- now: it fires at once; held: after HOLD seconds
)
"""
HOLD = 2.0
_QUERY = """/*
help: The incidents that are there
interval: 1s
timeout: 900ms
scope: database
metrics:
  storm_incident: {type: gauge, value: n, labels: [incident, service, kind], help: 1 for each}
*/
SELECT
    incident,
    service,
    kind,
    1 AS n
FROM public.storm
ORDER BY incident;
"""


def write_configuration(
    folder: Path, dsn: str, receivers: Mapping[str, str], *, slots: str = "1s"
) -> dict[str, Any]:
    """Write query, rules and routes; returns the settings. Everyone (name → URL) hears of everything."""
    own = folder / "queries" / "storm"
    own.mkdir(parents=True)
    (own / "incidents.sql").write_text(_QUERY)
    rules = [
        {"alert": "Storm", "expr": 'storm_incident{kind="now"} == 1'},
        {"alert": "Held", "expr": 'storm_incident{kind="held"} == 1', "for": f"{HOLD:.0f}s"},
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    routes = [{"receiver": name, "continue": True} for name in receivers]
    route = {
        "receiver": next(iter(receivers)),
        "group_by": ["service"],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "4h",
        "routes": routes,
    }
    hooks = [
        {"name": name, "webhook_configs": [{"url": url, "timeout": "1s"}]}
        for name, url in receivers.items()
    ]
    (folder / "am.yml").write_text(yaml.safe_dump({"route": route, "receivers": hooks}))
    return {
        "targets": [{"name": "db", "dsn": dsn, "packs": ["storm"]}],
        "queries": ["queries"],
        "rules": {"builtin": False, "files": ["rules.yml"]},
        "alertmanager_config": "am.yml",
        "evaluation_interval": slots,
    }


@dataclass(slots=True, kw_only=True)
class Incident:
    """A row, and when it came and went; Unix times around each commit."""

    name: str
    service: str
    kind: str  # as in the table, and `brief`: like `now`, but it may go before anybody has seen it
    inserting: float
    inserted: float
    deleting: float | None = None
    deleted: float | None = None


class Storm:
    """Makes incidents come and go until the block ends; the others than brief ones end once heard of.

    `heard` says of an incident's name whether somebody has told of it.
    """

    def __init__(self, dsn: str, heard: Callable[[str], bool], chance: random.Random) -> None:
        self.incidents: list[Incident] = []
        self.changed = threading.Event()  # set at each commit
        self._dsn = dsn
        self._heard = heard
        self._chance = chance
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let no new incident come, and all that are there go once they were heard of."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "incidents that nobody tells of; see the daemon's log"

    def _run(self) -> None:
        going: dict[str, float] = {}  # when an open incident goes, of those that may
        with psycopg.connect(self._dsn, autocommit=True) as session:
            open_ones: list[Incident] = []
            while open_ones or not self._ending.is_set():
                now = time.time()
                if len(open_ones) < 8 and not self._ending.is_set():
                    open_ones.append(self._begin(session))
                for one in list(open_ones):
                    if one.name not in going and (one.kind == "brief" or self._heard(one.name)):
                        going[one.name] = now + self._chance.uniform(0.1, 2.5)
                    if going.get(one.name, now + 1) <= now:
                        self._end(session, one)
                        open_ones.remove(one)
                time.sleep(self._chance.uniform(0.02, 0.2))

    def _begin(self, session: psycopg.Connection[Any]) -> Incident:
        kind = self._chance.choice(("now", "now", "held", "brief"))
        name, service = f"i{len(self.incidents)}", self._chance.choice("abc")
        row = (name, service, "now" if kind == "brief" else kind)
        inserting = time.time()
        session.execute("INSERT INTO storm VALUES (%s, %s, %s)", row)
        one = Incident(
            name=name, service=service, kind=kind, inserting=inserting, inserted=time.time()
        )
        self.incidents.append(one)
        self.changed.set()
        return one

    def _end(self, session: psycopg.Connection[Any], one: Incident) -> None:
        one.deleting = time.time()
        session.execute("DELETE FROM storm WHERE incident = %s", (one.name,))
        one.deleted = time.time()
        self.changed.set()
