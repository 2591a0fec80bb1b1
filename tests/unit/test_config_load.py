"""Reading pgwatch.yml: what comes out, and every way in which it can be wrong."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from pgwatch.config.load import load_settings, secrets_of
from pgwatch.config.schema import Settings
from pgwatch.config.targets import targets_of_settings
from pgwatch.errors import InputError
from pgwatch.targets.target import HostSource


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


def load(folder: Path, text: str) -> Settings:
    file = folder / "pgwatch.yml"
    file.write_text(text)
    return load_settings(file)


def problems(folder: Path, text: str) -> list[str]:
    """The problems of `text`, with the folder left out of their files."""
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_no_file_gives_the_defaults() -> None:
    settings = load_settings(None)
    assert settings == Settings()
    assert str(settings.web.listen) == "127.0.0.1:9432"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}"])
def test_an_empty_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Settings()


def test_a_full_target(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("sesame123\n")
    settings = load(
        tmp_path,
        """
targets:
  - name: roofing
    dsn: postgresql://pgwatch@db1:5433/roofing_db
    password_file: pw
    databases: [roofing_*, "!roofing_test"]
    packs: [core]
    labels: {env: production}
    host: {source: node_exporter, url: "http://db1:9100/metrics"}
    max_connections: 2
    connect_timeout: 1500ms
""",
    )
    (target,) = targets_of_settings(settings)
    assert target.name == "roofing"
    assert target.dsn.host_port == "db1:5433"
    assert "sesame123" in target.dsn.conninfo()
    assert target.databases == ("roofing_*", "!roofing_test")
    assert target.packs == ("core",)
    assert target.labels == {"env": "production"}
    assert (target.host, target.host_url) == (HostSource.NODE_EXPORTER, "http://db1:9100/metrics")
    assert target.max_connections == 2
    assert target.connect_timeout == timedelta(seconds=1.5)


def test_a_rotated_password_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("first-word")
    settings = load(tmp_path, "targets: [{dsn: 'host=db1', password_file: pw}]")
    (target,) = targets_of_settings(settings)
    (tmp_path / "pw").write_text("second-word")
    assert "second-word" in target.dsn.conninfo()


def test_a_target_without_name_is_called_after_its_database(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "targets: [{dsn: 'postgresql://u@a/x'}, {dsn: 'postgresql://u@b/x'}, {dsn: 'postgresql://u@b/y'}]",
    )
    names = [target.name for target in targets_of_settings(settings)]
    assert names == ["a:5432/x", "b:5432/x", "y"]


def test_defaults_fill_in_what_a_target_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("x")
    settings = load(
        tmp_path,
        """
defaults: {packs: [core], labels: {env: test, team: a}, max_connections: 2, password_file: pw}
targets:
  - {name: one, labels: {env: prod}, packs: [statements]}
  - {name: two, password: own-password}
""",
    )
    one, two = settings.targets
    assert one.packs == ("statements",)
    assert one.labels == {"env": "prod", "team": "a"}
    assert one.max_connections == 2
    assert one.password_file is not None
    assert two.packs == ("core",)
    assert two.password is not None  # and not both, which would be an error
    assert two.password_file is None


def test_conf_d_brings_more_targets_with_paths_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "pw").write_text("sesame123")
    (tmp_path / "conf.d" / "b.yml").write_text("targets: [{name: b, password_file: pw}]")
    (tmp_path / "conf.d" / "c.yml").write_text("")
    settings = load(tmp_path, "defaults: {max_connections: 1}\ntargets: [{name: a}]")
    assert [(t.name, t.max_connections) for t in settings.targets] == [("a", 1), ("b", 1)]
    assert settings.targets[1].password_file is not None
    assert settings.targets[1].password_file.reveal() == "sesame123"


def test_the_other_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "token-12345")
    for folder in ("my-queries/mine", "my-alerts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "my-queries/mine/one.sql").write_text("SELECT 1")
    (tmp_path / "my-alerts/a.yml").write_text("groups: []")
    settings = load(
        tmp_path,
        """
