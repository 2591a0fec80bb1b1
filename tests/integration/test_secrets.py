"""No command prints a password, in whatever form somebody writes it, rightly or wrongly.

Real commands run as processes at the most talkative log level; their standard output and error are
searched for every six characters of the password. A command that lands is a row in the tables below.
"""

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from pgwatch.cli.main import COMMANDS
from pgwatch.demo.server import LocalServer
from pgwatch.targets.dsn import Dsn

PASSWORD = "xK9vQ2mW7pLt4RzB"
HALF, REST = PASSWORD[:8], PASSWORD[8:]
LENGTH = 6  # of the pieces that are searched for

# Commands by how they are told what to watch.
CONFIG = ["config check", "config show"]
ONCE = ["check --once", "doctor"]
JSON = ["config check --json", "config show --json", "check --once --format json", "doctor --json"]
# For connection strings that nobody can use: one command that reads them, and two that take none and
# must not quote what they refuse.
REFUSING = ["check --once", "config check", "version"]

DAEMON_SECONDS = 4.0  # `run` does not end by itself


def existing(commands: list[str]) -> list[str]:
    """The commands that this version has."""
    return [command for command in commands if command.split()[0] in COMMANDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to give a password; `{host}`, `{port}` and `{file}` are filled in."""

    dsn: str
    target: dict[str, str] = field(default_factory=dict)  # more keys of the target, in the file
    environment: dict[str, str] = field(default_factory=dict)
    file: str = ""  # what `{file}` holds


# What libpq can read, so that commands go on and connect.
GOOD = {
    "url": Form(dsn=f"postgresql://postgres:{PASSWORD}@{{host}}:{{port}}/postgres"),
    "pairs": Form(dsn=f"host={{host}} port={{port}} user=postgres password={PASSWORD}"),
    "quoted pairs": Form(dsn=f"host={{host}} port={{port}} user=postgres password='{PASSWORD}'"),
    "parameter": Form(dsn=f"postgresql://postgres@{{host}}:{{port}}/postgres?password={PASSWORD}"),
    "PGPASSWORD": Form(
        dsn="postgresql://postgres@{host}:{port}/postgres", environment={"PGPASSWORD": PASSWORD}
    ),
    "service": Form(
        dsn="service=ours",
        environment={"PGSERVICEFILE": "{file}"},
        file=f"[ours]\nhost={{host}}\nport={{port}}\nuser=postgres\npassword={PASSWORD}\n",
    ),
    "passfile": Form(
        dsn="postgresql://postgres@{host}:{port}/postgres?passfile={file}",
        file=f"*:*:*:*:{PASSWORD}\n",
    ),
    "unescaped ?": Form(dsn=f"postgresql://u:{HALF}?{REST}@{{host}}:{{port}}/d"),
    "unescaped #": Form(dsn=f"postgresql://u:{HALF}#{REST}@{{host}}:{{port}}/d"),
    "unescaped :": Form(dsn=f"postgresql://u:{HALF}:{REST}@{{host}}:{{port}}/d"),
    "sslpassword": Form(dsn=f"host={{host}} port={{port}} user=postgres sslpassword={PASSWORD}"),
}

# Only in a file.
GOOD_IN_FILE = {
    "password_file": Form(
        dsn="host={host} port={port} user=postgres",
        target={"password_file": "{file}"},
        file=PASSWORD,
    ),
    "password": Form(dsn="host={host} port={port} user=postgres", target={"password": PASSWORD}),
    "variable": Form(
        dsn="host={host} port={port} user=postgres",
        target={"password": "${DB_PASSWORD}"},
        environment={"DB_PASSWORD": PASSWORD},
    ),
    "variable inside": Form(
        dsn="postgresql://postgres:${DB_PASSWORD}@{host}:{port}/postgres",
        environment={"DB_PASSWORD": PASSWORD},
    ),
    "default of a variable": Form(
        dsn="host={host} port={port} user=postgres", target={"password": f"${{UNSET:-{PASSWORD}}}"}
    ),
}

MALFORMED = {
    "unescaped @": Form(dsn=f"postgresql://u:{HALF}@{REST}@{{host}}:{{port}}/d"),
    "unescaped /": Form(dsn=f"postgresql://u:{HALF}/{REST}@{{host}}:{{port}}/d"),
    "unescaped %": Form(dsn=f"postgresql://u:{HALF}%zz{REST}@{{host}}:{{port}}/d"),
    "unescaped [": Form(dsn=f"postgresql://u:@[{PASSWORD}@{{host}}:{{port}}/d"),
    "a space": Form(dsn=f"postgresql://u:{HALF} {REST}@{{host}}:{{port}}/d"),
    "bad port": Form(dsn=f"postgresql://u:{PASSWORD}@{{host}}:54x/d"),
    "port out of range": Form(dsn=f"postgresql://u:{PASSWORD}@{{host}}:99999/d"),
    "password as port": Form(dsn=f"postgresql://u@{{host}}:{PASSWORD}/d"),
    "user forgotten": Form(dsn=f"postgresql://{{host}}:{PASSWORD}/d"),
    "unbalanced quote": Form(dsn=f"host={{host}} password='{PASSWORD}"),
    "quote in the password": Form(dsn=f"host={{host}} password='{HALF}'{REST}'"),
    "space in the password": Form(dsn=f"host={{host}} password={HALF} {REST}"),
    "space and = in the password": Form(dsn=f"host={{host}} password={HALF} {REST}=1"),
    "unknown keyword": Form(dsn=f"host={{host}} pasword={PASSWORD}"),
    "unknown parameter": Form(dsn=f"postgresql://{{host}}/d?pasword={PASSWORD}"),
    "colon for =": Form(dsn=f"host={{host}} password:{PASSWORD}"),
    "no scheme": Form(dsn=f"u:{PASSWORD}@{{host}}:{{port}}/d"),
    "another scheme": Form(dsn=f"mysql://u:{PASSWORD}@{{host}}:{{port}}/d"),
    "SQLAlchemy's scheme": Form(dsn=f"postgresql+psycopg://u:{PASSWORD}@{{host}}/d"),
    "scheme twice": Form(dsn=f"postgresql://postgresql://u:{PASSWORD}@{{host}}/d"),
    "one slash": Form(dsn=f"postgresql:/u:{PASSWORD}@{{host}}/d"),
    "password alone": Form(dsn=PASSWORD),
    "quotes around it": Form(dsn=f"'postgresql://u:{PASSWORD}@{{host}}/d'"),
    "no such service": Form(dsn=f"service=none password={PASSWORD}"),
    "broken service file": Form(
        dsn="service=ours",
        environment={"PGSERVICEFILE": "{file}"},
        file=f"[ours]\npassword = {PASSWORD}\n",
    ),
    "URL in dbname": Form(dsn=f"dbname=postgresql://u:{PASSWORD}@{{host}}/d"),
}

# Whole files in which a password stands where none belongs.
FILES = {
    "a list of strings": f"targets:\n- postgresql://u:{PASSWORD}@h/d\n",
    "a key": f"targets:\n- postgresql://u:{PASSWORD}@h/d:\n",
    "a key of targets": f"targets: {{'postgresql://u:{PASSWORD}@h/d': {{}}}}\n",
    "a top key": f"? postgresql://u:{PASSWORD}@h/d\n: 1\n",
    "a tag": f"targets: [{{password: !{PASSWORD} x}}]\n",
    "an alias": f"targets: [{{password: *{PASSWORD}}}]\n",
    "an anchor twice": f"a: &{PASSWORD} 1\ntargets: [{{password: &{PASSWORD} 1}}]\n",
    "a directive": f"%{PASSWORD}\n---\ntargets: []\n",
    "not closed": f"targets: [{{password: '{PASSWORD}}}]\n",
    "misspelt key": f"targets: [{{pasword: {PASSWORD}}}]\n",
    "list for a string": f"targets: [{{password: [{PASSWORD}]}}]\n",
    "mapping for a string": f"targets: [{{dsn: {{password: {PASSWORD}}}}}]\n",
    "string for a mapping": f"http_probes: [{{name: a, url: 'http://h', headers: 'X {PASSWORD}'}}]\n",
    "header": f"http_probes: [{{name: a, url: 'http://h', headers: {{X: {PASSWORD}, Y: 1}}}}]\n",
    "probe's user": f"http_probes: [{{name: a, url: 'http://u:{PASSWORD}@h/'}}]\n",
    "probe's host": f"http_probes: [{{name: a, url: 'http://u:{HALF}/{REST}@h:x/'}}]\n",
    "probe's token": f"http_probes: [{{name: a, url: 'http://h/?token={PASSWORD}'}}]\n",
    "state": f"state: postgresql://u:{PASSWORD}@h/d\n",
    "listen": f"web: {{listen: 'http://u:{PASSWORD}@h'}}\n",
    "malformed reference": f"targets: [{{password: '${{{HALF}!{REST}}}'}}]\n",
    "password twice": f"targets: [{{password: {PASSWORD}, password: {PASSWORD}}}]\n",
    "as the file's name": f"alertmanager_config: https://u:{PASSWORD}@h/d\n",
}


def output(command: str, *arguments: str, cwd: Path, environment: dict[str, str]) -> str:
    """Run `pgwatch command arguments` at debug level; everything that it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pgwatch",
            *shlex.split(command),
            "--log-level",
            "debug",
            *arguments,
        ],
        cwd=cwd,
        env={
            **clean,
            "STATE_DIRECTORY": str(cwd),
            "PGWATCH__WEB__LISTEN": "127.0.0.1:0",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=DAEMON_SECONDS if command == "run" else 90)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    return printed


