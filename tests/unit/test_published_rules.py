"""Published rules that load and miss what they exist for, shown by tests of rules in promtool's format."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pgwatch.cli.main import main
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import AlertingRule
from tests.servers import ROOT, missing_peer

FILES = sorted((ROOT.parent / "shared" / "peers" / "rules").glob("*.yml"))
RULES = {
    rule.name: rule
    for group in load_rules(FILES)
    for rule in group.rules
    if isinstance(rule, AlertingRule)
}
LONG = "PostgresqlLongRunningTransaction"
STATES = ("active", "disabled", "fastpath function call", "idle", "idle in transaction")


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


# A transaction has been open since the beginning; the exporter has a row of zeroes for each other state.
OPEN = [
    series("pg_stat_activity_max_tx_duration", values, datname="app", state=state)
    for state, values in [*((state, "0x60") for state in STATES), ("aborted", "0+60x60")]
]
# PostgreSQL 17 moved the checkpoints: all of them are forced, and the old series are gone.
FORCED = [
    series("pg_stat_checkpointer_num_timed_total", "0x60"),
    series("pg_stat_checkpointer_num_requested_total", "0+10x60"),
]
# A collector fails; the metric that the rules look at counts those of the old code only.
FAILING = [
    series("pg_scrape_collector_success", "0x60", collector="stat_user_tables"),
    series("pg_exporter_last_scrape_error", "0x60"),
]

CASES = [  # rule, data, minute, whether it fires
    (LONG, OPEN, 5, False),  # open for more than 2 minutes, for more than 2 minutes: it is silent
    (LONG, OPEN, 14, False),
    (LONG, OPEN, 15, True),
    ("PostgresqlTooManyCheckpointsRequested", FORCED, 60, False),
    ("PostgresTooManyCheckpointsRequested", FORCED, 60, False),
    ("PostgresqlExporterError", FAILING, 60, False),
    ("PostgresHasExporterErrors", FAILING, 60, False),
]


def write(folder: Path, name: str, data: list[dict[str, str]], minute: int, fires: bool) -> str:
    rule = RULES[name]
    alert = {"exp_labels": {**rule.labels, "datname": "app"}, "exp_annotations": {}}
    alert["exp_annotations"] = {
        key: text.replace("{{ $labels.datname }}", "app") for key, text in rule.annotations.items()
    }
    expected = {
        "eval_time": f"{minute}m",
        "alertname": name,
        "exp_alerts": [alert] if fires else [],
    }
    test = {"interval": "1m", "input_series": data, "alert_rule_test": [expected]}
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [rule.file], "tests": [test]}))
    return str(file)


each_case = pytest.mark.parametrize(
    ("name", "data", "minute", "fires"),
    [pytest.param(*case, id=f"{case[0]}-{case[2]}m") for case in CASES],
)


@each_case
def test_it_misses_its_case(
    tmp_path: Path, name: str, data: list[dict[str, str]], minute: int, fires: bool
) -> None:
    assert main(["rules", "test", write(tmp_path, name, data, minute, fires)]) == 0
    assert main(["rules", "test", write(tmp_path, name, data, minute, not fires)]) == 1


@pytest.mark.peer
@each_case
def test_promtool_agrees(
    tmp_path: Path, name: str, data: list[dict[str, str]], minute: int, fires: bool
) -> None:
    if (promtool := shutil.which("promtool")) is None:
        missing_peer("promtool")
    command = [promtool, "test", "rules", write(tmp_path, name, data, minute, fires)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, json.dumps(done.stdout + done.stderr)
