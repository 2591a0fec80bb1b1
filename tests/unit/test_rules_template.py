"""Templates of rules: Prometheus's language, functions and failures."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pgwatch.rules.template import RuleTemplate, Surroundings, TemplateError
from pgwatch.samples.labels import Labels
from tests.servers import missing_peer

SURROUNDINGS = Surroundings(external_url="http://pg:9432/base", external_labels={"dc": "a"})
LABELS = {"a": "1", "b": "x y"}
VALUE = 1234567.891


def elements(expression: str) -> list[tuple[Labels, float]]:
    if expression == "none":
        return []
    return [(Labels({"x": "2", "__value__": "v"}), 1.5), (Labels({"x": "1"}), 2.0)]


def expand(text: str, value: float = VALUE) -> str:
    template = RuleTemplate(text, name="X")
    return template.expand(LABELS, value, surroundings=SURROUNDINGS, query=elements)


EXPANSIONS = [
    # The expected texts are those of Prometheus (`template_test.go` and promtool).
    ("no template", "no template"),
    ("{{ $labels.a }}{{ $labels.missing }}|", "1|"),
    ("{{ $labels }}", "map[a:1 b:x y]"),
    ("{{ $value }}", "1.234567891e+06"),
    ("{{ .Value }} {{ .Labels.a }}", "1.234567891e+06 1"),
    ('{{ printf "%.1f%%" $value }}', "1234567.9%"),
    ('{{ printf "2024 %s %5.1f|%-4d|%v" "x" 2.25 7 $value }}', "2024 x   2.2|7   |1.234567891e+06"),
    ('{{ $value | printf "%.2f" }}', "1234567.89"),
    ("{{ $externalLabels.dc }} {{ $externalURL }}", "a http://pg:9432/base"),
    ("{{ externalURL }} {{ pathPrefix }}", "http://pg:9432/base /base"),
    ("{{ humanize $value }}", "1.235M"),
    ("{{ humanize 0.00012 }}", "120u"),
    ("{{ humanize 0.0 }} {{ humanize 999.9 }} {{ humanize -1000.0 }}", "0 999.9 -1k"),
    ('{{ humanize "1e30" }}', "1e+06Y"),
    (
        "{{ humanize1024 1048576.0 }} {{ humanize1024 1.0 }} {{ humanize1024 1536.0 }}",
        "1Mi 1 1.5ki",
    ),
    ("{{ humanizeDuration 0.0 }} {{ humanizeDuration 0.25 }}", "0s 250ms"),
    ("{{ humanizeDuration 59.9999 }} {{ humanizeDuration 60.0 }}", "60s 1m 0s"),
    ("{{ humanizeDuration 3600.0 }} {{ humanizeDuration 93784.5 }}", "1h 0m 0s 1d 2h 3m 4s"),
    ("{{ humanizeDuration -61.0 }}", "-1m 1s"),
    ("{{ humanizePercentage 0.1234567 }} {{ humanizePercentage 1.0 }}", "12.35% 100%"),
    ("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
    ('{{ ($value | toTime).Format "2006-01-02" }}', "1970-01-15"),
    ("{{ 1435065584.128 | toTime }}", "2015-06-23 13:19:44.128 +0000 UTC"),
    ('{{ "foo bar-baz" | title }} {{ toUpper "a" }} {{ toLower "B" }}', "Foo Bar-Baz A b"),
    ('{{ match "a+b" "xaab" }} {{ match "^x$" "xx" }}', "true false"),
    ('{{ reReplaceAll "(a)b" "x$1" "ab cab" }}', "xa cxa"),
    ('{{ reReplaceAll "a(?P<n>.)" "${n}$$" "ab" }}', "b$"),
    (
        '{{ stripPort "host.dom:80" }} {{ stripPort "[::1]:80" }} {{ stripPort "h" }}',
        "host.dom ::1 h",
    ),
    ('{{ stripDomain "host.dom:80" }} {{ stripDomain "10.0.0.1:80" }}', "host:80 10.0.0.1:80"),
    ('{{ parseDuration "1m30s" }}', "90"),
    ('{{ range query "up" }}{{ .Labels.x }}={{ .Value }};{{ end }}', "2=1.5;1=2;"),
    ('{{ range query "up" | sortByLabel "x" }}{{ .Labels.x }}{{ end }}', "12"),
    ('{{ query "up" | first | value }} {{ query "up" | first | label "x" }}', "1.5 2"),
    ('{{ query "up" | first | strvalue }}', "v"),
    ('{{ with query "none" }}some{{ else }}none{{ end }}', "none"),
    ('{{ define "t" }}<{{ .arg0 }}>{{ end }}{{ tmpl "t" (args 5) }}', "<5>"),
    ("{{ if gt $value 1.0 }}big{{ end }}", "big"),
    ("{{ range $k, $v := $labels }}{{ $k }}:{{ $v }},{{ end }}", "a:1,b:x y,"),
    ('{{ graphLink "up > 1" }}', "/graph?g0.expr=up+%3E+1&g0.tab=0"),
    ('{{ "<b>" | safeHtml }}{{ $labels.b }}', "<b>x y"),
    ("a {{- /* comment */ -}} b", "ab"),
]


@pytest.mark.parametrize(("text", "expanded"), EXPANSIONS)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text) == expanded


@pytest.mark.peer
def test_prometheus_expands_the_same(tmp_path: Path) -> None:
    if (program := shutil.which("promtool")) is None:
        missing_peer("promtool")
    # promtool has other answers to query(), no URL for the functions, and its 2.42 has no tmpl without them.
    apart = re.compile("query|externalURL }|pathPrefix|tmpl")
    shown = [row for row in EXPANSIONS if not apart.search(row[0])]
    annotations = {f"a{n}": text for n, (text, _) in enumerate(shown)}
    expected = {f"a{n}": expanded for n, (_, expanded) in enumerate(shown)}
    alert = {"alert": "X", "expr": "m + 0", "annotations": annotations}
    test = {
        "input_series": [{"series": 'm{a="1",b="x y"}', "values": str(VALUE)}],
        "external_labels": dict(SURROUNDINGS.external_labels),
        "external_url": SURROUNDINGS.external_url,
        "alert_rule_test": [
            {
                "eval_time": "0m",
                "alertname": "X",
                "exp_alerts": [{"exp_labels": LABELS, "exp_annotations": expected}],
            }
        ],
    }
    (tmp_path / "r.yml").write_text(yaml.dump({"groups": [{"name": "g", "rules": [alert]}]}))
    file = tmp_path / "t.yml"
    file.write_text(yaml.dump({"rule_files": ["r.yml"], "tests": [test]}))
    run = subprocess.run(
        [program, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


VALUES = [
    (1.0, "1"),
    (999999.0, "999999"),
    (1e6, "1e+06"),
    (1e-4, "0.0001"),
    (1e-5, "1e-05"),
    (math.nan, "NaN"),
    (math.inf, "+Inf"),
    (0.30000000000000004, "0.30000000000000004"),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_value_is_printed_as_go_does(value: float, text: str) -> None:
    assert expand("{{ $value }}", value) == text


FAILURES = [
    ('{{ query "none" | first }}', "first() called on vector with no elements"),
    ('{{ humanize "x" }}', "could not convert"),
    ("{{ $labels.a.b }}", "executing template __alert_X"),
    ("{{ range $i := 1000000000 }}x{{ end }}", "budget"),
    ('{{ printf "%1000000000d" 1 }}', "width or precision"),
    ('{{ printf "%-5.1000f" $value }}', "width or precision"),
    ('{{ printf "%*d" 1000000000 1 }}', "width or precision"),
    ('{{ match "(" "x" }}', "missing closing )"),
    ('{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', ""),
    ("{{ $labels.a.__class__ }}", ""),
]


@pytest.mark.parametrize(("text", "why"), FAILURES)
def test_what_fails_says_so_in_the_text(text: str, why: str) -> None:
    expanded = expand(text)
    assert expanded.startswith("<error expanding template: error executing template __alert_X: ")
    assert why in expanded


REFUSED = [
    ("{{ $x }}", "undefined variable '$x'"),
    ("{{ nofunc }}", "function 'nofunc' not defined"),
    ("{{ if }}", "template: __alert_X:1:"),
    ("text\n{{ $labels.a", "template: __alert_X:2:"),
    ("{{ end }}", "template: __alert_X:1:"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_does_not_parse_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        RuleTemplate(text, name="X")
    assert message in str(caught.value)


def test_query_is_refused_where_there_is_none() -> None:
    template = RuleTemplate('{{ query "up" }}', name="X")
    assert "query() is not available" in template.expand({}, 1, surroundings=SURROUNDINGS)


def test_labels_cannot_reach_into_python() -> None:
    assert expand("{{ $labels.__class__ }}{{ $labels.keys }}") == ""
