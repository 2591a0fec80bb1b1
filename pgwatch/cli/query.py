"""`pgwatch query`: PromQL in the terminal, asked of a running pgwatch."""

import argparse
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pgwatch.cli.client import ApiClient, add_url_option
from pgwatch.cli.options import CommandParser, duration_option
from pgwatch.cli.plot import Values, plot, sparkline
from pgwatch.errors import InputError, Problem
from pgwatch.samples.labels import Labels

_POINTS = 240  # of a range, if --step does not say how many
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_PLOTTED = 3  # more series than these are sparklines
_SHOWN = 40
_AXIS = 12  # characters before a plot


def configure(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("expr", metavar="EXPR", help="a PromQL expression, such as 'pg_up == 0'")
    parser.add_argument(
        "--range",
        metavar="DURATION",
        type=duration_option,
        help="the values over this time, as a plot (such as 1h)",
    )
    parser.add_argument(
        "--step",
        metavar="DURATION",
        type=duration_option,
        help=f"the time between two values (default: the range / {_POINTS}, 1s or more)",
    )
    parser.add_argument(
        "--time",
        metavar="TIME",
        help="Unix seconds or RFC 3339; the end of the range (default: now)",
    )
    add_url_option(parser, who="pgwatch (or a Prometheus)")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print what comes."""
    if arguments.step is not None and arguments.range is None:
        message = "needs --range: a single time has no steps"
        raise InputError([Problem(file="command line", path="--step", message=message)])
    if arguments.time and not _is_time(arguments.time):
        message = "expected Unix seconds or RFC 3339, such as 2026-05-01T12:00:00Z"
        raise InputError([Problem(file="command line", path="--time", message=message)])
    client = ApiClient(arguments)
    end = {"time": arguments.time} if arguments.time else {}
    if arguments.range is None:
        answer = client.ask("query", query=arguments.expr, **end)
        lines = _table(answer["data"])
    else:
        # The server's clock says what now is.
        now = client.ask("query", query="time()", **end)["data"]["result"]
        span = _Span.ending(float(now[1]), arguments.range, arguments.step)
        answer = client.ask("query_range", query=arguments.expr, **span.parameters())
        lines = _plots(answer["data"]["result"], span, shutil.get_terminal_size().columns)
    for note in (*answer.get("warnings", ()), *answer.get("infos", ())):
        print(note, file=sys.stderr)
    if arguments.json:
        print(json.dumps(answer["data"], indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines))
    return 0


def _is_time(text: str) -> bool:
    """Return whether `text` has the form of a time; if there is such a day is for the API to say."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return _RFC_3339.fullmatch(text) is not None


# One time: a table


def _table(data: Mapping[str, Any]) -> list[str]:
    """Return one line for each element; labels that all share stand above, the others in columns."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return [result[1]]
    if not result:
        return ["no series"]
    if kind == "matrix":
        return [line for series in result for line in _samples(series)]
    labels = [Labels(element["metric"]) for element in result]
    values = [element["value"][1] for element in result]
    if len(result) == 1:
        return [f"{labels[0]!r} {values[0]}"]
    first, *others = (dict(one).items() for one in labels)
    shared = Labels(set(first).intersection(*others))
    names = sorted({name for one in labels for name in one} - shared.keys())
    rows = [[*names, "value"]]
    rows += [
        [*(one.label(name) for name in names), value]
        for one, value in zip(labels, values, strict=True)
    ]
    return ([repr(shared)] if shared else []) + _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)])
        + f"  {row[-1]:>{widths[-1]}}"
        for row in rows
    ]


def _samples(series: Mapping[str, Any]) -> list[str]:
    lines = [repr(Labels(series["metric"]))]
    return lines + [f"  {_clock(time)}  {value}" for time, value in series["values"]]


# A range: plots


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The times of a range query, in Unix seconds."""

    start: float
    end: float
    step: float

    @classmethod
    def ending(cls, end: float, length: timedelta, step: timedelta | None) -> "_Span":
        step = step or max(length / _POINTS, timedelta(seconds=1))
        seconds = length.total_seconds()
        return cls(start=end - seconds, end=end, step=step.total_seconds())

    def parameters(self) -> dict[str, str]:
        return {"start": f"{self.start:.3f}", "end": f"{self.end:.3f}", "step": f"{self.step:.3f}"}

    def values(self, series: Mapping[str, Any]) -> Values:
        """Return the value of each step, None where the series has none."""
        values: list[float | None] = [None] * (int((self.end - self.start) / self.step) + 1)
        for time, value in series["values"]:
            place = round((time - self.start) / self.step)
            if place < len(values):
                values[place] = float(value)
        return values


def _plots(result: Sequence[Mapping[str, Any]], span: _Span, width: int) -> list[str]:
    if not result:
        return ["no series"]
    lines: list[str] = []
    for series in result[:_SHOWN]:
        values = span.values(series)
        known = [value for value in values if value is not None]
        low, last, high = (_short(value) for value in (min(known), known[-1], max(known)))
        lines.append(f"{Labels(series['metric'])!r}  last {last}")
        if len(result) > _PLOTTED:
            line = sparkline(values, width=max(10, width - 2 * _AXIS - 4))
            lines.append(f"{low:>{_AXIS}} {line} {high}")
            continue
        drawn = plot(values, width=max(10, width - _AXIS - 2))
        axis = [high, *[""] * (len(drawn) - 2), low]
        lines += [f"{mark:>{_AXIS}} │{row}" for mark, row in zip(axis, drawn, strict=True)]
    if len(result) > _SHOWN:
        lines.append(f"and {len(result) - _SHOWN} more series (--json shows all)")
    return [*lines, f"from {_clock(span.start)} to {_clock(span.end)}"]


def _short(value: float) -> str:
    return f"{value:.6g}"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
