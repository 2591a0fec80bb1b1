"""`pgwatch doctor`: what runs on a target, what does not and why, and the GRANT that cures it."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.collect.outcome import Answered, Blocked, Denied, NotApplicable, QueryRun
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.queries.query import Query
from pgwatch.targets.target import Target
from pgwatch.wiring import catalog_of, queries_of

_DEADLINE = timedelta(seconds=60)
_WORDS = {
    "runs": "run",
    "cut": "cut",
    "skipped": "skipped",
    "denied": "denied",
    "blocked": "blocked",
    "failed": "failed",
}
_MONITOR = "pg_monitor"
_IN_MONITOR = frozenset(
    {_MONITOR, "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}
)
_TABLES = re.compile(r"GRANT SELECT ON (?!SEQUENCE )(?P<relations>.+) TO (?P<role>.+);")
_RELATION = re.compile(r'(?:"(?:[^"]|"")*"|[^",\s])+')
_ROLES = re.compile(r"GRANT (?P<roles>[a-z_, ]+) TO ")  # membership, as against GRANT … ON …


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """How one query fares in one database."""

    target: str
    database: str  # empty: asked once per server
    query: str
    state: str  # a key of _WORDS
    reason: str = ""
    fix: str = ""  # the SQL that cures it
    milliseconds: float | None = None  # of a run that was answered
    series: int | None = None
    interval_seconds: float

    @property
    def cost(self) -> float:
        """The share of one backend's time that it takes: its run over its interval."""
        return (self.milliseconds or 0.0) / 1000 / self.interval_seconds


LOG_LEVEL = "error"  # what degrades a run stands in its report


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Runs every query of a target once and says of each: it runs and what it costs, it is skipped and"
        " why, it was cut at its max_series, or it is denied and the exact GRANT. Exit status: 0 if all that"
        " applies runs whole, else 1."
    )
    add_target_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Diagnose the targets; 1 if something that applies does not run, or a target has no session."""
    inputs = read_inputs(arguments)
    catalog = catalog_of(inputs)
    wanted = [(target, queries_of(target, catalog)) for target in inputs.targets]
    polled = asyncio.run(_poll(wanted))
    by_database = [(one, list(_diagnoses(one, catalog.queries))) for one in polled]
    if arguments.json:
        print(json.dumps([_row(d) for _, found in by_database for d in found], indent=2))
        for one, _ in by_database:
            if reason := one.error or one.unwatched:
                print(f"pgwatch: {one.target}/{one.database}: {reason}", file=sys.stderr)
    else:
        for one, found in by_database:
            _print(one, found)
    well = all(
        not (one.error or one.unwatched) and all(d.state in ("runs", "skipped") for d in found)
        for one, found in by_database
    )
    return 0 if well else 1


async def _poll(wanted: Sequence[tuple[Target, Sequence[Query]]]) -> list[Polled]:
    passes = await asyncio.gather(
        *(poll_once(target, queries, deadline=_DEADLINE) for target, queries in wanted)
    )
    return [one for of_target in passes for one in of_target]


def _diagnoses(polled: Polled, queries: Mapping[str, Query]) -> Iterator[Diagnosis]:
    if polled.info is None:
        return
    for run in sorted(polled.runs, key=lambda run: run.source.query):
        if (query := queries.get(run.source.query)) is not None:
            yield _diagnosis(run, query)


def _diagnosis(run: QueryRun, query: Query) -> Diagnosis:
    def so(
        state: str,
        reason: str,
        *,
        fix: str = "",
        milliseconds: float | None = None,
        series: int | None = None,
    ) -> Diagnosis:
        return Diagnosis(
            target=run.source.target,
            database=run.source.database,
            query=run.source.query,
            state=state,
            reason=reason,
            interval_seconds=query.interval.total_seconds(),
            fix=fix,
            milliseconds=milliseconds,
            series=series,
        )

    match run.outcome:
        case Answered(elapsed=elapsed):
            collected = run.collected
            dropped = collected.dropped if collected else {}
            return so(
                "cut" if "max_series" in dropped else "runs",
                ", ".join(f"{count} series dropped: {why}" for why, count in dropped.items()),
                milliseconds=elapsed / timedelta(milliseconds=1),
                series=len(collected.labels) if collected else 0,
            )
        case NotApplicable(reason=reason):
            return so("skipped", reason)
        case Denied(reason=reason, grant=grant):
            return so("denied", reason, fix=grant)
        case Blocked(reason=reason):
            return so("blocked", reason)
        case other:
            return so("failed", other.reason)


def _row(one: Diagnosis) -> dict[str, object]:
    return {
        "target": one.target,
        "database": one.database,
        "query": one.query,
        "state": one.state,
        "reason": one.reason,
        "fix": one.fix,
        "milliseconds": None if one.milliseconds is None else round(one.milliseconds, 3),
        "series": one.series,
        "interval_seconds": one.interval_seconds,
    }


def _print(polled: Polled, found: Sequence[Diagnosis]) -> None:
    info = polled.info
    print(f"{polled.target} · database {polled.database}")
    if info is None:
        print(f"  no session: {polled.error}\n")
        return
    rights = ", ".join(sorted(info.memberships)) or "no predefined role"
    rights = "superuser" if info.is_superuser else rights
    print(f"  PostgreSQL {info.version}, {info.role}; as {info.user} ({rights})")
    if polled.unwatched:
        print(f"  nothing is watched: {polled.unwatched}")
    if info.pooled:
        print("  through a pooler: limits are set per transaction, statements are not prepared")
    width = max((len(one.query) for one in found), default=0)
    for one in found:
        print(f"  {one.query:<{width}}  {one.state:<7}  {_said(one)}".rstrip())
    states = [one.state for one in found]
    counts = ", ".join(f"{states.count(s)} {word}" for s, word in _WORDS.items() if s in states)
    cost = sum(one.cost for one in found)
    print(f"  {counts}; together {cost * 100:.2f} % of one backend's time")
    if grants := needed_grants(one.fix for one in found if one.fix):
        print(f"  what cures the denied, in database {polled.database}:")
        print("".join(f"    {grant}\n" for grant in grants), end="")
    print()


def needed_grants(fixes: Iterable[str]) -> list[str]:
    """Return each statement once, what is to be read in one, no membership that pg_monitor brings along."""
    roles = {fix: _granted(fix) for fix in _together(fixes)}
    monitor = next((fix for fix, granted in roles.items() if _MONITOR in granted), None)
    if monitor is None:
        return list(roles)
    del roles[monitor]
    return [
        monitor,
        *(fix for fix, granted in roles.items() if not granted or granted - _IN_MONITOR),
    ]


def _together(fixes: Iterable[str]) -> list[str]:
    """Return `fixes` with the grants of SELECT to one role made one, with each relation once."""
    relations: dict[str, set[str]] = {}  # by role
    others = []
    for fix in fixes:
        if match := _TABLES.fullmatch(fix):
            found = relations.setdefault(match["role"], set())
            found.update(_RELATION.findall(match["relations"]))
        else:
            others.append(fix)
    read = [
        f"GRANT SELECT ON {', '.join(sorted(names))} TO {role};"
        for role, names in relations.items()
    ]
    return [*others, *read]


def _granted(fix: str) -> frozenset[str]:
    match = _ROLES.match(fix)
    return frozenset(match["roles"].split(", ")) if match else frozenset()


def _said(one: Diagnosis) -> str:
    if one.milliseconds is None:
        return one.reason
    note = f"; {one.reason}" if one.reason else ""
    return (
        f"{one.milliseconds:7.1f} ms, {one.series} series, every {one.interval_seconds:g} s{note}"
    )
