"""The table of contents of pg_dump's archives (custom, directory, tar), and the custom format's data.

As ReadHead and ReadToc (src/bin/pg_dump/pg_backup_archiver.c) and _ReadExtraToc, _PrintTocData
(pg_backup_custom.c) read them: versions 1.12 (PostgreSQL 9.0) to 1.16 (17, 18).
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"PGDMP"
_NOT_SET, _SET = 1, 2  # K_OFFSET_POS_*
_DATA, _BLOBS = 1, 3  # BLK_*
_CUSTOM = 1  # archCustom
_OLDEST, _NEWEST = (1, 12), (1, 16)
_LONGEST = 1024 * 1024 * 1024  # of a text: what is longer is no text but damage


class BrokenError(Exception):
    """The archive cannot be what pg_dump wrote."""


class NewerError(Exception):
    """The archive is of a version that nobody here knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the table of contents."""

    id: int
    description: str  # such as TABLE DATA
    file: str  # of a directory or tar archive; "" where there is no data
    offset: int | None  # of a custom archive's data; None: there is none, or nobody wrote where
    has_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an archive says of itself."""

    database: str
    server_version: str
    entries: tuple[Entry, ...]
    data_starts: int  # where the table of contents ends

    @property
    def lack(self) -> str:
        """What a part of a dump lacks to be one (--schema-only, --data-only), "" for nothing."""
        kinds = {entry.description for entry in self.entries}
        if "TABLE" in kinds and "TABLE DATA" not in kinds:
            return "it has no table's data, the schema alone"
        if "TABLE DATA" in kinds and "TABLE" not in kinds:
            return "it has no schema, the tables' data alone"
        return ""


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.int_size = 4
        self.offset_size = 8

    def byte(self) -> int:
        return self._bytes(1)[0]

    def number(self) -> int:
        negative = self.byte()
        value = int.from_bytes(self._bytes(self.int_size), "little")
        return -value if negative else value

    def text(self) -> str | None:
        length = self.number()
        if length < 0:
            return None
        if length > _LONGEST:
            raise BrokenError("its table of contents holds nonsense")
        return self._bytes(length).decode("utf-8", "replace")

    def offset(self) -> tuple[int, int]:
        flag = self.byte()
        return flag, int.from_bytes(self._bytes(self.offset_size), "little")

    def _bytes(self, count: int) -> bytes:
        got = self.file.read(count)
        if len(got) < count:
            raise BrokenError("it breaks off")
        return got


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    reader: _Reader
    version: tuple[int, int]
    custom: bool
    database: str
    server_version: str


def read_database(file: BinaryIO) -> str:
    """Return of which database an archive is; raises as `read_contents`."""
    return _header(file).database


def read_contents(file: BinaryIO) -> Contents:
    """Read from the start of a custom archive or a toc.dat; raises BrokenError, NewerError, OSError."""
    header = _header(file)
    count = header.reader.number()
    entries = tuple(
        _entry(header.reader, header.version, custom=header.custom) for _ in range(count)
    )
    return Contents(
        database=header.database,
        server_version=header.server_version,
        entries=entries,
        data_starts=file.tell(),
    )


def _header(file: BinaryIO) -> _Header:
    reader = _Reader(file)
    if file.read(5) != MAGIC:
        raise BrokenError("it does not begin as an archive of pg_dump does")
    version = (reader.byte(), reader.byte())
    reader.byte()  # revision
    if version > _NEWEST or version < _OLDEST:
        raise NewerError(f"its archive version {version[0]}.{version[1]} is not known here")
    reader.int_size, reader.offset_size = reader.byte(), reader.byte()
    custom = reader.byte() == _CUSTOM
    if version >= (1, 15):
        reader.byte()  # compression
    else:
        reader.number()
    for _ in range(7):  # when it was made, in local time
        reader.number()
    database, server = reader.text() or "", reader.text() or ""
    reader.text()  # pg_dump's version
    return _Header(
        reader=reader,
        version=version,
        custom=custom,
        database=database,
        server_version=server.split(" ")[0],
    )


def _entry(reader: _Reader, version: tuple[int, int], *, custom: bool) -> Entry:
    number, dumped = reader.number(), bool(reader.number())
    for _ in range(3):  # the catalogue's oid, the object's, its name
        reader.text()
    description = reader.text() or ""
    reader.number()  # section
    # definition, DROP, COPY, schema, tablespace, and since 12 the access method
    for _ in range(6 if version >= (1, 14) else 5):
        reader.text()
    if version >= (1, 16):
        reader.number()  # relkind
    reader.text()  # owner
    reader.text()  # with oids
    while reader.text() is not None:
        pass  # what it depends on
    if not custom:
        file = reader.text() or ""
        return Entry(
            id=number, description=description, file=file, offset=None, has_data=bool(file)
        )
    flag, offset = reader.offset()
    return Entry(
        id=number,
        description=description,
        file="",
        offset=offset if flag == _SET else None,
        has_data=dumped and flag in (_NOT_SET, _SET),
    )


def check_data(path: Path, contents: Contents, until: float) -> bool:
    """Go over the data blocks of a custom archive without reading them; False: there was no time for all.

    Each entry's block must begin where the contents say, and the last one must end within the file.
    Raises BrokenError and OSError.
    """
    size = path.stat().st_size
    entries = [entry for entry in contents.entries if entry.has_data]
    with path.open("rb") as file:
        reader = _Reader(file)
        _sizes(file, reader)
        placed = sorted((entry.offset, entry.id) for entry in entries if entry.offset is not None)
        for offset, number in placed:
            file.seek(offset)
            if reader.byte() not in (_DATA, _BLOBS) or reader.number() != number:
                raise BrokenError(f"the data of entry {number} is not where the contents say")
        missing = {entry.id for entry in entries if entry.offset is None}
        if not missing:
            if placed:
                file.seek(placed[-1][0])
                return _skip(reader, size, until) is not None
            return True
        file.seek(contents.data_starts)
        while missing:
            found = _skip(reader, size, until)
            if found is None:
                return False
            missing.discard(found)
    return True


def _sizes(file: BinaryIO, reader: _Reader) -> None:
    file.seek(8)
    reader.int_size, reader.offset_size = reader.byte(), reader.byte()


def _skip(reader: _Reader, size: int, until: float) -> int | None:
    """Go to the end of the block that begins here, and return its entry; None: no time."""
    kind, number = reader.byte(), reader.number()
    if kind not in (_DATA, _BLOBS):
        raise BrokenError("its data holds nonsense")
    while kind == _DATA or reader.number():  # a large object's oid
        while length := reader.number():
            if length < 0 or reader.file.tell() + length > size:
                raise BrokenError("it breaks off in the data")
            reader.file.seek(length, 1)
            if time.monotonic() > until:
                return None
        if kind == _DATA:
            break
    return number