def assert_no_piece(printed: str) -> None:
    pieces = {PASSWORD[start : start + LENGTH] for start in range(len(PASSWORD) - LENGTH + 1)}
    shown = sorted(piece for piece in pieces if piece in printed)
    assert not shown, printed


@pytest.fixture
def places(server: LocalServer, tmp_path: Path) -> dict[str, str]:
    """What forms are filled in with: a real server, which lets everybody in."""
    host, _, port = Dsn.parse(server.dsn()).host_port.rpartition(":")
    return {"host": host, "port": port, "file": str(tmp_path / "file")}


def filled(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def prepared(form: Form, places: dict[str, str]) -> dict[str, str]:
    """Write the form's file; returns its environment."""
    file = Path(places["file"])
    file.write_text(filled(form.file, places))
    file.chmod(0o600)  # libpq ignores a passfile that others can read
    return {name: filled(value, places) for name, value in form.environment.items()}


def write_file(form: Form, places: dict[str, str], folder: Path) -> None:
    """Write the configuration file with the form's target."""
    target = {"name": "main", "dsn": form.dsn, **form.target}
    target = {key: filled(value, places) for key, value in target.items()}
    (folder / "pgwatch.yml").write_text(yaml.safe_dump({"targets": [target]}))


@pytest.mark.parametrize("command", existing([*CONFIG, *ONCE]))
@pytest.mark.parametrize("name", [*GOOD, *GOOD_IN_FILE])
def test_good_form_in_a_file(
    name: str, command: str, places: dict[str, str], tmp_path: Path
) -> None:
    form = {**GOOD, **GOOD_IN_FILE}[name]
    environment = prepared(form, places)
    write_file(form, places, tmp_path)
    printed = output(command, "--config", "pgwatch.yml", cwd=tmp_path, environment=environment)
    assert printed
    assert command != "config check" or "OK (1 target)" in printed, printed
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(JSON))
@pytest.mark.parametrize("name", ["url", "password", "unescaped @"])
def test_as_json(name: str, command: str, places: dict[str, str], tmp_path: Path) -> None:
    form = {**GOOD, **GOOD_IN_FILE, **MALFORMED}[name]
    environment = prepared(form, places)
    write_file(form, places, tmp_path)
    assert_no_piece(output(command, cwd=tmp_path, environment=environment))


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_form_in_a_file(name: str, places: dict[str, str], tmp_path: Path) -> None:
    environment = prepared(MALFORMED[name], places)
    write_file(MALFORMED[name], places, tmp_path)
    printed = output("config check", cwd=tmp_path, environment=environment)
    assert "pgwatch.yml:2:3: targets[0].dsn: " in printed, printed
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing([*ONCE, "version"]))
@pytest.mark.parametrize("name", GOOD)
def test_good_form_on_the_command_line(
    name: str, command: str, places: dict[str, str], tmp_path: Path
) -> None:
    environment = prepared(GOOD[name], places)
    dsn = filled(GOOD[name].dsn, places)
    assert_no_piece(output(command, dsn, cwd=tmp_path, environment=environment))


