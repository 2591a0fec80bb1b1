"""Rows, sizes, settings and the figures of a database's health, before and now. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.compared import Change, Compared, State, at, count, duration, size, unknown
from pgwatch.baseline.model import Extent, Health, Setting, Untold
from pgwatch.queries.query import quote_identifier
from pgwatch.rules.rule import Severity

# Rows: fewer of them than this share is a loss; where one side is an estimate, which may be off by as much.
_KEPT, _KEPT_ROUGHLY = 0.9, 0.5
_FEW_ROWS = 100  # that come and go
_MANY_ROWS = 1_000  # whose loss is grave when none is left
_NAMED = 5  # tables in a reason
_GROWN, _GROWN_BY = 1.5, 100 * 1024**2
# Of the session's role, or of what the session is about, not of the server.
_ROLES_SOURCES = frozenset({"client", "session", "user", "database user", "interactive"})


def compare_rows(
    old: Sequence[Extent] | Untold, new: Sequence[Extent] | Untold, announced: Announced | None
) -> Compared:
    """Return the tables that lost rows, unless a migration deletes them."""
    if isinstance(both := _readable(old, new, "sizes"), Compared):
        return both
    pairs = [
        (before, now)
        for before, now in _pairs(*both)
        if announced is None or not announced.empties(before.name)
    ]
    changes = tuple(change for pair in pairs if (change := _fewer(*pair)) is not None)
    told = f"{count(len(pairs), 'table')}, {_how(pairs)}"
    untold = [now for before, now in pairs if now.rows is None and (before.rows or 0) >= _FEW_ROWS]
    if not untold:
        return Compared(changes=changes, reason=told)
    # TRUNCATE, and a table that is made anew under its name, leave no estimate.
    names = ", ".join(one.path for one in untold[:_NAMED]) + (", …" if untold[_NAMED:] else "")
    analyze = [f"{quote_identifier(one.schema)}.{quote_identifier(one.name)}" for one in untold]
    return Compared(
        changes=changes,
        state=State.UNKNOWN,
        reason=f"{told}; {names} had rows, and nobody knows how many there are now",
        cure=f"ANALYZE {', '.join(analyze[:_NAMED])};",
    )


def _how(pairs: Sequence[tuple[Extent, Extent]]) -> str:
    counted = sum(before.exact and now.exact for before, now in pairs)
    unknown_ = sum(before.rows is None or now.rows is None for before, now in pairs)
    if counted == len(pairs):
        return "counted"
    more = f", {unknown_} not known" if unknown_ else ""
    return f"{counted} counted, {len(pairs) - counted - unknown_} estimated{more}"


def compare_sizes(old: Sequence[Extent] | Untold, new: Sequence[Extent] | Untold) -> Compared:
    """Return the tables that grew much, indexes and TOAST included."""
    if isinstance(both := _readable(old, new, "sizes"), Compared):
        return both
    pairs = list(_pairs(*both))
    changes = [
        Change(
            summary=f"{before.path} has {size(now.size_bytes)}, {size(before.size_bytes)} before",
            severity=Severity.WARNING,
            labels={"object": before.path, "problem": "grown"},
            description=f"with its indexes; {count(now.dead_rows, 'dead row')}",
            value=float(now.size_bytes),
            object=before.path,
        )
        for before, now in pairs
        if now.size_bytes >= _GROWN * before.size_bytes
        and now.size_bytes - before.size_bytes >= _GROWN_BY
    ]
    total = [sum(one.size_bytes for one in side) for side in both]
    return Compared(
        changes=tuple(changes), reason=f"{size(total[1])} in all, {size(total[0])} before"
    )


def _fewer(before: Extent, now: Extent) -> Change | None:
    if before.rows is None or now.rows is None or before.rows - now.rows < _FEW_ROWS:
        return None
    kept = _KEPT if before.exact is now.exact else _KEPT_ROUGHLY
    if now.rows > kept * before.rows:
        return None
    grave = now.rows == 0 and before.rows >= _MANY_ROWS
    about = "" if before.exact and now.exact else "about "
    has = f"{about}{count(now.rows, 'row')}" if now.rows else "no rows"
    return Change(
        summary=f"{before.path} has {has}, {about}{before.rows:,.0f} before",
        severity=Severity.CRITICAL if grave else Severity.WARNING,
        labels={"object": before.path, "problem": "fewer_rows"},
        value=now.rows,
        object=before.path,
    )


def _pairs(old: Sequence[Extent], new: Sequence[Extent]) -> Iterator[tuple[Extent, Extent]]:
    now = {one.path: one for one in new}
    return ((one, now[one.path]) for one in old if one.path in now)


def _readable(
    old: Sequence[Extent] | Untold, new: Sequence[Extent] | Untold, what: str
) -> tuple[Sequence[Extent], Sequence[Extent]] | Compared:
    if isinstance(old, Untold):
        return unknown(f"the baseline has no {what}: {old.unknown}")
    if isinstance(new, Untold):
        return unknown(new.unknown, new.cure)
    return old, new


def compare_settings(
    old: Mapping[str, Setting] | Untold, new: Mapping[str, Setting] | Untold
) -> Compared:
    """Return the settings that have another value; those that only one side could see are left out."""
    if isinstance(old, Untold):
        return unknown(f"the baseline has no settings: {old.unknown}")
    if isinstance(new, Untold):
        return unknown(new.unknown, new.cure)
    both = [
        (name, before, new[name])
        for name, before in sorted(old.items())
        if name in new and _ROLES_SOURCES.isdisjoint((before.source, new[name].source))
    ]
    changes = tuple(
        Change(
            summary=f"{name} was {before.value or 'empty'}, is {now.value or 'empty'}",
            severity=Severity.WARNING,
            labels={"setting": name, "problem": "changed"},
            description=f"source: {now.source}",
            object=name,
        )
        for name, before, now in both
        if before.value != now.value
    )
    return Compared(changes=changes, reason=count(len(both), "setting"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gauge:
    """From when on a figure is worse: so many times as high, and so much higher."""

    name: str
    says: str
    factor: float
    more: float


_GAUGES = (
    _Gauge(name="connections", says="connections", factor=2, more=20),
    _Gauge(name="waiting_locks", says="locks that are waited for", factor=2, more=5),
    _Gauge(
        name="oldest_transaction_seconds", says="age of the oldest transaction", factor=2, more=300
    ),
    _Gauge(name="replication_lag_bytes", says="replication lag", factor=2, more=64 * 1024**2),
    _Gauge(name="xid_age", says="age of the oldest transaction id", factor=1.5, more=200e6),
)
_SHARE = 0.1  # by which a share is worse
_FEW_DEAD, _FEW_TRANSACTIONS, _FEW_BLOCKS = 10_000, 100, 10_000


def compare_health(
    old: Health | Untold, new: Health | Untold, *, then: float, now: float
) -> Compared:
    """Return the figures that are worse; `then` and `now` are the Unix times of the two."""
    if isinstance(old, Untold):
        return unknown(f"the baseline has no figures of health: {old.unknown}")
    if isinstance(new, Untold):
        return unknown(new.unknown, new.cure)
    changes = [*_gauges(old.gauges, new.gauges), *_dead_rows(old.gauges, new.gauges)]
    reasons = [
        f"{gauge.says}: our role may not see it"
        for gauge in _GAUGES
        if new.gauges.get(gauge.name) is None and gauge.name in new.gauges
    ]
    if _reset(old, new):
        when = f" at {at(new.counters_since)}" if new.counters_since is not None else ""
        reasons.append(f"pg_stat_database was reset{when}, since the baseline")
    else:
        changes += _counters(old, new, then=then, now=now)
    state = State.UNKNOWN if reasons else State.TOLD
    told = "; ".join(reasons) or _told(old, new, now - then)
    return Compared(changes=tuple(changes), state=state, reason=told)


def _reset(old: Health, new: Health) -> bool:
    fewer = any(new.counters.get(name, 0) < value for name, value in old.counters.items())
    return fewer or old.counters_since != new.counters_since


def _told(old: Health, new: Health, seconds: float) -> str:
    transactions = sum(
        new.counters.get(name, 0) - old.counters.get(name, 0) for name in ("commits", "rollbacks")
    )
    return f"{count(transactions, 'transaction')} in {duration(seconds)} since the baseline"


def _gauges(old: Mapping[str, float | None], new: Mapping[str, float | None]) -> Iterator[Change]:
    for gauge in _GAUGES:
        before, now = old.get(gauge.name), new.get(gauge.name)
        if before is None or now is None:
            continue
        if now >= gauge.factor * before and now - before >= gauge.more:
            yield _worse(gauge.name, gauge.says, before, now)


def _dead_rows(
    old: Mapping[str, float | None], new: Mapping[str, float | None]
) -> Iterator[Change]:
    dead = new.get("dead_rows") or 0
    before, now = _share_of(old, "dead_rows", "live_rows"), _share_of(new, "dead_rows", "live_rows")
    if before is None or now is None or dead < _FEW_DEAD:
        return
    if now - before >= _SHARE:
        yield _worse("dead_rows", "share of dead rows", before, now, share=True)


def _counters(old: Health, new: Health, *, then: float, now: float) -> Iterator[Change]:
    since = {name: new.counters.get(name, 0.0) - value for name, value in old.counters.items()}
    for part, rest, says, least, worse_if_less in (
        ("rollbacks", "commits", "share of transactions rolled back", _FEW_TRANSACTIONS, False),
        ("blocks_hit", "blocks_read", "share of blocks found in memory", _FEW_BLOCKS, True),
    ):
        before, after = _share_of(old.counters, part, rest), _share_of(since, part, rest)
        enough = since.get(part, 0.0) + since.get(rest, 0.0) >= least
        if before is None or after is None or not enough:
            continue
        if (before - after if worse_if_less else after - before) >= _SHARE:
            yield _worse(part, says, before, after, share=True)
    for name in ("deadlocks", "conflicts"):
        if _more_often(name, old, since, then=then, now=now):
            many = count(since[name], name.removesuffix("s"))
            yield Change(
                summary=f"{many} since the baseline, {old.counters[name]:,.0f} before",
                severity=Severity.WARNING,
                labels={"figure": name, "problem": "worse"},
                value=since[name],
                object=name,
            )


def _more_often(
    name: str, old: Health, since: Mapping[str, float], *, then: float, now: float
) -> bool:
    """Return whether something happened at least twice as often as before."""
    if since.get(name, 0.0) < 1:
        return False
    if old.counters_since is None:  # since the cluster was made, whenever that was
        return since[name] > old.counters[name]
    before = old.counters[name] / max(1.0, then - old.counters_since)
    return since[name] / max(1.0, now - then) > 2 * before


def _share_of(figures: Mapping[str, float | None], part: str, rest: str) -> float | None:
    some, others = figures.get(part), figures.get(rest)
    if some is None or others is None or not some + others:
        return None
    return some / (some + others)


def _worse(name: str, says: str, before: float, now: float, *, share: bool = False) -> Change:
    if share:
        shown = [f"{figure:.0%}" for figure in (before, now)]
    elif name.endswith("_bytes"):
        shown = [size(figure) for figure in (before, now)]
    elif name.endswith("_seconds"):
        shown = [duration(figure) for figure in (before, now)]
    else:
        shown = [f"{figure:,.0f}" for figure in (before, now)]
    return Change(
        summary=f"{says}: {shown[1]}, {shown[0]} before",
        severity=Severity.WARNING,
        labels={"figure": name, "problem": "worse"},
        value=now,
        object=name,
    )
