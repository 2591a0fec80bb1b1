"""`pgwatch check`: the gate after a deploy."""

import argparse
import asyncio
import json
import signal
import sys
from datetime import timedelta

from pgwatch.check.run import CheckPlan, run_check
from pgwatch.check.verdict import EXIT_PASS, EXIT_UNMEASURED, Report
from pgwatch.cli.check_report import add_report_options, refuse_unwritable, status_of, write
from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, Problem
from pgwatch.gate import DEFAULT_PHASES, Chosen, GateOptions, check_plan, checks_of
from pgwatch.rules.rule import Phase
from pgwatch.units import parse_duration

LOG_LEVEL = "error"  # what degrades a run stands in its report
EXIT_CRASHED = EXIT_UNMEASURED  # never 1: that is the gate's no


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the gate's options."""
    parser.description = (
        "Runs the checks once and says pass or no. Exit status: 0 pass (also with warnings, unless"
        " --fail-on warn), 1 the gate says no, 2 usage or configuration, 3 could not measure."
    )
    add_target_options(parser)
    parser.add_argument("--once", action="store_true", help="run once and end with a verdict")
    parser.add_argument(
        "--list", action="store_true", help="list the checks, with phase and severity, and end"
    )
    parser.add_argument(
        "--phase",
        action="append",
        choices=[str(phase) for phase in Phase],
        default=[],
        help=f"only checks of this phase of the deployment guide (repeatable; default:"
        f" {', '.join(DEFAULT_PHASES)})",
    )
    parser.add_argument(
        "--migrations",
        action="append",
        default=[],
        metavar="GLOB",
        help="verify what these migrations declare: files, folders or patterns, in the order in which they"
        " were applied (repeatable; instead of the key `migrations`)",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only this check, or pattern"
    )
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this check out, or pattern",
    )
    parser.add_argument(
        "--fail-on",
        choices=("warn", "fail"),
        default="fail",
        help="the mildest verdict that ends with status 1 (default: fail)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="unknown counts for every check, not only critical ones",
    )
    add_report_options(parser)
    parser.add_argument(
        "--timeout",
        type=_duration,
        default=timedelta(seconds=60),
        metavar="DURATION",
        help="for the whole run (default: 60s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the gate, or list its checks."""
    options = _options(arguments)
    if arguments.list:
        _list(checks_of(settings_inputs(arguments), options), as_json=arguments.json)
        return EXIT_PASS
    if not arguments.once:
        message = "name --once: one run, one verdict (or --list to see the checks)"
        raise InputError([Problem(file="command line", message=message)])
    plan = check_plan(read_inputs(arguments), options)
    refuse_unwritable(arguments.output)
    # A pipeline that gives up sends SIGTERM: end as for an interrupt, so that the server hears of it too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    report = asyncio.run(_run(plan))
    write(report, arguments)
    return status_of(report, arguments)


def _options(arguments: argparse.Namespace) -> GateOptions:
    return GateOptions(
        phases=[Phase(name) for name in arguments.phase] or DEFAULT_PHASES,
        only=arguments.only,
        skip=arguments.skip,
        migrations=arguments.migrations,
        timeout=arguments.timeout,
        strict=arguments.strict,
        fail_on_warn=arguments.fail_on == "warn",
    )


async def _run(plan: CheckPlan) -> Report:
    if not sys.stderr.isatty():
        return await run_check(plan)

    def show(name: str, ended: int, total: int) -> None:
        print(f"\r\x1b[K[{ended}/{total}] {name}", end="", file=sys.stderr, flush=True)

    try:
        return await run_check(plan, show)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _list(found: Chosen, *, as_json: bool) -> None:
    rows = [
        {
            "name": spec.name,
            "phase": str(spec.phase),
            "severity": str(spec.severity),
            "needs_history": spec.needs_history,
        }
        for spec in found.specs
    ]
    rows += [
        {
            "name": spec.name,
            "phase": str(spec.phase),
            "severity": str(spec.severity),
            "needs_history": False,
        }
        for spec in found.extra
    ]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        note = "  needs history: the daemon's" if row["needs_history"] else ""
        print(f"{row['name']:<{width}}  {row['phase']:<11}  {row['severity']:<8}{note}".rstrip())


def _duration(text: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not duration:
        raise argparse.ArgumentTypeError("expected more than nothing, such as 30s")
    return duration
