"""`pgwatch silence`: keep alerts quiet for a while, again and again, or for a deploy."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pgwatch.cli.client import add_url_option
from pgwatch.cli.office import (
    Office,
    in_columns,
    local_time,
    moment,
    open_office,
    person,
    read_matchers,
)
from pgwatch.cli.options import CommandParser, duration_option
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.notify.window import Window, parse_window

_EVERYTHING = 'alertname=~".+"'
_FOREVER = timedelta(days=3650)  # of a window that comes again and has no end
_SHORTEST_ID = 4  # characters that may stand for an id


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="command"
    )
    add = commands.add_parser("add", help="keep matching alerts quiet")
    add.add_argument(
        "matchers",
        nargs="*",
        metavar="MATCHER",
        help="such as alertname=PostgresDown or target=~'db.*'",
    )
    add.add_argument(
        "--for", dest="length", type=duration_option, metavar="DURATION", help="how long"
    )
    add.add_argument(
        "--deploy",
        type=duration_option,
        metavar="DURATION",
        help="quiet for a deploy; at its end one message says what stayed broken "
        "(without a MATCHER: everything)",
    )
    add.add_argument("--from", dest="start", type=moment, metavar="TIME", help="default: now")
    add.add_argument("--until", type=moment, metavar="TIME", help="instead of --for")
    add.add_argument(
        "--weekly",
        metavar="WINDOW",
        help="quiet only inside it, each week: 'mon-fri 22:00-06:00', 'daily 01:00-02:30', 'sat,sun'",
    )
    add.add_argument(
        "--zone", metavar="ZONE", help="of --weekly, such as Europe/Berlin (default: UTC)"
    )
    add.add_argument("--by", metavar="NAME", help="who says so (default: the user)")
    add.add_argument("--comment", default="", metavar="TEXT", help="why; messages show it")
    shown = commands.add_parser("list", help="the silences that hold or will")
    shown.add_argument("--expired", action="store_true", help="also those that are over")
    expire = commands.add_parser("expire", help="end silences")
    expire.add_argument("ids", nargs="+", metavar="ID", help="or how it begins")
    for command in (add, shown, expire):
        add_url_option(command)


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    body = _silence(arguments) if arguments.command == "add" else {}
    with open_office(arguments) as office:
        match arguments.command:
            case "add":
                return _add(arguments, office, body)
            case "list":
                return _list(arguments, office)
            case _:
                return _expire(arguments, office)


def _add(arguments: argparse.Namespace, office: Office, body: Mapping[str, Any]) -> int:
    silence_id = office.put_silence(body)
    if arguments.json:
        print(json.dumps({"silenceID": silence_id}))
    else:
        what = "quiet for the deploy" if body.get("deploy") else "silenced"
        window = f" ({body['window']})" if body.get("window") else ""
        print(f"{silence_id}: {_show(body)} {what} until {local_time(body['endsAt'])}{window}")
    return 0


def _list(arguments: argparse.Namespace, office: Office) -> int:
    silences = [
        one for one in office.silences() if arguments.expired or one["status"]["state"] != "expired"
    ]
    if arguments.json:
        print(json.dumps(silences, indent=2, ensure_ascii=False))
    elif silences:
        head = ["ID", "STATE", "MATCHERS", "UNTIL", "WINDOW", "BY", "COMMENT"]
        print("\n".join(in_columns([head, *map(_row, silences)])))
    else:
        print("nothing is silenced")
    return 0


def _expire(arguments: argparse.Namespace, office: Office) -> int:
    known = [one["id"] for one in office.silences()]
    chosen = {text: _id(text, known) for text in arguments.ids}
    for silence_id in dict.fromkeys(chosen.values()):
        office.expire_silence(silence_id)
    if arguments.json:
        print(json.dumps({"expired": sorted(set(chosen.values()))}))
    else:
        print("\n".join(f"{silence_id}: over" for silence_id in dict.fromkeys(chosen.values())))
    return 0


def _silence(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the silence that the options describe; raises InputError with all that is wrong."""
    given = [n for n, v in (("--for", arguments.length), ("--until", arguments.until)) if v]
    given += ["--deploy"] if arguments.deploy else []
    problems = []
    if len(given) > 1:
        problems.append((given[1], f"excludes {given[0]}: each says how long"))
    elif not given and not arguments.weekly:
        problems.append(("--for", "say how long: --for 2h, --until TIME or --deploy 30m"))
    if arguments.zone and not arguments.weekly:
        problems.append(("--zone", "belongs to --weekly"))
    if not arguments.matchers and not arguments.deploy:
        problems.append(("MATCHER", "say which alerts, such as alertname=PostgresDown"))
    window: Window | None = None
    if arguments.weekly:
        try:
            window = parse_window(arguments.weekly, arguments.zone or "UTC")
        except ValueError as error:
            problems.append(("--weekly", str(error)))
    if problems:
        raise InputError(
            [Problem(file="command line", path=path, message=text) for path, text in problems]
        )
    start = arguments.start or datetime.now(UTC)
    length = arguments.length or arguments.deploy or _FOREVER
    body: dict[str, Any] = {
        "matchers": read_matchers(arguments.matchers or [_EVERYTHING]),
        "startsAt": start.isoformat(),
        "endsAt": (arguments.until or start + length).isoformat(),
        "createdBy": arguments.by or person(),
        "comment": arguments.comment,
    }
    if window:
        body["window"] = str(window)
    if arguments.deploy:
        body["deploy"] = True
    return body


def _id(text: str, known: Sequence[str]) -> str:
    found = [one for one in known if one == text]
    if len(text) >= _SHORTEST_ID:
        found = found or [one for one in known if one.startswith(text)]
    if len(found) != 1:
        many = "several silences begin with" if found else "there is no silence"
        raise PgwatchError(f"{many} {text!r}; pgwatch silence list shows them")
    return found[0]


def _row(one: Mapping[str, Any]) -> list[str]:
    kind = " (deploy)" if one.get("deploy") else ""
    return [
        one["id"],
        one["status"]["state"] + kind,
        _show(one),
        local_time(one["endsAt"]),
        one.get("window", ""),
        one["createdBy"],
        one["comment"],
    ]


def _show(one: Mapping[str, Any]) -> str:
    operators = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return ",".join(
        f"{m['name']}{operators[m['isEqual'], m['isRegex']]}{json.dumps(m['value'], ensure_ascii=False)}"
        for m in one["matchers"]
    )
