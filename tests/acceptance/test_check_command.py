"""`pgwatch check --once` as people and pipelines run it: options, formats, targets, exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.rules.rule import Phase
from tests.conftest import create_database, drop_database
from tests.daemon_process import until
from tests.gate import environment, gate, own_process, pgwatch
from tests.watching import silent_server, sql

NOWHERE = "postgresql://u:zebra@127.0.0.1:1/app"  # nothing listens on port 1
NOT_VALIDATED = "PostgresConstraintNotValidated"
FORMATS = {
    "text": "(exit 1)",
    "json": '"exit_code": 1,',
    "junit": '<failure message="Constraint t_check',
    "markdown": "## ❌ pgwatch: fail",
    "sarif": '"version": "2.1.0"',
    "nagios": "PGWATCH CRITICAL - 1 failed",
}
DAMAGE = "CREATE TABLE t (i int); ALTER TABLE t ADD CONSTRAINT t_check CHECK (i > 0) NOT VALID"


@pytest.fixture
def damaged(server: LocalServer) -> Iterator[str]:
    """A database of this test's own with one constraint that is not validated."""
    name = create_database(server)
    sql(server.dsn(name), DAMAGE)
    yield server.dsn(name)
    drop_database(server, name)


def test_an_ordinary_database_passes_without_any_file(any_database: str, tmp_path: Path) -> None:
    ran = pgwatch("check", "--once", any_database, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "✓ PostgresConstraintNotValidated\n" in ran.out
    assert re.search(r"\nPASS  \d+ passed, \d+ skipped  in \d\.\d\d s  \(exit 0\)\n$", ran.out)
    assert "\x1b" not in ran.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["PGWATCH_DSN", "PG*"])
def test_the_environment_names_the_database(way: str, database: str, tmp_path: Path) -> None:
    user, password, host, port, name = re.split(r"[:@/]+", database)[1:]
    env = {
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGHOST": host,
        "PGPORT": port,
        "PGDATABASE": name,
    }
    ran = gate(cwd=tmp_path, env={"PGWATCH_DSN": database} if way == "PGWATCH_DSN" else env)
    assert ran.status == 0, ran.err
    assert [target["database"] for target in ran.report["targets"]] == [name]


