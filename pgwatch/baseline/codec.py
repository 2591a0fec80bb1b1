"""Dataclasses ↔ plain JSON values, checked field by field. Pure."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pgwatch.baseline.model import Untold

_T = TypeVar("_T")
Path = tuple[str | int, ...]
_SCALARS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class DecodeError(Exception):
    """A value is not what its place wants; `path` leads to it."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def encode(value: Any) -> Any:
    """Return `value` (dataclasses, mappings, tuples, scalars) as what `json` writes."""
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: type[_T], value: Any, path: Path = ()) -> _T:
    """Return the dataclass `kind` that `value` writes; raises DecodeError. Unknown keys are left out."""
    return cast("_T", _dataclass(kind, value, path))


def _decode(kind: Any, value: Any, path: Path) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise DecodeError(path, "expected a list")
        item = get_args(kind)[0]
        return tuple(_decode(item, one, (*path, n)) for n, one in enumerate(value))
    if origin is Mapping:
        item = get_args(kind)[1]
        return {key: _decode(item, one, (*path, key)) for key, one in _mapping(value, path).items()}
    if is_dataclass(kind):
        return _dataclass(kind, value, path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise DecodeError(path, f"expected {_SCALARS[kind]}")
    return value


def _union(kinds: tuple[Any, ...], value: Any, path: Path) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    if Untold in kinds and isinstance(value, dict) and "unknown" in value:
        return _dataclass(Untold, value, path)
    (kind,) = (kind for kind in kinds if kind not in (Untold, types.NoneType))
    return _decode(kind, value, path)


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(path, "expected an object, {…}")
    return value


def _dataclass(kind: Any, value: Any, path: Path) -> Any:
    given = _mapping(value, path)
    hints = get_type_hints(kind)
    arguments = {}
    for field in fields(kind):
        if field.name in given:
            arguments[field.name] = _decode(
                hints[field.name], given[field.name], (*path, field.name)
            )
        elif field.default is MISSING and field.default_factory is MISSING:
            raise DecodeError((*path, field.name), "is missing")
    return kind(**arguments)
