"""The beginning and the end of a file, decompressed where it is compressed; memory stays small."""

import gzip
import shutil
import subprocess
import time
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

KEPT = 64 * 1024  # bytes at each end
_CHUNK = 1024 * 1024
# https://www.rfc-editor.org/rfc/rfc1952 (gzip), rfc8878 (zstd), and lz4's frame format
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
_PATIENCE = 5.0  # seconds for a decompressing program to end after its last byte


class DamagedError(Exception):
    """The compressed stream breaks off, or its checksum does not hold."""


class UntoldError(Exception):
    """It could not be read to its end: no time, or no program for it; `cure` would help."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(reason)
        self.cure = cure


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Both ends of what a file holds."""

    head: bytes
    tail: bytes
    size: int  # decompressed
    compression: str  # "" where there is none


def compression_of(path: Path) -> str:
    """Return gzip, zstd, lz4 or "", by the first bytes; raises OSError."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")


def ends_of(path: Path, until: float) -> Ends:
    """Return both ends; a compressed file is read to its end, so that its checksum is proven.

    `until` is of time.monotonic(). Raises DamagedError, UntoldError and OSError.
    """
    compression = compression_of(path)
    if not compression:
        return _plain_ends(path)
    head, tail, size = b"", b"", 0
    with closing(_chunks(path, compression)) as chunks:
        for chunk in chunks:
            if len(head) < KEPT:
                head += chunk[: KEPT - len(head)]
            tail = (tail + chunk)[-KEPT:]
            size += len(chunk)
            if time.monotonic() > until:
                raise UntoldError(
                    f"there was time for the first {size:,} decompressed bytes of {path.name} only",
                    "give it more time: --timeout 10m",
                )
    return Ends(head=head, tail=tail, size=size, compression=compression)


def head_of(path: Path) -> bytes:
    """Return the first bytes, decompressed if there is a way; raises as `ends_of`."""
    compression = compression_of(path)
    if not compression:
        with path.open("rb") as file:
            return file.read(KEPT)
    head = b""
    with closing(_chunks(path, compression)) as chunks:
        for chunk in chunks:
            head += chunk
            if len(head) >= KEPT:
                break
    return head[:KEPT]


def _plain_ends(path: Path) -> Ends:
    with path.open("rb") as file:
        head = file.read(KEPT)
        size = file.seek(0, 2)
        file.seek(max(0, size - KEPT))
        return Ends(head=head, tail=file.read(KEPT), size=size, compression="")


def _chunks(path: Path, compression: str) -> Generator[bytes]:
    if compression == "gzip":
        return _gunzipped(path)
    return _piped(path, compression)


def _gunzipped(path: Path) -> Generator[bytes]:
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(f"gzip: {error}") from error


def _piped(path: Path, program: str) -> Generator[bytes]:
    """Iterate over what `zstd` or `lz4` gives: Python has no decoder of its own for them."""
    if shutil.which(program) is None:
        raise UntoldError(
            f"it is compressed with {program}, which is not installed here",
            f"apt install {program}",
        )
    with subprocess.Popen(  # noqa: S603 - a fixed program, no shell
        [program, "-dc", "--", str(path.absolute())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            while chunk := process.stdout.read(_CHUNK):
                yield chunk
            said = process.stderr.read(1000).decode("utf-8", "replace")
            if process.wait(_PATIENCE):
                raise DamagedError(f"{program}: {' '.join(said.split())}")
        finally:
            process.kill()
