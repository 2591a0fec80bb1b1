"""Label sets: equal however they are made, shown as PromQL writes them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwatch.samples.labels import METRIC_NAME, Labels

_NAMES = st.sampled_from(["a", "b", "zone", METRIC_NAME, "alertname"])
_PAIRS = st.dictionaries(_NAMES, st.text(string.printable + "ä", max_size=5), max_size=5)


@given(_PAIRS, st.sets(_NAMES))
def test_a_part_is_what_a_dict_would_have(pairs: dict[str, str], names: set[str]) -> None:
    labels = Labels(pairs)
    full = {name: value for name, value in sorted(pairs.items()) if value}
    assert list(labels.to_dict().items()) == list(full.items()) == list(labels.items())
    part = labels.only(names)
    assert part == Labels({name: value for name, value in full.items() if name in names})
    assert hash(part) == hash(Labels(part.to_dict()))
    assert labels.only(full).schema is Labels(dict(reversed(full.items()))).schema


@pytest.mark.parametrize(
    ("pairs", "shown"),
    [
        ({}, "{}"),
        ({METRIC_NAME: "up"}, "up"),
        ({"b": "2", "a": "1"}, '{a="1", b="2"}'),
        ({METRIC_NAME: "up", "a": "x y"}, 'up{a="x y"}'),
        ({"a": 'back\\slash "quoted"\nline'}, '{a="back\\\\slash \\"quoted\\"\\nline"}'),
        ({"a": ""}, "{}"),
    ],
)
def test_shown_as_promql_writes_it(pairs: dict[str, str], shown: str) -> None:
    assert repr(Labels(pairs)) == shown


def test_fingerprint_is_alertmanagers_however_often_it_is_asked_for() -> None:
    made = Labels({"alertname": "A", "severity": "critical"})
    unchecked = Labels.from_sorted(made.schema, made.values_)
    assert made.fingerprint() == made.fingerprint() == unchecked.fingerprint() == "b807e636403824b5"
    assert made.fingerprint() != Labels({"alertname": "A"}).fingerprint()
