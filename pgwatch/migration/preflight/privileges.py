"""Whether our role may do what a migration needs: its needs, beside what the server grants."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pgwatch.migration.objects import Place
from pgwatch.migration.preflight.needs import OWN, SUPERUSER, Need, needs
from pgwatch.migration.preflight.row_queries import identifier, literal
from pgwatch.migration.preflight.steps import Step, set_to
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

_SQL = (Path(__file__).parent / "privileges.sql").read_text(encoding="utf-8")
_LIMIT = timedelta(seconds=10)
_SHOWN = 3  # names in one message
_Key = tuple[str, str, str]  # kind, schema, name


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """One thing that our role may not do, and the statements that need it."""

    place: Place  # of the first of them
    more: int  # how many others
    kind: str  # of the object
    object: str
    message: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    owner: str
    owned: bool  # an extension: installed
    granted: frozenset[str]


async def lacking(session: Session, steps: Iterable[Step], info: ServerInfo) -> list[Lack]:
    """Return what the role that we are connected as lacks; raises as `Session.run` does.

    What an earlier statement of the migration creates belongs to the role then, and counts for nothing.
    """
    if info.is_superuser:
        return []
    asked = _asked(steps)
    names = sorted({need.name for need in asked if need.name})
    array = f"(ARRAY[{', '.join(map(literal, names))}]::text[])"
    answer = await session.run(_SQL.replace(":names", array), limit=_LIMIT)
    grants = {
        (kind, schema, name): _Grant(owner=owner, owned=bool(owned), granted=frozenset(granted))
        for kind, schema, name, owner, owned, granted in answer.rows
    }
    return [*_foreign(asked, grants, info), *_missing(asked, grants, info)]


def _foreign(
    asked: Mapping[Need, list[Place]], grants: Mapping[_Key, _Grant], info: ServerInfo
) -> Iterator[Lack]:
    """Iterate over the owners whose objects the migration changes: one lack for each."""
    by_owner: dict[str, list[tuple[Need, list[Place]]]] = {}
    for need, places in asked.items():
        if owner := _foreign_owner(need, grants):
            by_owner.setdefault(owner, []).append((need, places))
    for owner, theirs in by_owner.items():
        names = [f"{need.kind} {need.schema}.{need.name}".replace(" .", " ") for need, _ in theirs]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        verb = "belongs" if len(names) == 1 else "belong"
        places = [place for _, all_ in theirs for place in all_]
        yield Lack(
            place=places[0],
            more=len(places) - 1,
            kind=theirs[0][0].kind,
            object=_object(theirs[0][0], info),
            message=f"{', '.join(names[:_SHOWN])}{more} {verb} to {owner}",
            cure=f"run the migration and this check as {identifier(owner)}, or GRANT {identifier(owner)} TO"
            f" {identifier(info.user)};",
        )


def _foreign_owner(need: Need, grants: Mapping[_Key, _Grant]) -> str:
    grant = grants.get((need.kind, need.schema, need.name))
    return grant.owner if need.privilege == OWN and grant is not None and not grant.owned else ""


def _missing(
    asked: Mapping[Need, list[Place]], grants: Mapping[_Key, _Grant], info: ServerInfo
) -> Iterator[Lack]:
    """Iterate over the privileges that are missing on what the role need not own."""
    foreign = {(need.schema, need.name) for need in asked if _foreign_owner(need, grants)}
    for need, places in asked.items():
        if need.privilege == OWN or (
            need.kind == "relation" and (need.schema, need.name) in foreign
        ):
            continue  # its owner may do the rest, too
        if lack := _judged(need, grants, info):
            message, cure = lack
            yield Lack(
                place=places[0],
                more=len(places) - 1,
                kind=need.kind,
                object=_object(need, info),
                message=message,
                cure=cure,
            )


def _object(need: Need, info: ServerInfo) -> str:
    return ".".join(filter(None, (need.schema, need.name))) or info.database


def _asked(steps: Iterable[Step]) -> dict[Need, list[Place]]:
    asked: dict[Need, list[Place]] = {}
    schema = "public"
    created = set[str]()
    for step in steps:
        if step.kind == "variable_set_stmt" and step.node.name == "search_path":
            schema = next(iter(set_to(step.node)), "public")
        if step.kind == "create_schema_stmt":
            created.add(step.node.schemaname)
        for need in needs(step.kind, step.node):
            full = _completed(need, schema)
            if full.kind != "schema" or full.name not in created:
                asked.setdefault(full, []).append(step.place)
    return asked


def _completed(need: Need, schema: str) -> Need:
    """Return the need with the schema in which an unqualified name is looked for."""
    if need.kind == "schema" and not need.name:
        return Need(kind="schema", name=schema, privilege=need.privilege)
    if need.kind in ("relation", "function", "type") and not need.schema:
        return Need(kind=need.kind, schema=schema, name=need.name, privilege=need.privilege)
    return need


def _judged(need: Need, grants: Mapping[_Key, _Grant], info: ServerInfo) -> tuple[str, str] | None:
    """Return what is lacking and its cure; None if it is there, or the object is not."""
    role = identifier(info.user)
    if need.privilege == SUPERUSER:
        return f"{need.name} needs a superuser", f"run the migration as a superuser, not as {role}"
    name = need.name if need.kind != "database" else info.database
    grant = grants.get((need.kind, need.schema, name))
    if need.kind == "extension":
        return _extension(need, grant, grants, info)
    if grant is None or grant.owned or need.privilege in grant.granted:
        return None
    shown = ".".join(map(identifier, filter(None, (need.schema, name))))
    of = {"relation": "", "schema": "SCHEMA ", "database": "DATABASE "}[need.kind]
    statement = f"GRANT {need.privilege} ON {of}{shown} TO {role};"
    return f"the privilege {need.privilege} on {need.kind} {shown} is missing", statement


def _extension(
    need: Need, grant: _Grant | None, grants: Mapping[_Key, _Grant], info: ServerInfo
) -> tuple[str, str] | None:
    if grant is None or grant.owned:
        return None  # not available: the preflight says that it fails; installed: nothing to create
    create = f"CREATE EXTENSION {identifier(need.name)};  -- once, as a superuser"
    if "TRUSTED" not in grant.granted:
        return f"extension {need.name} can be created by a superuser only", create
    database = grants["database", "", info.database]
    if database.owned or "CREATE" in database.granted:
        return None
    return (
        f"extension {need.name} needs the privilege CREATE on the database",
        f"GRANT CREATE ON DATABASE {identifier(info.database)} TO {identifier(info.user)};",
    )
