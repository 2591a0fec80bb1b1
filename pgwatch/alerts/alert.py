"""An alert: one label set that a rule found, over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pgwatch.alerts.evidence import Evidence
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One instance of an alerting rule; all times are aware UTC."""

    rule: str  # identity of the rule: `<file>;<group>;<rule name>;<index among equals>`
    labels: Labels  # with alertname; the identity together with `rule`
    annotations: Mapping[str, str] = field(default_factory=dict)
    state: AlertState
    value: float  # of the newest evaluation that had it; after its end the last firing value
    active_at: datetime  # first evaluation that returned it
    fired_at: datetime | None = None
    keep_firing_since: datetime | None = None
    resolved_at: datetime | None = None
    no_data_since: datetime | None = (
        None  # held as it was: evaluation failed, or its data is missing
    )
    sources: frozenset[Source] = frozenset()  # whose series fed the newest evaluation that had it
    generator_url: str = ""
    value_at_recovery: float | None = None  # of what was compared, when it ended; None: not known
    evidence: Evidence | None = None  # captured when it fired

    @property
    def fingerprint(self) -> str:
        """Alertmanager's fingerprint of the labels."""
        return self.labels.fingerprint()
