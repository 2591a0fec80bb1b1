"""The body of a webhook that the configuration writes itself."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pgwatch.notify.channels.custom import rendered
from pgwatch.notify.channels.words import Words
from pgwatch.notify.template import SHIPPED
from pgwatch.rules.template import TemplateError
from tests.notifications import alert, notification

HOSTILE = '{{ .Status }}: "x"\n- *a\n'


def made(value: Any, *, plain: bool = False, **annotations: str) -> Any:
    told = notification(replace(alert(), annotations={"summary": "slow", **annotations}))
    body = rendered(value, Words(SHIPPED, told, plain=plain), "[FIRING:1] it")
    return json.loads(json.dumps(body, allow_nan=False))


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("{{ .Status }}", "firing"),
        ({"text": "{{ .CommonAnnotations.summary }}", "n": "{{ len .Alerts }}"}, {"text": "slow", "n": 1}),
        ({"{{ .Status }}": ["{{ .Receiver }}", 3, True, None]}, {"firing": ["team-a", 3, True, None]}),
        ('{"a": [1, "2", {{ .Alerts | len }}]}', {"a": [1, "2", 1]}),
        ("{{ .GroupLabels | toJson }}", {"alertname": "PostgresBlockedSession"}),
        ("a: {b: c}", {"a": {"b": "c"}}),
        ({1: "no text", "a": "b"}, {"a": "b"}),
        ("true", True),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.5e3", 1500.0),
        ("1e999", "1e999"),
        ("007", "007"),
        ("", None),
        ("[a, &x b, *x]", "[a, &x b, *x]"),
        ("&x [*x]", "&x [*x]"),
        ("!!python/object/apply:os.system [ls]", "!!python/object/apply:os.system [ls]"),
        ("two: words: here", "two: words: here"),
    ],
)  # fmt: skip
def test_texts_are_expanded_and_read_as_yaml(value: Any, body: Any) -> None:
    assert made(value) == body


def test_what_an_alert_says_is_no_template_and_no_structure() -> None:
    assert made({"text": "{{ .CommonAnnotations.evil }}"}, evil=HOSTILE) == {"text": HOSTILE}
    assert made("{{ .CommonAnnotations.evil | toJson }}", evil="{{ .Status }}") == '"{{ .Status }}"'


def test_template_that_fails_is_an_error_and_plain_words_stand_for_it() -> None:
    value = {"text": '{{ template "nowhere" . }}', "kind": "pgwatch"}
    with pytest.raises(TemplateError):
        made(value)
    assert made(value, plain=True) == {"text": "[FIRING:1] it", "kind": "pgwatch"}
