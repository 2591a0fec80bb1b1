"""The shipped rules: each is proven by Prometheus's own promtool to fire and to stay quiet."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgwatch.migration import drift
from pgwatch.probes import host
from pgwatch.queries.catalog import load_catalog
from pgwatch.queries.query import Scope
from pgwatch.rules.load import load_rules
from pgwatch.share import share
from tests.servers import ROOT, missing_peer

ALERTS = ROOT / "alerts"
FILES = sorted(ALERTS.glob("*.yml"))
CRITICAL = {  # what makes the gate say no
    "HttpProbeFailed",
    "PostgresConstraintNotValidated",
    "PostgresConstraintViolation",
    "PostgresDown",
    "PostgresInvalidIndex",
    "PostgresMaterializedViewNotPopulated",
    "PostgresTriggerDisabled",
    "PostgresWraparound",
    "WorkflowProgressionFailed",
}
INFO = {"PostgresMissingIndex", "PostgresUnusedIndex"}
COMPARISON_WITH_NUMBER = re.compile(r"(?:==|!=|<=|>=|<|>)\s*[-+]?\d")


def load_yaml(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def rules_of(file: Path) -> list[dict[str, Any]]:
    document = load_yaml(file.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


RULES = [(file, index, rule) for file in FILES for index, rule in enumerate(rules_of(file))]
each_rule = pytest.mark.parametrize(
    ("file", "index", "rule"),
    RULES,
    ids=[f"{rule['alert']}-{n}" for n, (*_, rule) in enumerate(RULES)],
)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if (program := shutil.which("promtool")) is None:
        missing_peer("promtool")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def cases_of(file: Path) -> list[dict[str, Any]]:
    """Every alert_rule_test of the tests of a rule file."""
    document = load_yaml((ALERTS / "tests" / file.name).read_text())
    return [case for test in document["tests"] for case in test["alert_rule_test"]]


@pytest.mark.peer
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_promtool_accepts_the_file_and_its_tests(file: Path) -> None:
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "lint error" not in checked.stdout + checked.stderr
    tested = promtool("test", "rules", str(ALERTS / "tests" / file.name))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@each_rule
def test_rule_has_a_case_that_fires_and_one_that_stays_quiet(
    file: Path, index: int, rule: dict[str, Any]
) -> None:
    own = [case for case in cases_of(file) if case["alertname"] == rule["alert"]]
    identifying = rule["labels"].items()
    firing = [alert for case in own for alert in case["exp_alerts"] or []]
    assert [alert for alert in firing if identifying <= alert["exp_labels"].items()]
    namesakes = [other for other in rules_of(file) if other["alert"] == rule["alert"]]
    quiet = [case for case in own if not case["exp_alerts"]]
    assert len(quiet) >= len(namesakes)


@pytest.mark.peer
@each_rule
def test_tests_notice_a_rule_that_never_fires(
    file: Path, index: int, rule: dict[str, Any], tmp_path: Path
) -> None:
    document = load_yaml(file.read_text())
    broken = [rule for group in document["groups"] for rule in group["rules"]][index]
    broken["expr"] = "vector(0) > 1"
    (tmp_path / "tests").mkdir()
    (tmp_path / file.name).write_text(yaml.safe_dump(document))
    shutil.copy(ALERTS / "tests" / file.name, tmp_path / "tests")
    tested = promtool("test", "rules", str(tmp_path / "tests" / file.name))
    assert tested.returncode == 1, f"{rule['alert']} is not needed by any test"


@pytest.mark.peer
@pytest.mark.parametrize(
    ("file", "index", "rule"),
    # "> 0" alone is no threshold: those series exist only while the thing is so.
    [row for row in RULES if not re.fullmatch(r"\w+ > 0", row[2]["expr"])],
    ids=lambda value: value["alert"] if isinstance(value, dict) else "",
)
def test_tests_notice_a_rule_that_always_fires(
    file: Path, index: int, rule: dict[str, Any], tmp_path: Path
) -> None:
    """Without its threshold and its waiting, a rule must fire where a test wants silence."""
    document = load_yaml(file.read_text())
    groups = document["groups"]
    broken = [rule for group in groups for rule in group["rules"]][index]
    broken["expr"] = f"({COMPARISON_WITH_NUMBER.sub('>= bool -1 *', broken['expr'])}) >= 0"
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule is broken]
    broken.pop("for", None)
    (tmp_path / "tests").mkdir()
    (tmp_path / file.name).write_text(yaml.safe_dump(document))
    tests = load_yaml((ALERTS / "tests" / file.name).read_text())
    for test in tests["tests"]:
        cases = [case for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        test["alert_rule_test"] = [case for case in cases if not case["exp_alerts"]]
    (tmp_path / "tests" / file.name).write_text(yaml.safe_dump(tests))
    tested = promtool("test", "rules", str(tmp_path / "tests" / file.name))
    assert tested.returncode == 1, f"no quiet case of {rule['alert']} needs its threshold"


@each_rule
def test_rule_says_how_bad_it_is_and_what_to_do(
    file: Path, index: int, rule: dict[str, Any]
) -> None:
    name, labels = rule["alert"], rule["labels"]
    severity = "critical" if name in CRITICAL else "info" if name in INFO else "warning"
    assert labels["severity"] == ("info" if "verdict" in labels else severity)
    assert labels["phase"] in {"pre", "structure", "types", "constraints", "post"}
    assert set(rule["annotations"]) - {"evidence"} == {"summary", "description", "fix"}
    asked = rule["annotations"].get("evidence", "core/blocking_statements")
    assert asked in load_catalog([share("queries")]).evidence
    assert "$value" not in str(labels)


@each_rule
def test_threshold_is_the_one_number_compared_with(
    file: Path, index: int, rule: dict[str, Any]
) -> None:
    if "verdict" in rule["labels"]:
        return  # it finds what could not be told: nothing to set
    found = COMPARISON_WITH_NUMBER.findall(rule["expr"])
    assert len(found) == (0 if rule["labels"].get("known") == "observed" else 1)


def test_every_alert_of_the_guide_is_there() -> None:
    wanted = """
        PostgresDown PostgresSlowQuery PostgresSlowStatement PostgresConstraintViolation
        PostgresConstraintNotValidated PostgresInvalidIndex PostgresTriggerDisabled
        PostgresMaterializedViewStale PostgresMaterializedViewNotPopulated PostgresBlockedSession
        PostgresIdleInTransaction PostgresConnectionsHigh PostgresUnusedIndex PostgresMissingIndex
        PostgresReplicationLag PostgresReplicationSlotInactive PostgresWraparound
        PostgresDeadlocks HostHighCpu HostHighMemory WorkflowProgressionFailed
        WorkflowStepCompletionFailed PhaseAdvancementError WorkflowInconsistent HttpProbeFailed
        HttpProbeSlow
    """
    assert set(wanted.split()) <= {rule["alert"] for *_, rule in RULES}


def known_metrics() -> dict[str, set[str]]:
    """{metric: its labels} of everything that pgwatch can collect."""
    cpu = {"target", "probe", "cpu", "mode"}
    probe = {"target", "probe"}
    known = {
        "pg_up": {"target"},
        **{family.name: cpu for family in host.FAMILIES},
        drift.PROBLEM.name: {"target", "datname", *drift.PROBLEM_LABELS},
        "probe_success": probe,
        "probe_duration_seconds": probe,
    }
    for query in load_catalog([ROOT / "queries"]).queries.values():
        scope = {"target", "datname"} if query.scope is Scope.DATABASE else {"target"}
        for metric in query.metrics:
            known.setdefault(metric.family.name, set()).update(scope, metric.labels)
    return known


@each_rule
def test_rule_names_only_what_is_collected(file: Path, index: int, rule: dict[str, Any]) -> None:
    known = known_metrics()
    expr = re.sub(r"\{.*?\}|\((?:target|cpu|mode)[^()]*\)", "", rule["expr"])
    used = set(re.findall(r"\b(?:pg|roofing|node|probe)_\w+", expr))
    assert used
    assert used <= set(known)
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert shown <= set.union(*(known[name] for name in used))


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        (
            "PostgresSlowQuery",
            "500ms",
            "pg_activity_longest_query_seconds > 0.5 unless on (target, pid) pg_blocked_session_seconds",
        ),
        ("PostgresConnectionsHigh", "90%", "pg_connections_used / pg_connections_limit > 0.9"),
        (
            "PostgresMaterializedViewStale",
            "12h",
            "time() - pg_matview_last_refresh_timestamp_seconds > 43200",
        ),
    ],
)
def test_thresholds_of_the_guide_can_be_set_by_name(
    name: str, quantity: str, expected: str
) -> None:
    groups = load_rules([], builtin=ALERTS, thresholds={name: quantity})
    queries = [rule.query for group in groups for rule in group.rules if rule.name == name]
    assert expected in queries


def test_reference_page_lists_every_rule_as_it_is() -> None:
    rows = []
    for file in FILES:
        for rule in rules_of(file):
            labels = rule["labels"]
            expr = " ".join(rule["expr"].split())
            hold = rule.get("for", "")
            rows.append(
                f"| `{rule['alert']}` | {labels['severity']} | {labels['phase']} | `{expr}` | {hold} |"
            )
    page = (ROOT / "docs" / "reference" / "alerts.md").read_text().splitlines()
    assert [line for line in page if line.startswith("| `")] == rows