@pytest.mark.parametrize("command", existing(REFUSING))
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_form_on_the_command_line(
    name: str, command: str, places: dict[str, str], tmp_path: Path
) -> None:
    environment = prepared(MALFORMED[name], places)
    dsn = filled(MALFORMED[name].dsn, places)
    assert_no_piece(output(command, dsn, cwd=tmp_path, environment=environment))


@pytest.mark.parametrize("command", existing(["check --once", "run"]))
@pytest.mark.parametrize("name", ["url", "passfile", "unescaped @", "unknown keyword"])
def test_form_in_pgwatch_dsn(
    name: str, command: str, places: dict[str, str], tmp_path: Path
) -> None:
    form = {**GOOD, **MALFORMED}[name]
    environment = {**prepared(form, places), "PGWATCH_DSN": filled(form.dsn, places)}
    assert_no_piece(output(command, cwd=tmp_path, environment=environment))


@pytest.mark.parametrize("name", FILES)
def test_file_with_a_password_in_the_wrong_place(name: str, tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text(FILES[name])
    printed = output("config check", cwd=tmp_path, environment={})
    assert printed
    if "OK (" in printed:
        printed = output("config show", cwd=tmp_path, environment={})
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(["config check", "config show"]))
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGWATCH__TARGETS", f"[{{dsn: 'postgresql://u:{HALF}@{REST}@h/d'}}]"),
        ("PGWATCH__TARGETS", f"[{{password: {PASSWORD}"),
        ("PGWATCH__TARGETS", f"postgresql://u:{PASSWORD}@h/d"),
        ("PGWATCH__DEFAULTS__PASSWORD", PASSWORD),
        ("PGWATCH__DEFAULTS__PASSWRD", PASSWORD),
        ("PGWATCH__STATE", f"postgresql://u:{PASSWORD}@h/d"),
        ("PGWATCH__WEB", PASSWORD),
    ],
)
def test_variables(variable: str, value: str, command: str, tmp_path: Path) -> None:
    printed = output(command, cwd=tmp_path, environment={variable: value})
    assert printed
    assert_no_piece(printed)


def test_the_search_finds_a_piece() -> None:
    with pytest.raises(AssertionError):
        assert_no_piece(f"FATAL: could not translate host name {REST[:LENGTH]}")