def test_the_json_report_has_exactly_the_fields_of_its_schema(damaged: str, tmp_path: Path) -> None:
    ran = gate(damaged, cwd=tmp_path)
    report = ran.report
    assert (ran.status, ran.err) == (1, "")
    assert list(report) == [
        "schema", "pgwatch", "targets", "started", "duration_seconds", "verdict", "exit_code",
        "counts", "checks",
    ]  # fmt: skip
    assert (report["schema"], report["verdict"], report["exit_code"]) == (1, "fail", 1)
    (target,) = report["targets"]
    assert list(target) == ["name", "database", "role", "server_version", "error"]
    assert (target["role"], target["error"]) == ("primary", None)
    assert sum(report["counts"].values()) == len(report["checks"])
    for check in report["checks"]:
        assert list(check) == [
            "name", "target", "database", "phase", "severity", "verdict", "reason", "findings",
            "sources", "duration_seconds",
        ]  # fmt: skip
        assert (check["target"], check["database"]) == (target["name"], target["database"])
    check = ran.check(NOT_VALIDATED)
    assert check["sources"] == ["core/constraints"]
    (finding,) = check["findings"]
    assert list(finding) == ["summary", "description", "fix", "labels", "value", "object", "new"]
    assert (finding["object"], finding["value"], finding["new"]) == ("public.t.t_check", 1, None)
    assert pgwatch("check", "--once", "--json", damaged, cwd=tmp_path).report["verdict"] == "fail"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "name --once", id="no --once"),
        pytest.param(["--once"], "nothing to watch", id="no target"),
        pytest.param(["--once", "--nonsense"], "unexpected arguments: --nonsense", id="option"),
        pytest.param(["--once", "--format", "xml"], "xml", id="format"),
        pytest.param(["--once", "--phase", "late"], "late", id="phase"),
        pytest.param(["--once", "--timeout", "soon"], "soon", id="duration"),
        pytest.param(["--once", "--timeout", "0s"], "more than nothing", id="no time"),
        pytest.param(["--once", "--config", "none.yml"], "none.yml", id="config"),
        pytest.param(["--once", "-t", "nobody"], "nobody", id="target"),
        pytest.param(["--once", "nonsense"], "not usable", id="dsn"),
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    ran = pgwatch("check", *arguments, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_names_that_no_check_has_are_all_told(tmp_path: Path) -> None:
    named = ("Nope", "Postgres*", "postgresdwn", "migration_types", "migration_tpyes")
    options = [word for name in named for word in ("--only", name)]
    ran = gate(NOWHERE, *options, "--skip", "X?", cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "command line: --only: no check is called 'Nope' (pgwatch check --list shows them)\n"
        "command line: --only: no check is called 'postgresdwn': did you mean PostgresDown?"
        " (pgwatch check --list shows them)\n"
        "command line: --only: 'migration_types' is there only with --migrations\n"
        "command line: --only: no check is called 'migration_tpyes': did you mean migration_types?"
        " (pgwatch check --list shows them)\n"
        "command line: --skip: no check is called 'X?' (pgwatch check --list shows them)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--phase", "pre", "--skip", "backup"],
            "--skip leaves no check of phase pre; --migrations brings migration_",
        ),
        (
            ["--phase", "structure"],
            "there is no check of phase structure; --migrations brings migration_structure (",
        ),
        (
            ["--only", "PostgresDown", "--skip", "*"],
            "--only and --skip leave no check of the phases structure, types, constraints, post (",
        ),
        (
            ["--phase", "types", "--only", "PostgresDown"],
            "--only leaves no check of phase types; what --only names is of phase post (",
        ),
        (
            ["--only", "backup"],
            "--only leaves no check of the phases structure, types, constraints, post;"
            " what --only names is of phase pre (",
        ),
    ],
)
def test_a_gate_that_looks_at_nothing_does_not_say_yes(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ran = gate(NOWHERE, *arguments, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert f"command line: {message}" in ran.err


def test_choosing_checks(damaged: str, tmp_path: Path) -> None:
    def names(*arguments: str) -> set[str]:
        return set(gate(damaged, *arguments, cwd=tmp_path).verdicts)

    everything = names()
    constraints = names("--phase", "constraints")
    others = names(*(f"--phase={phase}" for phase in Phase if phase not in ("pre", "post")))
    assert constraints == others
    assert NOT_VALIDATED in constraints < everything
    assert names("--only", "PostgresC*", "--skip", "*High") == {
        NOT_VALIDATED,
        "PostgresConstraintViolation",
    }
    assert gate(damaged, "--skip", NOT_VALIDATED, cwd=tmp_path).status == 0


def test_the_list_needs_no_database_and_no_file(tmp_path: Path) -> None:
    ran = pgwatch("check", "--list", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert re.search(rf"^{NOT_VALIDATED} +constraints +critical$", ran.out, re.MULTILINE)
    assert re.search(r"^PostgresDeadlocks +post +warning +needs history", ran.out, re.MULTILINE)
    listed = json.loads(pgwatch("check", "--list", "--json", cwd=tmp_path).out)
    assert [row["name"] for row in listed] == [line.split()[0] for line in ran.out.splitlines()]
    assert {"name": NOT_VALIDATED, "phase": "constraints", "severity": "critical",
            "needs_history": False} in listed  # fmt: skip
    fewer = pgwatch("check", "--list", "--phase", "constraints", cwd=tmp_path).out
    assert NOT_VALIDATED in fewer
    assert "PostgresDeadlocks" not in fewer


def test_strict_counts_what_a_warning_could_not_tell(server: LocalServer, tmp_path: Path) -> None:
    name = create_database(server)
    try:
        sql(server.dsn(), "CREATE ROLE modest LOGIN PASSWORD 'modest'")
        dsn = server.dsn(name, user="modest", password="modest")
        ran, strict = gate(dsn, cwd=tmp_path), gate(dsn, "--strict", cwd=tmp_path)
    finally:
        drop_database(server, name)
        sql(server.dsn(), "DROP ROLE IF EXISTS modest")
    assert ran.check("PostgresConnectionsHigh")["verdict"] == "unknown"
    assert ran.check("PostgresConnectionsHigh")["reason"].endswith(
        '; cure: GRANT pg_read_all_stats TO "modest";'
    )
    assert (ran.status, ran.report["verdict"]) == (0, "pass")
    assert (strict.status, strict.report["verdict"]) == (3, "unknown")


def test_fail_on_warn(database: str, tmp_path: Path) -> None:
    config = tmp_path / "pgwatch.yml"
    config.write_text("rules: {set: {PostgresConnectionsHigh: 0.0001}}\n")
    arguments = (database, "--config", str(config))
    assert gate(*arguments, cwd=tmp_path).status == 0
    ran = gate(*arguments, "--fail-on", "warn", cwd=tmp_path)
    assert (ran.status, ran.report["verdict"], ran.report["exit_code"]) == (1, "warn", 1)


def test_the_report_goes_to_a_file(damaged: str, tmp_path: Path) -> None:
    for form, says in FORMATS.items():
        file = tmp_path / f"report.{form}"
        arguments = ("check", "--once", damaged, "--format", form, "--output", str(file))
        ran = pgwatch(*arguments, cwd=tmp_path)
        assert (ran.status, ran.out) == (2 if form == "nagios" else 1, "")
        assert ran.err == f"fail: report written to {file}\n"
        assert says in file.read_text()
        printed = pgwatch(*arguments[:-2], cwd=tmp_path)
        assert (printed.status, printed.err) == (ran.status, "")
        assert says in printed.out
    assert sorted(tmp_path.iterdir()) == sorted(tmp_path / f"report.{form}" for form in FORMATS)


def test_output_keeps_what_it_replaces_whole_and_writes_to_pipes(
    damaged: str, tmp_path: Path
) -> None:
    file, link = tmp_path / "report", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    for output in (link, Path("/dev/null")):
        ran = pgwatch("check", "--once", damaged, "--output", str(output), cwd=tmp_path)
        assert ran.status == 1
    assert link.is_symlink()
    assert file.read_text().endswith("(exit 1)\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_plugin_has_its_own_exit_codes(database: str, damaged: str, tmp_path: Path) -> None:
    def plugin(*arguments: str) -> tuple[int, str]:
        ran = pgwatch("check", "--once", "--format", "nagios", *arguments, cwd=tmp_path)
        assert ran.err == ""
        return ran.status, ran.out.partition(" - ")[0]

    config = tmp_path / "warn.yml"
    config.write_text("rules: {set: {PostgresConnectionsHigh: 0.0001}}\n")
    assert plugin(database) == (0, "PGWATCH OK")
    assert plugin(database, "--config", str(config)) == (1, "PGWATCH WARNING")
    assert plugin(damaged) == (2, "PGWATCH CRITICAL")
    assert plugin(NOWHERE) == (3, "PGWATCH UNKNOWN")
    assert plugin("--only", "Nope", database) == (3, "PGWATCH UNKNOWN")


@pytest.mark.parametrize("place", ["no/such/folder/report.json", "."])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_measured(
    place: str, tmp_path: Path
) -> None:
    with silent_server() as port:
        dsn = f"postgresql://u:zebra@127.0.0.1:{port}/app"
        ran = gate(dsn, "--output", place, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"command line: --output: {place}: the report cannot be written")
    assert ran.seconds < 4


def test_a_target_that_is_down_does_not_hide_the_others(
    damaged: str, database: str, tmp_path: Path
) -> None:
    ran = gate(database, NOWHERE, cwd=tmp_path)
    assert (ran.status, ran.report["verdict"]) == (3, "unknown")
    assert [bool(target["error"]) for target in ran.report["targets"]] == [False, True]
    assert ran.report["counts"]["pass"] > 5
    assert ran.report["counts"]["unknown"] == 0  # no rule is run without a session
    failing = gate(damaged, NOWHERE, cwd=tmp_path)
    assert (failing.status, failing.report["verdict"]) == (1, "fail")


def test_targets_of_the_file_and_all_databases_of_a_server(
    server: LocalServer, damaged: str, tmp_path: Path
) -> None:
    name = damaged.rpartition("/")[2]
    (tmp_path / "pgwatch.yml").write_text(
        f"targets:\n"
        f"  - {{name: all, dsn: '{server.dsn()}', databases: [postgres, {name}]}}\n"
        f"  - {{name: one, dsn: '{server.dsn()}'}}\n"
        f"  - {{name: missing, dsn: '{server.dsn()}', databases: [postgres, no_such_database]}}\n"
    )
    ran = gate("-t", "all", "-t", "one", cwd=tmp_path)
    assert ran.status == 1
    found = ran.check(NOT_VALIDATED, "all")
    assert (found["verdict"], found["database"]) == ("fail", "")
    assert found["findings"][0]["labels"]["datname"] == name
    clean = ran.check(NOT_VALIDATED, "one")
    assert (clean["verdict"], clean["database"]) == ("pass", "postgres")
    text = pgwatch("check", "--once", "-t", "all", cwd=tmp_path).out
    assert text.count("✗ PostgresConstraintNotValidated") == 1
    missing = gate("-t", "missing", cwd=tmp_path)
    assert missing.status == 3
    assert missing.check(NOT_VALIDATED)["verdict"] == "unknown"
    assert 'database "no_such_database" does not exist' in missing.check(NOT_VALIDATED)["reason"]


def test_every_database_of_a_server(server: LocalServer, damaged: str, tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text(
        f"targets: [{{name: all, dsn: '{server.dsn()}', databases: all}}]\n"
    )
    ran = gate("--only", NOT_VALIDATED, cwd=tmp_path)
    assert ran.status == 1
    databases = [target["database"] for target in ran.report["targets"]]
    assert databases[0] == "postgres"
    assert damaged.rpartition("/")[2] in databases
    assert {target["name"] for target in ran.report["targets"]} == {"all"}


def test_patterns_that_choose_no_database_are_no_pass(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text(
        f"targets: [{{name: none, dsn: '{server.dsn()}', databases: ['no_such_*']}}]\n"
    )
    ran = gate(cwd=tmp_path)
    assert (ran.status, ran.report["verdict"]) == (3, "unknown")
    (target,) = ran.report["targets"]
    assert target["error"] == "no database of the server matches no_such_*"
    text = pgwatch("check", "--once", cwd=tmp_path).out
    assert "primary\n    no database of the server matches no_such_*\n" in text
    assert gate("--only", "PostgresDown", cwd=tmp_path).status == 0  # asked once per server


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ("{check: PostgresConstraintNotValidated, labels: {conname: t_check}, reason: old}", 0),
        ("{check: PostgresConstraintNotValidated, until: 2020-01-01, reason: over}", 1),
        ("{check: PostgresConstraintNotValidated, labels: {conname: other}}", 1),
    ],
)
def test_accepted_findings(entry: str, status: int, damaged: str, tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text(f"ignore: [{entry}]\n")
    ran = gate(damaged, "--config", "pgwatch.yml", cwd=tmp_path)
    assert ran.status == status
    if status == 0:
        assert ran.check(NOT_VALIDATED)["reason"] == "1 accepted and not counted (old)"


RULES = """
groups:
  - name: own
    rules:
      - {record: own:constraints, expr: count by (target) (pg_constraint_not_validated)}
      - {record: own:broken, expr: pg_constraint_not_validated * on () group_left () pg_database_size_bytes}
      - {record: own:rate, expr: 'rate(pg_constraint_not_validated[5m])'}
      - {alert: Recorded, expr: own:constraints > 0, labels: {severity: critical, phase: types}}
      - {alert: Broken, expr: own:broken > 0, labels: {severity: critical}}
      - {alert: Historic, expr: own:rate > 0, labels: {severity: critical}}
"""


def test_rules_of_ones_own(damaged: str, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(RULES)
    (tmp_path / "pgwatch.yml").write_text("rules: {builtin: false, files: [own.yml]}\n")
    ran = gate(damaged, "--config", "pgwatch.yml", "--skip", "benchmarks", cwd=tmp_path)
    assert ran.verdicts == {"Recorded": "fail", "Broken": "unknown", "Historic": "skipped"}
    assert ran.check("Recorded")["phase"] == "types"
    assert ran.check("Broken")["reason"].startswith("recording rule own:broken failed: ")
    (tmp_path / "own.yml").write_text(RULES.replace("own:rate > 0", "own:rate >"))
    wrong = gate(damaged, "--config", "pgwatch.yml", cwd=tmp_path)
    assert wrong.status == 2
    assert "own.yml:10:" in wrong.err


def test_an_encoding_without_our_marks_does_not_end_the_run(database: str, tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    sql(database, 'CREATE TABLE "größe" (i int CHECK (i > 0) NOT NULL)')
    sql(database, 'ALTER TABLE "größe" ADD CONSTRAINT c CHECK (i > 1) NOT VALID')
    ran = own_process("check", "--once", database, cwd=tmp_path, env=env)
    assert ran.status == 1
    assert "\\u2717 PostgresConstraintNotValidated" in ran.out
    json = own_process("check", "--once", "--format", "json", database, cwd=tmp_path, env=env)
    assert json.check(NOT_VALIDATED)["findings"][0]["object"] == "public.größe.c"


def test_on_a_terminal_there_is_colour_and_progress(damaged: str, tmp_path: Path) -> None:
    coloured = on_terminal(damaged, cwd=tmp_path)
    assert "\x1b[1;31m✗\x1b[0m PostgresConstraintNotValidated" in coloured
    assert re.search(r"\r\x1b\[K\[\d+/\d+\] core/\w+", coloured)
    plain = on_terminal(damaged, cwd=tmp_path, env={"NO_COLOR": "1"})
    assert "\x1b[1;31m" not in plain
    assert "✗ PostgresConstraintNotValidated" in plain


def on_terminal(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Return what the gate writes to a terminal, of its standard output and error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pgwatch", "check", "--once", *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:
            pass  # Linux's way to say that the other end of a terminal is closed
        process.wait(30)
    os.close(ours)
    return said.decode()


def test_a_dsn_alone_imports_nothing_that_it_does_not_need(database: str, tmp_path: Path) -> None:
    """Imports cost more than the SQL: these belong to files, probes, the daemon and other commands."""
    program = (
        "import sys\nfrom pgwatch.cli.main import main\n"
        f"main(['check', '--once', '--format', 'json', {database!r}])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    assert not modules & {
        "pydantic", "pydantic_settings", "requests", "psutil", "sqlalchemy", "apscheduler",
        "starlette", "uvicorn", "prometheus_client", "gotpl", "jinja2",
        "postgast",
    }  # fmt: skip


def test_a_dsn_alone_takes_one_session(database: str, tmp_path: Path) -> None:
    """Whether benchmarks apply is told by the session that asks the queries."""
    place, _, name = database.rpartition("/")

    def ask(question: str) -> int:
        return int(sql(f"{place}/postgres", f"{question} WHERE datname = '{name}'")[0][0])

    before = ask("SELECT sessions FROM pg_stat_database")
    assert gate(database, cwd=tmp_path).check("benchmarks")["verdict"] == "skipped"
    until(lambda: not ask("SELECT count(*) FROM pg_stat_activity"), "its sessions have ended")
    assert ask("SELECT sessions FROM pg_stat_database") - before == 1
