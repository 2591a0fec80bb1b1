"""Notification templates: Alertmanager's data and functions, the shipped ones, and amtool as the judge."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.errors import InputError
from pgwatch.notify.template import SHIPPED, Templates, data_of
from pgwatch.rules.template import TemplateError
from tests.notifications import alert, notification
from tests.servers import missing_peer

TOLD = notification(alert(), alert(ended=True, pid="9"))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Receiver }}", "team-a"),
        ("{{ .Status | toUpper }} {{ .ExternalURL }}", "FIRING http://pgwatch.example"),
        ("{{ len .Alerts }} {{ len .Alerts.Firing }} {{ .Alerts.Resolved | len }}", "2 1 1"),
        ("{{ .GroupLabels.alertname }}|{{ .GroupLabels.nope }}|", "PostgresBlockedSession||"),
        ("{{ .CommonLabels.SortedPairs.Names | join `,` }}", "alertname,severity,target"),
        ("{{ .CommonLabels.Values.Join `;` }}", "PostgresBlockedSession;critical;roofing"),
        (
            "{{ range (.CommonLabels.Remove (stringSlice `alertname`)).SortedPairs }}"
            "{{ .Name }}={{ .Value }} {{ end }}",
            "severity=critical target=roofing ",
        ),
        ("{{ .CommonAnnotations.fix }}", "SELECT pg_terminate_backend(4712);"),
        ("{{ .NotificationReason }}", "first notification"),
        ("{{ (index .Alerts 0).StartsAt }}", "2026-08-01 03:00:12 +0000 UTC"),
        ("{{ (index .Alerts 0).EndsAt }}", "0001-01-01 00:00:00 +0000 UTC"),
        ("{{ (index .Alerts 0).EndsAt.IsZero }}", "true"),
        ("{{ with index .Alerts 1 }}{{ .EndsAt.Sub .StartsAt }}{{ end }}", "2m30s"),
        ("{{ since (index .Alerts 0).StartsAt }}", "2m30s"),
        ("{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "2m 30s"),
        (
            "{{ (index .Alerts 0).StartsAt | tz `Europe/Berlin` | date `Mon 15:04 MST` }}",
            "Sat 05:00 CEST",
        ),
        ("{{ (index .Alerts 0).StartsAt.Unix }}", "1785553212"),
        ("{{ title `two words` }} {{ toLower `ABC` }} {{ trimSpace ` x ` }}", "Two Words abc x"),
        ("{{ match `^a+$` `aa` }} {{ reReplaceAll `(.)b` `${1}c` `ab` }}", "true ac"),
        ("{{ urlUnescape `a%20b+c` }} {{ safeHtml `<b>` }} {{ safeUrl `x` }}", "a b c <b> x"),
        ("{{ toJson .GroupLabels }}", '{"alertname":"PostgresBlockedSession"}'),
        ("{{ base64Encode `ab` }} {{ base64Decode `YWI=` }}", "YWI= ab"),
        ("{{ (dict `a` 1).a }} {{ len (append (list 1) 2 3) }}", "1 3"),
        ("{{ humanizeDuration 3661 }} {{ humanizeDuration 0.25 }}", "1h 1m 1s 250ms"),
        ("{{ range .Alerts }}{{ .Labels.pid }}{{ end }}", "47119"),
        ("no template", "no template"),
    ],
)
def test_data_and_functions_are_alertmanagers(template: str, expected: str) -> None:
    assert SHIPPED.text(template, TOLD) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Nope }}",
        "{{ (index .Alerts 0).Nope }}",
        '{{ template "nope" . }}',
        "{{ index .Alerts 7 }}",
        "{{ (index .Alerts 0).StartsAt | tz `Mars/Olympus` }}",
        "{{ range $i, $a := .Alerts }}{{ .__class__ }}{{ end }}",
        "{{ printf `%1000000d` 1 }}",
    ],
)
def test_what_fails_is_an_error_and_no_text(template: str) -> None:
    with pytest.raises(TemplateError):
        SHIPPED.text(template, TOLD)


def test_endless_text_has_an_end() -> None:
    many = notification(*(alert(pid=str(n)) for n in range(2000)))
    loop = "{{ range .Alerts }}{{ range $.Alerts }}{{ .Annotations.summary }}{{ end }}{{ end }}"
    with pytest.raises(TemplateError):
        SHIPPED.text(loop, many)


def test_html_escapes_by_context() -> None:
    odd = replace(alert(), annotations={"summary": "<b>&", "runbook_url": "javascript:alert(1)"})
    page = SHIPPED.html(
        '{{ range .Alerts }}<p title="{{ .Annotations.summary }}">{{ .Annotations.summary }}</p>'
        '<a href="{{ .Annotations.runbook_url }}">x</a>{{ safeHtml "<hr>" }}{{ end }}',
        notification(odd),
    )
    assert page == ('<p title="&lt;b&gt;&amp;">&lt;b&gt;&amp;</p><a href="#ZgotmplZ">x</a><hr>')


def test_shipped_templates_all_work() -> None:
    names = (
        *("__subject", "__alertmanagerURL", "slack.default.title", "slack.default.text"),
        *("slack.default.pretext", "slack.default.fallback", "pagerduty.default.description"),
        *("pagerduty.default.client", "opsgenie.default.message", "opsgenie.default.description"),
        *("telegram.default.message", "discord.default.title", "discord.default.message"),
        *("msteamsv2.default.title", "msteamsv2.default.text", "email.default.subject"),
        *("webex.default.message", "victorops.default.state_message", "jira.default.summary"),
    )
    for name in names:
        SHIPPED.text(f'{{{{ template "{name}" . }}}}', TOLD)
    listed = SHIPPED.text('{{ template "pagerduty.default.instances" .Alerts.Firing }}', TOLD)
    assert "4711" in listed
    page = SHIPPED.html('{{ template "email.default.html" . }}', TOLD)
    assert "blocked for &lt;42 s&gt; &amp; waits" in page
    title = SHIPPED.text('{{ template "slack.default.title" . }}', TOLD)
    assert title == "[FIRING:1] PostgresBlockedSession on roofing"


def test_later_files_win_over_shipped_ones_and_use_them() -> None:
    own = '{{ define "slack.default.title" }}own {{ template "__subject" . }}{{ end }}'
    templates = Templates((("own.tmpl", own),))
    said = templates.text('{{ template "slack.default.title" . }}', TOLD)
    assert said == "own [FIRING:1] PostgresBlockedSession on roofing"


CONFIG = """
templates: ['tmpl/*.tmpl']
route: {receiver: r}
receivers:
  - name: r
    slack_configs: [{api_url: 'http://x', title: '{{ template "own" . }}'}]