targets: [{name: a, packs: [mine]}]
http_probes:
  - {name: p, url: "http://localhost/", expect_status: 204, headers: {Authorization: "Bearer ${TOKEN}"}}
queries: [my-queries]
intervals: {"mine/*": 10s, "core/*": 2m}
rules: {builtin: false, disable: [A], set: {B: 500ms, C: 80, D: 0.5}, files: ["my-alerts/*.yml"]}
web: {listen: "[::1]:80"}
state: state/pgwatch.db
ignore: [{check: A, labels: {relname: t}, until: 2027-01-01, reason: known}]
""",
    )
    (probe,) = settings.http_probes
    assert probe.expect_status == (204,)
    assert probe.headers["Authorization"].reveal() == "Bearer token-12345"
    assert settings.queries == (tmp_path / "my-queries",)
    assert settings.intervals["mine/*"] == timedelta(seconds=10)
    assert settings.rules.set == {"B": "500ms", "C": "80", "D": "0.5"}
    assert settings.rules.paths == (tmp_path / "my-alerts/a.yml",)
    assert (settings.web.listen.host, settings.web.listen.port) == ("::1", 80)
    assert settings.state == tmp_path / "state/pgwatch.db"
    assert settings.ignore[0].until == date(2027, 1, 1)
    assert "Bearer token-12345" in secrets_of(settings)


# One mistake a row: the file, and the whole message.
MISTAKES = [
    pytest.param(
        "targets:\n- name: a\n  pakcs: [core]\n",
        "pgwatch.yml:3:3: targets[0].pakcs: unknown key; did you mean packs?",
        id="misspelt key",
    ),
    pytest.param("- a\n", "pgwatch.yml:1:1: expected a mapping of keys, got a list", id="a list"),
    pytest.param(
        "targets: {a: 1}\n",
        "pgwatch.yml:1:1: targets: expected a list, got a mapping",
        id="mapping of targets",
    ),
    pytest.param(
        "targets:\n",
        "pgwatch.yml:1:1: targets: expected a list, got nothing",
        id="key without a value",
    ),
    pytest.param(
        "targets: [{name: a}, {name: a}]\n",
        "pgwatch.yml:1:23: targets[1].name: the name 'a' is taken already (pgwatch.yml:1)",
        id="name twice",
    ),
    pytest.param(
        "targets: [{dsn: 'host=x dbname=y'}, {dsn: 'host=x dbname=y'}]\n",
        "pgwatch.yml:1:37: targets[1]: the name 'x:5432/y' is taken; give it a `name`",
        id="the same database twice without names",
    ),
    pytest.param(
        "targets: [{name: a}]\nhttp_probes: [{name: a, url: 'http://x/'}]\n",
        "pgwatch.yml:2:16: http_probes[0].name: a target is called 'a' too; the label `target` names both",
        id="a probe named like a target",
    ),
    pytest.param(
        "targets: [{packs: [cor]}]\n",
        "pgwatch.yml:1:20: targets[0].packs[0]: there is no pack 'cor'; did you mean core?",
        id="unknown pack",
    ),
    pytest.param(
        "targets: [{dsn: 'host=x', service: y}]\n",
        "pgwatch.yml:1:27: targets[0].service: service 'y' is not defined (looked in",
        id="unknown service",
    ),
    pytest.param(
        "targets: [{dsn: 'mysql://u:hunter2@h/d'}]\n",
        "pgwatch.yml:1:12: targets[0].dsn: the connection string is not usable: a URL starts with",
        id="not PostgreSQL",
    ),
    pytest.param(
        "targets: [{password: a, password_file: pgwatch.yml}]\n",
        "pgwatch.yml:1:11: targets[0]: password and password_file exclude each other; keep one",
        id="two passwords",
    ),
    pytest.param(
        "targets: [{max_connections: 0}]\n",
        "pgwatch.yml:1:12: targets[0].max_connections: expected greater than or equal to 1, got 0",
        id="no connection",
    ),
    pytest.param(
        "targets: [{labels: {job: x}}]\n",
        "pgwatch.yml:1:21: targets[0].labels.job: the label job is set by pgwatch itself",
        id="reserved label",
    ),
    pytest.param(
        "targets: [{labels: {zone: 5}}]\n",
        "pgwatch.yml:1:21: targets[0].labels.zone: expected a string, got 5",
        id="label value without quotes",
    ),
    pytest.param(
        "targets: [{host: {source: node_exporter}}]\n",
        "pgwatch.yml:1:12: targets[0].host: source node_exporter needs the url of its /metrics",
        id="node_exporter without url",
    ),
    pytest.param(
        "targets: [{host: {source: remote}}]\n",
        "pgwatch.yml:1:19: targets[0].host.source: expected 'none', 'local', 'server' or"
        " 'node_exporter', got 'remote'",
        id="unknown host source",
    ),
    pytest.param(
        "retention: 90\n",
        "pgwatch.yml:1:1: retention: a duration needs a unit: write 90s or 90ms",
        id="duration without unit",
    ),
    pytest.param(
        "retention: soon\n",
        "pgwatch.yml:1:1: retention: 'soon' is not a duration; write it like 500ms",
        id="not a duration",
    ),
    pytest.param(
        "retention: 0s\n", "pgwatch.yml:1:1: retention: must be longer than 0s", id="no duration"
    ),
    pytest.param(
        "retention: ${NOT_SET}\n",
        "pgwatch.yml:1:1: retention: environment variable NOT_SET is not set",
        id="variable that is not set",
    ),
    pytest.param(
        "retention: ${SOME_SECRET}\n",
        "pgwatch.yml:1:1: retention: '${SOME_SECRET}' is not a duration",
        id="an environment value is not quoted",
    ),
    pytest.param(
        "http_probes: [{name: a}]\n",
        "pgwatch.yml:1:15: http_probes[0]: the key url is required",
        id="probe without url",
    ),
    pytest.param(
        "http_probes: [{name: a, url: 'http://u:hunter2@h/'}]\n",
        "pgwatch.yml:1:25: http_probes[0].url: a URL here must not hold a user or password",
        id="password in a probe's url",
    ),
    pytest.param(
        "http_probes: [{name: a, url: 'http://h/', expect_body: '('}]\n",
        "pgwatch.yml:1:43: http_probes[0].expect_body: not a regular expression: missing )",
        id="bad regular expression",
    ),
    pytest.param(
        "http_probes: [{name: a, url: 'http://h/', timeout: 30s}]\n",
        "pgwatch.yml:1:15: http_probes[0]: timeout must be shorter than interval",
        id="limits that do not nest",
    ),
    pytest.param(
        "queries: [nowhere]\n",
        "pgwatch.yml:1:11: queries[0]: there is no folder ",
        id="no folder of queries",
    ),
    pytest.param(
        "intervals: {core/activty: 5s}\n",
        "pgwatch.yml:1:13: intervals.core/activty: no query matches; did you mean core/activity?",
        id="interval of no query",
    ),
    pytest.param(
        "rules: {files: ['*.rules']}\n",
        "pgwatch.yml:1:17: rules.files[0]: no file matches *.rules",
        id="pattern without files",
    ),
    pytest.param(
        "alertmanager_config: am.yml\n",
        "pgwatch.yml:1:1: alertmanager_config: there is no file am.yml",
        id="no such file",
    ),
    pytest.param(
        "web: {listen: 9432}\n", "pgwatch.yml:1:7: web.listen: expected host:port", id="port alone"
    ),
    pytest.param(
        "web: {listen: 'h:99999'}\n",
        "pgwatch.yml:1:7: web.listen: expected host:port such as",
        id="port too high",
    ),
    pytest.param(
        "state: postgresql://u:hunter2@h/d\n",
        "pgwatch.yml:1:1: state: expected a path of a file on this machine, got a URL",
        id="state in a database",
    ),
    pytest.param(
        "state: /usr\n",
        "pgwatch.yml:1:1: state: /usr is a folder; name a file in it, such as /usr/pgwatch.db",
        id="state in a folder without a name",
    ),
    pytest.param(
        "state: pgwatch.yml/s.db\n",
        "pgwatch.yml:1:1: state: pgwatch.yml is a file, so that pgwatch.yml/s.db cannot be in it",
        id="state below a file",
    ),
    pytest.param(
        "state: /dev/null\n",
        "pgwatch.yml:1:1: state: /dev/null is not a regular file",
        id="state in no file",
    ),
    pytest.param(
        "ignore: [{check: A, until: later}]\n",
        "pgwatch.yml:1:21: ignore[0].until: expected a day such as 2027-01-31, got 'later'",
        id="not a day",
    ),
    pytest.param(
        "targets: [{password: !hunter2 x}]\n",
        "pgwatch.yml:1:22: not valid YAML: could not determine a constructor for the tag …",
        id="a tag",
    ),
    pytest.param("a: [\n", "pgwatch.yml:2:1: not valid YAML", id="not YAML"),
    pytest.param(
        "a: {b: 1\nc: 2\n",
        "pgwatch.yml:2:2: not valid YAML: did not find expected ',' or '}'",
        id="signs are no secrets",
    ),
    pytest.param(
        "a:\n\tb: 1\n",
        "pgwatch.yml:2:1: not valid YAML: tabs cannot indent; use spaces",
        id="a tab",
    ),
    pytest.param(
        "a: @hunter2\n",
        "pgwatch.yml:1:4: not valid YAML: a text that begins with @ stands in quotes",
        id="a sign",
    ),
    pytest.param(
        "targets: [{password: !it's-hunter2 x}]\n",
        "pgwatch.yml:1:22: not valid YAML: could not determine a constructor for the tag …",
        id="a tag with a quote",
    ),
    pytest.param(
        "'postgresql://u:hunter2@h': x\n",
        "pgwatch.yml:1:1: here is a key that is not a word",
        id="a secret as a key",
    ),
    pytest.param(
        "targets: ['postgresql://u:hunter2@h/d']\n",
        "pgwatch.yml:1:11: targets[0]: expected a mapping of keys, got a string",
        id="a bare connection string",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.setenv("SOME_SECRET", "hunter2")
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(message)
    assert "hunter2" not in problem


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "bogus: 1\ntargets: [{packs: [x1]}]\nretention: 5\nweb: {listen: x, lisen: y}\n"
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "bogus",
        "targets[0].packs[0]",
        "retention",
        "web.listen",
        "web.lisen",
    ]


def test_missing_variables_are_told_beside_other_mistakes_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGWATCH__WEBB", "x")
    found = problems(
        tmp_path,
        "defaults: {connect_timeout: '${A}'}\ntargets: [{name: a, dsn: '${B}', packs: [x1]}]\n",
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "defaults.connect_timeout",
        "targets[0].dsn",
        "targets[0].packs[0]",
        "PGWATCH__WEBB",
    ]


def test_a_mistake_in_defaults_is_told_once(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path, "defaults: {max_connections: x}\ntargets: [{name: a}, {name: b}]"
    )
    assert problem.startswith("pgwatch.yml:1:12: defaults.max_connections: ")


def test_mistakes_in_conf_d_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.yml").write_text("targets:\n- name: a\n- {name: b, pack: []}")
    found = problems(tmp_path, "targets: [{name: a}]")
    assert found == [
        "conf.d/x.yml:2:3: targets[0].name: the name 'a' is taken already (pgwatch.yml:1)",
        "conf.d/x.yml:3:13: targets[1].pack: unknown key; did you mean packs?",
    ]


def test_conf_d_holds_targets_only(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.yml").write_text("web: {listen: x}")
    (problem,) = problems(tmp_path, "")
    assert problem.startswith("conf.d/x.yml:1:1: web: a file in conf.d holds `targets:`")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read: no such file"):
        load_settings(tmp_path / "missing.yml")
    (tmp_path / "latin.yml").write_bytes(b"a: \xff\n")
    with pytest.raises(InputError, match=r"not UTF-8"):
        load_settings(tmp_path / "latin.yml")
