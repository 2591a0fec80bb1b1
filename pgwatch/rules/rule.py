"""Rules and groups as a rule file declares them, already parsed and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from pgwatch.promql.ast import Expr


class Severity(StrEnum):
    """The label `severity` as pgwatch reads it; a rule without one is a warning."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Phase(StrEnum):
    """The label `phase`: the part of a deployment guide that a rule belongs to."""

    PRE = "pre"
    STRUCTURE = "structure"
    TYPES = "types"
    CONSTRAINTS = "constraints"
    POST = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Fields that alerting and recording rules share."""

    id: str  # `<file>;<group>;<name>;<index among equals in the group>`
    name: str
    query: str  # the expression as written (after a threshold was set)
    expr: Expr
    labels: Mapping[str, str] = field(default_factory=dict)  # group labels below the rule's
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule(Rule):
    """Writes its result as series called `name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule(Rule):
    """Makes an alert of each series of its result."""

    hold: timedelta = timedelta(0)  # the key `for`
    keep_firing_for: timedelta = timedelta(0)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """The rule's severity; a value that pgwatch does not know counts as warning."""
        try:
            return Severity(self.labels.get("severity", "warning"))
        except ValueError:
            return Severity.WARNING

    @property
    def phase(self) -> Phase:
        """The rule's phase, `post` by default or where pgwatch does not know the value."""
        try:
            return Phase(self.labels.get("phase", "post"))
        except ValueError:
            return Phase.POST


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated in order, at the same timestamps."""

    name: str
    file: str
    interval: timedelta
    query_offset: timedelta = timedelta(0)
    limit: int = 0  # 0: none
    rules: tuple[Rule, ...] = ()
