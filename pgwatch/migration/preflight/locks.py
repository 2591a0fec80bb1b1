"""Where a migration would hold up others, or be held up: its locks, beside the tables as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.migration.objects import Place
from pgwatch.migration.preflight.demands import demands
from pgwatch.migration.preflight.lock_facts import (
    Holder,
    LockFacts,
    Relation,
    read_lock_facts,
)
from pgwatch.migration.preflight.lock_modes import Demand, LockMode, Work, conflict
from pgwatch.migration.preflight.steps import Step, names_in, read_steps, set_to
from pgwatch.migration.sqlfile import Statement
from pgwatch.targets.session import Session
from pgwatch.units import format_duration

# A scan of this reads for about a second from a disk, a rewrite writes it with its indexes and its WAL.
BIG_BYTES = 256 * 1024 * 1024
BLOCKS_SECONDS = 1.0  # a shorter transaction ends before anybody who waits for it is missed
_UNLIMITED = ("", "0", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRisk:
    """One statement that would hold up others for long, or wait."""

    place: Place
    kind: Work | None  # None: it would wait
    relation: str  # schema.name
    mode: LockMode
    message: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """What the locks of a migration would do now."""

    risks: tuple[LockRisk, ...]
    unread: tuple[Place, ...]  # statements of which nobody knows what they lock
    estimated: bool  # sizes are as of the last VACUUM or ANALYZE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A demand on a table that exists, and what the migration's session said before."""

    place: Place
    demand: Demand
    relation: Relation
    lock_timeout: str


async def lock_risks(session: Session, statements: Sequence[Statement]) -> LockReport:
    """Return which statements hold up others for long or would wait now; raises as `Session.run` does."""
    steps, unread = read_steps(statements)
    names = set[str]().union(*(names_in(step.node) for step in steps))
    facts = await read_lock_facts(session, names)
    asked = list(_asked(steps, facts))
    risks = [*_heavy(asked), *_waiting(asked, facts)]
    risks.sort(key=lambda risk: (str(risk.place.file), risk.place.line))
    return LockReport(risks=tuple(risks), unread=tuple(unread), estimated=facts.estimated)


async def rewritten_bytes(session: Session, steps: Sequence[Step]) -> int:
    """Return how much the tables and indexes are that the steps write anew, each counted once."""
    names = set[str]().union(*(names_in(step.node) for step in steps))
    facts = await read_lock_facts(session, names)
    sizes = {
        _name(one.relation): one.relation.table_bytes + one.relation.index_bytes
        for one in _asked(steps, facts)
        if one.demand.work in (Work.REWRITE, Work.UPDATE)
    }
    return sum(sizes.values())


def _asked(steps: Iterable[Step], facts: LockFacts) -> Iterable[_Asked]:
    schemas: tuple[str, ...] = ("public",)
    lock_timeout = facts.lock_timeout

    def resolve(schema: str, name: str) -> Relation | None:
        for one in (schema,) if schema else schemas:
            if (one, name) in facts.relations:
                return facts.relations[one, name]
        return None

    for step in steps:
        if step.kind == "variable_set_stmt":
            if step.node.name == "search_path":
                schemas = set_to(step.node) or ("public",)
            elif step.node.name == "lock_timeout":
                lock_timeout = "".join(set_to(step.node))
            continue
        for demand in demands(step.kind, step.node, facts, resolve):
            if (relation := resolve(demand.schema, demand.table)) is not None:
                yield _Asked(
                    place=step.place, demand=demand, relation=relation, lock_timeout=lock_timeout
                )


def _heavy(asked: Iterable[_Asked]) -> Iterable[LockRisk]:
    """Iterate over the statements that work long on a table that others want."""
    for one in asked:
        demand, relation = one.demand, one.relation
        hinders = demand.mode.hinders
        if demand.work is Work.UPDATE:
            hinders = "each row that it has changed stays locked to the end of its transaction"
        bytes_ = relation.table_bytes
        if demand.work is Work.REWRITE:
            bytes_ += relation.index_bytes
        if not demand.work or not hinders or bytes_ < BIG_BYTES:
            continue
        yield LockRisk(
            place=one.place,
            kind=demand.work,
            relation=_name(relation),
            mode=demand.mode,
            message=f"{_DOES[demand.work]} {_name(relation)} ({_size(relation, bytes_)}) under"
            f" {demand.mode}: {demand.reason}, and meanwhile {hinders}",
            cure=demand.cure,
        )


