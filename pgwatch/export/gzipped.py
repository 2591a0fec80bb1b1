"""A gzip stream joined from parts that were compressed before, so that a change costs only its own part.

A part is raw deflate data that ends with a full flush: it starts at a byte boundary and refers to
nothing before it, so parts can stand in any order (RFC 1951; zlib manual, `Z_FULL_FLUSH`). Unlike a
row of gzip members, the result is one member, which every reader takes.
"""

import struct
import zlib
from collections.abc import Iterable

# RFC 1952: magic, deflate, no flags, no time, fastest algorithm, unknown system.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_FINAL_BLOCK = b"\x03\x00"  # an empty block of fixed codes, marked as the last one
_LEVEL = 1  # 2.1 ms instead of 5.5 for 10,000 series, for a body a third longer


def deflate_part(raw: bytes) -> bytes:
    """Return `raw` as a part of a stream for `join_parts`."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(raw) + compressor.flush(zlib.Z_FULL_FLUSH)


def join_parts(parts: Iterable[bytes], *, crc: int, size: int) -> bytes:
    """Return the gzip file of `parts`; `crc` and `size` are those of what they hold, uncompressed."""
    trailer = struct.pack("<LL", crc, size & 0xFFFFFFFF)
    return b"".join((_HEADER, *parts, _FINAL_BLOCK, trailer))
