"""`pgwatch guide`: the runbook of a deployment, with the state of each step now."""

import argparse
import asyncio
import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pgwatch.check.guide import Guide, Step, guide_of
from pgwatch.check.report import guide as guide_report
from pgwatch.check.verdict import EXIT_NO, EXIT_PASS, EXIT_UNMEASURED, Report
from pgwatch.cli.check import measure
from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.cli.options import duration_option
from pgwatch.config.choose import Inputs
from pgwatch.gate.options import (
    GateOptions,
    declarations_of,
    migration_files,
    migration_patterns,
)
from pgwatch.gate.plan import check_plan
from pgwatch.migration.objects import Key
from pgwatch.rules.rule import Phase
from pgwatch.targets.target import Target

LOG_LEVEL = "error"
EXIT_CRASHED = EXIT_UNMEASURED

_USER = re.compile(r"(?<=//)[^/@]*@")
_BASELINE = "before.json"  # the name that the first step proposes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the guide's options."""
    parser.description = (
        "Prints the steps of a deployment, what to type at each, and how each stands now. It runs the"
        " checks of all phases and applies nothing. Exit status: 0 all steps are done, 1 one is to be done,"
        " 2 usage or configuration, 3 nobody could look."
    )
    add_target_options(parser)
    group = parser.add_argument_group("what is checked")
    group.add_argument(
        "--migrations",
        action="append",
        default=[],
        metavar="GLOB",
        help="the migrations that are deployed, in their order (repeatable; instead of the key `migrations`)",
    )
    group.add_argument(
        "--runbook", type=Path, metavar="FILE", help="also look for what this Markdown names"
    )
    group.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with what was saved before"
    )
    parser.add_argument(
        "--timeout",
        type=duration_option,
        default=timedelta(seconds=60),
        metavar="DURATION",
        help="for all checks together (default: 60s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the checks, and print the steps."""
    inputs = read_inputs(arguments)
    options = GateOptions(
        phases=list(Phase),
        migrations=arguments.migrations,
        baseline=arguments.baseline,
        runbook=arguments.runbook,
        timeout=arguments.timeout,
    )
    plan = check_plan(inputs, options)
    named = bool(migration_patterns(inputs, options.migrations))
    files = migration_files(inputs, options.migrations) if named else ()
    declared = _made(inputs, options) if named else ()
    report = asyncio.run(measure(plan))
    guides = [
        _guide(report, target, declared, _commands(target, inputs, arguments, files))
        for target in inputs.targets
    ]
    status = _worst([guide.exit_code for guide in guides])
    if arguments.json:
        print(guide_report.document(guides, status), end="")
    else:
        print(guide_report.text(guides), end="")
    return status


def _made(inputs: Inputs, options: GateOptions) -> tuple[Key, ...]:
    """Return the objects that the migrations make."""
    objects = declarations_of(inputs, options.migrations).objects
    return tuple(one.key for one in objects if one.created and not one.gone)


def _guide(
    report: Report, target: Target, declared: Sequence[Key], commands: dict[Step, tuple[str, ...]]
) -> Guide:
    seen = next(one for one in report.targets if one.name == target.name)
    checks = [check for check in report.checks if check.target == target.name]
    return guide_of(seen, checks, commands, declared=declared)


def _commands(
    target: Target, inputs: Inputs, arguments: argparse.Namespace, files: Sequence[Path]
) -> dict[Step, tuple[str, ...]]:
    """Return what is to be typed at each step; no password is part of it."""
    migrations = [word for one in arguments.migrations for word in ("--migrations", one)]
    runbook = ["--runbook", str(arguments.runbook)] if arguments.runbook else []
    named = _target(target, inputs, arguments)
    address = shlex.quote(_USER.sub("", target.dsn.redacted))
    dump = f"{target.dsn.dbname}.dump"
    baseline = str(arguments.baseline or _BASELINE)

    def check(phase: Phase, *more: str) -> str:
        words = ["pgwatch", "check", "--once", "--phase", str(phase), *migrations, *more, *named]
        return shlex.join(words)

    return {
        Step.BACKUP: (
            f"pg_dump --format=custom --file={shlex.quote(dump)} --dbname={address}",
            f"pg_restore --list {shlex.quote(dump)}",
        ),
        Step.PRE: (
            check(Phase.PRE),
            shlex.join(["pgwatch", "baseline", "save", baseline, *named]),
        ),
        Step.APPLY: tuple(
            f"psql --set=ON_ERROR_STOP=1 --dbname={address} --file={shlex.quote(str(file))}"
            for file in files
        ),
        Step.STRUCTURE: (check(Phase.STRUCTURE),),
        Step.TYPES: (check(Phase.TYPES),),
        Step.CONSTRAINTS: (check(Phase.CONSTRAINTS),),
        Step.POST: (check(Phase.POST, "--baseline", baseline, *runbook),),
    }


def _target(target: Target, inputs: Inputs, arguments: argparse.Namespace) -> list[str]:
    """Return the words that name the target as the user did, without its password."""
    words = ["--config", str(arguments.config)] if arguments.config else []
    configured = inputs.settings.targets if inputs.settings else ()
    if not arguments.dsn and any(one.name == target.name for one in configured):
        return [*words, "-t", target.name]
    return [*words, target.dsn.redacted]


def _worst(codes: Sequence[int]) -> int:
    return next((code for code in (EXIT_NO, EXIT_UNMEASURED) if code in codes), EXIT_PASS)
