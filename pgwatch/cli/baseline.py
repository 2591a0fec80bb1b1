"""`pgwatch baseline`: save what a database is like before a deploy, show it, compare with it after."""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgwatch import __version__
from pgwatch.baseline import file as baseline_file
from pgwatch.baseline.compared import count, duration
from pgwatch.baseline.model import Baseline, Snapshot, Untold
from pgwatch.check.baseline import take
from pgwatch.check.beside import report_of
from pgwatch.check.news import known_findings
from pgwatch.check.run import run_check
from pgwatch.check.verdict import EXIT_UNMEASURED, Report
from pgwatch.cli.check_report import add_report_options, refuse_unwritable, status_of, write
from pgwatch.cli.inputs import (
    add_target_names,
    add_target_options,
    read_inputs,
)
from pgwatch.cli.options import CommandParser, duration_option
from pgwatch.cli.settings import settings_inputs
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.gate.options import GateOptions, announced_by, baseline_limits, benchmarks_of
from pgwatch.gate.plan import check_plan
from pgwatch.wiring import catalog_of

LOG_LEVEL = "error"  # what degrades a run is said by the command
EXIT_CRASHED = EXIT_UNMEASURED  # never 1: that is the comparison's no
_DSN = re.compile(r"\w+://|\w+\s*=")


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    save = commands.add_parser(
        "save", help="read the targets and what the gate finds now, and write it to a file"
    )
    save.description = (
        "Reads each watched database (objects, sizes, rows, settings, statements, health, benchmarks) and"
        " what the gate finds now, and writes it to FILE. Exit status: 0 written, 2 usage or FILE exists, 3 a"
        " database could not be read and nothing was written."
    )
    save.add_argument("file", type=Path, metavar="FILE", help="such as before.json")
    add_target_options(save)
    _add_migrations(save)
    save.add_argument("--force", action="store_true", help="replace FILE if it exists")
    _add_timeout(save)
    save.set_defaults(act=_save)
    show = commands.add_parser("show", help="what a file holds; all of it with --json")
    show.description = "Prints what a baseline holds, and what could not be read when it was saved."
    show.add_argument("file", type=Path, metavar="FILE", help="what `pgwatch baseline save` wrote")
    show.set_defaults(act=_show)
    _configure_compare(commands.add_parser("compare", help="what is worse, changed or gone since"))


def _configure_compare(compare: argparse.ArgumentParser) -> None:
    compare.description = (
        "Compares a baseline with another one, or with what the targets are like now. Exit status: 0 nothing"
        " is worse (also with warnings, unless --fail-on warn), 1 something is, 2 usage or a file that cannot"
        " be read, 3 it could not be told. `pgwatch check --once --baseline FILE` does this and the checks."
    )
    compare.add_argument("old", type=Path, metavar="OLD", help="the file that was saved before")
    compare.add_argument(
        "new",
        nargs="*",
        default=[],  # or argparse counts it among the arguments that are required
        metavar="NEW",
        help="a file that was saved after; without one, or with connection strings: the live targets",
    )
    add_target_names(compare)
    _add_migrations(compare)
    _add_timeout(compare)
    verdict = compare.add_argument_group("verdict")
    verdict.add_argument(
        "--fail-on",
        choices=("warn", "fail"),
        default="fail",
        help="the mildest verdict that ends with status 1 (default: fail)",
    )
    add_report_options(compare.add_argument_group("report"))
    compare.set_defaults(act=_compare)


def _add_migrations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--migrations",
        action="append",
        default=[],
        metavar="GLOB",
        help="files, folders or patterns: what these migrations say they do is expected (repeatable;"
        " instead of the key `migrations`)",
    )


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=duration_option,
        default=timedelta(seconds=60),
        metavar="DURATION",
        help="for reading the targets (default: 60s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    return int(arguments.act(arguments))


# save


def _save(arguments: argparse.Namespace) -> int:
    if not arguments.force:
        baseline_file.refuse_existing(arguments.file)
    inputs = read_inputs(arguments)
    options = GateOptions(
        migrations=arguments.migrations, skip=("benchmarks",), timeout=arguments.timeout
    )
    plan = check_plan(inputs, options)
    started = datetime.now(UTC)
    report = asyncio.run(run_check(plan))
    snapshots, errors = asyncio.run(_snapshots(inputs, report, arguments.timeout))
    if errors:
        for error in errors:
            print(error, file=sys.stderr)
        print(f"{arguments.file}: not written", file=sys.stderr)
        return EXIT_UNMEASURED
    baseline = Baseline(
        saved=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        pgwatch=__version__,
        judged=tuple(sorted({check.target for check in report.checks})),
        findings=known_findings(report.checks),
        snapshots=snapshots,
    )
    baseline_file.write(arguments.file, baseline)
    for snapshot in snapshots:
        for line in _missing(snapshot):
            print(f"{_where(snapshot)}: {line}", file=sys.stderr)
    databases = ", ".join(_where(one) for one in snapshots)
    print(f"{arguments.file}: saved {databases}, {count(len(baseline.findings), 'finding')}")
    return 0


