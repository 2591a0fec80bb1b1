"""What the lint of rules finds, and what it leaves in peace."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from pgwatch.cli.rules_lint import catalogue_knowledge
from pgwatch.queries.catalog import load_catalog
from pgwatch.rules.knowledge import Knowledge, MetricFacts, of_document
from pgwatch.rules.lint import Defect, lint
from pgwatch.rules.load import load_rules, parse_rules
from pgwatch.rules.since import read_version
from pgwatch.rules.template_labels import missing_labels
from pgwatch.share import share
from pgwatch.wiring import rule_groups
from tests.servers import ROOT

PEERS = ROOT.parent / "shared" / "peers"
FAMILIES = PEERS / "postgres_exporter_families.json"

KNOWN = of_document(
    [
        {"name": "pg_slots", "labels": ["slot"], "type": "gauge"},
        {"name": "pg_replica", "labels": []},
        {"name": "pg_commits_total", "labels": ["datname"], "type": "counter"},
        {"name": "pg_tx_age_seconds", "labels": ["datname"], "type": "gauge"},
        {"name": "pg_settings_<name>", "labels": []},
    ]
)


def defects(expr: str, knowledge: Knowledge = KNOWN, **keys: object) -> set[str]:
    """Return what is found; `hold` is the key `for`."""
    keys = {"for" if key == "hold" else key: value for key, value in keys.items()}
    rule = json.dumps({"alert": "A", "expr": expr, **keys})
    groups = parse_rules(f"groups: [{{name: g, interval: 1m, rules: [{rule}]}}]", file="r.yml")
    return {str(finding.defect) for finding in lint(groups, knowledge)}


NEVER_MATCH = [
    "pg_slots == 0 and pg_replica == 0",
    "pg_slots unless pg_replica",
    "pg_slots > pg_settings_max",
    "sum(pg_slots) >= other_limit",  # of `other_limit` only instance and job are known
    "sum by (instance) (pg_slots) / pg_replica",
    "sum by (slot) (pg_slots) > on (instance) pg_replica",
    'pg_slots{slot="a"} and on (slot) pg_replica',
    "pg_slots * ignoring (job) pg_replica > 5",
    "pg_slots * on (instance) group_left (datname) pg_replica == pg_commits_total",
    "(pg_slots or pg_slots) and pg_replica",
    "vector(1) and pg_replica",
    "absent(pg_slots) and pg_replica",
    "label_replace(pg_slots, 'x', '', '', '') and pg_replica",
]


@pytest.mark.parametrize("expr", NEVER_MATCH)
def test_operands_that_never_match(expr: str) -> None:
    assert "never-matches" in defects(expr)


MATCH = [
    "pg_slots == 0 and on (instance) pg_replica == 0",
    "pg_slots > on (instance, job) group_left pg_settings_max",
    "pg_slots * ignoring (slot) group_left pg_replica > 5",
    "sum(pg_slots) > scalar(pg_replica)",
    "sum(pg_slots) > count(pg_replica)",
    "sum by (instance, job) (pg_slots) > sum by (instance, job, server) (pg_replica)",
    "pg_slots > mine",  # of `mine` nothing is known
    "pg_slots > job:slots:sum",  # a recorded series
    "pg_slots or pg_replica > 1",
    "pg_slots and pg_slots offset 5m > 1",
    "label_replace(pg_replica, 'slot', 'x', '', '') and pg_slots",
    "count_values('v', pg_slots) and count_values('v', pg_slots) > 5",
    "topk(1, pg_slots) and pg_slots",
    "max without (slot) (pg_slots) and pg_replica",
    "pg_slots * on (instance) group_left (env) target_info == pg_slots",
    'pg_slots{slot=""} and pg_replica',
    '{__name__=~"pg_.*"} and pg_replica',
    "vector(1) == vector(1) and on () pg_replica",
    "histogram_quantile(0.9, rate(pg_x_bucket[5m])) > 1 and pg_replica",
]


@pytest.mark.parametrize("expr", MATCH)
def test_operands_that_may_match(expr: str) -> None:
    assert "never-matches" not in defects(expr)


def test_only_the_innermost_mismatch_is_told() -> None:
    (group,) = parse_rules(
        "groups: [{name: g, rules: [{alert: A, expr: pg_slots / pg_replica > 1 and pg_slots}]}]",
        file="r.yml",
    )
    (finding,) = lint([group], KNOWN)
    assert finding.message.startswith(
        "`pg_slots / pg_replica` gives nothing: the left side of / has the label slot, the right side"
    )


NEVER_TRUE = [
    "avg by (datname) (rate(pg_tx_age_seconds[2m])) > 2 * 60",
    "increase(pg_tx_age_seconds[1m]) > 120",
    "time() - timestamp(pg_slots) > 36000",
    "timestamp(pg_slots) < time() - 36000",
    "max(time() - timestamp(pg_slots)) > 600",
    "rate(pg_commits_total[5m]) < 0",
    "pg_commits_total < 0",
    "count(pg_slots) < 1",
    "count(pg_slots) == 0",
    "absent(pg_slots) == 0",
    "hour() > 23",
    "clamp_max(pg_slots, 5) > 5",
    "-abs(pg_slots) > 0",
    "sum(rate(pg_commits_total[5m])) * 100 / 5 < 0",
    "(pg_slots > bool 3) > 1",
    "-1 > rate(pg_commits_total[5m])",
    "pg_replication_old > 5 and pg_replication > 5",
]


@pytest.mark.parametrize("expr", NEVER_TRUE)
def test_what_is_never_true(expr: str) -> None:
    renamed = of_document({"name": "pg_replication_seconds", "labels": []})
    assert "never-fires" in defects(expr, knowledge=KNOWN | renamed)


PERHAPS_TRUE = [
    "rate(pg_tx_age_seconds[2m]) > 0.5",
    "pg_tx_age_seconds > 120",
    "delta(pg_tx_age_seconds[10m]) > 500",
    "rate(pg_last_run_duration_seconds[2m]) > 5",
    "rate(pg_commits_total[5m]) > 1e6",
    "time() - timestamp(pg_slots) > 200",
    "time() - timestamp(pg_slots offset 1d) > 3600",
    "time() - pg_slots > 36000",
    "pg_slots < 0",
    "count(pg_slots) > 0",
    "absent(pg_slots) == 1",
    "hour() >= 23 or hour() < 4",
    "abs(pg_slots - 5) > 5",
    "max_over_time((time() - pg_slots)[1h:]) > 7200",
    "pg_slots / pg_slots > 5",
    "pg_commits_total - pg_commits_total offset 5m < 0",
    "sum(pg_slots > bool 3) > 7",
    "pg_slots != 0",
]


@pytest.mark.parametrize("expr", PERHAPS_TRUE)
def test_what_may_be_true(expr: str) -> None:
    assert not defects(expr) & {"never-fires", "always-fires"}


@pytest.mark.parametrize(
    "expr",
    [
        "pg_slots > bool 5",
        "sum by (slot) (pg_slots == bool 0)",
        "pg_slots > 5 or vector(0)",
        "rate(pg_commits_total[5m]) >= 0",
        "pg_commits_total > -1",
        "pg_slots > bool 5 and pg_slots == bool 3",
    ],
)
def test_what_fires_always(expr: str) -> None:
    assert "always-fires" in defects(expr)


@pytest.mark.parametrize(
    "expr",
    [
        "vector(1)",  # a heartbeat is meant to
        "count(pg_slots) > 0",  # whether there is one
        "pg_slots",
        "(pg_slots > bool 5) == 1",
        "pg_slots > 5 and pg_commits_total >= 0",
        "pg_slots > 5 or pg_replica == 0",
        "absent(pg_slots)",
    ],
)
def test_what_may_be_quiet(expr: str) -> None:
    assert "always-fires" not in defects(expr)


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("pg_slotz == 0", {"unknown-metric"}),
        ("pg_nothing_like_it == 0", {"unknown-metric"}),
        ("pg_settings_anything == 0", set()),
        ("other_metric == 0", set()),
        ('pg_replica{slot="a"} == 0', {"unknown-label"}),
        ('pg_replica{slot!="a"} == 0', set()),  # holds for what has no such label
        ('pg_commits_total{datnam="a"} == 0', {"unknown-label"}),
        ('pg_replica{env="prod"} == 0', set()),  # a label of the target
        ("sum by (datnam) (pg_commits_total) == 0", {"unknown-label"}),
        ("sum by (cluster) (pg_commits_total) == 0", set()),
    ],
)
def test_unknown_names(expr: str, found: set[str]) -> None:
    assert defects(expr) == found


def test_recorded_series_are_known() -> None:
    groups = parse_rules(
        "groups: [{name: g, rules: [{record: pg_mine, expr: pg_slots}, {alert: A, expr: pg_mine > 1}]}]",
        file="r.yml",
    )
    assert lint(groups, KNOWN) == []


@pytest.mark.parametrize(
    "template", ["{{ $value }}", "{{ .Value | humanize }}", "{{ printf `%.1f` $value }}"]
)
def test_value_in_a_label(template: str) -> None:
    labels = {"size": template}
    assert defects("pg_slots > 5", labels=labels) == {"value-in-label"}
    assert defects("pg_slots > 5", annotations=labels) == set()


def test_for_below_the_interval() -> None:
    assert defects("pg_slots > 5", hold="30s") == {"short-for"}
    assert defects("pg_slots > 5", hold="1m") == set()


@pytest.mark.parametrize(
    ("keys", "version"),
    [
        ({"expr": "x > 10m"}, "2.54"),
        ({"expr": "x > 600"}, None),
        ({"expr": '{"my metric"} > 1'}, "3.0"),
        ({"expr": "present_over_time(x[5m])"}, "2.29"),
        ({"expr": "x @ 5"}, "2.33"),
        ({"expr": "x", "keep_firing_for": "5m"}, "2.42"),
        ({"expr": "x", "annotations": {"a": "{{ 0 | toTime }}"}}, "2.38"),
        ({"expr": "x", "annotations": {"a": '{{ "toTime" }} {{ .Labels.toTime }} toTime'}}, None),
    ],
)
def test_what_older_versions_do_not_take(keys: dict[str, object], version: str | None) -> None:
    rule = json.dumps({"alert": "A", **keys})
    groups = parse_rules(f"groups: [{{name: g, rules: [{rule}]}}]", file="r.yml")

    def found(target: str) -> list[str]:
        return [f.message for f in lint(groups, Knowledge(), target=read_version(target))]

    if version is None:
        assert found("2.0") == []
        return
    major, minor = read_version(version)
    older = f"{major}.{minor - 1}" if minor else f"{major - 1}.55"
    (message,) = found(older)
    assert f"needs Prometheus {version}, and the target is {older}" in message
    assert found(version) == []


# Published and shipped rules

NEVER_FIRE = {
    "PostgresqlUnusedReplicationSlot",
    "PostgresqlTableNotAutoVacuumed",
    "PostgresqlTableNotAutoAnalyzed",
    "PostgresqlTooManyLocksAcquired",
    "PGBouncerMaxConnections",
    "PostgreSQLSlowQueries",
    "PostgresTablesNotVaccumed",
    "PostgresReplicationLaggingMore1Hour",
}
CUSTOM = {  # metrics that no exporter brings without a query of one's own
    "PostgresqlBloatIndexHigh80",
    "PostgresqlBloatTableHigh80",
    "PostgresqlLowXIDConsumption",
    "PostgresqlInvalidIndex",
    "PostgresqlSSLCompressionActive",
}


def test_published_rules_that_can_never_fire_are_found_and_no_sound_one() -> None:
    knowledge = of_document(json.loads(FAMILIES.read_text("utf-8")))
    groups = load_rules(sorted((PEERS / "rules").glob("*.yml")))
    found = lint(groups, knowledge)
    never = {f.rule.name for f in found if f.defect in (Defect.NEVER_FIRES, Defect.NEVER_MATCHES)}
    others = {(f.rule.name, f.defect) for f in found if f.rule.name not in never}
    assert never == NEVER_FIRE
    assert others == {(name, Defect.UNKNOWN_METRIC) for name in CUSTOM}


def test_no_shipped_rule_is_accused() -> None:
    knowledge = catalogue_knowledge(load_catalog([share("queries")]))
    assert lint(rule_groups(None), knowledge, target=(2, 42)) == []


# The command


def test_page_names_every_finding() -> None:
    text = (ROOT / "docs" / "reference" / "lint.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == [str(one) for one in Defect]


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "r.yml"
    file.write_text("groups:\n- name: g\n  rules:\n  - {alert: A, expr: shop_orderz > 5}\n")
    return str(file)


def test_command(rules: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["rules", "lint", rules]) == 0
    assert capsys.readouterr().out == "1 rules, all good\n"
    page = tmp_path / "page.txt"
    page.write_text('# TYPE shop_orders gauge\nshop_orders{kind="a"} 1\n')
    assert main(["rules", "lint", rules, "--metrics", str(page)]) == 1
    out = capsys.readouterr().out
    message = "unknown-metric: no known metric is called shop_orderz; did you mean shop_orders?"
    assert out == f"{rules}:4: A: {message}\n1 rules, 1 with findings\n"
    assert main(["rules", "lint", rules, "--metrics", str(page), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["rule"], row["line"], row["defect"]) == ("A", 4, "unknown-metric")


@pytest.mark.parametrize(
    ("text", "message"), [("?", "is no page of metrics"), ("", "names no metric")]
)
def test_page_that_is_none(
    rules: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    page = tmp_path / "page"
    page.write_text(text)
    assert main(["rules", "lint", rules, "--metrics", str(page)]) == 2
    assert message in capsys.readouterr().err


CATALOGUE = catalogue_knowledge(load_catalog([share("queries")]))
SHORT = [
    ("rate(polled[30s]) > 0", "never"),
    ("increase(polled[1m]) > 0", "never"),  # the window is open on the left
    ("changes((polled[90s])) > 0", "at times not"),
    ("rate(polled[2m]) > 0", ""),
    ("max_over_time(polled[30s]) > 0", ""),  # says something of one sample
    ("rate(unknown[1s]) > 0", ""),
    ("rate(polled[30s:10s]) > 0", ""),  # of its own samples
    ("rate(job:x[1m]) > 0", "never"),  # recorded each minute
]


@pytest.mark.parametrize(("expr", "often"), SHORT, ids=[expr for expr, _ in SHORT])
def test_a_window_has_two_samples(expr: str, often: str) -> None:
    facts = MetricFacts(labels=frozenset(), interval=timedelta(minutes=1))
    rules = [{"record": "job:x", "expr": "polled"}, {"alert": "A", "expr": expr}]
    text = json.dumps({"groups": [{"name": "g", "interval": "1m", "rules": rules}]})
    found = lint(parse_rules(text, file="r.yml"), Knowledge({"polled": facts}))
    assert [one.defect for one in found] == ([Defect.SHORT_RANGE] if often else [])
    if found:
        assert f" has {often} the two samples" in found[0].message
        assert "take a window of 4m" in found[0].message


def test_the_interval_of_a_metric_is_that_of_its_query() -> None:
    catalog = load_catalog([share("queries")])
    for metric, queries in catalog.by_metric.items():
        facts = CATALOGUE.of(metric)
        assert facts is not None
        assert facts.interval == min(query.interval for query in queries)


HOLES = [  # expression, text, label that is missing, words of the cure
    ("sum by (slot) (pg_slots) > 1", "{{ $labels.datname }}", "datname", "sum by (slot, datname)"),
    ("sum(pg_slots) > 1", "{{ .Labels.slot | title }}", "slot", "sum by (slot)"),
    ("max without (slot) (pg_slots) > 1", "{{ $labels.slot }}", "slot", "without (slot)"),
    ("pg_replica == 1", "{{ $labels.slot }}", "slot", "leave it out"),
    ("absent(pg_slots)", "{{ $labels.instance }}", "instance", "names with ="),
    (
        "pg_slots > on (instance) pg_replica",
        "{{ $labels.slot }}",
        "slot",
        "group_left (slot)",
    ),
    ("sum by (slot) (pg_slots) > 1", "{{ $labels.slot }} of $labels.datname", "", ""),
    ("sum(pg_slots) > 1", "{{ with $labels.slot }}{{ . }}{{ end }}", "", ""),  # asks for it
    ("sum(pg_slots) > 1", '{{ range query "x" }}{{ .Labels.slot }}{{ end }}', "", ""),
    ("pg_slots > 1", "{{ $labels.team }} {{ $labels.instance }}", "", ""),  # a target's label
    ("other_metric > 1", "{{ $labels.slot }}", "", ""),  # nothing is known of it
    ('sum by (x) (label_replace(pg_slots, "x", "a", "", "")) > 1', "{{ $labels.x }}", "", ""),
]


@pytest.mark.parametrize("key", ["labels", "annotations"])
@pytest.mark.parametrize(("expr", "text", "label", "cure"), HOLES, ids=[one[1] for one in HOLES])
def test_a_template_with_a_hole(expr: str, text: str, label: str, cure: str, key: str) -> None:
    rule = json.dumps({"alert": "A", "expr": expr, key: {"told": text}})
    groups = parse_rules(f"groups: [{{name: g, rules: [\n{rule}]}}]", file="r.yml")
    warnings = missing_labels(groups, KNOWN)
    assert len(warnings) == bool(label)
    if warnings:
        where = f"r.yml:2: rule A names {label} in its {key.removesuffix('s')} told"
        assert warnings[0].startswith(where)
        assert cure in warnings[0]


def test_no_shipped_template_has_a_hole() -> None:
    assert missing_labels(rule_groups(None), CATALOGUE) == []
