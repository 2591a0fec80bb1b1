"""The modes of an alertmanager.yml: which grammar and which label names it may have."""

from pathlib import Path

import pytest

from pgwatch.cli.main import main
from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.config.load import load_settings
from pgwatch.config.overrides import routing_of
from pgwatch.errors import InputError
from pgwatch.notify.matcher import MatcherError, MatcherMode, parse_matchers, show
from pgwatch.rules.threshold import in_configuration

FALLBACK, CLASSIC, UTF8_STRICT = MatcherMode
NOTHING = "{route}\nreceivers: [{{name: d}}]\n"


@pytest.mark.parametrize(
    ("text", "fallback", "classic", "utf8_strict"),
    [
        ("foo=bar", '{foo="bar"}', '{foo="bar"}', '{foo="bar"}'),
        ("Σ=bar", '{Σ="bar"}', None, '{Σ="bar"}'),
        ('"a b"=c', '{"a b"="c"}', None, '{"a b"="c"}'),
        ("foo=bar baz", '{foo="bar baz"}', '{foo="bar baz"}', None),
        ("foo=[a-z]+", '{foo="[a-z]+"}', '{foo="[a-z]+"}', '{foo="[a-z]+"}'),
        ('foo=~"a|b"', '{foo=~"a|b"}', '{foo=~"a|b"}', '{foo=~"a|b"}'),
        # The two grammars disagree on the escape; fallback reads as classic does.
        (r'foo="\x41"', r'{foo="\\x41"}', r'{foo="\\x41"}', '{foo="A"}'),
    ],
)
def test_a_text_is_read_by_the_grammars_of_its_mode(
    text: str, fallback: str | None, classic: str | None, utf8_strict: str | None
) -> None:
    assert [read(text, mode) for mode in MatcherMode] == [fallback, classic, utf8_strict]


def read(text: str, mode: MatcherMode) -> str | None:
    try:
        return show(parse_matchers(text, mode).matchers)
    except MatcherError:
        return None


# In classic mode, each is what Debian's Alertmanager (0.25) refuses.
NAMES = [
    ("route: {receiver: d, group_by: [Σ]}", "1:33: route.group_by[0]: 'Σ' is no label name"),
    (
        "route: {receiver: d}\ninhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d], equal: [Σ]}]",
        "2:74: inhibit_rules[0].equal[0]: 'Σ' is no label name",
    ),
    (
        "route: {receiver: d, routes: [{matchers: ['Σ=1']}]}",
        "not a matcher: bad matcher format: Σ=1",
    ),
]


@pytest.mark.parametrize(("route", "message"), NAMES)
def test_classic_mode_has_classic_names(route: str, message: str) -> None:
    text = NOTHING.format(route=route)
    assert parse_alertmanager(text, Path("am.yml")).mode is FALLBACK
    with pytest.raises(InputError) as refused:
        parse_alertmanager(text, Path("am.yml"), mode=CLASSIC)
    assert message in str(refused.value)


def test_classic_mode_groups_by_everything() -> None:
    text = NOTHING.format(route="route: {receiver: d, group_by: ['...']}")
    assert parse_alertmanager(text, Path("am.yml"), mode=CLASSIC).root.group_by_all


def test_the_mode_is_a_key_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "pgwatch.yml"
    (tmp_path / "am.yml").write_text(NOTHING.format(route=NAMES[0][0]), encoding="utf-8")
    for mode in ("fallback", "utf8-strict"):
        file.write_text(f"alertmanager_config: am.yml\nalertmanager_mode: {mode}\n")
        assert str(routing_of(load_settings(file), in_configuration).mode) == mode
    file.write_text("alertmanager_config: am.yml\nalertmanager_mode: classic\n")
    with pytest.raises(InputError, match="'Σ' is no label name of alertmanager_mode classic"):
        routing_of(load_settings(file), in_configuration)
    file.write_text("alertmanager_mode: utf8\n")
    with pytest.raises(
        InputError,
        match=r"yml:1:1: alertmanager_mode: expected 'fallback', 'classic' or 'utf8-strict'",
    ):
        load_settings(file)


def test_commands_read_a_file_in_the_mode_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "am.yml").write_text(NOTHING.format(route=NAMES[0][0]), encoding="utf-8")
    commands = (
        ["route", "explain", "--alertmanager-config", "am.yml", "a=b"],
        ["notify", "test", "--alertmanager-config", "am.yml", "d"],
    )
    for mode, said in (("fallback", ""), ("classic", "'Σ' is no label name")):
        (tmp_path / "pgwatch.yml").write_text(f"alertmanager_mode: {mode}\n")
        for command in commands:
            assert (main(command) == 2) is (mode == "classic")
            assert said in capsys.readouterr().err
