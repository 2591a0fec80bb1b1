"""What is wrong with bodies → what a person is told of functions, triggers and views. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pgwatch.migration.compare import Fault
from pgwatch.migration.liveness.analyse import Case, Defect, Untold
from pgwatch.migration.liveness.routine import Routine, Scene, Trigger
from pgwatch.migration.objects import Declarations, Key, Kind, Place

_MOST_SHOWN = 5  # further reasons in one description
_FIELD = "has no field"
_LONGEST = 120  # characters of conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """One function, trigger or view that fails, or of which it cannot be told."""

    fault: Fault  # DEAD or UNVERIFIABLE
    key: Key
    place: Place
    message: str
    detail: str = ""
    sqlstate: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Which statement of the migrations answers for an object."""

    declared: Mapping[Key, Place]
    tables: Mapping[tuple[str, str], Place]  # (schema, name) → the last statement that touched it
    last: Place

    def of_routine(self, routine: Routine, scene: Scene, callers: Mapping[int, Routine]) -> Place:
        """Return where a function is declared, else what calls it."""
        if routine.key in self.declared:
            return self.declared[routine.key]
        for trigger in scene.triggers:
            if trigger.function == routine.oid:
                return self.of_trigger(trigger)
        for view in scene.views:
            if routine.oid in view.functions and view.key in self.declared:
                return self.declared[view.key]
        caller = callers.get(routine.oid)
        if caller is not None and caller.oid != routine.oid and caller.key in self.declared:
            return self.declared[caller.key]
        return self.last

    def of_trigger(self, trigger: Trigger) -> Place:
        """Return where a trigger is declared, else what touched its table last."""
        table = (trigger.table.schema, trigger.table.name)
        return self.declared.get(trigger.key) or self.tables.get(table, self.last)


def places(declarations: Declarations) -> Places | None:
    """Return the places of what `declarations` leave behind; None: they declare nothing."""
    declared: dict[Key, Place] = {}
    tables: dict[tuple[str, str], Place] = {}
    for one in declarations.objects:
        newest = max(
            (one.place, *(facet.place for facet in one.facets.values())),
            key=lambda place: (declarations.files.index(place.file), place.line),
        )
        if not one.gone:
            declared[one.key] = one.place
        table = (one.key.schema, one.key.table or one.key.name)
        tables[table] = newest
    if not declarations.objects:
        return None
    return Places(declared, tables, declarations.objects[-1].place)


def findings(
    defects: Sequence[Defect],
    untold: Sequence[Untold],
    scene: Scene,
    where: Places,
    callers: Mapping[int, Routine],
) -> list[Dead]:
    """Return one finding for each function, trigger and view that fails."""
    told = []
    for oid in dict.fromkeys(defect.case.routine.oid for defect in defects):
        own = [defect for defect in defects if defect.case.routine.oid == oid]
        told += _of_routine(own, scene, where, callers)
    told += _of_views(defects, scene, where)
    dead = {defect.case.routine.oid for defect in defects}
    for oid in dict.fromkeys(one.routine.oid for one in untold):
        if oid not in dead:
            first = next(one for one in untold if one.routine.oid == oid)
            told.append(_untold(first, scene, where, callers))
    return told


def _untold(one: Untold, scene: Scene, where: Places, callers: Mapping[int, Routine]) -> Dead:
    return Dead(
        fault=Fault.UNVERIFIABLE,
        key=one.routine.key,
        place=where.of_routine(one.routine, scene, callers),
        message=f"{one.routine.key}: whether it can run cannot be told: {one.reason}",
        fix=one.cure,
    )


def _of_routine(
    defects: Sequence[Defect], scene: Scene, where: Places, callers: Mapping[int, Routine]
) -> list[Dead]:
    """Return a finding for each table whose fields are missing, and one for all other reasons."""
    of_table: dict[str, list[Defect]] = {}
    others = []
    hidden = [defect for defect in defects if defect.hidden]
    for defect in defects:
        if defect.hidden:
            continue
        if defect.case.trigger is not None and _FIELD in defect.failure.message:
            of_table.setdefault(defect.case.trigger.table.label, []).append(defect)
        else:
            others.append(defect)
    told = [_of_trigger(own, where) for own in of_table.values()]
    if others or hidden:
        told.append(_of_function([*others, *hidden], scene, where, callers))
    return told


def _of_trigger(defects: Sequence[Defect], where: Places) -> Dead:
    first = _first(defects)
    trigger, routine = first.case.trigger, first.case.routine
    assert trigger is not None
    told = [d for d in defects if bool(d.conditions) == bool(first.conditions)]
    events = [event for event in trigger.events if any(d.case.event == event for d in told)]
    fails = f"{' and '.join(events)} on {trigger.table.label} fails"
    place = where.declared.get(routine.key) or where.of_trigger(trigger)
    every = "" if trigger.conditional or first.conditions else "every "
    message = (
        f"{trigger.key}: {routine.key} cannot run on {trigger.table.label}: {first.failure.message},"
        f" so {every}{fails}{_where(first)}"
    )
    others = sorted(
        {str(d.case.trigger.key) for d in defects if d.case.trigger} - {str(trigger.key)}
    )
    notes = [_line(routine, first.line, place), *_further(defects, first)]
    if trigger.conditional:
        notes.append("the trigger fires only where its WHEN or UPDATE OF says so")
    if others:
        notes.append(f"so does {', '.join(others)}")
    if hint := _meant(first, trigger):
        notes.append(hint)
    return Dead(
        fault=Fault.DEAD,
        key=trigger.key,
        place=place,
        message=message,
        detail="; ".join(note for note in notes if note),
        sqlstate=first.failure.sqlstate,
    )


