"""What pydantic finds wrong with an alertmanager.yml, in our words and with its place."""

from typing import Any, Final

from pydantic import BaseModel

from pgwatch.config.alertmanager_file import AlertmanagerFile
from pgwatch.config.nearest import nearest
from pgwatch.errors import Problem
from pgwatch.yamlfile import Document, Path

_EXPECTED: Final = {
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
}


def explain(error: Any, document: Document) -> Problem:
    """Return pydantic's error in our words; the value itself is never quoted, it may be a secret."""
    path: Path = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        return document.problem(path, f"unknown key; {nearest(str(path[-1]), _known_keys(path))}")
    if error["type"] == "value_error":
        return document.problem(path, str(error["ctx"]["error"]))
    expected = _EXPECTED.get(error["type"], error["msg"].removeprefix("Input should be "))
    return document.problem(path, f"expected {expected}")


def _known_keys(path: Path) -> list[str]:
    """Return the keys that may stand where the last part of `path` stands."""
    section: type[BaseModel] = AlertmanagerFile
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        field = next(
            (f for name, f in section.model_fields.items() if (f.alias or name) == part), None
        )
        if field is None:
            return []
        section = _section_in(field.annotation) or section
    return [f.alias or name for name, f in section.model_fields.items()]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field's type names, inside `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_section_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((section for section in inside if section is not None), None)
