"""`pgwatch queries`: the catalogue, and one query of it in the terminal."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import timedelta

from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.cli.office import in_columns
from pgwatch.cli.options import CommandParser
from pgwatch.cli.settings import settings_inputs
from pgwatch.collect.outcome import Answered, Denied, NotApplicable, Outcome
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.queries.catalog import Catalog
from pgwatch.queries.query import Query
from pgwatch.units import format_duration
from pgwatch.wiring import catalog_of

LOG_LEVEL = "error"  # what went wrong is printed as the answer
_DEADLINE = timedelta(seconds=60)


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = commands.add_parser(
        "list", help="every query with pack, interval and what it requires"
    )
    listing.set_defaults(act=_list)
    show = commands.add_parser("show", help="the file of one query")
    show.add_argument("query", metavar="QUERY", help="such as core/activity")
    show.set_defaults(act=_show)
    running = commands.add_parser("run", help="run one query on a target, as the daemon would")
    running.add_argument("query", metavar="QUERY", help="such as core/activity")
    add_target_options(running)
    running.set_defaults(act=_run)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    return int(arguments.act(arguments))


def _list(arguments: argparse.Namespace) -> int:
    catalog = _catalog(arguments)
    queries = sorted(_everything(catalog).values(), key=lambda query: query.name)
    if arguments.json:
        print(json.dumps([_row(query) for query in queries], indent=2))
        return 0
    width = max(len(query.name) for query in queries)
    for query in queries:
        polled = query.benchmark is None and not query.is_evidence
        interval = format_duration(query.interval) if polled else "-"
        kind = query.scope if polled else "timed" if query.benchmark else "evidence"
        print(f"{query.name:<{width}}  {interval:>5}  {kind:<8}  {query.help}")
    return 0


def _row(query: Query) -> dict[str, object]:
    timed = query.benchmark
    polled = timed is None and not query.is_evidence
    return {
        "name": query.name,
        "help": query.help,
        "kind": "metrics" if polled else "benchmark" if timed else "evidence",
        "limit_seconds": timed.limit.total_seconds() if timed else None,
        "runs": timed.runs if timed else None,
        "interval_seconds": query.interval.total_seconds() if polled else None,
        "timeout_seconds": query.timeout.total_seconds(),
        "scope": str(query.scope),
        "role": str(query.role) if query.role else "any",
        "extensions": [str(extension.name) for extension in query.requires.extensions],
        "relations": list(query.requires.relations),
        "privileges": list(query.requires.privileges),
        "settings": dict(query.requires.settings),
        "metrics": [metric.family.name for metric in query.metrics],
        "path": str(query.path),
    }


def _show(arguments: argparse.Namespace) -> int:
    query = _find(_catalog(arguments), arguments.query)
    print(f"-- {query.path}")
    print(query.path.read_text(encoding="utf-8"), end="")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    inputs = read_inputs(arguments)
    query = _find(catalog_of(inputs), arguments.query)
    if query.benchmark is not None:
        message = f"{query.name} is a benchmark: pgwatch check --once --only benchmarks times it"
        raise InputError([Problem(file="command line", message=message)])
    polled = asyncio.run(_poll(inputs, query))
    rows: list[dict[str, object]] = []
    well = True
    for one in polled:
        well = _answer(one, query, rows, as_json=arguments.json) and well
    if arguments.json:
        print(json.dumps(rows, indent=2))
    return 0 if well else 1


async def _poll(inputs: Inputs, query: Query) -> list[Polled]:
    passes = await asyncio.gather(
        *(poll_once(target, [query], deadline=_DEADLINE) for target in inputs.targets)
    )
    return [one for of_target in passes for one in of_target]


def _answer(polled: Polled, query: Query, rows: list[dict[str, object]], *, as_json: bool) -> bool:
    """Add the samples to `rows`, or print them; returns whether the query was answered."""
    where = f"{polled.target}/{polled.database}"
    if polled.info is None:
        print(f"{where}: no session: {polled.error}", file=sys.stderr)
        return False
    well = not polled.unwatched
    if polled.unwatched:
        print(f"{polled.target}: {polled.unwatched}", file=sys.stderr)
    for run in polled.runs:
        if run.source.query != query.name:
            continue
        if not isinstance(run.outcome, Answered) or run.collected is None:
            print(f"{where}: {_why(run.outcome)}", file=sys.stderr)
            well = False
            continue
        if query.is_evidence:
            _show_rows(run.outcome, rows, where, as_json=as_json)
            continue
        series = zip(run.collected.labels, run.collected.values, strict=True)
        if as_json:
            rows += [{"labels": dict(labels), "value": value} for labels, value in series]
            continue
        for labels, value in series:
            print(f"{labels!r} {value:.15g}")
        elapsed = run.outcome.elapsed / timedelta(milliseconds=1)
        print(f"# {where}: {len(run.collected.labels)} series in {elapsed:.1f} ms")
    return well


def _show_rows(
    answer: Answered, rows: list[dict[str, object]], where: str, *, as_json: bool
) -> None:
    """Add the rows of evidence to `rows`, or print them as a table."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in answer.rows]
    if as_json:
        rows += [dict(zip(answer.columns, row, strict=True)) for row in texts]
        return
    print("\n".join(in_columns([answer.columns, *texts])))
    print(f"# {where}: {len(texts)} rows in {answer.elapsed / timedelta(milliseconds=1):.1f} ms")


def _why(outcome: Outcome) -> str:
    """Return why there is no answer, with the SQL that cures it on a line of its own."""
    # As `pgwatch doctor` says it.
    state = "skipped" if isinstance(outcome, NotApplicable) else outcome.kind.replace("_", " ")
    reason = f"{state}: {getattr(outcome, 'reason', '')}"
    return f"{reason}\n{outcome.grant}" if isinstance(outcome, Denied) else reason


def _catalog(arguments: argparse.Namespace) -> Catalog:
    """Return the catalogue as the configuration has it, the shipped one where there is none."""
    return catalog_of(settings_inputs(arguments))


def _everything(catalog: Catalog) -> dict[str, Query]:
    return {**catalog.queries, **catalog.benchmarks, **catalog.evidence}


def _find(catalog: Catalog, name: str) -> Query:
    known = _everything(catalog)
    if (query := known.get(name)) is not None:
        return query
    alike: Sequence[str] = [one for one in known if one.endswith(f"/{name}")]
    hint = f"; did you mean {alike[0]}?" if alike else " (pgwatch queries list shows them)"
    raise InputError([Problem(file="command line", message=f"there is no query {name!r}{hint}")])
