"""Kinds of values in an alertmanager.yml, and what its sections have in common."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from pgwatch.secret import Secret
from pgwatch.units import parse_duration
from pgwatch.yamlfile import Path


def _duration(value: object) -> timedelta:
    if not isinstance(value, str) and value != 0:
        raise ValueError("expected a duration such as 30s, 5m or 4h")
    return parse_duration(str(value))


def _interval(value: object) -> timedelta:
    duration = _duration(value)
    if not duration:
        raise ValueError("cannot be zero")
    return duration


def _scalar(value: object) -> object:
    """Return a YAML number as the text that Alertmanager would read it as."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _secret(value: object) -> Secret:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a string that is not empty")
    return Secret(value=value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Interval = Annotated[timedelta, BeforeValidator(_interval)]
Word = Annotated[str, BeforeValidator(_scalar)]
Hidden = Annotated[Secret, BeforeValidator(_secret)]
Ignored = Any
Tree = object  # a scalar, or lists and mappings of such


class Section(BaseModel):
    """A mapping of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def ignored_keys(section: Section) -> list[str]:
    """Return the keys of `section` that were written and have no effect here."""
    fields = type(section).model_fields
    return [name for name in sorted(section.model_fields_set) if fields[name].annotation is Any]


def texts_of(value: object, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Return every text inside a section with the place where it was written, and whether it is secret."""
    match value:
        case str():
            yield path, value, False
        case Secret(value=str(text)):
            yield path, text, True
        case Section():
            for name, field in type(value).model_fields.items():
                if name in value.model_fields_set:
                    place = (*path, field.alias or name)
                    yield from texts_of(getattr(value, name), place)
        case dict():
            for name, one in value.items():
                yield from texts_of(one, (*path, name))
        case tuple() | list():
            for index, one in enumerate(value):
                yield from texts_of(one, (*path, index))
