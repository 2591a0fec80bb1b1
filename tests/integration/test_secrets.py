"""No command prints a password, in whatever form somebody writes it, rightly or wrongly.

Real commands run as processes at the most talkative log level; their standard output and error are
searched for every six characters of the password. A command that lands is a row in the tables below.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import requests
import yaml

from pgwatch.cli.main import COMMANDS
from pgwatch.demo.server import free_port
from tests.conftest import Servers
from tests.servers import VERSIONS

PASSWORD = "xK9vQ2mW7pLt4RzB"
HALF, REST = PASSWORD[:8], PASSWORD[8:]
LENGTH = 6  # of the pieces that are searched for

# Commands that read --config, and commands that take connection strings too.
WITH_FILE = ["config check", "config check --json", "config show", "config show --json"]
WITH_DSN = ["check --once", "check --once --format json", "doctor", "doctor --json"]


def existing(commands: list[str]) -> list[str]:
    """The commands that this version has."""
    return [command for command in commands if command.split()[0] in COMMANDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to give a password; `{host}`, `{port}` and `{file}` are filled in by `filled`."""

    dsn: str
    target: dict[str, str] = field(default_factory=dict)  # more keys of the target, in the file
    environment: dict[str, str] = field(default_factory=dict)
    file: str = ""  # what `{file}` holds


# What libpq can read, so that commands go on and connect.
GOOD = {
    "url": Form(dsn=f"postgresql://secretive:{PASSWORD}@{{host}}:{{port}}/postgres"),
    "pairs": Form(dsn=f"host={{host}} port={{port}} user=secretive password={PASSWORD}"),
    "quoted pairs": Form(dsn=f"host={{host}} port={{port}} user=secretive password='{PASSWORD}'"),
    "parameter": Form(dsn=f"postgresql://secretive@{{host}}:{{port}}/postgres?password={PASSWORD}"),
    "PGPASSWORD": Form(
        dsn="postgresql://secretive@{host}:{port}/postgres", environment={"PGPASSWORD": PASSWORD}
    ),
    "service": Form(
        dsn="service=ours",
        environment={"PGSERVICEFILE": "{file}"},
        file=f"[ours]\nhost={{host}}\nport={{port}}\nuser=secretive\npassword={PASSWORD}\n",
    ),
    "passfile": Form(
        dsn="postgresql://secretive@{host}:{port}/postgres?passfile={file}",
        file=f"*:*:*:*:{PASSWORD}\n",
    ),
}

# Only in a file.
GOOD_IN_FILE = {
    "password_file": Form(
        dsn="host={host} port={port} user=secretive",
        target={"password_file": "{file}"},
        file=PASSWORD,
    ),
    "password": Form(dsn="host={host} port={port} user=secretive", target={"password": PASSWORD}),
    "variable": Form(
        dsn="host={host} port={port} user=secretive",
        target={"password": "${DB_PASSWORD}"},
        environment={"DB_PASSWORD": PASSWORD},
    ),
    "variable inside": Form(
        dsn="postgresql://secretive:${DB_PASSWORD}@{host}:{port}/postgres",
        environment={"DB_PASSWORD": PASSWORD},
    ),
    "sslpassword": Form(
        dsn=f"host={{host}} port={{port}} user=secretive sslpassword={PASSWORD}",
        target={"password": PASSWORD},
    ),
    "signs that need no escape": Form(
        dsn=f"postgresql://secretive:{HALF}?{REST}#{HALF}:{REST}@{{host}}:{{port}}/postgres",
        target={"password": PASSWORD},
    ),
    "default of a variable": Form(
        dsn="host={host} port={port} user=secretive", target={"password": f"${{UNSET:-{PASSWORD}}}"}
    ),
}

