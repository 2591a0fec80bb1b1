"""Judge whether what migrations made, and what hangs on what they touched, can run."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from pgwatch.migration.liveness.analyse import Analysis, analyse
from pgwatch.migration.liveness.findings import Dead, findings, places
from pgwatch.migration.liveness.routine import Routine, Scene
from pgwatch.migration.liveness.scene import asked, ours, question, scene_of
from pgwatch.migration.objects import Declarations
from pgwatch.targets.session import Session

_LIMIT = timedelta(seconds=30)
_MOST_DEEP = 4  # functions that functions call that functions call …
_MOST_CALLED = 500
# What bodies are analysed under, whatever the role's own settings are; nothing is run, so no row is read.
_SETTINGS = "SET standard_conforming_strings = on; SET row_security = on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What was found, and how much was looked at."""

    dead: tuple[Dead, ...]
    routines: int
    notes: tuple[str, ...] = ()  # what nobody can judge by reading, and so was not


async def judge_liveness(session: Session, declarations: Declarations) -> Liveness:
    """Return what cannot run.

    Reads the catalogue once, again for what is called from bodies, and lets the server analyse what
    the bodies contain: nothing is planned or run. Raises what `Session.run` raises, and UnparsableError.
    """
    where = places(declarations)
    if where is None:
        return Liveness(dead=(), routines=0)
    session.schemas = tuple(dict.fromkeys((*session.schemas, *declarations.schemas)))
    scene = scene_of((await session.run(question(declarations), limit=_LIMIT)).rows)
    scene = replace(scene, schemas=tuple(dict.fromkeys((*declarations.schemas, *scene.schemas))))
    for setting in _SETTINGS.split("; "):
        await session.run(setting, limit=_LIMIT)
    oids = ours(scene, declarations)
    analysis = await analyse(session, scene, oids)
    callers = await _follow(session, scene, analysis, oids)
    routines = [*(scene.routines[oid] for oid in oids)]
    return Liveness(
        dead=tuple(findings(analysis.defects, analysis.untold, scene, where, callers)),
        routines=len(routines) + len(callers),
        notes=tuple(_notes(analysis, routines)),
    )


async def _follow(
    session: Session, scene: Scene, analysis: Analysis, seen: Collection[int]
) -> dict[int, Routine]:
    """Analyse what the analysed bodies call, and so on; returns who calls each of them.

    A name that several functions have is left out: which one is meant only a call tells.
    """
    callers: dict[int, Routine] = {}
    done = {scene.routines[oid].key.name.split("(")[0] for oid in seen}
    fresh = dict(analysis.callees)
    for _ in range(_MOST_DEEP):
        names = sorted(name for name in fresh if name in scene.functions and name not in done)
        names = names[: _MOST_CALLED - len(callers)]
        if not names:
            break
        done |= set(names)
        await session.run("RESET search_path", limit=_LIMIT)
        rows = (await session.run(asked([("function", "", n) for n in names]), limit=_LIMIT)).rows
        found = scene_of(rows)
        by_name: dict[str, list[Routine]] = {}
        for routine in found.routines.values():
            by_name.setdefault(routine.key.name.split("(")[0], []).append(routine)
        own = [many[0] for many in by_name.values() if len(many) == 1]
        callers |= {r.oid: fresh[r.key.name.split("(")[0]] for r in own if r.oid not in seen}
        inner = replace(
            found, schemas=scene.schemas, routines={r.oid: r for r in own}, triggers=(), views=()
        )
        deeper = await analyse(session, inner, [r.oid for r in own if r.oid not in seen])
        analysis.defects += deeper.defects
        analysis.untold += deeper.untold
        analysis.dynamic |= deeper.dynamic
        fresh = deeper.callees
    return callers


def _notes(analysis: Analysis, routines: Collection[Routine]) -> list[str]:
    notes = []
    if analysis.dynamic:
        count = len(analysis.dynamic)
        notes.append(
            f"{count} function{'s' * (count != 1)} with EXECUTE: what that runs is not judged"
        )
    others = sorted({r.language for r in routines if r.language not in ("plpgsql", "sql")})
    if others:
        notes.append(f"functions in {', '.join(others)} are not judged")
    return notes
