"""Objects that are gone, or are not what they were. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.compared import Change, Compared, count, unknown
from pgwatch.baseline.model import Object, Untold
from pgwatch.rules.rule import Severity

_GOOD = {"validated": "yes", "valid": "yes", "populated": "yes", "enabled": "yes"}
_MILD = frozenset({"version", "options"})  # facts whose change breaks nothing by itself
_TABLES = ("table", "view", "materialized view")
_OF_TABLE = frozenset({"column", "constraint", "index", "trigger", "policy"})


def compare_objects(
    old: Sequence[Object] | Untold, new: Sequence[Object] | Untold, announced: Announced | None
) -> Compared:
    """Return what is gone or changed though no migration says so; `announced` is None where none is named."""
    if isinstance(old, Untold):
        return unknown(f"the baseline has no objects: {old.unknown}")
    if isinstance(new, Untold):
        return unknown(new.unknown, new.cure)
    now = {one.identity: one for one in new}
    before = {one.identity: one for one in old}
    family = _Family(old)
    gone = [one for one in old if one.identity not in now]
    lost = [one for one in gone if not _removed(one, family, announced)]
    lost = list(_without_parts(lost, gone, family))
    changed = [(one, now[one.identity]) for one in old if one.identity in now]
    differing = [
        (one, facts)
        for one, current in changed
        if (facts := _differences(one.facts, current.facts))
    ]
    undeclared = [
        (one, left)
        for one, facts in _without_children(differing, family)
        if (left := [f for f in facts if not _altered(one, f[0], family, announced)])
    ]
    notes = [count(len(old), "object")]
    if added := sum(one.identity not in before for one in new):
        notes.append(f"{added} new")
    declared = len(differing) - len(undeclared)
    if announced is None and (lost or undeclared):
        notes.append("what a migration says is expected, where --migrations names it")
    elif declared:
        notes.append(f"{declared} changed as the migrations say")
    return Compared(
        changes=(
            *(_lost(one) for one in lost),
            *(_changed(one, facts) for one, facts in undeclared),
        ),
        reason=", ".join(notes),
    )


class _Family:
    """Which table or index is a partition of which other one."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._parents = {
            (one.schema, one.name): one.uses
            for one in objects
            if one.kind == "index" or (one.kind == "table" and one.uses)
        }

    def parents(self, one: Object) -> Iterator[Object]:
        """Iterate over what `one` would be called on the tables that its table is a partition of."""
        part = one.kind in _OF_TABLE and one.kind != "index"
        for path in self._parents.get((one.schema, one.table if part else one.name), ()):
            schema, _, name = path.rpartition(".")
            if part:
                yield replace(one, schema=schema, table=name)
            elif one.kind in ("table", "index"):
                yield replace(one, schema=schema, name=name, table="")

    def ancestors(self, one: Object) -> Iterator[Object]:
        """Iterate over `one` and its parents, theirs and so on."""
        yield one
        for parent in self.parents(one):
            yield from self.ancestors(parent)


def _removed(one: Object, family: _Family, announced: Announced | None) -> bool:
    return announced is not None and any(map(announced.removes, family.ancestors(one)))


def _altered(one: Object, fact: str, family: _Family, announced: Announced | None) -> bool:
    return announced is not None and any(
        announced.changes(other, fact) for other in family.ancestors(one)
    )


def _without_children(
    differing: Iterable[tuple[Object, tuple[tuple[str, str, str], ...]]], family: _Family
) -> Iterator[tuple[Object, tuple[tuple[str, str, str], ...]]]:
    """Iterate over `differing` without partitions whose parent differs in the same facts."""
    known = {(one.kind, one.path): {fact for fact, _, _ in facts} for one, facts in differing}
    for one, facts in differing:
        names = {fact for fact, _, _ in facts}
        parents = family.parents(one)
        if not any(names <= known.get((up.kind, up.path), set()) for up in parents):
            yield one, facts


def _without_parts(
    lost: Iterable[Object], gone: Iterable[Object], family: _Family
) -> Iterator[Object]:
    """Iterate over `lost` without what went with something else: one finding for each loss."""
    gone = list(gone)
    absent = {one.identity for one in gone}
    paths = {(one.kind, one.path) for one in gone}
    for one in lost:
        if ("schema", "", "", one.schema) in absent and one.kind != "schema":
            continue
        if any((up.kind, up.path) in paths for up in family.parents(one)):
            continue
        if one.kind == "sequence" and _went_with_its_column(one, paths):
            continue
        if one.kind in _OF_TABLE:
            if any((kind, one.schema, "", one.table) in absent for kind in _TABLES):
                continue
            columns = (("column", one.schema, one.table, column) for column in one.columns)
            if any(column in absent for column in columns):
                continue
        yield one


def _went_with_its_column(sequence: Object, paths: Container[tuple[str, str]]) -> bool:
    return any(
        ("table", table) in paths
        or any(("column", f"{table}.{column}") in paths for column in sequence.columns)
        for table in sequence.uses
    )


def _differences(
    old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Return (fact, before, now) of what differs for the worse or in any direction."""
    return tuple(
        (fact, old.get(fact, ""), new.get(fact, ""))
        for fact in sorted({*old, *new})
        if old.get(fact) != new.get(fact) and _GOOD.get(fact) != new.get(fact, "")
    )


def _lost(one: Object) -> Change:
    return Change(
        summary=f"{one.title} is gone",
        severity=Severity.CRITICAL,
        labels={"kind": one.kind, "object": one.path, "problem": "lost"},
        object=one.path,
    )


def _changed(one: Object, facts: Sequence[tuple[str, str, str]]) -> Change:
    told = "; ".join(_told(*fact) for fact in facts)
    mild = all(fact in _MILD for fact, _, _ in facts)
    return Change(
        summary=f"{one.title}: {told}",
        severity=Severity.WARNING if mild else Severity.CRITICAL,
        labels={
            "kind": one.kind,
            "object": one.path,
            "problem": "changed",
            "facts": ", ".join(fact for fact, _, _ in facts),
        },
        object=one.path,
    )


def _told(fact: str, before: str, now: str) -> str:
    if before.startswith("sha256:"):
        return f"another {fact}"
    return f"{fact} was {before or 'none'}, is {now or 'none'}"
