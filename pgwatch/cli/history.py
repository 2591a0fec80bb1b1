"""`pgwatch history`: which alerts began and ended, who was told what, when, and with which answer."""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pgwatch.cli.client import add_url_option
from pgwatch.cli.office import local_time, open_office
from pgwatch.cli.options import CommandParser, duration_option

_WORDS = {
    "alert_firing": "fires",
    "alert_resolved": "resolved",
    "alert_acknowledged": "acknowledged",
    "acknowledgement_ended": "acknowledgement ended",
    "notification_delivered": "told",
    "notification_failed": "could not be told",
    "notification_dead": "given up",
    "message_retried": "retried by hand",
    "message_dropped": "dropped by hand",
    "silence_made": "silence made",
    "silence_changed": "silence changed",
    "silence_ended": "silence ended",
}
_INDENT = " " * 21


def configure(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "about",
        nargs="?",
        default="",
        metavar="TEXT",
        help="only what has TEXT in it, such as a target",
    )
    parser.add_argument(
        "--since", type=duration_option, metavar="DURATION", help="not older than this, such as 12h"
    )
    parser.add_argument("--kind", choices=sorted(_WORDS), help="only events of this kind")
    parser.add_argument(
        "--limit", type=_limit, default=100, metavar="N", help="events, the newest (default: 100)"
    )
    add_url_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the newest events, oldest first."""
    parameters = {"limit": str(arguments.limit)}
    if arguments.about:
        parameters["about"] = arguments.about
    if arguments.kind:
        parameters["kind"] = arguments.kind
    if arguments.since:
        parameters["since"] = (datetime.now(UTC) - arguments.since).isoformat()
    with open_office(arguments) as office:
        events = office.history(parameters)
    if arguments.json:
        print(json.dumps(events, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_line(one) for one in reversed(events)) or "nothing has happened")
    return 0


def _line(event: Mapping[str, Any]) -> str:
    detail = event["detail"]
    at = local_time(event["time"], "%Y-%m-%d %H:%M:%S")
    message = f"message {event['message']}" if event["message"] is not None else ""
    words = [_WORDS.get(event["kind"], event["kind"]), event["subject"] or message]
    if by := detail.get("by"):
        words.append(f"by {by}")
    first = f"{at}  {' '.join(words)}"
    return "\n".join([first, *(_INDENT + line for line in _more(event["kind"], detail))])


def _more(kind: str, detail: Mapping[str, str]) -> list[str]:
    """Return the lines below the first: what it was about."""
    lines = []
    if kind.startswith("notification_"):
        attempts = detail.get("attempts", "1")
        again = f", attempt {attempts}" if attempts != "1" else ""
        if left_out := detail.get("attempts_not_listed"):
            again += f" ({left_out} of those before are not listed)"
        lines.append(f"{detail.get('status', '')}: {detail.get('reason', '')}{again}")
        lines += detail.get("alerts", "").splitlines()
        lines += [f"{word}: {detail[key]}" for key, word in _ANSWERS.items() if detail.get(key)]
    else:
        lines += [detail[key] for key in ("summary", "comment") if detail.get(key)]
        if detail.get("value_at_recovery"):
            lines.append(f"value at recovery: {detail['value_at_recovery']}")
    return lines


_ANSWERS = {"answer": "answer", "error": "error", "last_error": "before that"}


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("expected a number from 1 to 10000")
    return int(text)
