"""Operator classes: whether a method can index a type. Pure."""

from pgwatch.migration.parse import Node, strings
from pgwatch.migration.preflight.asking import plain
from pgwatch.migration.preflight.extensions import brings_method, brings_opclass, may_bring
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.stage import CannotTellError, Stage


def check_operator_class(stage: Stage, element: Node, type_: str, method: str) -> None:
    """Fail where the method cannot index the type."""
    if element.opclass:
        name = strings(element.opclass)[-1]
        known = {one.name for one in stage.facts.opclasses if one.method == method}
        if name not in known:
            if brings_opclass(stage.scene, name):
                return
            if may_bring(stage.scene):
                raise CannotTellError(f"operator class {name} may come with an extension")
            raise stage.fail(
                "42704", f'operator class "{name}" does not exist for access method "{method}"'
            )
        takes = {
            one.type for one in stage.facts.opclasses if (one.method, one.name) == (method, name)
        }
        if not _takes(stage, takes, type_):
            raise stage.fail("42804", f'operator class "{name}" does not accept data type {type_}')
        return
    if not indexable(stage, type_, method):
        if brings_method(stage.scene, method):
            return
        if may_bring(stage.scene) and method in ("gin", "gist"):
            raise CannotTellError("its operator class may come with an extension")
        raise stage.fail(
            "42704",
            f'data type {type_} has no default operator class for access method "{method}"',
        )


def _takes(stage: Stage, types: set[str], type_: str) -> bool:
    """Return whether an operator class for `types` may index a type; yes, where that is not known."""
    base = plain(stage, type_)
    known = stage.facts.types
    return base not in known or any(
        one == base or one not in known or one.startswith("any") or (base, one) in stage.facts.casts
        for one in types
    )


def indexable(stage: Stage, type_: str, method: str) -> bool:
    """Return whether a method has a default operator class for a type."""
    base = type_.split("(", maxsplit=1)[0]
    found, _ = user_type(stage, base)
    while found is not None and found.kind == "d":
        base = found.base.split("(")[0]
        found, _ = user_type(stage, base)
    known = {one.type for one in stage.facts.opclasses if one.method == method and one.default}
    if found is not None:
        extended = {"e": "anyenum", "r": "anyrange", "c": "record"}.get(found.kind, "")
        return base in known or extended in known or found.kind == "b"
    if base.endswith("[]"):
        return "anyarray" in known
    if base in known or base not in stage.facts.types:
        return True
    if stage.facts.types[base].category == "R":
        return "anyrange" in known or "anymultirange" in known
    # Texts are indexed as text, what is binary compatible with it (pg_cast.castmethod b).
    return base in (
        "varchar",
        "regclass",
        "cidr",
        "regproc",
        "regtype",
        "regrole",
        "regnamespace",
    ) and bool({"text", "oid", "inet"} & known)
