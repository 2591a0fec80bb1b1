"""The examples of docs/how-to/use-in-ci.md: valid by GitHub's and GitLab's schemas, and run here."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import yaml

from pgwatch.cli.main import _parser
from pgwatch.cli.options import defaults
from tests.gate import environment, pgwatch
from tests.pages import DOCS, Block, block, blocks
from tests.watching import sql

PAGE = "how-to/use-in-ci.md"
ACTION, WORKFLOW, COMMENT, GITLAB, BEFORE = blocks(DOCS / PAGE, "yaml")
MIGRATION = "CREATE TABLE house (id int PRIMARY KEY, price numeric(12,2));"


def document(one: Block) -> Any:
    """The block as YAML 1.2 reads it, where `on` is a word."""
    return yaml.safe_load(re.sub(r"^on:", '"on":', one.text, flags=re.MULTILINE))


def schema(name: str) -> Any:
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("one", "name"),
    [
        pytest.param(ACTION, "github-actions", id="action"),
        pytest.param(WORKFLOW, "github-workflows", id="workflow"),
        pytest.param(GITLAB, "gitlab-ci", id="gitlab"),
        pytest.param(BEFORE, "gitlab-ci", id="gitlab before"),
    ],
)
def test_examples_are_valid_by_the_schema_of_their_tool(one: Block, name: str) -> None:
    jsonschema.validate(document(one), schema(name), cls=jsonschema.Draft7Validator)


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    steps = document(WORKFLOW)["jobs"]["deploy"]["steps"]
    (gate,) = (step for step in steps if step.get("name") == "Gate")
    inputs = document(ACTION)["inputs"]
    assert set(gate["with"]) <= set(inputs)
    assert {name for name, one in inputs.items() if one.get("required")} <= set(gate["with"])


def commands() -> list[list[str]]:
    """Every `pgwatch …` of the page, whatever block it stands in."""
    text = (DOCS / PAGE).read_text("utf-8").replace("\\\n", " ")
    found = re.findall(
        r"^ *(?:[$] |- |command_line +)?(?:\S*/bin/)?pgwatch (check .*)$", text, re.MULTILINE
    )
    return [
        shlex.split(re.sub(r'"\$\{named\[@\]\}" \$OPTIONS|-t \$ARG1\$', "", one)) for one in found
    ]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_page_has_options_that_exist(words: list[str]) -> None:
    assert _parser().parse_args(words, defaults()).module is not None


def test_the_page_has_as_many_commands_as_were_checked() -> None:
    assert len(commands()) >= 7
    assert {"junit", "markdown", "sarif", "nagios"} <= {word for one in commands() for word in one}


class Runner:
    """What GitHub and GitLab do with the steps of a job, on this machine."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        command = programs / "pgwatch"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pgwatch "$@"\n')
        command.chmod(0o755)
        self.summary, self.output = folder / "summary", folder / "output"
        self._env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGWATCH_DSN": dsn,
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
        }

    def run(self, script: str, *shell: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*shell, script],
            cwd=self.folder,
            env=environment({**self._env, **env}),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def step(self, step: dict[str, Any], **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step as GitHub's `shell: bash` does."""
        env = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs[m[1]], value)
            for name, value in step["env"].items()
        }
        return self.run(
            step["run"], "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", **env
        )


@pytest.fixture
def runner(database: str, tmp_path: Path) -> Runner:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1.sql").write_text(MIGRATION)
    return Runner(tmp_path, database)


@pytest.mark.parametrize(("applied", "status"), [(True, 0), (False, 1)])
def test_the_action_runs_the_gate_and_leaves_its_reports(
    applied: bool, status: int, runner: Runner, database: str
) -> None:
    if applied:
        sql(database, MIGRATION)
    _, check = document(ACTION)["runs"]["steps"]
    done = runner.step(check, migrations="migrations", options="--timeout 50s")
    assert done.returncode == status, done.stderr
    assert runner.output.read_text() == f"status={status}\n"
    assert f"## {'✅' if applied else '❌'} pgwatch" in runner.summary.read_text()
    assert f"(exit {status})" in done.stdout
    (log,) = json.loads((runner.folder / "pgwatch.sarif").read_text())["runs"]
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in log["results"]
        if result["ruleId"].startswith("migration_")
    ]
    assert set(places) == (set() if applied else {"migrations/1.sql"})
    cases = junitparser.JUnitXml.fromfile(str(runner.folder / "pgwatch.xml"))
    assert (cases.failures > 0) is not applied


def test_the_action_says_what_is_wrong_with_its_inputs(runner: Runner) -> None:
    _, check = document(ACTION)["runs"]["steps"]
    done = runner.step(check, migrations="nothing/*.sql", options="")
    assert (done.returncode, runner.output.read_text()) == (2, "status=2\n")
    assert "no migration file matches 'nothing/*.sql'" in done.stderr


@pytest.mark.parametrize(
    ("dsn", "applied", "status"), [("", True, 0), ("", False, 1), ("gone", True, 3)]
)
def test_gitlabs_script_ends_as_the_gate_does(
    dsn: str, applied: bool, status: int, runner: Runner, database: str
) -> None:
    if applied:
        sql(database, MIGRATION)
    (script,) = document(GITLAB)["gate"]["script"]
    env = {"PGWATCH_DSN": "postgresql://u@127.0.0.1:1/x"} if dsn else {}
    done = runner.run(script, "sh", "-ec", **env)
    assert done.returncode == status, done.stderr
    assert (runner.folder / "pgwatch.xml").exists()
    assert document(GITLAB)["gate"]["allow_failure"]["exit_codes"] == [3]


@pytest.mark.parametrize(("more", "status"), [("", 0), ("ALTER TABLE nowhere ADD x int;", 1)])
def test_gitlabs_job_before_the_migration(more: str, status: int, runner: Runner) -> None:
    (runner.folder / "migrations" / "1.sql").write_text(MIGRATION + more)
    (script,) = document(BEFORE)["before"]["script"]
    done = runner.run(script, "sh", "-ec")
    assert done.returncode == status, done.stdout + done.stderr
    assert "migration_preflight" in done.stdout


def test_nagios_command_is_a_plugin(database: str, tmp_path: Path) -> None:
    text = block(PAGE, "text", "define command")
    found = re.search(r"command_line\s+\S+/pgwatch (.*)", text)
    assert found is not None
    config = tmp_path / "pgwatch.yml"
    config.write_text(f"targets: [{{name: app, dsn: '{database}'}}]\n")
    line = found[1].replace("/etc/pgwatch/pgwatch.yml", str(config)).replace("$ARG1$", "app")
    ran = pgwatch(*shlex.split(line), cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("PGWATCH OK - ")


def test_icinga_arguments_exist() -> None:
    text = block(PAGE, "text", "object CheckCommand")
    [listed] = re.findall(r"command = (\[.*?\])", text)
    command = json.loads(listed)
    options = re.findall(r'"(--?\w+)" = ', text)
    words = [*command[1:], *(word for option in options for word in (option, "30s"))]
    assert _parser().parse_args(words, defaults()).timeout.total_seconds() == 30
