"""What a command works on: connection strings, the environment, a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from pgwatch.config.choose import choose_inputs, find_file
from pgwatch.errors import InputError
from pgwatch.wiring import rule_groups

FILE = "defaults: {packs: [core]}\ntargets: [{name: a, dsn: host=a}, {name: b, dsn: host=b}]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an environment without libpq's variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pgwatch.config.choose.DEFAULT_FILES", (Path("pgwatch.yml"),))
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_connection_string_alone_reads_no_file(folder: Path) -> None:
    (folder / "pgwatch.yml").write_text("not: valid")
    inputs = choose_inputs(dsns=["postgresql://u@db1/app"])
    assert (inputs.settings, inputs.file) == (None, None)
    assert [target.name for target in inputs.targets] == ["app"]


def test_a_connection_string_takes_the_defaults_of_a_named_file(folder: Path) -> None:
    (folder / "x.yml").write_text(FILE)
    inputs = choose_inputs(dsns=["host=db1 dbname=app"], config=Path("x.yml"))
    assert [(target.name, target.packs) for target in inputs.targets] == [("app", ("core",))]


def test_the_file_in_the_working_folder(folder: Path) -> None:
    (folder / "pgwatch.yml").write_text(FILE)
    inputs = choose_inputs()
    assert [target.name for target in inputs.targets] == ["a", "b"]
    assert inputs.file == Path("pgwatch.yml")


def test_targets_by_name_beside_connection_strings(folder: Path) -> None:
    (folder / "pgwatch.yml").write_text(FILE)
    inputs = choose_inputs(dsns=["host=db1 dbname=app"], names=["b", "b"])
    assert [target.name for target in inputs.targets] == ["app", "b"]
    with pytest.raises(InputError, match="no target 'c'; there are a, b"):
        choose_inputs(names=["c"])


def test_pgwatch_dsn_wins_over_the_targets_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pgwatch.yml").write_text(FILE)
    monkeypatch.setenv("PGWATCH_DSN", "host=db1 dbname=app")
    assert [target.name for target in choose_inputs().targets] == ["app"]


def test_the_environment_of_libpq_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db1")
    monkeypatch.setenv("PGDATABASE", "app")
    (target,) = choose_inputs().targets
    assert (target.name, target.dsn.host_port) == ("app", "db1:5432")


def test_nothing_at_all_says_what_to_do() -> None:
    with pytest.raises(InputError, match="nothing to watch: name a connection string"):
        choose_inputs()


def test_the_same_database_twice_is_a_mistake() -> None:
    with pytest.raises(InputError, match="db1:5432/app is named 2 times"):
        choose_inputs(dsns=["host=db1 dbname=app", "postgresql://db1/app"])


def test_bad_connection_strings_are_named_by_number() -> None:
    with pytest.raises(InputError) as caught:
        choose_inputs(dsns=["host=a", "postgresql://u:hunter2@x@h/d", "host=a port=x"])
    assert [problem.path for problem in caught.value.problems] == [
        "connection string 2",
        "connection string 3",
    ]
    assert "hunter2" not in str(caught.value)


def test_a_pattern_that_the_shell_took_apart_is_told(folder: Path) -> None:
    (folder / "a.sql").touch()
    with pytest.raises(InputError) as caught:
        choose_inputs(dsns=["a.sql", "postgresql://u@h/d"])
    (problem,) = caught.value.problems
    assert problem.path == "connection string 1"
    assert "a pattern of files stands in quotes" in problem.message


def test_where_the_file_is_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file(None) is None
    for name in ("pgwatch.yml", "by-env.yml", "by-option.yml"):
        (folder / name).write_text("")
    assert find_file(None) == Path("pgwatch.yml")
    monkeypatch.setenv("PGWATCH_CONFIG", "by-env.yml")
    assert find_file(None) == Path("by-env.yml")
    assert find_file(Path("by-option.yml")) == Path("by-option.yml")
    with pytest.raises(InputError, match=r"gone.yml: there is no file gone.yml \(named"):
        find_file(Path("gone.yml"))
    with pytest.raises(InputError, match=r" is a folder, not a file \(named by --config\)"):
        find_file(folder)


def test_a_connection_string_costs_no_heavy_import() -> None:
    program = (
        "import sys; from pgwatch.config.choose import choose_inputs;"
        "choose_inputs(dsns=['host=x']); print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = {name.split(".")[0] for name in run.stdout.split()}
    assert "psycopg" in modules
    assert not modules & {"pydantic", "pydantic_settings", "requests", "starlette", "sqlalchemy"}
    assert not modules & {"apscheduler", "uvicorn", "yaml"}


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_connection_string_is_not_the_database_of_libpq(
    folder: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.setenv("PGHOST", "db9")
    with pytest.raises(InputError, match="command line: connection string 2 is empty"):
        choose_inputs(dsns=["host=db1", empty])
    monkeypatch.setenv("PGWATCH_DSN", empty)
    with pytest.raises(InputError, match="environment: PGWATCH_DSN: is empty; set it"):
        choose_inputs()
    assert choose_inputs(dsns=["host=db1"]).targets[0].dsn.host_port == "db1:5432"
    monkeypatch.delenv("PGWATCH_DSN")
    assert choose_inputs().targets[0].dsn.host_port == "db9:5432"


def test_a_rule_that_there_is_not_has_a_line(folder: Path) -> None:
    (folder / "pgwatch.yml").write_text(
        "targets: [{dsn: host=a}]\n"
        "ignore:\n"
        "  - check: migration_structure\n"
        "  - check: PostgresDwn\n"
        "rules:\n"
        "  disable: [PostgresDown, PostgresDwn]\n"
        "  set: {PostgresSlowQeury: 10s}\n"
    )
    with pytest.raises(InputError) as caught:
        rule_groups(choose_inputs())
    said = "there is no rule 'PostgresDwn'; did you mean PostgresDown?"
    assert str(caught.value).splitlines() == [
        f"pgwatch.yml:6:27: rules.disable[1]: {said}",
        f"pgwatch.yml:4:5: ignore[1].check: {said}",
        "pgwatch.yml:7:9: rules.set.PostgresSlowQeury: there is no rule PostgresSlowQeury; "
        "did you mean PostgresSlowQuery?",
    ]
