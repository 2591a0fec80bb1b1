"""What one observation brought: families, label sets and values that replace the previous ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pgwatch.samples.labels import Labels


class MetricType(StrEnum):
    """A metric's type in the exposition formats."""

    COUNTER = "counter"
    GAUGE = "gauge"
    UNTYPED = "untyped"


@dataclass(frozen=True, slots=True)
class Source:
    """Who observed: the unit whose result set replaces its previous one."""

    target: str  # the target's name
    query: str  # `<pack>/<name>` of a query, or `probe/<name>`, `up`, `rule/<group>/<rule>`
    database: str = ""  # empty for what is asked once per server


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's name, type and help, as a header declares them."""

    name: str
    type: MetricType
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One answer of one source at one time; it replaces the source's previous answer.

    `labels[i]` (with `__name__`, with `target`, and unique) has the value `values[i]`. An empty answer
    is an answer: what was there before is stale. Series of one family stand together.
    """

    source: Source
    time_ms: int  # Unix time of the answer
    families: tuple[Family, ...]
    labels: Sequence[Labels]
    values: Sequence[float]
    instance: str = (
        ""  # host:port; the embedded store adds it, and job="pgwatch", as a scrape would
    )
    dropped: Mapping[str, int] = field(default_factory=dict)
    # reason ("duplicate", "max_series") → how many series are missing from this answer
    notes: tuple[
        str, ...
    ] = ()  # what a person should know about the answer, such as what was dropped
