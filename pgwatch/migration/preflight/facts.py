"""What the server brings itself, and no migration changes: types, casts, functions, methods. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFunction:
    """A function of pg_catalog."""

    kind: str  # prokind
    volatility: str
    arguments: tuple[str, ...]
    returns_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A type of pg_catalog."""

    name: str
    category: str  # typcategory: S for texts, N for numbers …


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorClass:
    """An operator class."""

    name: str
    method: str
    type: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The server."""

    version: int = 0  # server_version_num
    role: str = ""
    database: str = ""
    types: Mapping[str, Builtin] = field(default_factory=dict)
    casts: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    # (source, target) → (context: i a e, volatility of its function)
    functions: Mapping[str, tuple[SystemFunction, ...]] = field(default_factory=dict)
    relations: frozenset[tuple[str, str]] = frozenset()  # of pg_catalog and information_schema
    opclasses: tuple[OperatorClass, ...] = ()
    available: frozenset[str] = frozenset()  # extensions
    languages: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    methods: Mapping[str, str] = field(default_factory=dict)  # name → t or i
    tablespaces: frozenset[str] = frozenset()
