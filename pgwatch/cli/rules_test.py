"""`pgwatch rules test`: promtool's unit tests of rules, with its semantics and exit status."""

import argparse
import json
import re
from pathlib import Path

from pgwatch.alerts.ruletest import TestResult, run_test_file
from pgwatch.errors import InputError, Problem

EXIT_FAILED = 1  # also for a file that cannot be used, as promtool has it


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--run",
        metavar="REGEX",
        type=_pattern,
        help="only the tests in whose name this is found (a test without a name is `test 3`)",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests of all files, whatever becomes of each."""
    rows: list[dict[str, object]] = []
    well, count = True, 0
    for file in arguments.file:
        try:
            results, errors = run_test_file(file, only=arguments.run), []
        except InputError as error:
            results, errors = (), [str(problem) for problem in error.problems]
        count += len(results) + len(errors)
        failed = [result for result in results if result.failures]
        well = well and not errors and not failed
        if arguments.json:
            rows.append(_row(file, results, errors))
            continue
        print(f"Unit Testing:  {file}")
        if not errors and not failed:
            print(f"  SUCCESS ({_count(len(results))})\n")
            continue
        print("  FAILED:")
        for problem in errors:
            print(_indented(problem))
        for result in failed:
            print(_indented(f"{result.name}:"))
            for failure in result.failures:
                print(_indented(_indented(failure)))
        print()
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    if arguments.run is not None and not count:
        message = f"no test has a name in which {arguments.run.pattern!r} is found"
        raise InputError([Problem(file="command line", path="--run", message=message)])
    return 0 if well else EXIT_FAILED


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def _row(file: Path, results: tuple[TestResult, ...], errors: list[str]) -> dict[str, object]:
    return {
        "file": str(file),
        "errors": errors,
        "tests": [
            {"name": result.name, "passed": not result.failures, "failures": result.failures}
            for result in results
        ],
    }


def _count(tests: int) -> str:
    return f"{tests} test" if tests == 1 else f"{tests} tests"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
