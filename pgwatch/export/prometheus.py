"""The pages that Prometheus scrapes, served from memory: text format 0.0.4 or OpenMetrics, also gzipped.

Our own writer, because prometheus-client takes 70 ms for 10,000 series where this takes 5, and it
renames inherited counters that lack `_total`. A page is joined once per change, and a scrape adds
only the short tail of pgwatch's own metrics.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from pgwatch.export import openmetrics as om
from pgwatch.export.block import Block, SourceBlocks, header
from pgwatch.export.gzipped import deflate_part, join_parts
from pgwatch.samples.sample import Collected, Family, MetricType, Source

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of metrics; `body` and `gzip` are the same text."""

    collected: bytes
    tail: bytes
    gzip: bytes
    content_type: str = CONTENT_TYPE

    @property
    def body(self) -> bytes:
        """The text itself, joined when asked for: nearly every scraper takes gzip."""
        return self.collected + self.tail


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """What was collected, joined into one text, ready for a tail."""

    raw: bytes
    packed: bytes
    crc: int


class Exposition:
    """The latest answer of every source as pages of metrics. Safe to use from several threads.

    `tail` gives the text of pgwatch's own metrics for the whole page, in OpenMetrics (with its end) if
    it is called with True; it is asked at each scrape, and its families must not be among those collected.
    """

    def __init__(self, tail: Callable[[bool], bytes] | None = None) -> None:
        self._tail = tail
        self._sources: dict[Source, SourceBlocks] = {}
        self._headers: dict[str, Block] = {}  # by their text
        self._joined: dict[tuple[str | None, bool], _Joined] = {}
        # by target (None is all of them) and whether it is OpenMetrics
        self._lock = Lock()

    def accept(self, collected: Collected) -> None:
        """Put `collected` in the place of its source's previous answer."""
        source = collected.source
        with self._lock:
            known = self._sources.get(source)
            if known is None:
                self._sources[source] = SourceBlocks(collected)
            elif not known.replace(collected):
                return
            self._changed(source.target)

    def forget(self, source: Source) -> None:
        """Take the series of `source` off the pages: it no longer answers."""
        with self._lock:
            if self._sources.pop(source, None) is not None:
                self._changed(source.target)

    def forget_target(self, target: str) -> None:
        """Take a target that is no longer watched off the pages."""
        with self._lock:
            for source in [source for source in self._sources if source.target == target]:
                del self._sources[source]
            self._headers.clear()
            self._changed(target)

    def page(self, target: str | None = None, openmetrics: bool = False) -> Page | None:
        """Return the page of all targets, or of `target` alone; None if nothing is known of it."""
        with self._lock:
            joined = self._joined.get((target, openmetrics))
            if joined is None:
                sources = [s for s in self._sources if target is None or s.target == target]
                if target is not None and not sources:
                    return None
                joined = self._join(sources, openmetrics=openmetrics)
                self._joined[target, openmetrics] = joined
        tail = om.END if openmetrics else b""
        if self._tail is not None and target is None:
            tail = self._tail(openmetrics)
        gzip = join_parts(
            (joined.packed, deflate_part(tail)) if tail else (joined.packed,),
            crc=zlib.crc32(tail, joined.crc),
            size=len(joined.raw) + len(tail),
        )
        content_type = om.CONTENT_TYPE if openmetrics else CONTENT_TYPE
        return Page(collected=joined.raw, tail=tail, gzip=gzip, content_type=content_type)

    def _changed(self, target: str) -> None:
        for openmetrics in (False, True):
            self._joined.pop((None, openmetrics), None)
            self._joined.pop((target, openmetrics), None)

    def _join(self, sources: list[Source], *, openmetrics: bool) -> _Joined:
        """Join the blocks of `sources`, those of a family of several sources under one header."""
        sources.sort(key=lambda source: (source.target, source.query, source.database))
        by_family: dict[str, list[Block]] = {}
        families: dict[str, Family] = {}
        for source in sources:
            known = self._sources[source]
            for name, block in known.blocks.items():
                by_family.setdefault(name, []).append(block)
                if name not in families and name in known.families:
                    families[name] = known.families[name]
        blocks: list[Block] = []
        for name in sorted(by_family):
            family = families.get(name) or Family(name, MetricType.UNTYPED, "")
            if openmetrics:
                countable = all(block.is_countable for block in by_family[name])
                text = om.header(family, names=by_family, is_countable=countable)
            else:
                text = header(family)
            blocks.append(self._header(text))
            blocks += by_family[name]
        raw = b"".join([block.raw for block in blocks])
        packed = b"".join([block.packed for block in blocks])
        return _Joined(raw=raw, packed=packed, crc=zlib.crc32(raw))

    def _header(self, text: str) -> Block:
        block = self._headers.get(text)
        if block is None:
            block = self._headers[text] = Block(text)
        return block
