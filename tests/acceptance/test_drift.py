"""`pgwatch run` with `migrations:`: drift is on /metrics, alerted, and gone when it is cured."""

from pathlib import Path
from typing import Any

from tests.daemon_process import DaemonProcess, until
from tests.watching import sql

MIGRATION = "CREATE TABLE house (id int);\nCREATE INDEX house_id ON house (id);\n"
SERIES = (
    'pg_declared_object_problem{{datname="{}",kind="index",line="2",migration="1_house",'
    'object="house_id",problem="missing",target="db"}}'
)
RULE = """groups:
- name: mine
  rules:
  - {alert: Drift, expr: 'pg_declared_object_problem{problem!="unverifiable"} == 1'}
"""


def test_a_dropped_index_is_alerted_until_it_is_there_again(tmp_path: Path, database: str) -> None:
    sql(database, MIGRATION)
    (tmp_path / "1_house.sql").write_text(MIGRATION)
    (tmp_path / "rule.yml").write_text(RULE)
    series = SERIES.format(database.rsplit("/", 1)[1])
    settings: dict[str, Any] = {
        "targets": [{"name": "db", "dsn": database, "packs": ["statements"]}],
        "migrations": ["1_house.sql"],
        "migrations_interval": "1s",
        "rules": {"builtin": False, "files": ["rule.yml"]},
    }
    with DaemonProcess(tmp_path, **settings) as daemon:

        def firing() -> list[str]:
            alerts = daemon.get("/api/v1/alerts").json()["data"]["alerts"]
            return [one["labels"]["object"] for one in alerts if one["state"] == "firing"]

        until(lambda: "pg_declared_objects{" in daemon.get("/metrics").text, "it looks", log=daemon)
        assert daemon.value(series) is None
        sql(database, "DROP INDEX house_id")
        until(lambda: daemon.value(series) == 1, "the drift is seen", log=daemon)
        until(lambda: firing() == ["house_id"], "and alerted", log=daemon)
        sql(database, "CREATE INDEX house_id ON house (id)")
        until(lambda: not firing(), "the alert ends", log=daemon)
        assert daemon.value(series) is None
        # Files that are named anew count after a reload.
        (tmp_path / "2_garden.sql").write_text("CREATE TABLE garden ();\n")
        daemon.configure(**{**settings, "migrations": ["1_house.sql", "2_garden.sql"]})
        assert daemon.reload().status_code == 200
        until(lambda: firing() == ["garden"], "the new file counts", log=daemon)
