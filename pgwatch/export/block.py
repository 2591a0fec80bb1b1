"""One source's latest answer as lines of the text format, kept so that a poll renders only what moved."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from pgwatch.export.gzipped import deflate_part
from pgwatch.samples.labels import METRIC_NAME, Labels, quote
from pgwatch.samples.sample import Collected, Family, MetricType


class Block:
    """Lines of one family from one source, as they are and compressed."""

    __slots__ = ("is_countable", "packed", "raw")

    def __init__(self, text: str, *, is_countable: bool = True) -> None:
        """`is_countable` says that a counter may have all the values: none is negative or NaN."""
        self.is_countable = is_countable
        # A lone surrogate cannot be encoded; one odd name must not cost the page.
        self.raw = text.encode("utf-8", "replace")
        self.packed = deflate_part(self.raw)


class SourceBlocks:
    """The blocks of one source by family name, with what is needed to replace them cheaply."""

    __slots__ = ("_labels", "_prefixes", "_spans", "_values", "blocks", "families")

    def __init__(self, collected: Collected) -> None:
        self._labels: Sequence[Labels] = ()
        self._values: list[float] = []
        self._prefixes: list[str] = []  # `name{a="b"} ` of each series
        self._spans: list[tuple[str, int, int]] = []  # family name and where its series stand
        self.blocks: dict[str, Block] = {}
        self.families: Mapping[str, Family] = {}
        self.replace(collected)

    def replace(self, collected: Collected) -> bool:
        """Take the source's next answer; return whether anything changed on the page."""
        labels, values = collected.labels, list(map(float, collected.values))
        families = {family.name: family for family in collected.families}
        same_labels = labels is self._labels or _equal(labels, self._labels)
        if same_labels and values == self._values and families == self.families:
            return False
        if not same_labels:
            self._prefixes = _prefixes(labels)
            self._spans = _spans(labels)
        self._labels, self._values, self.families = labels, values, families
        lines = _lines(self._prefixes, values)
        texts: dict[str, str] = {}
        uncountable: set[str] = set()
        for name, start, end in self._spans:
            texts[name] = texts.get(name, "") + "".join(lines[start:end])
            if _is_counter(families.get(name)) and not all(map((0.0).__le__, values[start:end])):
                uncountable.add(name)
        self.blocks = {
            name: Block(text, is_countable=name not in uncountable) for name, text in texts.items()
        }
        return True


def header(family: Family) -> str:
    """Return the HELP and TYPE lines of `family`."""
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.type}\n"


def _is_counter(family: Family | None) -> bool:
    return family is not None and family.type is MetricType.COUNTER


def _equal(one: Sequence[Labels], other: Sequence[Labels]) -> bool:
    # Elements are mostly the same objects, which list comparison sees without calling __eq__.
    return len(one) == len(other) and list(one) == list(other)


def _prefixes(labels: Sequence[Labels]) -> list[str]:
    prefixes = []
    for series in labels:
        inside = ",".join(
            f"{name}={quote(value)}"
            for name, value in zip(series.schema, series.values_, strict=True)
            if name != METRIC_NAME
        )
        prefixes.append(f"{series.name}{{{inside}}} " if inside else f"{series.name} ")
    return prefixes


def _spans(labels: Sequence[Labels]) -> list[tuple[str, int, int]]:
    spans = []
    start = 0
    for name, group in groupby(series.name for series in labels):
        end = start + sum(1 for _ in group)
        spans.append((name, start, end))
        start = end
    return spans


def _lines(prefixes: list[str], values: list[float]) -> list[str]:
    if math.isfinite(sum(values)):  # only then is no value NaN or infinite
        return [f"{prefix}{value!r}\n" for prefix, value in zip(prefixes, values, strict=True)]
    return [f"{prefix}{_number(value)}\n" for prefix, value in zip(prefixes, values, strict=True)]


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
