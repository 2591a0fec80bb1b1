"""Looking around in the schema: which keys there are, and which section stands at a path."""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from pgwatch.config.schema import Settings
from pgwatch.config.section import Section
from pgwatch.yamlfile import Path


def kind_at(path: Path) -> Any:
    """Return the type that the schema has at `path`, None if it has nothing there."""
    kind: Any = Settings
    for part in path:
        kind = _below(kind, part)
    return kind


def section_at(path: Path) -> type[Section] | None:
    """Return the section at `path`, None if something else or nothing is there."""
    kind = _bare(kind_at(path))
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def is_container(kind: Any) -> bool:
    """Return whether values of `kind` are written as a list or a mapping."""
    kind = _bare(kind)
    section = isinstance(kind, type) and issubclass(kind, Section)
    return section or get_origin(kind) in (tuple, dict)


def key_paths(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Give every key that a file may have: `targets`, `targets[].name`, `web.listen`, …"""
    for name, field in section.model_fields.items():
        path = f"{prefix}{name}"
        yield path
        kind, suffix = _bare(field.annotation), "."
        if get_origin(kind) is tuple:
            kind, suffix = _bare(get_args(kind)[0]), "[]."
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from key_paths(kind, path + suffix)


def _below(kind: Any, part: str | int) -> Any:
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    if get_origin(kind) is tuple and isinstance(part, int):
        return get_args(kind)[0]
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    return None


def _bare(kind: Any) -> Any:
    """Return `kind` without `Annotated[…]` and `… | None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType, typing.Union):
            kind = next(part for part in get_args(kind) if part is not type(None))
        else:
            return kind
