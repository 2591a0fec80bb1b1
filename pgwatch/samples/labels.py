"""Label sets and the matchers that select them, as Prometheus and Alertmanager define them."""

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

METRIC_NAME = "__name__"

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_MASK_64 = 0xFFFFFFFFFFFFFFFF


class Labels(Mapping[str, str]):
    """An immutable label set, sorted by name; a label with an empty value is the same as none.

    Labels of one metric share their `schema` (the sorted names), so a series costs one tuple of values.
    """

    __slots__ = ("_fingerprint", "_hash", "schema", "values_")

    schema: tuple[str, ...]
    values_: tuple[str, ...]
    _fingerprint: str  # once it was asked for

    def __init__(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        given = dict(pairs)
        if "" in given.values():
            given = {name: value for name, value in given.items() if value != ""}
        self.schema = _in_order(tuple(given))
        self.values_ = tuple([given[name] for name in self.schema])
        self._hash = hash((self.schema, self.values_))

    @classmethod
    def from_sorted(cls, schema: tuple[str, ...], values: tuple[str, ...]) -> "Labels":
        """Return Labels of an already sorted `schema` and its `values`, none of them empty. Unchecked."""
        self = cls.__new__(cls)
        self.schema = schema
        self.values_ = values
        self._hash = hash((schema, values))
        return self

    def __getitem__(self, name: str) -> str:
        """Return the value of label `name`; KeyError if absent."""
        try:
            return self.values_[self.schema.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def items(self) -> ItemsView[str, str]:
        """Return the pairs in order of their names."""
        # Mapping's own asks for each value by its name; ten thousand alerts are compared and shown at once.
        return dict(zip(self.schema, self.values_, strict=True)).items()

    def to_dict(self) -> dict[str, str]:
        """Return the pairs as a dict of their own, several times faster than `dict(labels)`."""
        return dict(zip(self.schema, self.values_, strict=True))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs in order of their names: the key of Prometheus's order of label sets."""
        return tuple(zip(self.schema, self.values_, strict=True))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order."""
        return iter(self.schema)

    def __len__(self) -> int:
        return len(self.schema)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self.schema == other.schema and self.values_ == other.values_
        return Mapping.__eq__(self, other)

    def __lt__(self, other: "Labels") -> bool:
        """Order as Prometheus does: pair by pair, name before value, fewer labels first."""
        return self.pairs() < other.pairs()

    def __repr__(self) -> str:
        """Return the set as PromQL writes it: `pg_up{target="db1"}`."""
        pairs = zip(self.schema, self.values_, strict=True)
        if METRIC_NAME not in self.schema:
            return f"{{{', '.join([f'{key}={quote(value)}' for key, value in pairs])}}}"
        inside = ", ".join(f"{key}={quote(value)}" for key, value in pairs if key != METRIC_NAME)
        return f"{self.name}{{{inside}}}" if inside else self.name

    def label(self, name: str) -> str:
        """Return the value of label `name`, the empty string if absent."""
        try:
            return self.values_[self.schema.index(name)]
        except ValueError:
            return ""

    @property
    def name(self) -> str:
        """The metric's name, the empty string if there is none."""
        return self.label(METRIC_NAME)

    def without(self, names: Iterable[str]) -> "Labels":
        """Return the set without labels `names`."""
        drop = frozenset(names)
        return Labels((key, value) for key, value in self.items() if key not in drop)

    def only(self, names: Iterable[str]) -> "Labels":
        """Return the set with labels `names` only."""
        schema = _among(self.schema, frozenset(names))
        return Labels.from_sorted(schema, tuple([self[name] for name in schema]))

    def merged(self, other: Mapping[str, str]) -> "Labels":
        """Return the set with the labels of `other` put over it (an empty value removes one)."""
        return Labels({**self.to_dict(), **other})

    def fingerprint(self) -> str:
        """Return 16 hex digits: FNV-1a-64 over name, 0xff, value, 0xff, as Alertmanager computes it.

        Source: prometheus/common `model.LabelSet.Fingerprint`. It is computed once.
        """
        try:
            return self._fingerprint
        except AttributeError:
            self._fingerprint = self._computed_fingerprint()
            return self._fingerprint

    def _computed_fingerprint(self) -> str:
        digest = _FNV_OFFSET
        for name, value in self.items():
            for part in (name, value):
                for byte in part.encode():
                    digest = ((digest ^ byte) * _FNV_PRIME) & _MASK_64
                digest = ((digest ^ 0xFF) * _FNV_PRIME) & _MASK_64
        return f"{digest:016x}"


@lru_cache(maxsize=4096)
def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the schema of `names`, the same object for the same schema."""
    schema = tuple(sorted(names))
    return names if schema == names else _in_order(schema)


@lru_cache(maxsize=4096)
def _among(schema: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    return _in_order(tuple([name for name in schema if name in names]))


def quote(value: str) -> str:
    """Return `value` in double quotes, escaped as a PromQL string and the exposition format want it."""
    if value.isalnum():  # most are, and this is asked for ten thousand alerts at once
        return f'"{value}"'
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class MatchType(StrEnum):
    """How a matcher compares; regular expressions are anchored at both ends."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label's condition; an absent label has the empty value."""

    name: str
    type: MatchType
    value: str
    compiled: re.Pattern[str] | None = field(default=None, compare=False, repr=False)
    # for the regex types: what the reader of the RE2 pattern made of it (fully matched against)

    def predicate(self) -> Callable[[str], bool]:
        """Return the function that says whether a value of the label matches."""
        if self.type is MatchType.EQUAL:
            return self.value.__eq__
        if self.type is MatchType.NOT_EQUAL:
            return self.value.__ne__
        pattern = self.compiled
        if pattern is None:
            raise ValueError(f"matcher {self} has no compiled pattern")
        if self.type is MatchType.REGEX:
            return lambda value: pattern.fullmatch(value) is not None
        return lambda value: pattern.fullmatch(value) is None

    def matches(self, labels: Labels) -> bool:
        """Return whether `labels` satisfy this matcher."""
        return self.predicate()(labels.label(self.name))

    def __str__(self) -> str:
        """Return the matcher as PromQL writes it."""
        return f"{self.name}{self.type}{quote(self.value)}"
