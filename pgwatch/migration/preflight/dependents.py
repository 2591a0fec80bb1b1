"""What depends on an object: what keeps it from going, and what goes with it. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Constraint, Function, Ref, Relation
from pgwatch.migration.preflight.scene import Scene
from pgwatch.migration.preflight.stage import Stage


def drop_relation(
    stage: Stage, relation: Relation, *, cascade: bool, also: Iterable[int] = ()
) -> None:
    """Drop a relation; fails where something outside `also` depends on it, unless it cascades."""
    scene = stage.scene
    if relation.oid not in scene.relations:
        return
    parts = [one for one in scene.children(relation.oid) if one.kind in "rpf"]
    below = {one.oid for one in scene.descendants(relation.oid) if one.bound}
    going = {*also, relation.oid, *below}
    blocker = None if cascade else _blocker(stage, relation, parts, going)
    if blocker is not None:
        raise stage.fail(
            "2BP01",
            f"cannot drop {relation.words} {relation.name} because other objects depend on it:"
            f" {blocker}",
        )
    _remove_users(stage, ("relation", relation.oid), going)
    for constraint in _referring(scene, relation):
        scene.constraints.pop((constraint.table, constraint.name), None)
    for part in parts:
        drop_relation(stage, part, cascade=cascade, also=going | {one.oid for one in parts})
    for one in _owned(scene, relation):
        if one.kind == "S":
            _remove_users(stage, ("relation", one.oid), going)
        forget(scene, one)
    forget(scene, relation)


def _blocker(
    stage: Stage, relation: Relation, parts: Iterable[Relation], going: set[int]
) -> str | None:
    """Return what keeps a relation from going without CASCADE."""
    for part in parts:
        if not part.bound and part.oid not in going:
            return f"table {part.name}"
    users = _users(stage, ("relation", relation.oid), going)
    for constraint in _referring(stage.scene, relation):
        if constraint.table not in going and not constraint.inherited:
            table = stage.scene.relations[constraint.table]
            users.append(f"constraint {constraint.name} on table {table.name}")
    for one in _owned(stage.scene, relation):
        if one.kind == "S":
            users += _users(stage, ("relation", one.oid), going)
    return users[0] if users else None


def _referring(scene: Scene, relation: Relation) -> list[Constraint]:
    """Return the foreign keys of other tables that refer to a relation."""
    return [
        one
        for one in scene.constraints.values()
        if one.references == relation.oid and one.table != relation.oid
    ]


def _owned(scene: Scene, relation: Relation) -> list[Relation]:
    """Return the indexes of a relation and the sequences of its columns."""
    return [
        one
        for one in scene.relations.values()
        if (one.index and one.index.table == relation.oid)
        or (one.owned_by and one.owned_by[0] == relation.oid)
    ]


def forget(scene: Scene, relation: Relation) -> None:
    """Take a relation and what is part of it out of the scene."""
    if relation.oid not in scene.relations:
        return
    del scene.relations[relation.oid]
    scene.relation_names.pop((relation.schema, relation.name), None)
    for parts in (scene.constraints, scene.triggers, scene.policies, scene.rules):
        for key in [key for key in parts if key[0] == relation.oid]:
            del parts[key]


def _touches(refs: Iterable[Ref], target: tuple[str, int], number: int) -> bool:
    return any(ref[:2] == target and (not number or ref[2] == number) for ref in refs)


def _users(stage: Stage, target: tuple[str, int], going: set[int], *, number: int = 0) -> list[str]:
    """Return what uses the target: views, defaults, constraints, triggers, policies and functions."""
    scene = stage.scene
    others = [one for one in scene.relations.values() if one.oid not in going]
    found = [
        f"{one.words} {one.name}"
        for one in others
        if one.kind in "vmiI"
        and _touches(one.uses, target, number)
        and not (one.index and one.index.table in going)
    ]
    found += [
        f"default value for column {column.name} of table {one.name}"
        for one in others
        if target not in [("relation", parent) for parent in one.parents]
        for column in one.columns
        if _touches(column.uses, target, number)
    ]
    found += [
        f"function {one.name}"
        for one in scene.functions.values()
        if _touches(one.uses, target, number) or (not number and _takes_row(stage, one, target))
    ]
    found += [
        f"constraint {one.name}"
        for one in scene.constraints.values()
        if one.table not in going and _touches(one.uses, target, number)
    ]
    found += [
        f"policy {one.name}"
        for one in (*scene.policies.values(), *scene.rules.values())
        if one.table not in going and _touches(one.uses, target, number)
    ]
    if target[0] == "function":
        found += [
            f"trigger {t.name} on table {scene.relations[t.table].name}"
            for t in scene.triggers.values()
            if t.function == target[1] and t.table not in going and t.table in scene.relations
        ]
    return found


def _takes_row(stage: Stage, function: Function, target: tuple[str, int]) -> bool:
    """Return whether a function takes or gives rows of the target."""
    relation = stage.scene.relations.get(target[1])
    if target[0] != "relation" or relation is None:
        return False
    texts = (*function.arguments, function.returns, *(type_ for _, type_ in function.outputs))
    return any(
        text.rpartition(".")[2].strip('"[]') == relation.name and user_type(stage, text)[0] is None
        for text in texts
    )


def users_of_function(stage: Stage, oid: int) -> list[str]:
    """Return what uses a function."""
    return _users(stage, ("function", oid), set())


def drop_users_of_function(stage: Stage, oid: int) -> None:
    """Drop what uses a function, as CASCADE does."""
    _remove_users(stage, ("function", oid), set())
    for key in [key for key, one in stage.scene.triggers.items() if one.function == oid]:
        del stage.scene.triggers[key]


def _remove_users(stage: Stage, target: tuple[str, int], going: set[int], number: int = 0) -> None:
    scene = stage.scene
    for one in list(scene.relations.values()):
        if one.oid in going or one.oid not in scene.relations:
            continue
        if one.kind in "vm" and _touches(one.uses, target, number):
            drop_relation(stage, one, cascade=True)
            continue
        if one.index and _touches(one.uses, target, number):
            forget(scene, one)
            continue
        changed = tuple(
            replace(c, default="", uses=frozenset()) if _touches(c.uses, target, number) else c
            for c in one.columns
        )
        if changed != one.columns:
            scene.put(replace(one, columns=changed))
    for key, constraint in list(scene.constraints.items()):
        if constraint.table not in going and _touches(constraint.uses, target, number):
            scene.constraints.pop(key, None)
    for policies in (scene.policies, scene.rules):
        for key, policy in list(policies.items()):
            if policy.table not in going and _touches(policy.uses, target, number):
                del policies[key]
    for function in list(scene.functions.values()):
        if _touches(function.uses, target, number) or (
            not number and _takes_row(stage, function, target)
        ):
            scene.drop_function(function.oid)


def drop_column(stage: Stage, table: Relation, number: int, *, cascade: bool) -> None:
    """Drop a column and what is part of it; fails where something else depends on it."""
    scene = stage.scene
    column = table.numbered(number)
    assert column is not None
    target = ("relation", table.oid)
    blockers = list(_users(stage, target, {table.oid}, number=number))
    blockers += [
        f"constraint {c.name} on table {scene.relations[c.table].name}"
        for c in scene.constraints.values()
        if c.references == table.oid and number in c.referenced and c.table != table.oid
    ]
    blockers += [
        f"policy {p.name} on table {table.name}"
        for p in scene.policies.values()
        if p.table == table.oid and _touches(p.uses, target, number)
    ]
    blockers += [
        f"trigger {t.name} on table {table.name}"
        for t in scene.triggers.values()
        if t.table == table.oid and number in t.columns
    ]
    blockers += [
        f"column {c.name} of table {table.name}"
        for c in table.columns
        if c.number != number and c.generated and _touches(c.uses, target, number)
    ]
    if blockers and not cascade:
        raise stage.fail(
            "2BP01",
            f"cannot drop column {column.name} of table {table.name} because other objects"
            f" depend on it: {blockers[0]}",
        )
    _remove_users(stage, target, {table.oid}, number)
    _remove_parts(scene, table, number)


def _remove_parts(scene: Scene, table: Relation, number: int) -> None:
    target = ("relation", table.oid)
    for key, constraint in list(scene.constraints.items()):
        own = constraint.table == table.oid and (
            number in constraint.columns or _touches(constraint.uses, target, number)
        )
        foreign = constraint.references == table.oid and number in constraint.referenced
        if own or foreign:
            del scene.constraints[key]
    for index in scene.indexes(table.oid):
        if index.index and number in (*index.index.uses, *index.index.columns):
            forget(scene, index)
    for one in list(scene.relations.values()):
        if one.owned_by == (table.oid, number):
            forget(scene, one)
    for key, trigger in list(scene.triggers.items()):
        if trigger.table == table.oid and number in trigger.columns:
            del scene.triggers[key]
    for key, policy in list(scene.policies.items()):
        if policy.table == table.oid and _touches(policy.uses, target, number):
            del scene.policies[key]
    current = scene.relations[table.oid]
    left = tuple(
        one
        for one in current.columns
        if one.number != number and not (one.generated and _touches(one.uses, target, number))
    )
    scene.put(replace(current, columns=left, altered=True))


def users_of_type(stage: Stage, oid: int) -> list[str]:
    """Return what uses a type: columns, functions, domains, and expressions."""
    scene = stage.scene
    made = scene.types[oid]
    found = [
        f"column {column.name} of {one.words} {one.name}"
        for one in scene.relations.values()
        for column in one.columns
        if column.type != "?" and user_type(stage, column.type)[0] is made
    ]
    found += [
        f"function {one.name}"
        for one in scene.functions.values()
        for text in (*one.arguments, one.returns, *(type_ for _, type_ in one.outputs))
        if text and user_type(stage, text)[0] is made
    ]
    found += [
        f"type {one.name}"
        for one in scene.types.values()
        if one.base and user_type(stage, one.base)[0] is made
    ]
    return found + _users(stage, ("type", oid), {oid})


def drop_users_of_type(stage: Stage, oid: int) -> None:
    """Drop what uses a type, as CASCADE does."""
    scene = stage.scene
    made = scene.types[oid]
    for one in list(scene.relations.values()):
        for column in one.columns:
            if column.type != "?" and user_type(stage, column.type)[0] is made:
                current = scene.relations.get(one.oid)
                if current is None:
                    continue
                if current.kind in "vm":
                    drop_relation(stage, current, cascade=True)
                elif current.numbered(column.number) is not None:
                    drop_column(stage, current, column.number, cascade=True)
    for function in list(scene.functions.values()):
        texts = (*function.arguments, function.returns)
        if any(text and user_type(stage, text)[0] is made for text in texts):
            drop_users_of_function(stage, function.oid)
            scene.drop_function(function.oid)
    _remove_users(stage, ("type", oid), set())


def constraint_users(stage: Stage, table: Relation, name: str) -> list[str]:
    """Return the foreign keys that lean on a key."""
    scene = stage.scene
    own = scene.constraints[table.oid, name]
    if own.kind not in "pu":
        return []
    return [
        f"constraint {c.name} on table {scene.relations[c.table].name}"
        for c in scene.constraints.values()
        if c.kind == "f" and c.index == own.index and c.table in scene.relations and own.index
    ]
