"""The history as bytes, to outlive the process: what a store keeps, written block by block and read again.

The bytes are a first line with the version, then sections of one block each, with a checksum, and an empty
one at the end. Times are little-endian int64, values float64, series after series; all of it compressed.
"""

import json
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgwatch.errors import PgwatchError
from pgwatch.samples.block import Rows, is_stale
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

MAGIC = b"pgwatch history 1\n"

_SECTION = struct.Struct("<QQL")  # bytes, bytes before they were compressed, checksum
_END = _SECTION.pack(0, 0, 0)
_LENGTH = struct.Struct("<Q")
_AHEAD_MS = 5_000  # clocks of one machine differ from themselves by less, but for a correction
_AT_ONCE = 256  # series that are copied at once, so that no other thread waits for long
_LEVEL = 1  # of zlib: the others are slower by far and hardly smaller


class HistoryError(PgwatchError):
    """Bytes that are no history that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Some series of one source, as they are kept together."""

    source: Source
    instance: str
    answered_ms: int | None  # when the source answered last
    is_current: bool  # the source adds to them; else they have ended
    labels: Sequence[Labels]
    rows: Rows
    columns: NDArray[np.intp] | None = (
        None  # of the rows' values; None: as many as there are labels
    )

    @property
    def has_live(self) -> bool:
        """Whether a series has a sample in the last row."""
        return not self.rows.is_empty and not is_stale(self.rows.values[-1]).all()


def encode(kept: Iterable[Kept]) -> Iterator[bytes]:
    """Yield the bytes of `kept`, for `decode`."""
    yield MAGIC
    for one in kept:
        if len(one.labels) and not one.rows.is_empty:
            yield from _section(_raw(one))
    yield _END


def decode(read: memoryview, *, since_ms: int, now_ms: int) -> list[Kept]:
    """Return what `encode` was given, but for samples older than `since_ms`; raises HistoryError."""
    if read[: len(MAGIC)] != MAGIC:
        raise HistoryError("it is not a history of this version of pgwatch")
    rest, found = read[len(MAGIC) :], list[Kept]()
    while True:
        if len(rest) < _SECTION.size:
            raise HistoryError("it ends too early")
        if rest == _END:
            return found
        size, raw_size, checksum = _SECTION.unpack(rest[: _SECTION.size])
        packed, rest = rest[_SECTION.size :][:size], rest[_SECTION.size + size :]
        if not size or len(packed) < size or zlib.crc32(packed) != checksum:
            raise HistoryError("it is damaged")
        try:
            one = _kept(_unpacked(packed, raw_size))
        except (ValueError, KeyError, TypeError, IndexError, zlib.error, struct.error) as error:
            raise HistoryError(f"it is damaged: {error}") from error
        if one.rows.times[-1] > now_ms + _AHEAD_MS:
            raise HistoryError("it has samples of the future: the clock was set back")
        first = int(np.searchsorted(one.rows.times, since_ms))
        if first < len(one.rows.times):
            rows = Rows(one.rows.times[first:], one.rows.values[first:])
            found.append(replace(one, rows=rows))


def _section(raw: Iterable[bytes]) -> Iterator[bytes]:
    pack, size, raw_size, packed = zlib.compressobj(_LEVEL), 0, 0, list[bytes]()
    for piece in raw:
        raw_size += len(piece)
        packed.append(pack.compress(piece))
    packed.append(pack.flush())
    checksum = 0
    for piece in packed:
        size, checksum = size + len(piece), zlib.crc32(piece, checksum)
    yield _SECTION.pack(size, raw_size, checksum)
    yield from packed


def _unpacked(packed: memoryview, raw_size: int) -> bytes:
    # The size bounds what is unpacked, whatever the bytes are.
    raw = zlib.decompressobj().decompress(packed, raw_size) if raw_size else b""
    if len(raw) != raw_size:
        raise ValueError("a part has another size")
    return raw


def _raw(kept: Kept) -> Iterator[bytes]:
    schemas: dict[tuple[str, ...], int] = {}
    series = [
        (schemas.setdefault(labels.schema, len(schemas)), *labels.values_) for labels in kept.labels
    ]
    header = {
        "source": [kept.source.target, kept.source.query, kept.source.database],
        "instance": kept.instance,
        "answered_ms": kept.answered_ms,
        "is_current": kept.is_current,
        "rows": len(kept.rows.times),
        "schemas": list(schemas),
        "series": series,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    yield _LENGTH.pack(len(text))
    yield text
    yield kept.rows.times.astype("<i8").tobytes()
    columns = np.arange(len(series)) if kept.columns is None else kept.columns
    for first in range(0, len(series), _AT_ONCE):
        some = kept.rows.values[:, columns[first : first + _AT_ONCE]]
        yield np.ascontiguousarray(some.T.astype("<f8")).tobytes()


def _kept(raw: bytes) -> Kept:
    (size,) = _LENGTH.unpack(raw[: _LENGTH.size])
    start = _LENGTH.size + size
    header: dict[str, Any] = json.loads(raw[_LENGTH.size : start])
    schemas = [tuple(map(str, names)) for names in header["schemas"]]
    labels = [
        Labels.from_sorted(schemas[number], tuple(map(sys.intern, values)))
        for number, *values in header["series"]
    ]
    rows = int(header["rows"])
    times = np.frombuffer(raw, "<i8", count=rows, offset=start).astype(np.int64)
    values = np.frombuffer(raw, "<f8", count=rows * len(labels), offset=start + 8 * rows)
    if not rows or (np.diff(times) <= 0).any():
        raise ValueError("its times do not rise")
    return Kept(
        source=Source(*map(str, header["source"])),
        instance=str(header["instance"]),
        answered_ms=None if header["answered_ms"] is None else int(header["answered_ms"]),
        is_current=bool(header["is_current"]),
        labels=labels,
        rows=Rows(times, values.reshape(len(labels), rows).T.astype(np.float64)),
    )
