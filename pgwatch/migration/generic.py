"""DROP, RENAME, SET SCHEMA, OWNER, COMMENT and GRANT, which every kind of object shares. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pgwatch.migration.objects import Key, Kind, Value
from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.routines import function_key
from pgwatch.migration.state import State
from pgwatch.migration.types import named, rename_attribute

_RELATIONS = {
    pb.OBJECT_TABLE: Kind.TABLE,
    pb.OBJECT_VIEW: Kind.VIEW,
    pb.OBJECT_MATVIEW: Kind.MATERIALIZED_VIEW,
    pb.OBJECT_INDEX: Kind.INDEX,
    pb.OBJECT_SEQUENCE: Kind.SEQUENCE,
}
_IN_A_SCHEMA = {pb.OBJECT_STATISTIC_EXT: Kind.STATISTICS}
_TYPES = {pb.OBJECT_TYPE: Kind.TYPE, pb.OBJECT_DOMAIN: Kind.DOMAIN}
_OF_TABLE = {
    pb.OBJECT_TRIGGER: Kind.TRIGGER,
    pb.OBJECT_POLICY: Kind.POLICY,
    pb.OBJECT_TABCONSTRAINT: Kind.CONSTRAINT,
    pb.OBJECT_COLUMN: Kind.COLUMN,
}
_UNSCHEMED = {
    pb.OBJECT_SCHEMA: Kind.SCHEMA,
    pb.OBJECT_EXTENSION: Kind.EXTENSION,
    pb.OBJECT_ROLE: Kind.ROLE,
}
_ROUTINES = frozenset({pb.OBJECT_FUNCTION, pb.OBJECT_PROCEDURE, pb.OBJECT_ROUTINE})
# What ALL PRIVILEGES means, without MAINTAIN, which servers before 17 do not have (acl.h).
_ALL = {
    pb.OBJECT_TABLE: ("select", "insert", "update", "delete", "truncate", "references", "trigger"),
    pb.OBJECT_SEQUENCE: ("usage", "select", "update"),
    pb.OBJECT_FUNCTION: ("execute",),
    pb.OBJECT_SCHEMA: ("usage", "create"),
}

_IN_SCHEMA = {
    pb.OBJECT_TABLE: (Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW),
    pb.OBJECT_SEQUENCE: (Kind.SEQUENCE,),
    pb.OBJECT_FUNCTION: (Kind.FUNCTION,),
}


def target(state: State, kind: int, node: Node) -> Key | None:  # noqa: PLR0911 - one for each kind
    """Return the key of what a statement of `kind` (ObjectType) names; None: of a kind not compared."""
    shape, value = opened(node)
    if kind in _ROUTINES:
        return function_key(state, value)
    if kind in _UNSCHEMED:
        return Key(_UNSCHEMED[kind], "", value.sval)
    if kind in _TYPES:
        names = value.names if shape == "type_name" else value.items
        key = named(state, _TYPES[kind], names)
        other = replace(key, kind=Kind.DOMAIN if key.kind is Kind.TYPE else Kind.TYPE)
        return other if state.exists(other) and not state.exists(key) else key
    if kind == pb.OBJECT_DOMCONSTRAINT:
        domain = named(state, Kind.DOMAIN, value.items[0].type_name.names)
        return Key(Kind.CONSTRAINT, domain.schema, value.items[1].string.sval, domain.name)
    names = strings(value.items) if shape == "list" else ()
    if kind in _RELATIONS:
        return state.relation(names[-2] if len(names) > 1 else "", names[-1], _RELATIONS[kind])
    if kind in _IN_A_SCHEMA:
        return Key(_IN_A_SCHEMA[kind], names[-2] if names[:-1] else state.search_path[0], names[-1])
    if kind in _OF_TABLE:
        *schema, table, name = names
        owner = state.relation(schema[-1] if schema else "", table)
        return Key(_OF_TABLE[kind], owner.schema, name, owner.name)
    return None


def drop(state: State, node: Node) -> None:
    """DROP of anything."""
    for item in node.objects:
        key = target(state, node.remove_type, item)
        if key is None:
            state.unknown(f"a dropped {_words(node.remove_type)} is not looked for")
        else:
            if key.kind in _RELATIONS.values():
                key = replace(key, kind=_RELATIONS[node.remove_type])
            state.drop(key, cascade=node.behavior == pb.DROP_CASCADE)


def rename(state: State, node: Node) -> None:
    """ALTER … RENAME."""
    kind, relation = node.rename_type, node.relation
    state.optional = node.missing_ok
    if kind == pb.OBJECT_ATTRIBUTE:
        rename_attribute(state, node)
        return
    if kind in _RELATIONS:
        key = state.relation(relation.schemaname, relation.relname, _RELATIONS[kind])
        key = _constraint_of(state, key) or key
    elif kind in (pb.OBJECT_COLUMN, pb.OBJECT_TABCONSTRAINT, pb.OBJECT_TRIGGER, pb.OBJECT_POLICY):
        table = state.relation(relation.schemaname, relation.relname)
        key = Key(_OF_TABLE[kind], table.schema, node.subname, table.name)
    elif kind in (pb.OBJECT_SCHEMA, pb.OBJECT_ROLE):
        key = Key(_UNSCHEMED[kind], "", node.subname)
    else:
        found = target(state, kind, node.object)
        if found is None:
            state.unknown(f"a renamed {_words(kind)} is not looked for")
            return
        key = found
    name = node.newname
    if key.kind is Kind.FUNCTION:
        name += key.name[key.name.index("(") :]
    state.rename(key, replace(key, name=name))


def _constraint_of(state: State, index: Key) -> Key | None:
    """Return the declared constraint that an index belongs to: they share a name, for good."""
    if index.kind is not Kind.INDEX or state.exists(index):
        return None
    same = (Kind.CONSTRAINT, index.schema, index.name)
    return next((k for k in state.objects if (k.kind, k.schema, k.name) == same), None)


def set_schema(state: State, node: Node) -> None:
    """ALTER … SET SCHEMA."""
    if node.object_type in _RELATIONS:
        relation = node.relation
        key = state.relation(relation.schemaname, relation.relname, _RELATIONS[node.object_type])
    else:
        found = target(state, node.object_type, node.object)
        if found is None or not found.schema:
            state.unknown("what was moved to another schema is not looked for")
            return
        key = found
    state.rename(key, replace(key, schema=node.newschema))


def set_owner(state: State, node: Node) -> None:
    """ALTER … OWNER TO."""
    key = target(state, node.object_type, node.object)
    if key is None:
        state.unknown(f"the owner of a {_words(node.object_type)} is not compared")
    elif node.newowner.rolename:
        state.change(key, {"owner": node.newowner.rolename})


def comment(state: State, node: Node) -> None:
    """COMMENT ON."""
    key = target(state, node.objtype, node.object)
    if key is None:
        state.unknown(f"the comment on a {_words(node.objtype)} is not compared")
    else:
        state.change(key, {"comment": node.comment or "none"})


def grant(state: State, node: Node) -> None:
    """GRANT and REVOKE, also on columns, and on everything in a schema that is declared so far."""
    if node.targtype == pb.ACL_TARGET_DEFAULTS or node.objtype not in (*_ALL, *_ROUTINES):
        state.unknown("these privileges are not compared")
        return
    kind = pb.OBJECT_FUNCTION if node.objtype in _ROUTINES else node.objtype
    given = [item.access_priv for item in node.privileges]
    whole = [one.priv_name for one in given if not one.cols] or ([] if given else list(_ALL[kind]))
    for key in _grantees(state, kind, node):
        if whole:
            state.change(key, _privileges(node, whole))
        for one in given:
            for column in strings(one.cols):
                of = Key(Kind.COLUMN, key.schema, column, key.name)
                state.change(of, _privileges(node, [one.priv_name or "all"]))


def _privileges(node: Node, names: Iterable[str]) -> dict[str, Value]:
    return {
        f"privilege {name} of {role}": "granted" if node.is_grant else "not granted"
        for name in names
        for role in _roles(node.grantees)
    }


def _grantees(state: State, kind: int, node: Node) -> list[Key]:
    """Return on what is granted."""
    if node.targtype == pb.ACL_TARGET_OBJECT:
        return [_granted(state, kind, item) for item in node.objects]
    schemas = {opened(item)[1].sval for item in node.objects}
    kinds = _IN_SCHEMA[kind]
    procedures = (node.objtype == pb.OBJECT_FUNCTION, "procedure")
    return [
        key
        for key in state.objects
        if key.kind in kinds
        and key.schema in schemas
        and state.exists(key)
        and procedures != (True, state.facet(key, "kind"))
    ]


def _granted(state: State, kind: int, item: Node) -> Key:
    _, value = opened(item)
    if kind == pb.OBJECT_SCHEMA:
        return Key(Kind.SCHEMA, "", value.sval)
    if kind == pb.OBJECT_FUNCTION:
        return function_key(state, value)
    default = Kind.SEQUENCE if kind == pb.OBJECT_SEQUENCE else Kind.TABLE
    return state.relation(value.schemaname, value.relname, default)


def _roles(nodes: Node) -> Iterator[str]:
    for item in nodes:
        role = item.role_spec
        if role.roletype == pb.ROLESPEC_PUBLIC:
            yield "public"
        elif role.rolename:
            yield role.rolename


def _words(kind: int) -> str:
    name: str = pb.ObjectType.Name(kind)
    return name.removeprefix("OBJECT_").replace("_", " ").lower()