"""


def test_files_are_found_by_pattern_and_their_mistakes_have_a_place(tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG)
    (tmp_path / "tmpl").mkdir()
    assert "no file matches" in load_alertmanager(config).warnings[0]
    good = tmp_path / "tmpl" / "a.tmpl"
    good.write_text('{{ define "own" }}{{ .Status }}{{ end }}')
    routing = load_alertmanager(config)
    assert not routing.warnings
    assert routing.templates.text('{{ template "own" . }}', TOLD) == "firing"
    bad = tmp_path / "tmpl" / "b.tmpl"
    bad.write_text("{{ define `x` }}\n\n{{ .Status | nope }}{{ end }}")
    with pytest.raises(InputError) as caught:
        load_alertmanager(config)
    assert str(caught.value).startswith(f"{bad}:3:")
    assert "nope" in str(caught.value)


@pytest.mark.peer
@pytest.mark.parametrize(
    "template",
    [
        "{{ .Status }} {{ .CommonLabels }} {{ .GroupLabels.SortedPairs.Values | join `-` }}",
        "{{ range .Alerts }}{{ .Labels.SortedPairs.Names | join ` ` }} {{ .EndsAt }} {{ end }}",
        "{{ range .Alerts.Firing }}{{ .StartsAt.Format `2006-01-02T15:04:05Z07:00` }}{{ end }}",
        "{{ title .Status }} {{ reReplaceAll `i(.)` `<$1>` .Status }} {{ .Alerts | len }}",
        "{{ if gt (len .Alerts.Firing) 0 }}{{ with .CommonAnnotations.fix }}{{ . }}{{ end }}{{ end }}",
        "{{ (.CommonLabels.Remove (stringSlice `severity`)).Names }} {{ stringSlice `a` `b` }}",
    ],
)
def test_amtool_renders_the_same(template: str, tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        missing_peer("amtool")
    data = data_of(TOLD)
    alerts = [
        {
            "status": one["status"],
            "labels": dict(one["labels"]),
            "annotations": dict(one["annotations"]),
            "startsAt": one["starts_at"].isoformat(),
            "endsAt": one["ends_at"].isoformat() if one["ends_at"] else "0001-01-01T00:00:00Z",
            "generatorURL": one["generator_url"],
            "fingerprint": one["fingerprint"],
        }
        for one in data["alerts"]
    ]
    whole = {
        "receiver": data["receiver"],
        "status": data["status"],
        "alerts": alerts,
        "groupLabels": dict(data["group_labels"]),
        "commonLabels": data["common_labels"],
        "commonAnnotations": data["common_annotations"],
        "externalURL": data["external_url"],
    }
    file, empty = tmp_path / "data.json", tmp_path / "empty.tmpl"
    file.write_text(json.dumps(whole))
    empty.write_text("")
    rendered = subprocess.run(
        [
            *(amtool, "template", "render", "--template.glob", str(empty)),
            *("--template.text", template, "--template.data", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rendered.returncode == 0, rendered.stderr
    assert SHIPPED.text(template, TOLD) == rendered.stdout.rstrip("\n")
