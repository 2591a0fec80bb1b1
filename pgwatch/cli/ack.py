"""`pgwatch ack`: somebody looks after an alert, so it is not repeated until it changes."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pgwatch.cli.client import add_url_option
from pgwatch.cli.office import in_columns, local_time, open_office, person, read_matchers
from pgwatch.cli.options import CommandParser, duration_option
from pgwatch.errors import InputError, Problem
from pgwatch.samples.labels import Labels


def configure(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "matchers",
        nargs="*",
        metavar="MATCHER",
        help="such as alertname=PostgresDown target=db1; without one: list who looks after what",
    )
    parser.add_argument("--by", metavar="NAME", help="who looks after it (default: the user)")
    parser.add_argument("--comment", default="", metavar="TEXT", help="messages show it")
    parser.add_argument(
        "--for",
        dest="length",
        type=duration_option,
        metavar="DURATION",
        help="repeat it again after this time (default: it ends with the alert)",
    )
    parser.add_argument("--end", action="store_true", help="nobody looks after it any more")
    add_url_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Acknowledge, end that, or list; 1 if no alert matched."""
    read_matchers(arguments.matchers)  # what is wrong with them is said before anybody is asked
    if arguments.end and not arguments.matchers:
        message = "say of which alerts, such as alertname=PostgresDown"
        raise InputError([Problem(file="command line", path="MATCHER", message=message)])
    with open_office(arguments) as office:
        if not arguments.matchers:
            return _list(arguments, office.acknowledgements())
        if arguments.end:
            chosen = office.release(arguments.matchers)
            word, nothing = "nobody looks after it any more", "nobody looks after such an alert"
        else:
            owner = arguments.by or person()
            until = datetime.now(UTC) + arguments.length if arguments.length else None
            chosen = office.acknowledge(
                {
                    "matchers": arguments.matchers,
                    "owner": owner,
                    "comment": arguments.comment,
                    "until": until.isoformat() if until else None,
                }
            )
            word, nothing = f"acknowledged by {owner}", "no alert that fires matches"
    if arguments.json:
        print(json.dumps(chosen, indent=2, ensure_ascii=False))
    else:
        print("\n".join(f"{Labels(one)!r}: {word}" for one in chosen) or nothing)
    return 0 if chosen else 1


def _list(arguments: argparse.Namespace, known: Sequence[Mapping[str, Any]]) -> int:
    if arguments.json:
        print(json.dumps(known, indent=2, ensure_ascii=False))
    elif known:
        rows = [
            [repr(Labels(one["labels"])), one["owner"], _until(one["until"]), one["comment"]]
            for one in known
        ]
        print("\n".join(in_columns([["ALERT", "OWNER", "UNTIL", "COMMENT"], *rows])))
    else:
        print("no alert is acknowledged")
    return 0


def _until(text: str | None) -> str:
    if text is None:
        return "it ends"
    return local_time(text)
