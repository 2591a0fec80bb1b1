"""Rows of catalogue.sql → the scene, and what of it the migrations make ours to look at. Pure."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pgwatch.migration.extract import function_name, identity_arguments
from pgwatch.migration.liveness.routine import (
    Argument,
    Routine,
    Scene,
    Table,
    Trigger,
    Type,
    View,
)
from pgwatch.migration.objects import Declarations, Key, Kind
from pgwatch.migration.parse import parse_statements

_SQL = (Path(__file__).parent / "catalogue.sql").read_text(encoding="utf-8")
_EVENTS = ((4, "INSERT"), (16, "UPDATE"), (8, "DELETE"), (32, "TRUNCATE"))  # pg_trigger.h
_ROW, _BEFORE, _INSTEAD = 1, 2, 64
_NAME_IN_PATH = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')


def touched_tables(declarations: Declarations) -> set[Key]:
    """Return the tables whose own definition, or what hangs on them, the migrations change."""
    tables = set()
    for declared in declarations.objects:
        key = declared.key
        if key.table:
            tables.add(Key(Kind.TABLE, key.schema, key.table))
        elif key.kind in (Kind.TABLE, Kind.VIEW) and not declared.gone:
            tables.add(Key(Kind.TABLE, key.schema, key.name))
        elif (table := declared.facets.get("table")) is not None:
            schema, _, name = str(table.value).rpartition(".")
            tables.add(Key(Kind.TABLE, schema or "public", name))
    return tables


def declared_keys(declarations: Declarations, *kinds: Kind) -> set[Key]:
    """Return what the migrations leave behind of `kinds`."""
    return {d.key for d in declarations.objects if d.key.kind in kinds and not d.gone}


def question(declarations: Declarations) -> str:
    """Return the statement that reads everything that `declarations` make worth looking at."""
    views = declared_keys(declarations, Kind.VIEW, Kind.MATERIALIZED_VIEW)
    wanted = [("table", key.schema, key.name) for key in touched_tables(declarations)]
    wanted += [("view", key.schema, key.name) for key in views]
    for key in declared_keys(declarations, Kind.FUNCTION):
        wanted.append(("function", key.schema, key.name.split("(")[0]))
    return asked(wanted)


def asked(wanted: Iterable[tuple[str, str, str]]) -> str:
    """Return catalogue.sql for rows of (kind, schema, name)."""
    rows = [{"kind": kind, "schema": schema, "name": name} for kind, schema, name in sorted(wanted)]
    literal = json.dumps(rows, ensure_ascii=False).replace("'", "''")
    return _SQL.replace(":wanted", f"'{literal}'")


def scene_of(rows: Iterable[tuple[str, dict[str, Any]]]) -> Scene:
    """Return the scene that the rows of catalogue.sql tell; raises UnparsableError."""
    routines, triggers, views = {}, [], []
    uses: dict[int, list[str]] = {}
    names: dict[str, Any] = {}
    for kind, facts in rows:
        if kind == "routine":
            routines[facts["oid"]] = _routine(facts)
        elif kind == "trigger":
            triggers.append(_trigger(facts))
        elif kind == "view":
            views.append(_view(facts))
        elif kind == "caller":
            uses.setdefault(facts["function"], []).append(facts["label"])
        else:
            names = facts
    return Scene(
        routines=routines,
        triggers=tuple(sorted(triggers, key=lambda one: one.key)),
        views=tuple(sorted(views, key=lambda one: one.key)),
        uses={oid: tuple(sorted(set(labels))) for oid, labels in uses.items()},
        relations=frozenset(names["relations"] or ()),
        functions=frozenset(names["functions"] or ()),
        schemas=_own_schemas(names["paths"] or (), names["schemas"] or ()),
        hidden=frozenset(names["hidden"] or ()),
    )


def _own_schemas(paths: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the schemas of ALTER DATABASE … and ALTER ROLE … SET search_path that are there."""
    named = [name for path in paths for name in path_names(path.partition("=")[2])]
    return tuple(name for name in dict.fromkeys(named) if name in set(known))


def path_names(path: str) -> list[str]:
    """Return the schemas of a search_path as it is written in a setting."""
    return [
        quoted.replace('""', '"') if quoted else plain.lower()
        for quoted, plain in _NAME_IN_PATH.findall(path)
    ]


def _routine(facts: dict[str, Any]) -> Routine:
    [(_, node)] = parse_statements(facts["definition"])
    types = facts["types"] or []
    names = facts["names"] or [""] * len(types)
    modes = facts["modes"] or ["i"] * len(types)
    arguments = tuple(
        Argument(name=name or "", mode=mode, type=_type(one))
        for name, mode, one in zip(names, modes, types, strict=True)
    )
    settings = dict(one.split("=", 1) for one in facts["config"] or ())
    columns = tuple((oid, modifier) for oid, modifier in facts["columns"] or ())
    outs = [(one.type.oid, -1) for one in arguments if one.mode in ("o", "b", "t")]
    return Routine(
        oid=facts["oid"],
        key=Key(
            Kind.FUNCTION,
            facts["schema"],
            function_name(node.funcname, identity_arguments(node)),
        ),
        language=facts["language"],
        source=facts["source"],
        arguments=arguments,
        returns=facts["returns"],
        columns=tuple(outs) or columns or _scalar(facts),
        returns_set=facts["returns_set"],
        composite=facts["composite"],
        bound=facts["bound"],
        path=settings.get("search_path"),
    )


def _scalar(facts: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    return () if facts["returns"] == "record" else ((facts["returns_oid"], -1),)


def _type(facts: dict[str, Any]) -> Type:
    if facts["kind"] == "p":
        return Type(sql="", record=facts["name"] == "record", oid=facts["oid"])
    return Type(sql=facts["sql"], composite=facts["kind"] == "c", oid=facts["oid"])


def _trigger(facts: dict[str, Any]) -> Trigger:
    bits = facts["type"]
    timing = "BEFORE" if bits & _BEFORE else "INSTEAD OF" if bits & _INSTEAD else "AFTER"
    arguments = bytes.fromhex(facts["arguments"]).decode(errors="replace").split("\0")[:-1]
    table = Table(
        schema=facts["schema"], name=facts["table"], columns=tuple(facts["columns"] or ())
    )
    return Trigger(
        key=Key(Kind.TRIGGER, facts["schema"], facts["name"], facts["table"]),
        table=table,
        function=facts["function"],
        events=tuple(name for bit, name in _EVENTS if bits & bit),
        timing=timing,
        level="ROW" if bits & _ROW else "STATEMENT",
        arguments=tuple(arguments),
        transition_tables=tuple(name for name in facts["transition"] if name),
        conditional=facts["conditional"],
    )


def _view(facts: dict[str, Any]) -> View:
    kind = Kind.VIEW if facts["relkind"] == "v" else Kind.MATERIALIZED_VIEW
    return View(
        key=Key(kind, facts["schema"], facts["name"]),
        functions=tuple(facts["functions"] or ()),
        unfilled=tuple(
            Key(Kind.MATERIALIZED_VIEW, schema, name) for schema, name in facts["unfilled"] or ()
        ),
    )


def ours(scene: Scene, declarations: Declarations) -> set[int]:
    """Return the oids of the functions that are declared, or that something touched calls."""
    declared = declared_keys(declarations, Kind.FUNCTION)
    oids = {oid for oid, routine in scene.routines.items() if routine.key in declared}
    oids |= {trigger.function for trigger in scene.triggers}
    oids |= {oid for view in scene.views for oid in view.functions}
    oids |= set(scene.uses)
    return oids & set(scene.routines)
