"""The `pgwatch` command: finds the subcommand, sets up logs, and turns errors into lines and exit codes."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence

from pgwatch.cli import logs
from pgwatch.cli.options import CommandParser, defaults
from pgwatch.errors import InputError, PgwatchError
from pgwatch.secret import mask_passwords

# A command is a row here and a module `pgwatch/cli/<name>.py` with `configure(parser)` and
# `run(arguments) -> int`, imported only when that command is used: imports cost more than SQL.
# A module may set LOG_LEVEL, the level when nobody names one (else only warnings are shown), and
# EXIT_CRASHED, the status of a run that an error ended.
COMMANDS = {
    "ack": "say that somebody looks after an alert; who does",
    "baseline": "save what a database is like before a deploy; show it, compare with it after",
    "check": "the gate after a deploy: one run, one verdict, one exit code",
    "config": "write a sample configuration, check one, show what is in effect",
    "demo": "the whole story on a private PostgreSQL server",
    "doctor": "each query on a target: runs, skipped and why, denied and the GRANT",
    "guide": "the runbook of a deployment, with the state of each step now",
    "history": "who was told what, when, and with which answer",
    "notify": "send a test message through a receiver",
    "outbox": "messages that wait or were given up: list, retry, drop",
    "queries": "the catalogue of queries; run one in the terminal",
    "query": "PromQL in the terminal, as a table or a plot",
    "route": "why an alert goes where it goes; test routes",
    "rules": "the rules in force; check, lint, explain, test and export them",
    "run": "the daemon: poll, export, evaluate, notify",
    "silence": "keep alerts quiet: for a while, each week, or for a deploy",
    "simulate": "who would have been told what, by stored samples and edited rules and routes",
    "version": "print the version",
}

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process's own by default) and return the exit status.

    Usage errors, `--help` and `--version` end in SystemExit, as argparse does it.
    """
    # numpy holds our samples and computes no matrices: the threads of its OpenBLAS would only delay us.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A mark or a name that the terminal's encoding does not have must not end the run.
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    try:
        arguments = parser.parse_args(argv, defaults())
        if "module" not in arguments:
            parser.print_help(sys.stderr)
            return EXIT_USAGE
        level = arguments.log_level or getattr(arguments.module, "LOG_LEVEL", "warning")
        logs.setup(level=level, form=arguments.log_format)
        return _run(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="pgwatch",
        description="Watches PostgreSQL through and after a schema migration.",
        epilog="`pgwatch COMMAND --help` explains each command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, what in COMMANDS.items():
        commands.add_parser(
            name, help=what, description=_sentence(what), module=f"pgwatch.cli.{name}"
        )
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _run(arguments: argparse.Namespace) -> int:
    """Run the chosen command; every error that it lets through becomes a message and a status."""
    crashed = getattr(arguments.module, "EXIT_CRASHED", EXIT_FAILED)
    try:
        status = int(arguments.module.run(arguments))
        sys.stdout.flush()
    except InputError as error:
        for problem in error.problems:
            _complain(str(problem))
        return EXIT_USAGE
    except PgwatchError as error:
        _complain(f"pgwatch: {error}")
        return int(crashed)
    except BrokenPipeError:
        # The reader (`| head`) has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  # the last boundary: a bug must not print secrets
        _complain(f"pgwatch: unexpected {type(error).__name__}: {error}")
        if arguments.log_level == "debug":
            _complain("".join(traceback.format_exception(error)).rstrip())
        else:
            _complain("pgwatch: this is a bug; --log-level debug shows where it happened")
        return int(crashed)
    return status


def _complain(text: str) -> None:
    print(logs.redacted(mask_passwords(text)), file=sys.stderr)
