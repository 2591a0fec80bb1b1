"""Settings from PGWATCH__… variables, over what the file says."""

from pathlib import Path

import pytest

from pgwatch.config.load import load_settings
from pgwatch.errors import InputError


def told(monkeypatch: pytest.MonkeyPatch, file: Path | None = None, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        load_settings(file)
    return [str(problem) for problem in caught.value.problems]


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pgwatch.yml"
    file.write_text(
        "web: {listen: '127.0.0.1:1'}\nrules: {builtin: false, disable: [A]}\nretention: 2h"
    )
    monkeypatch.setenv("PGWATCH__WEB__LISTEN", "0.0.0.0:2")
    monkeypatch.setenv("PGWATCH__RULES__DISABLE", "[B, C]")
    monkeypatch.setenv("PGWATCH__RULES__SET", "{PostgresSlowQuery: 500ms}")
    settings = load_settings(file)
    assert str(settings.web.listen) == "0.0.0.0:2"
    assert settings.rules.disable == ("B", "C")
    assert settings.rules.set == {"PostgresSlowQuery": "500ms"}
    assert not settings.rules.builtin  # beside it in the file, and untouched
    assert settings.retention.total_seconds() == 7200


def test_targets_from_the_environment_take_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGWATCH__TARGETS", '[{"name": "a", "dsn": "host=db1"}]')
    monkeypatch.setenv("PGWATCH__DEFAULTS__MAX_CONNECTIONS", "2")
    (target,) = load_settings(None).targets
    assert (target.name, target.max_connections) == ("a", 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PGWATCH__WBE__LISTEN", "PGWATCH__WBE__LISTEN: PGWATCH__ has no WBE; did you mean WEB?"),
        ("PGWATCH__WEB__LISTN", "PGWATCH__WEB has no LISTN; did you mean LISTEN?"),
        ("PGWATCH__RULES__SET__POSTGRESDOWN", "set PGWATCH__RULES__SET as YAML"),
        ("PGWATCH__TARGETS__0__DSN", "set PGWATCH__TARGETS as YAML"),
    ],
)
def test_unknown_variable(monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    (problem,) = told(monkeypatch, None, **{name: "x"})
    assert problem.startswith("environment: ")
    assert message in problem


def test_other_names_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGWATCH_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("PGWATCH_PORT_9432_TCP", "tcp://10.0.0.1:9432")
    assert load_settings(None).targets == ()


def test_a_bad_value_names_its_variable_and_the_file_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgwatch.yml"
    file.write_text("retention: x\nweb: {listen: '127.0.0.1:1'}")
    found = told(
        monkeypatch,
        file,
        PGWATCH__WEB__LISTEN="nowhere",
        PGWATCH__EVALUATION_INTERVAL="5",
        PGWATCH__TARGETS="[{packs: [cor]}]",
    )
    assert [problem.removeprefix(str(file)).split(": ")[:2] for problem in found] == [
        [":1:1", "retention"],
        ["environment", "PGWATCH__EVALUATION_INTERVAL"],
        ["environment", "PGWATCH__TARGETS"],
        ["environment", "PGWATCH__WEB__LISTEN"],
    ]


def test_bad_yaml_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = told(monkeypatch, PGWATCH__TARGETS="[{password: hunter2")
    assert problem.startswith("environment: PGWATCH__TARGETS: not valid YAML")
    assert "hunter2" not in problem


@pytest.mark.parametrize("secret", ["12345678", "[a, b]", "*star", "a: b", "'quoted'", "${NAME}"])
def test_a_secret_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("PGWATCH__DEFAULTS__PASSWORD", secret)
    password = load_settings(None).defaults.password
    assert password is not None
    assert password.reveal() == secret


def test_an_ipv6_address_is_not_read_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGWATCH__WEB__LISTEN", "[::1]:9432")
    assert load_settings(None).web.listen.host == "::1"
