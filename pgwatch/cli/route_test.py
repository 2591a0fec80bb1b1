"""`pgwatch route test`: who is told what and when, tested on a clock that costs no time."""

import argparse
import json
from pathlib import Path

from pgwatch.errors import InputError, Problem

EXIT_FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests of all files; raises InputError for files that cannot be used, before any test."""
    from pgwatch.config.route_tests import load_route_tests  # noqa: PLC0415 - brings pydantic
    from pgwatch.notify.routetest import RouteTest, failures  # noqa: PLC0415

    files: dict[Path, tuple[RouteTest, ...]] = {}
    problems: list[Problem] = []
    for file in arguments.file:
        try:
            files[file] = load_route_tests(file)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    rows: list[dict[str, object]] = []
    for file, tests in files.items():
        for test in tests:
            try:
                found = failures(test)
            except ValueError as error:  # a post or a silence that the API would refuse
                found = (str(error),)
            row = {"file": str(file), "name": test.name, "passed": not found, "failures": found}
            rows.append(row)
            if not arguments.json:
                print(f"{file}: {test.name}: {'FAILED' if found else 'ok'}")
                for text in found:
                    print(f"    {text}")
    failed = sum(not row["passed"] for row in rows)
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print(f"{len(rows) - failed} passed, {failed} failed")
    return EXIT_FAILED if failed else 0