def _of_function(
    defects: Sequence[Defect], scene: Scene, where: Places, callers: Mapping[int, Routine]
) -> Dead:
    first = _first(defects)
    routine = first.case.routine
    place = where.of_routine(routine, scene, callers)
    cases = dict.fromkeys(d.case for d in defects if d.failure == first.failure)
    what = "fails when it is called"
    if first.hidden:
        what = "does not do its work, as a call ends in the handler for OTHERS"
    so = "" if first.hidden else _so(cases, first)
    message = f"{routine.key}: {what}{_where(first)}: {first.failure.message}{so}"
    notes = [_line(routine, first.line, place), *_further(defects, first), *_callers(cases)]
    notes += [f"called by {label}" for label in scene.uses.get(routine.oid, ())]
    if routine.key not in where.declared and (caller := callers.get(routine.oid)) is not None:
        notes.append(f"called by {caller.key}")
    return Dead(
        fault=Fault.DEAD,
        key=routine.key,
        place=place,
        message=message,
        detail="; ".join(note for note in notes if note),
        sqlstate=first.failure.sqlstate,
    )


def _so(cases: Iterable[Case], first: Defect) -> str:
    """Return what fails on the tables whose triggers call the function."""
    by_table: dict[str, dict[str, None]] = {}
    always = not first.conditions
    for case in cases:
        if case.trigger is not None:
            always = always and not case.trigger.conditional
            by_table.setdefault(case.trigger.table.label, {})[case.event] = None
    every = "every " if always else ""
    fails = [f"{every}{' and '.join(events)} on {table}" for table, events in by_table.items()]
    return f", so {', '.join(fails)} fails" if fails else ""


def _callers(cases: Iterable[Case]) -> list[str]:
    by_trigger: dict[Key, list[str]] = {}
    for case in cases:
        if case.trigger is not None:
            by_trigger.setdefault(case.trigger.key, []).append(case.event)
    return [
        f"{' and '.join(events)} {'fire' if events[1:] else 'fires'} {key}"
        for key, events in by_trigger.items()
    ]


def _of_views(defects: Sequence[Defect], scene: Scene, where: Places) -> list[Dead]:
    told = []
    broken: dict[int, Defect] = {}
    for defect in (one for one in defects if not one.hidden):
        broken.setdefault(defect.case.routine.oid, defect)
    for view in scene.views:
        doing = "refreshing" if view.key.kind is Kind.MATERIALIZED_VIEW else "reading"
        place = where.declared.get(view.key) or where.last
        for oid in view.functions:
            if oid in broken:
                defect = broken[oid]
                told.append(
                    Dead(
                        fault=Fault.DEAD,
                        key=view.key,
                        place=place,
                        message=f"{view.key}: {doing} it fails{_where(defect)}:"
                        f" {defect.case.routine.key}: {defect.failure.message}",
                        detail=f"line {defect.line} of the function",
                        sqlstate=defect.failure.sqlstate,
                    )
                )
                break
        unfilled = [key for key in view.unfilled if key != view.key or key not in where.declared]
        if unfilled:
            told.append(_unfilled(view.key, unfilled[0], doing, place))
    return told


def _unfilled(view: Key, unfilled: Key, doing: str, place: Place) -> Dead:
    name = f'"{unfilled.schema}"."{unfilled.name}"'
    own = view == unfilled
    message = f"{view}: {'reading' if own else doing} it fails: "
    message += "it was never filled" if own else f"materialized view {unfilled} was never filled"
    return Dead(
        fault=Fault.DEAD,
        key=view,
        place=place,
        message=message,
        sqlstate="55000",
        fix=f"REFRESH MATERIALIZED VIEW {name};",
    )


def _first(defects: Sequence[Defect]) -> Defect:
    return min(defects, key=lambda d: (d.hidden, bool(d.conditions), d.line))


def _where(defect: Defect) -> str:
    """Return under which conditions, shortened: ` where a > 1 and b`."""
    if not defect.conditions:
        return ""
    text = " and ".join(defect.conditions)
    return f" where {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"


def _line(routine: Routine, line: int, place: Place) -> str:
    """Return where in the body, and in the file if the body is written there."""
    if not line:
        return ""
    start = place.sql.find(routine.source)
    if not routine.source or start < 0:
        return f"line {line} of its body"
    number = place.line + place.sql.count("\n", 0, start) + line - 1
    return f"line {line} of its body, {place.file.name}:{number}"


def _further(defects: Sequence[Defect], first: Defect) -> list[str]:
    seen = {(first.line, first.failure.message)}
    notes = []
    for defect in sorted(defects, key=lambda d: d.line):
        key = (defect.line, defect.failure.message)
        if key not in seen:
            seen.add(key)
            notes.append(f"also line {defect.line}: {defect.failure.message}{_where(defect)}")
    more = len(notes) - _MOST_SHOWN
    return [*notes[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _meant(defect: Defect, trigger: Trigger) -> str:
    name = defect.failure.message.rsplit('"', 2)[-2]
    close = get_close_matches(name, trigger.table.columns, n=1)
    return f"{trigger.table.label} has {close[0]}" if close else ""
