"""`pgwatch outbox`: messages that wait, were given up or arrived; send them again, or drop them."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pgwatch.cli.client import add_url_option
from pgwatch.cli.office import Office, in_columns, local_time, open_office
from pgwatch.cli.options import CommandParser
from pgwatch.errors import InputError, Problem

_STATES = ("pending", "sending", "delivered", "superseded", "dead", "dropped")
_OPEN = ("pending", "sending", "dead")
_MOST = 1000
_DIGITS = 18  # of an id: the state holds it in 64 bits


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="command"
    )
    shown = commands.add_parser("list", help="what waits and what was given up")
    shown.add_argument(
        "--state",
        action="append",
        choices=_STATES,
        help=f"only these, may be repeated (default: {', '.join(_OPEN)})",
    )
    retry = commands.add_parser("retry", help="send now what waits or was given up")
    retry.add_argument("--dead", action="store_true", help="all that were given up")
    drop = commands.add_parser("drop", help="never send what waits or was given up")
    for command in (retry, drop):
        command.add_argument("ids", nargs="*", type=_id, metavar="ID", help="of outbox list")
    for command in (shown, retry, drop):
        add_url_option(command)


def _id(text: str) -> int:
    if not text.isdecimal() or len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"expected the number of a message, got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """List, retry or drop; 1 if a message that was named could not be."""
    by_state = getattr(arguments, "dead", False)
    if arguments.command != "list" and not arguments.ids and not by_state:
        message = "say which messages; pgwatch outbox list shows them"
        raise InputError([Problem(file="command line", path="ID", message=message)])
    with open_office(arguments) as office:
        if arguments.command == "list":
            return _list(arguments, office.messages(arguments.state or _OPEN, _MOST))
        return _change(arguments, office, by_state=by_state)


def _change(arguments: argparse.Namespace, office: Office, *, by_state: bool) -> int:
    named = list(arguments.ids)
    dead = [one["id"] for one in office.messages(["dead"], _MOST)] if by_state else []
    done = office.change(arguments.command, [*named, *dead])
    if arguments.json:
        print(json.dumps(list(done)))
    else:
        word = "is sent again" if arguments.command == "retry" else "is dropped"
        for one in done:
            print(f"message {one} {word}")
        for one in sorted(set(named) - set(done)):
            print(f"message {one} is none that waits or was given up")
        if not named and not done:
            print("no message was given up")
    return 0 if set(named) <= set(done) else 1


def _list(arguments: argparse.Namespace, messages: Sequence[Mapping[str, Any]]) -> int:
    if arguments.json:
        print(json.dumps(messages, indent=2, ensure_ascii=False))
    elif messages:
        head = ["ID", "STATE", "SINCE", "TO", "GROUP", "REASON", "ATTEMPTS", "NEXT", "LAST ERROR"]
        print("\n".join(in_columns([head, *map(_row, messages)])))
    else:
        print("no message waits" if not arguments.state else "there is no such message")
    return 0


def _row(one: Mapping[str, Any]) -> list[str]:
    waits = one["state"] == "pending"
    return [
        str(one["id"]),
        one["state"],
        _clock(one["queued_at"]),
        f"{one['receiver']}/{one['channel']}",
        one["group_key"],
        one["reason"],
        str(one["attempts"]),
        _clock(one["next_at"]) if waits else "",
        one["last_error"] if waits or one["state"] == "dead" else "",
    ]


def _clock(text: str) -> str:
    return local_time(text, "%Y-%m-%d %H:%M:%S")
