"""The `pgwatch` command: its options, lazy imports, errors and exit codes."""

import argparse
import importlib.util
import io
import subprocess
import sys
from types import ModuleType

import pytest

from pgwatch.cli import logs, main
from pgwatch.cli.options import defaults
from pgwatch.errors import InputError, PgwatchError, Problem


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command called `try` that does what the test sets as its `run`."""
    module = ModuleType("pgwatch.cli.try")
    module.configure = lambda parser: parser.add_argument("--to")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pgwatch.cli.try", module)
    monkeypatch.setitem(main.COMMANDS, "try", "do what the test says")
    monkeypatch.setattr(logs, "setup", lambda **_: None)
    monkeypatch.setattr(logs, "_hidden", set())
    return module


def raising(module: ModuleType, error: BaseException) -> None:
    def run(_: argparse.Namespace) -> int:
        raise error

    module.run = run  # type: ignore[attr-defined]


def test_the_status_is_the_commands(command: ModuleType) -> None:
    command.run = lambda arguments: int(arguments.to)  # type: ignore[attr-defined]
    assert main.main(["try", "--to", "3"]) == 3


def test_common_options_stand_before_or_behind_the_command(command: ModuleType) -> None:
    seen = []

    def run(arguments: argparse.Namespace) -> int:
        seen.append(arguments)
        return 0

    command.run = run  # type: ignore[attr-defined]
    main.main(["--config", "a.yml", "--json", "try", "--to", "1", "--log-format", "json"])
    main.main(["try", "--config", "b.yml"])
    main.main(["--config", "a.yml", "try", "--config", "b.yml"])
    assert [str(arguments.config) for arguments in seen] == ["a.yml", "b.yml", "b.yml"]
    assert [arguments.json for arguments in seen] == [True, False, False]
    assert [arguments.log_format for arguments in seen] == ["json", "logfmt", "logfmt"]


def test_input_errors_are_all_told_with_status_2(
    command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [Problem(file="a.yml", line=n, path="x", message="wrong") for n in (1, 2)]
    raising(command, InputError(problems))
    assert main.main(["try"]) == 2
    assert capsys.readouterr().err == "a.yml:1: x: wrong\na.yml:2: x: wrong\n"


def test_an_error_of_ours_is_one_line_with_status_1(
    command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(command, PgwatchError("cannot reach it"))
    assert main.main(["try"]) == 1
    assert capsys.readouterr() == ("", "pgwatch: cannot reach it\n")


def test_a_bug_is_one_line_and_a_traceback_only_for_debugging(
    command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.hide(["token-4711"])
    raising(command, ValueError("bad token-4711 at postgresql://u:hunter2@h/d"))
    assert main.main(["try"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "pgwatch: unexpected ValueError: bad <secret> at postgresql://u:<secret>@h/d"
    )
    assert "Traceback" not in error
    assert main.main(["try", "--log-level", "debug"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "hunter2" not in error
    assert "4711" not in error


@pytest.mark.parametrize("error", [PgwatchError("no"), ValueError("a bug")])
def test_a_command_may_have_a_status_of_its_own_for_a_crash(
    error: Exception, command: ModuleType
) -> None:
    command.EXIT_CRASHED = 3  # type: ignore[attr-defined]
    raising(command, error)
    assert main.main(["try"]) == 3


def test_an_interrupt_is_quiet(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    raising(command, KeyboardInterrupt())
    assert main.main(["try"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_went_away_is_quiet() -> None:
    program = "import sys; from pgwatch.cli.main import main; sys.exit(main(['config', 'show']))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        pytest.param(["--version"], 0, id="version"),
        pytest.param(["--help"], 0, id="help"),
        pytest.param(["nonsense"], 2, id="unknown command"),
        pytest.param(["version", "--nonsense"], 2, id="unknown option"),
        pytest.param(["version", "--conf", "x"], 2, id="no abbreviations"),
    ],
)
def test_what_argparse_ends(argv: list[str], status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(argv)
    assert ended.value.code == status


def test_no_command_prints_the_help_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 2
    assert "config" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["version", "{}"], ["{}"], ["config", "{}"], ["--log-level", "{}"]]
)
@pytest.mark.parametrize(
    "dsn", ["postgresql://u:hunter2@h/d", "host=h password=hunter2", "password='x hunter2"]
)
def test_usage_errors_show_no_password(
    argv: list[str], dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main([part.format(dsn) for part in argv])
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_each_command_has_its_module(name: str) -> None:
    assert importlib.util.find_spec(f"pgwatch.cli.{name}")


def test_a_command_imports_only_its_own_module() -> None:
    program = (
        "import sys; from pgwatch.cli.main import main\n"
        "try: main(['version', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = set(run.stdout.split())
    assert "pgwatch.cli.version" in modules
    assert "pgwatch.cli.config" not in modules
    assert not modules & {"pydantic", "psycopg", "yaml", "numpy", "asyncio"}


def test_help_names_every_command() -> None:
    parser_help = io.StringIO()
    main._parser().print_help(parser_help)
    for name in main.COMMANDS:
        assert f"    {name} " in parser_help.getvalue()


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        ("baseline save f --timeout 9s x=1 y=2", "dsn", ["x=1", "y=2"]),
        ("check x=1 --once y=2 --strict", "dsn", ["x=1", "y=2"]),
        ("silence add a=b --for 2h c=d", "matchers", ["a=b", "c=d"]),
        ("baseline compare o --fail-on warn n", "new", ["n"]),
    ],
)
def test_arguments_stand_before_and_behind_options(
    words: str, name: str, expected: list[str]
) -> None:
    parsed = main._parser().parse_args(words.split(), defaults())
    assert getattr(parsed, name) == expected


def test_unknown_option_is_no_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main._parser().parse_args(["check", "--onec", "x=1", "--once"], defaults())
    assert capsys.readouterr().err.endswith("unexpected arguments: --onec\n")