_DOES = {
    Work.SCAN: "scans",
    Work.BUILD: "builds an index over",
    Work.UPDATE: "changes every row of",
    Work.REWRITE: "rewrites",
}


def _waiting(asked: Iterable[_Asked], facts: LockFacts) -> Iterable[LockRisk]:
    """Iterate over the waits: one for each table and each of those who are in the way."""
    first: dict[tuple[str, Holder], _Asked] = {}
    count: dict[tuple[str, Holder], int] = {}
    for one in asked:
        for holder in facts.holders:
            if _in_the_way(one, holder):
                key = ("" if holder.relation == 0 else _name(one.relation), holder)
                first.setdefault(key, one)
                count[key] = count.get(key, 0) + 1
    seen = set[tuple[str, int, str]]()
    for (name, holder), one in first.items():
        who = (name, holder.pid, holder.prepared)  # its other locks on the table say the same
        if who not in seen:
            seen.add(who)
            yield _wait(one, holder, count[name, holder] - 1)


def _in_the_way(one: _Asked, holder: Holder) -> bool:
    if holder.seconds is not None and holder.seconds < BLOCKS_SECONDS:
        return False
    if holder.relation == 0:
        return one.demand.snapshots
    if holder.relation not in one.relation.oids or holder.mode is None:
        return False
    if holder.autovacuum and not holder.wraparound:
        return False  # it gives way after deadlock_timeout
    return conflict(one.demand.mode, holder.mode)


def _wait(one: _Asked, holder: Holder, more: int) -> LockRisk:
    name, mode = _name(one.relation), one.demand.mode
    holds = f"holds or awaits {holder.mode} on {name}" if holder.mode else "has an older snapshot"
    waits = (
        "without a lock_timeout it waits until that ends, and whoever wants the table waits behind it"
        if one.lock_timeout in _UNLIMITED
        else f"it gives up after its lock_timeout, {_timeout(one.lock_timeout)} (55P03)"
    )
    if holder.mode is None:
        waits = "it waits until that ends; no lock_timeout ends this wait"
    others = f"; {more} more statements meet it" if more > 1 else "; one more meets it" * more
    return LockRisk(
        place=one.place,
        kind=None,
        relation=name,
        mode=mode,
        message=f"would wait for {mode} on {name}: {_who(holder)} {holds}; {waits}{others}",
        cure=_end(holder),
    )


def _who(holder: Holder) -> str:
    since = "for an unknown time (our role needs pg_read_all_stats to see it)"
    if holder.seconds is not None:
        since = f"for {format_duration(timedelta(seconds=round(holder.seconds, 1)))}"
    if holder.prepared:
        return f"the prepared transaction {holder.prepared!r} of {holder.user}, {since},"
    if holder.wraparound:
        return f"pid {holder.pid}, an autovacuum to prevent wraparound that does not give way, {since},"
    names = " of ".join(filter(None, (holder.application, holder.user)))
    state = f"{holder.state} " if holder.state else ""
    return f"pid {holder.pid} ({names or 'another role'}, {state}{since})"


def _end(holder: Holder) -> str:
    if holder.prepared:
        return f"ROLLBACK PREPARED '{holder.prepared}';  -- or COMMIT PREPARED"
    if holder.wraparound:
        return "wait for the autovacuum to end, or run VACUUM on the table yourself before the migration"
    return f"SET lock_timeout = '5s';  -- and end the other: SELECT pg_terminate_backend({holder.pid});"


def _timeout(text: str) -> str:
    return f"{text} ms" if text.isdigit() else text


def _name(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}"


def _size(relation: Relation, bytes_: int) -> str:
    rows = "" if relation.rows is None else f", about {relation.rows:,} rows"
    return (
        f"{bytes_ / 1024**3:.1f} GiB{rows}"
        if bytes_ >= 1024**3
        else f"{bytes_ / 1024**2:.0f} MiB{rows}"
    )
