"""One problem for one cause: what is told of an object that is missing, and of one GRANT on many. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pgwatch.migration.compare import Fault, Problem
from pgwatch.migration.objects import Key

_MOST_NAMED = 5
_MINOR_STATEMENTS = ("COMMENT ", "GRANT ", "REVOKE ")
_MINOR_FACETS = ("comment", "owner", "option ", "statistics", "storage")


def gather(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems, each cause told once.

    What later statements want of an object that is not there goes into the problem of that object;
    the same privileges that one statement gives on many objects become one problem. What nothing
    fails for comes behind what something does, in the same order else.
    """
    found = _privileges(_follow_ups(list(problems)))
    return sorted(found, key=lambda one: (one.fault is Fault.UNVERIFIABLE, _is_minor(one)))


def _is_minor(one: Problem) -> bool:
    names = [name for name, *_ in one.facets]
    said = one.place.sql.lstrip().upper().startswith(_MINOR_STATEMENTS)
    return said or (bool(names) and all(name.startswith(_MINOR_FACETS) for name in names))


def _follow_ups(problems: Sequence[Problem]) -> list[Problem]:
    told = {p.key for p in problems if p.fault is Fault.MISSING and not p.follows}
    kept: list[Problem] = []
    later: dict[Key, list[Problem]] = {}
    for one in problems:
        about = _told_with(one, told)
        if about is None:
            kept.append(one)
        else:
            later.setdefault(about, []).append(one)
    return [
        replace(one, also=tuple(dict.fromkeys(p.place for p in later.pop(one.key, ()))))
        if one.fault is Fault.MISSING and one.key in later
        else one
        for one in kept
    ]


def _told_with(one: Problem, told: set[Key | None]) -> Key | None:
    """Return the missing object whose problem tells this one, too."""
    if not one.follows or one.key is None:
        return None
    if one.key in told:
        return one.key
    owners = (
        key for key in told if key and (key.schema, key.name) == (one.key.schema, one.key.table)
    )
    return next(owners, None)


def _privileges(problems: Sequence[Problem]) -> list[Problem]:
    groups: dict[object, list[Problem]] = {}
    for number, one in enumerate(problems):
        groups.setdefault(_grant_of(one) or number, []).append(one)
    return [many[0] if len(many) == 1 else _together(many) for many in groups.values()]


def _grant_of(one: Problem) -> object:
    """Return what is the same for all objects on which one statement gives the same privileges."""
    only = one.facets and all(name.startswith("privilege ") for name, *_ in one.facets)
    if not only or one.fault is not Fault.DIFFERENT:
        return None
    return (one.place, one.aspect, one.facets)


def _together(many: Sequence[Problem]) -> Problem:
    first = many[0]
    keys = tuple(one.key for one in many if one.key is not None)
    _, _, what = first.message.partition(": ")
    names = ", ".join(map(str, keys[:_MOST_NAMED]))
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return replace(first, message=f"{names}{more}: {what}", together=keys)
