"""What every probe offers to the collector, whatever it observes."""

from datetime import timedelta
from typing import Protocol

from pgwatch.errors import PgwatchError
from pgwatch.samples.sample import Collected, Source


class ProbeError(PgwatchError):
    """The probe could not observe anything this time; the message is safe to show."""


class Probe(Protocol):
    """An observer that is not SQL; `run` blocks, so it is called in an executor."""

    @property
    def source(self) -> Source:
        """Whose answer a run replaces."""

    @property
    def interval(self) -> timedelta:
        """How often it is to run."""

    @property
    def timeout(self) -> timedelta:
        """`run` returns or raises by then."""

    def run(self, now_ms: int) -> Collected:
        """Observe once; raises ProbeError if there is nothing to observe."""


class ExplainedProbe(Probe, Protocol):
    """A probe of which a failure is an observation, too."""

    @property
    def reason(self) -> str:
        """Why its last run failed; empty if it did not."""
