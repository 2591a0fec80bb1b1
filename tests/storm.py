"""A storm of alerts: each row of a real table is an incident, and the daemon's own query reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
