"""`pgwatch check`: the gate after a deploy."""

import argparse
import asyncio
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from pgwatch.check.report import nagios
from pgwatch.check.run import CheckPlan, run_check
from pgwatch.check.verdict import EXIT_PASS, EXIT_UNMEASURED, Report
from pgwatch.cli.check_repeat import Live, until_passed
from pgwatch.cli.check_report import (
    add_report_options,
    format_of,
    refuse_unwritable,
    rendered,
    status_of,
    wants_colour,
    write,
)
from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.cli.options import duration_option
from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, Problem
from pgwatch.gate.choose import Chosen, checks_of
from pgwatch.gate.options import DEFAULT_PHASES, GateOptions
from pgwatch.gate.plan import check_plan
from pgwatch.rules.rule import Phase

LOG_LEVEL = "error"  # what degrades a run stands in its report
EXIT_CRASHED = EXIT_UNMEASURED  # never 1: that is the gate's no


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the gate's options."""
    parser.description = (
        "Runs the checks and says pass or no. Exit status: 0 pass (also with warnings, unless --fail-on"
        " warn), 1 the gate says no, 2 usage or configuration, 3 could not measure; with --format nagios"
        " those of a plugin. Without --once or --wait the report is drawn anew on the terminal, until"
        " interrupted."
    )
    add_target_options(parser)
    _add_running(parser.add_argument_group("running"))
    _add_choosing(parser.add_argument_group("what is checked"))
    _add_files(parser.add_argument_group("migrations, backups, runbook, baseline"))
    _add_judging(parser.add_argument_group("verdict"))
    add_report_options(parser.add_argument_group("report"))


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--once", action="store_true", help="run once and end with a verdict")
    group.add_argument(
        "--wait",
        type=duration_option,
        metavar="DURATION",
        help="run again and again until it passes or the time is out; ends with the last verdict",
    )
    group.add_argument(
        "--window",
        type=duration_option,
        metavar="DURATION",
        help="look twice, this far apart, so that rules can be judged that need history: rates, increases",
    )
    group.add_argument(
        "--timeout",
        type=duration_option,
        default=timedelta(seconds=60),
        metavar="DURATION",
        help="for each run as a whole (default: 60s)",
    )


def _add_choosing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--list", action="store_true", help="list the checks, with phase and severity, and end"
    )
    group.add_argument(
        "--phase",
        action="append",
        choices=[str(phase) for phase in Phase],
        default=[],
        help="only checks of this phase of the deployment guide (repeatable; default:"
        f" {', '.join(DEFAULT_PHASES)}; pre is what must hold before a migration, and only by name)",
    )
    group.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this check, or pattern (repeatable)",
    )
    group.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this check out, or pattern (repeatable)",
    )


def _add_files(group: argparse._ArgumentGroup) -> None:
    """Add what brings checks that no rule makes."""
    group.add_argument(
        "--migrations",
        action="append",
        default=[],
        metavar="GLOB",
        help="verify what these migrations declare; with --phase pre, tell what of them would fail: files,"
        " folders or patterns, in their order (repeatable; instead of the key `migrations`)",
    )
    group.add_argument(
        "--probe-writes",
        action="store_true",
        help="also insert, update and delete one row of each table that the migrations touch, each rolled"
        " back at once (sequences advance): finds what only a write shows",
    )
    group.add_argument(
        "--backup",
        action="append",
        default=[],
        metavar="PATTERN",
        help="with --phase pre: the newest backup of these names, or in this folder, must be recent and whole"
        " (repeatable; instead of the key `backups`)",
    )
    group.add_argument(
        "--runbook",
        type=Path,
        metavar="FILE",
        help="check that what this Markdown names is there: objects in its SQL, scripts in its commands"
        " (instead of the key `runbook`)",
    )
    group.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="compare with what `pgwatch baseline save FILE` wrote before: what got worse is a finding,"
        " and each finding is said to be new or old",
    )


def _add_judging(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fail-on",
        choices=("warn", "fail"),
        default="fail",
        help="the mildest verdict that ends with status 1 (default: fail)",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="unknown counts for every check, not only critical ones",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the gate, or list its checks."""
    try:
        return _run(arguments)
    except InputError as error:
        if format_of(arguments) != "nagios":
            raise
        print(nagios.mistake("; ".join(map(str, error.problems))), end="")
        return nagios.UNKNOWN


def _run(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    if arguments.list:
        _list(checks_of(settings_inputs(arguments), options), as_json=arguments.json)
        return EXIT_PASS
    live = not (arguments.once or arguments.wait)
    if live:
        _refuse_live(arguments)
    plan = check_plan(read_inputs(arguments), options)
    refuse_unwritable(arguments)
    # A pipeline that gives up sends SIGTERM: end as for an interrupt, so that the server hears of it too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if live:
        return _live(plan)
    if arguments.wait:
        report = asyncio.run(until_passed(lambda: measure(plan), wait=arguments.wait))
    else:
        report = asyncio.run(measure(plan))
    write(report, arguments)
    return status_of(report, arguments)


def _refuse_live(arguments: argparse.Namespace) -> None:
    """Refuse to draw where nobody would see it."""
    if arguments.output or format_of(arguments) != "text":
        message = "a report that is not drawn on the terminal needs --once or --wait"
    elif arguments.probe_writes:
        message = (
            "--probe-writes needs --once: it is not to be repeated for as long as somebody looks"
        )
    elif not sys.stdout.isatty():
        message = (
            "name --once: one run, one verdict (without it, the report is drawn anew on a terminal)"
        )
    else:
        return
    raise InputError([Problem(file="command line", message=message)])


def _live(plan: CheckPlan) -> int:
    live = Live(run=lambda: run_check(plan), colour=wants_colour())
    try:
        asyncio.run(live.show())
    except KeyboardInterrupt:
        if live.last is None:
            raise
    assert live.last is not None
    print(rendered(live.last, "text", colour=wants_colour()), end="")
    return live.last.exit_code


def _options(arguments: argparse.Namespace) -> GateOptions:
    return GateOptions(
        phases=[Phase(name) for name in arguments.phase] or DEFAULT_PHASES,
        only=arguments.only,
        skip=arguments.skip,
        migrations=arguments.migrations,
        backups=arguments.backup,
        baseline=arguments.baseline,
        runbook=arguments.runbook,
        timeout=arguments.timeout,
        strict=arguments.strict,
        fail_on_warn=arguments.fail_on == "warn",
        window=arguments.window,
        probe_writes=arguments.probe_writes,
    )


async def measure(plan: CheckPlan) -> Report:
    """Run the gate once; on a terminal, standard error shows how far it is."""
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
