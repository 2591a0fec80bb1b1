"""What a name means: a user's type, the functions that a call could be of. Pure."""

from pgwatch.migration.preflight.objects import Function, Type
from pgwatch.migration.preflight.stage import Stage


def takes(function: Function, count: int) -> bool:
    """Return whether a function can be called with `count` arguments."""
    most = len(function.arguments)
    return most - function.defaults <= count <= most or (function.variadic and count >= most - 1)


def user_type(stage: Stage, text: str) -> tuple[Type | None, str]:
    """Return the user's type that a type's text means, and `[]` if it is an array of it."""
    base = text.removeprefix("SETOF ")
    suffix = "[]" if base.endswith("[]") else ""
    base = base.removesuffix("[]").split("(")[0]
    schema, name = name_parts(base)
    if not schema and name in stage.facts.types:
        return None, suffix
    return stage.scene.find_type(schema, name), suffix


def name_parts(text: str) -> tuple[str, str]:
    """Return (schema or "", name) of a type's text."""
    schema, _, name = text.rpartition(".")
    return schema.strip('"'), name.strip('"')