# What libpq reads, but no server lets in.
REFUSED = {
    "wrong password": Form(dsn=f"postgresql://postgres:{PASSWORD}@{{host}}:{{port}}/postgres"),
    "no such host": Form(dsn=f"postgresql://u:{PASSWORD}@nowhere.invalid/d"),
    "no such database": Form(dsn=f"postgresql://secretive:{PASSWORD}@{{host}}:{{port}}/nowhere"),
    "bad sslmode": Form(dsn=f"postgresql://u:{PASSWORD}@{{host}}:{{port}}/d?sslmode=perhaps"),
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
    "scheme twice": Form(dsn=f"postgresql://secretiveql://u:{PASSWORD}@{{host}}/d"),
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


@pytest.fixture(scope="module")
def address(servers: Servers) -> Iterator[dict[str, str]]:
    """A real server with a role of that password, so that the good forms get in."""
    server = servers[VERSIONS[-1]]
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS secretive")
        connection.execute(f"CREATE ROLE secretive LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor")
        yield {"host": "127.0.0.1", "port": str(server.port)}
        connection.execute("DROP ROLE secretive")


def started(
    command: str, *arguments: str, cwd: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start `pgwatch command arguments` at the most talkative level; its errors are in its output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return subprocess.Popen(
        [sys.executable, "-m", "pgwatch", *command.split(), "--log-level", "debug", *arguments],
        cwd=cwd,
        env={**clean, "STATE_DIRECTORY": str(cwd), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output(command: str, *arguments: str, cwd: Path, environment: Mapping[str, str]) -> str:
    """Everything that the command prints."""
    process = started(command, *arguments, cwd=cwd, environment=environment)
    return process.communicate(timeout=90)[0]


def assert_no_piece(printed: str) -> None:
    pieces = {PASSWORD[start : start + LENGTH] for start in range(len(PASSWORD) - LENGTH + 1)}
    shown = sorted(piece for piece in pieces if piece in printed)
    assert not shown, printed


def filled(form: Form, address: Mapping[str, str], folder: Path) -> Form:
    """Return the form with its placeholders filled in; its file is written to `folder`."""
    file = folder / f"file-{len(list(folder.iterdir()))}"

    def fill(text: str) -> str:
        for name, value in {**address, "file": str(file)}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    file.write_text(fill(form.file))
    file.chmod(0o600)  # libpq ignores a passfile that others can read
    return Form(
        dsn=fill(form.dsn),
        target={key: fill(value) for key, value in form.target.items()},
        environment={key: fill(value) for key, value in form.environment.items()},
    )


def write_file(
    forms: Mapping[str, Form], address: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """Write pgwatch.yml with a target for each form; returns their environment."""
    environment: dict[str, str] = {}
    targets = []
    for name, form in forms.items():
        whole = filled(form, address, folder)
        environment |= whole.environment
        targets.append({"name": name, "dsn": whole.dsn, **whole.target})
    (folder / "pgwatch.yml").write_text(yaml.safe_dump({"targets": targets}))
    return environment


@pytest.mark.parametrize("command", existing([*WITH_FILE, *WITH_DSN]))
def test_good_forms_in_a_file(command: str, address: dict[str, str], tmp_path: Path) -> None:
    forms = {**GOOD, **GOOD_IN_FILE}
    environment = write_file(forms, address, tmp_path)
    printed = output(command, "--config", "pgwatch.yml", cwd=tmp_path, environment=environment)
    if command.startswith("config check"):
        assert str(len(forms)) in printed, printed
    else:
        assert all(name in printed for name in forms), printed
    assert "password authentication failed" not in printed  # the forms are good
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(WITH_FILE))
def test_malformed_forms_in_a_file(command: str, address: dict[str, str], tmp_path: Path) -> None:
    environment = write_file(MALFORMED, address, tmp_path)
    printed = output(command, cwd=tmp_path, environment=environment)
    for number, name in enumerate(MALFORMED):
        assert f"targets[{number}].dsn" in printed, name
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(WITH_DSN))
@pytest.mark.parametrize("name", ["url", "parameter", "PGPASSWORD", "passfile", *REFUSED])
def test_form_on_the_command_line(
    name: str, command: str, address: dict[str, str], tmp_path: Path
) -> None:
    form = filled({**GOOD, **REFUSED}[name], address, tmp_path)
    printed = output(command, form.dsn, cwd=tmp_path, environment=form.environment)
    assert printed
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(WITH_DSN))
def test_malformed_forms_on_the_command_line(
    command: str, address: dict[str, str], tmp_path: Path
) -> None:
    forms = [filled(form, address, tmp_path) for form in MALFORMED.values()]
    environment = {key: value for form in forms for key, value in form.environment.items()}
    dsns = [form.dsn for form in forms]
    printed = output(command, *dsns, cwd=tmp_path, environment=environment)
    assert printed
    assert_no_piece(printed)


@pytest.mark.parametrize("name", [*GOOD, *MALFORMED])
def test_form_where_none_is_expected(name: str, address: dict[str, str], tmp_path: Path) -> None:
    form = filled({**GOOD, **MALFORMED}[name], address, tmp_path)
    printed = output("version", form.dsn, cwd=tmp_path, environment={})
    assert "unexpected arguments: 1 more (not shown)" in printed
    assert_no_piece(printed)


@pytest.mark.parametrize("command", existing(["check --once"]))
@pytest.mark.parametrize("name", ["url", "unescaped @", "unknown keyword"])
def test_form_in_pgwatch_dsn(
    name: str, command: str, address: dict[str, str], tmp_path: Path
) -> None:
    form = filled({**GOOD, **MALFORMED}[name], address, tmp_path)
    printed = output(command, cwd=tmp_path, environment={"PGWATCH_DSN": form.dsn})
    assert printed
    assert_no_piece(printed)


def test_pages_and_logs_of_the_daemon(address: dict[str, str], tmp_path: Path) -> None:
    environment = write_file({**GOOD, **GOOD_IN_FILE}, address, tmp_path)
    web = f"127.0.0.1:{free_port()}"
    process = started("run", cwd=tmp_path, environment={**environment, "PGWATCH__WEB__LISTEN": web})
    try:
        metrics = page(f"http://{web}/metrics", until='pg_up{target="pairs"')
        pages = [page(f"http://{web}{path}") for path in ("/", "/-/healthy", "/-/ready")]
    finally:
        process.terminate()
        printed = process.communicate(timeout=30)[0]
    assert 'pg_up{target="pairs"' in metrics
    for text in (metrics, *pages, printed):
        assert text
        assert_no_piece(text)


def page(url: str, *, until: str = "") -> str:
    """The page at `url`, asked for until it holds `until` or 20 s are over."""
    deadline = time.monotonic() + 20
    while True:
        try:
            text = requests.get(url, timeout=5).text
        except requests.ConnectionError:
            text = ""
        if (text and until in text) or time.monotonic() > deadline:
            return text
        time.sleep(0.2)  # a process that starts offers nothing to wait on


@pytest.mark.parametrize("name", FILES)
def test_file_with_a_password_in_the_wrong_place(name: str, tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text(FILES[name])
    printed = output("config show", cwd=tmp_path, environment={})
    assert printed
    assert_no_piece(printed)


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
def test_variable(variable: str, value: str, tmp_path: Path) -> None:
    printed = output("config show", cwd=tmp_path, environment={variable: value})
    assert printed
    assert_no_piece(printed)


def test_the_search_finds_a_piece() -> None:
    with pytest.raises(AssertionError):
        assert_no_piece(f"FATAL: could not translate host name {REST[:LENGTH]}")