async def _snapshots(
    inputs: Inputs, report: Report, limit: timedelta
) -> tuple[tuple[Snapshot, ...], list[str]]:
    """Return a snapshot of each database that the gate reached, and what went wrong."""
    benchmarks = benchmarks_of(inputs, catalog_of(inputs))
    errors = [f"{one.name}/{one.database}: {one.error}" for one in report.targets if one.error]
    snapshots = []
    try:
        async with asyncio.timeout(limit.total_seconds()):
            for target in inputs.targets:
                for one in report.targets:
                    if one.name != target.name or one.error:
                        continue
                    taken = await take(target, one.database, benchmarks[target.name])
                    if isinstance(taken, str):
                        errors.append(f"{one.name}/{one.database}: {taken}")
                    else:
                        snapshots.append(taken)
    except TimeoutError:
        errors.append("the time was over; --timeout gives more")
    return tuple(sorted(snapshots, key=lambda one: (one.target, one.database))), errors


def _missing(snapshot: Snapshot) -> Iterator[str]:
    """Iterate over what the snapshot does not hold, and the cure."""
    for part in ("settings", "objects", "extents", "health", "statements"):
        held = getattr(snapshot, part)
        if isinstance(held, Untold):
            yield f"without {part}: {held.unknown}" + (f"; cure: {held.cure}" if held.cure else "")
    if snapshot.statements is None:
        yield "without statements: pg_stat_statements is not there"


# show


def _show(arguments: argparse.Namespace) -> int:
    baseline = baseline_file.read(arguments.file)
    if arguments.json:
        print(baseline_file.render(baseline), end="")
        return 0
    print(f"saved {baseline.saved} by pgwatch {baseline.pgwatch}")
    for snapshot in baseline.snapshots:
        server = snapshot.server
        print(f"{_where(snapshot)} · PostgreSQL {server.version} · {server.role}")
        for line in (*_held(snapshot), *_missing(snapshot)):
            print(f"  {line}")
    print(count(len(baseline.findings), "finding of the gate", "findings of the gate"))
    for finding in baseline.findings:
        print(f"  {finding.target}: {finding.check}: {finding.summary}")
    return 0


def _held(snapshot: Snapshot) -> Iterator[str]:
    if not isinstance(snapshot.objects, Untold):
        yield count(len(snapshot.objects), "object")
    if not isinstance(snapshot.extents, Untold):
        rows = sum(one.rows or 0 for one in snapshot.extents)
        yield f"{count(len(snapshot.extents), 'table')} with {count(rows, 'row')}"
    if not isinstance(snapshot.settings, Untold):
        yield count(len(snapshot.settings), "setting")
    if snapshot.statements is not None and not isinstance(snapshot.statements, Untold):
        calls = sum(one.calls for one in snapshot.statements.items)
        items = count(len(snapshot.statements.items), "statement")
        yield f"{items} with {count(calls, 'call')}"
    for one in snapshot.benchmarks:
        p50, p95 = duration(one.p50_seconds), duration(one.p95_seconds)
        yield f"benchmark {one.name}: p50 {p50}, p95 {p95} of {duration(one.limit_seconds)}"


# compare


def _compare(arguments: argparse.Namespace) -> int:
    refuse_unwritable(arguments)
    files = [word for word in arguments.new if not _DSN.match(word)]
    if not files:
        report = _beside_live(arguments)
    elif len(arguments.new) > 1 or arguments.target:
        message = "one file to compare with, or connection strings and --target: not both"
        raise InputError([Problem(file="command line", path="NEW", message=message)])
    else:
        report = _beside_file(arguments, Path(files[0]))
    write(report, arguments)
    return status_of(report, arguments)


def _beside_live(arguments: argparse.Namespace) -> Report:
    arguments.dsn = arguments.new
    options = GateOptions(
        only=("baseline_*", "benchmarks"),
        baseline=arguments.old,
        migrations=arguments.migrations,
        timeout=arguments.timeout,
        fail_on_warn=arguments.fail_on == "warn",
    )
    return asyncio.run(run_check(check_plan(read_inputs(arguments), options)))


def _beside_file(arguments: argparse.Namespace, new: Path) -> Report:
    inputs = settings_inputs(arguments)
    return report_of(
        baseline_file.read(arguments.old),
        baseline_file.read(new),
        limits=baseline_limits(inputs),
        announced=announced_by(inputs, arguments.migrations),
        fail_on_warn=arguments.fail_on == "warn",
    )


def _where(snapshot: Snapshot) -> str:
    same = snapshot.target == snapshot.database
    return snapshot.database if same else f"{snapshot.target}/{snapshot.database}"
