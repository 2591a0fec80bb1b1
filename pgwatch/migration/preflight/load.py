"""The scene before the first statement: one read of the catalogue."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pgwatch.migration.parse import UnparsableError, parse_type, type_text
from pgwatch.migration.preflight.facts import Builtin, Facts, OperatorClass, SystemFunction
from pgwatch.migration.preflight.objects import (
    Column,
    Constraint,
    Function,
    Index,
    Policy,
    Ref,
    Relation,
    Trigger,
    Type,
)
from pgwatch.migration.preflight.scene import Scene
from pgwatch.targets.session import Session

_SQL = (Path(__file__).parent / "scene.sql").read_text(encoding="utf-8")
_LIMIT = timedelta(seconds=30)
_Facts = dict[str, Any]
_WITHOUT_LENGTH = {"character": "bpchar", "bit": "bit"}


async def load(session: Session, words: Iterable[str]) -> tuple[Scene, Facts]:
    """Return the database as it is, and what its server brings of what `words` name.

    Raises what `Session.run` raises.
    """
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(set(words)))
    answer = await session.run(_SQL.replace(":words", f"ARRAY[{quoted}]::text[]"), limit=_LIMIT)
    rows: defaultdict[str, list[_Facts]] = defaultdict(list)
    for kind, facts in answer.rows:
        rows[kind].append(facts)
    return _scene(rows), _server(rows)


@cache
def normal(text: str) -> str:
    """Return a type as type_text spells it; raises UnparsableError.

    `character` and `bit` are what format_type calls those without a length; said in SQL they have one.
    """
    bare = text.removesuffix("[]")
    if bare in _WITHOUT_LENGTH:
        return _WITHOUT_LENGTH[bare] + text.removeprefix(bare)
    try:
        return type_text(parse_type(text))
    except (UnparsableError, ValueError, AttributeError):
        return text


def _scene(rows: dict[str, list[_Facts]]) -> Scene:
    scene = Scene(
        schemas={one["name"]: True for one in rows["schema"]},
        extensions={one["name"]: one["schema"] for one in rows["extension"]},
        statistics=frozenset((one["schema"], one["name"]) for one in rows["statistics"]),
        roles=frozenset(one["name"] for one in rows["role"]),
        publications=frozenset(rows["self"][0]["publications"] or ()),
    )
    for one in rows["relation"]:
        scene.put(_relation(one))
    for one in rows["constraint"]:
        constraint = _constraint(one)
        scene.constraints[constraint.table, constraint.name] = constraint
    for one in rows["trigger"]:
        trigger = _trigger(one)
        scene.triggers[trigger.table, trigger.name] = trigger
    for one in rows["policy"]:
        scene.policies[one["table"], one["name"]] = _policy(one)
    for one in rows["rule"]:
        scene.rules[one["table"], one["name"]] = _policy(one)
    for one in rows["type"]:
        scene.put_type(_type(one))
    for one in rows["function"]:
        scene.put_function(_function(one))
    return scene


def _refs(refs: list[list[Any]] | None) -> frozenset[Ref]:
    return frozenset((kind, oid, number) for kind, oid, number in refs or ())


def _relation(one: _Facts) -> Relation:
    owner = one["owned_by"]
    return Relation(
        oid=one["oid"],
        kind=one["kind"],
        schema=one["schema"],
        name=one["name"],
        columns=tuple(_column(column) for column in one["columns"] or ()),
        index=_index(one["index"]) if one["index"] else None,
        persistence=one["persistence"],
        populated=one["populated"],
        strategy=one["strategy"] or "",
        key=tuple(one["key"] or ()),
        parents=tuple(one["parents"] or ()),
        bound=one["bound"] or "",
        uses=frozenset(ref for ref in _refs(one["uses"]) if ref[:2] != ("relation", one["oid"])),
        owned_by=(owner[0], owner[1]) if owner else None,
        identity=bool(owner) and owner[2] == "i",
        row_security=one["row_security"],
        extension=one["extension"] or "",
        live=(one["schema"], one["name"]),
    )


def _column(fields: list[Any]) -> Column:
    """Return a column; the fields have the order of scene.sql."""
    name, number, type_, not_null, default, identity, generated, inherited, uses = fields
    return Column(
        name=name,
        number=number,
        type=normal(type_),
        not_null=not_null,
        default="" if generated.strip() else default or "",
        identity=identity.strip(),
        generated=(default or "") if generated.strip() else "",
        inherited=inherited,
        uses=_refs(uses),
        live=name,
    )


def _index(one: _Facts) -> Index:
    columns = one["columns"]
    uses = {number for _, oid, number in _refs(one["uses"]) if oid == one["table"]}
    return Index(
        table=one["table"],
        unique=one["unique"],
        columns=tuple(columns[: one["keys"]]),
        shape=one["definition"],
        plain=one["plain"],
        predicate=one["predicate"] or "",
        expressions=(one["expressions"],) if one["expressions"] else (),
        uses=frozenset(number for number in {*columns, *uses} if number > 0),
        primary=one["primary"],
        valid=one["valid"],
        constraint=one["constraint"] or "",
        immediate=one["immediate"],
    )


def _constraint(one: _Facts) -> Constraint:
    return Constraint(
        table=one["table"],
        name=one["name"],
        kind=one["kind"],
        columns=tuple(one["columns"] or ()),
        expression=one["expression"] or "",
        references=one["references"],
        referenced=tuple(one["referenced"] or ()),
        index=one["index"],
        validated=one["validated"],
        enforced=one["enforced"],
        inherited=one["inherited"],
        deferrable=one["deferrable"],
        match_full=one["kind"] == "f" and " MATCH FULL" in one["definition"],
        on_delete=_on_delete(one["definition"]) if one["kind"] == "f" else "",
        uses=_refs(one["uses"]),
        shape=one["definition"],
    )


def _on_delete(definition: str) -> str:
    _, _, action = definition.partition(" ON DELETE ")
    words = {"RESTRICT": "r", "CASCADE": "c", "SET NULL": "n", "SET DEFAULT": "d"}
    return next((letter for word, letter in words.items() if action.startswith(word)), "a")


def _trigger(one: _Facts) -> Trigger:
    uses = _refs(one["uses"])
    columns = {number for kind, oid, number in uses if oid == one["table"] and number}
    return Trigger(
        table=one["table"],
        name=one["name"],
        function=one["function"],
        columns=frozenset(columns),
        shape=one["definition"],
        definition=one["definition"],
        enabled=one["enabled"],
        inherited=one["inherited"],
    )


def _policy(one: _Facts) -> Policy:
    return Policy(table=one["table"], name=one["name"], uses=_refs(one["uses"]))


def _type(one: _Facts) -> Type:
    return Type(
        oid=one["oid"],
        kind=one["kind"],
        schema=one["schema"],
        name=one["name"],
        labels=tuple(one["labels"] or ()),
        base=normal(one["base"]) if one["base"] else "",
        not_null=one["not_null"],
        live=True,
        extension=one["extension"] or "",
    )


def _function(one: _Facts) -> Function:
    inputs = tuple(normal(type_) for type_ in one["input"] or ())
    every = tuple(normal(type_) for type_ in one["all"] or ()) or inputs
    modes = one["modes"] or ["i"] * len(every)
    names = one["names"] or [""] * len(every)
    rows = list(zip(every, modes, names, strict=True))
    return Function(
        oid=one["oid"],
        schema=one["schema"],
        name=one["name"],
        kind=one["kind"],
        arguments=inputs,
        names=tuple(name for _, mode, name in rows if mode in "ibv"),
        defaults=one["defaults"],
        variadic=one["variadic"],
        returns=normal(one["returns"]) if one["returns"] and one["kind"] != "p" else "",
        returns_set=one["set"],
        outputs=tuple((name, type_) for type_, mode, name in rows if mode in "bot"),
        language=one["language"],
        volatility=one["volatility"],
        live=True,
        extension=one["extension"] or "",
        uses=_refs(one["uses"]),
        shape=one["source"],
    )


def _server(rows: dict[str, list[_Facts]]) -> Facts:
    [self] = rows["self"]
    functions: defaultdict[str, list[SystemFunction]] = defaultdict(list)
    for one in rows["system function"]:
        functions[one["name"]].append(
            SystemFunction(
                kind=one["kind"],
                volatility=one["volatility"],
                arguments=tuple(normal(type_) for type_ in one["arguments"] or ()),
                returns_set=one["set"],
            )
        )
    return Facts(
        version=self["version"],
        role=self["role"],
        database=self["database"],
        types={
            one["name"]: Builtin(name=one["name"], category=one["category"])
            for one in rows["builtin"]
        },
        casts={
            (normal(one["source"]), normal(one["target"])): (one["context"], one["volatility"])
            for one in rows["cast"]
        },
        functions={name: tuple(found) for name, found in functions.items()},
        relations=frozenset((one["schema"], one["name"]) for one in rows["system relation"]),
        opclasses=tuple(
            OperatorClass(
                name=one["name"],
                method=one["method"],
                type=normal(one["type"]),
                default=one["default"],
            )
            for one in rows["opclass"]
        ),
        available=_names(rows["available"]),
        languages=_names(rows["language"]),
        collations=_names(rows["collation"]),
        methods={one["name"]: one["kind"] for one in rows["method"]},
        tablespaces=_names(rows["tablespace"]),
    )


def _names(rows: list[_Facts]) -> frozenset[str]:
    return frozenset(one["name"] for one in rows)
