"""The gate's report in the form that was asked for, on standard output or in a file."""

import argparse
import io
import os
import shutil
import sys
from pathlib import Path

from pgwatch.check.report import json, junit, markdown, nagios, sarif, text
from pgwatch.check.verdict import Report
from pgwatch.errors import InputError, Problem
from pgwatch.files import not_writable, replace_text

FORMATS = ("text", "json", "junit", "markdown", "sarif", "nagios")


def add_report_options(parser: argparse._ActionsContainer) -> None:
    """Add --format and --output."""
    parser.add_argument(
        "--format",
        action="append",
        choices=FORMATS,
        default=[],
        help="of the report: junit for CI viewers, markdown for a pull request, sarif for code scanning,"
        " nagios as a plugin (default: text, json with --json)",
    )
    parser.add_argument(
        "--output",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="write the report to FILE, all at once; with several --format, each takes the --output in its"
        " place, and one more --format than --output is printed",
    )


def format_of(arguments: argparse.Namespace) -> str:
    """Return which of FORMATS is printed, or written if there is but one."""
    given: list[str] = arguments.format
    return given[-1] if given else "json" if arguments.json else "text"


def refuse_unwritable(arguments: argparse.Namespace) -> None:
    """Refuse an impossible --output before anything is measured."""
    for _, output in _reports(arguments):
        if output is not None and (why := not_writable(output)):
            raise _unwritable(output, why)


def write(report: Report, arguments: argparse.Namespace) -> None:
    """Write `report` as the options want it; raises InputError if a file cannot be written."""
    for form, output in _reports(arguments):
        if output is None:
            _print(report, form)
            continue
        try:
            replace_text(output, rendered(report, form, colour=False))
        except OSError as error:
            raise _unwritable(output, error.strerror or type(error).__name__) from error
        print(f"{report.verdict}: report written to {output}", file=sys.stderr)


def status_of(report: Report, arguments: argparse.Namespace) -> int:
    """Return the exit status: the gate's own, or that of a plugin."""
    if format_of(arguments) == "nagios":
        return nagios.status_of(report.verdict)
    return report.exit_code


def _reports(arguments: argparse.Namespace) -> list[tuple[str, Path | None]]:
    """Return each form that is wanted, and where to; None is standard output. Raises InputError."""
    forms = arguments.format or [format_of(arguments)]
    outputs: list[Path] = arguments.output
    if not len(forms) - 1 <= len(outputs) <= len(forms):
        message = f"{len(forms)} --format and {len(outputs)} --output do not fit together"
        cure = "name a file for each, or for all but the last, which is printed"
        problem = Problem(file="command line", path="--output", message=f"{message}: {cure}")
        raise InputError([problem])
    return [(form, outputs[n] if n < len(outputs) else None) for n, form in enumerate(forms)]


def _print(report: Report, form: str) -> None:
    if form != "text" and isinstance(sys.stdout, io.TextIOWrapper):
        # What these formats are, wherever they are read.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout.write(rendered(report, form, colour=wants_colour()))


def rendered(report: Report, form: str, *, colour: bool) -> str:
    """Return `report` in one of FORMATS; colour is for text."""
    match form:
        case "json":
            return json.render(report)
        case "junit":
            return junit.render(report)
        case "markdown":
            return markdown.render(report)
        case "sarif":
            folder = Path.cwd()
            return sarif.render(report, folder=folder, root=_top(folder))
        case "nagios":
            return nagios.render(report)
        case _:
            width = min(shutil.get_terminal_size((100, 24)).columns, 120)
            return text.render(report, colour=colour, width=width)


def wants_colour() -> bool:
    """Return whether standard output shows colours, and the user has not asked for none."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _top(folder: Path) -> Path:
    """Return the top of the repository that `folder` is in, the folder itself where there is none."""
    parents = (folder, *folder.parents)
    return next((parent for parent in parents if (parent / ".git").exists()), folder)


def _unwritable(output: Path, why: str) -> InputError:
    message = f"{output}: the report cannot be written there: {why}"
    return InputError([Problem(file="command line", path="--output", message=message)])
