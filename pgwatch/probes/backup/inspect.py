"""Look at one backup: tell what kind it is, and whether it is whole."""

import io
import tarfile
import time
from dataclasses import replace
from pathlib import Path

from pgwatch.probes.backup import base, plain
from pgwatch.probes.backup.archive import (
    MAGIC,
    BrokenError,
    Contents,
    Entry,
    NewerError,
    check_data,
    read_contents,
    read_database,
)
from pgwatch.probes.backup.inspection import Form, Inspection
from pgwatch.probes.backup.programs import run_program
from pgwatch.probes.backup.stream import (
    DamagedError,
    Ends,
    UntoldError,
    compression_of,
    ends_of,
    head_of,
)

_TAR_MAGIC = b"ustar"  # at 257
_TOC = "toc.dat"
_RESTORED_BYTES = 256 * 1024 * 1024  # up to here pg_restore decompresses all of it: some seconds
_DATA_SUFFIXES = ("", ".gz", ".lz4", ".zst")
_COPY_END = b"\\.\n"  # what ends the rows of a table in a directory or tar archive


def inspect(path: Path, *, until: float) -> Inspection:
    """Return what there is to say of the backup; never raises for its sake, and ends soon after `until`.

    `until` is of time.monotonic(). Only both ends of an uncompressed plain dump are read, and of the
    large archives the contents and the frame of the data; where PostgreSQL's own programs are on the
    PATH, they are asked too.
    """
    try:
        found = _inspect_folder(path, until) if path.is_dir() else _inspect_file(path, until)
        return replace(found, bytes=size_of(path))
    except OSError as error:
        reason = f"{path.name} cannot be read: {error.strerror or error}"
        return Inspection(
            form=Form.UNKNOWN, untold=(reason,), cures=("let pgwatch's user read it",)
        )


def database_of(path: Path) -> str:
    """Return of which database it says to be a dump, "" where it does not; raises OSError."""
    try:
        if path.is_dir():
            if not (path / _TOC).is_file():
                return ""
            with (path / _TOC).open("rb") as file:
                return read_database(file)
        head = head_of(path)
        if head.startswith(MAGIC):
            return read_database(io.BytesIO(head))
        if head[257:262] == _TAR_MAGIC:
            return read_database(io.BytesIO(head[512:]))
    except (BrokenError, NewerError, DamagedError, UntoldError):
        return ""
    return plain.database_of(head) if plain.form_of(head) is Form.PLAIN else ""


def size_of(path: Path) -> int:
    """Return its bytes, of a folder those of all files in it; raises OSError."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _inspect_file(path: Path, until: float) -> Inspection:
    try:
        head = head_of(path)
    except DamagedError as error:
        return Inspection(form=Form.UNKNOWN, problems=(f"it is damaged: {error}",))
    except UntoldError as error:
        return _untold(Form.UNKNOWN, error)
    if head.startswith(MAGIC):
        return _custom(path, until)
    if head[257:262] == _TAR_MAGIC:
        return _tar(path, head, until)
    if (form := plain.form_of(head)) is not None:
        return _plain(path, head, form, until)
    problem = "it is empty" if not head else "it is no dump of PostgreSQL, and no base backup"
    return Inspection(form=Form.UNKNOWN, problems=(problem,))


def _untold(form: Form, error: UntoldError) -> Inspection:
    return Inspection(form=form, untold=(str(error),), cures=(error.cure,) if error.cure else ())


def _plain(path: Path, head: bytes, form: Form, until: float) -> Inspection:
    said = Inspection(
        form=form,
        database=plain.database_of(head) if form is Form.PLAIN else "",
        server_version=plain.server_version_of(head),
    )
    ends = _ends(path, said, until)
    if isinstance(ends, Inspection):
        return ends
    problem = plain.problem_of(ends, form)
    read = (
        f"all of it, through {ends.compression}" if ends.compression else "its first and last lines"
    )
    return replace(said, problems=(problem,) if problem else (), read=read)


def _custom(path: Path, until: float) -> Inspection:
    if compression_of(path):
        return _custom_within(path, until)
    said = Inspection(form=Form.CUSTOM)
    try:
        with path.open("rb") as file:
            contents = read_contents(file)
        said = _said(Form.CUSTOM, contents)
        complete = check_data(path, contents, until)
    except BrokenError as error:
        return replace(said, problems=(str(error),))
    except NewerError as error:
        return _asked(path, replace(said, untold=(str(error),)), until)
    if not complete:
        said = replace(said, untold=("there was no time to go over all of its data",))
    return _asked(path, replace(said, read="its contents and where its data lies"), until)


def _custom_within(path: Path, until: float) -> Inspection:
    """Look at a custom archive within another compression, in which nothing can be skipped."""
    ends = _ends(path, Inspection(form=Form.CUSTOM), until)
    if isinstance(ends, Inspection):
        return ends
    try:
        said = _said(Form.CUSTOM, read_contents(io.BytesIO(ends.head)))
    except (BrokenError, NewerError):  # the contents are longer than what was kept
        said = Inspection(form=Form.CUSTOM)
    untold = (
        f"what {ends.compression} holds is as it was put in; whether pg_dump had ended is not told"
    )
    cure = "pg_dump compresses the custom format itself: leave the other compression out"
    return replace(said, untold=(untold,), cures=(cure,))


def _said(form: Form, contents: Contents) -> Inspection:
    return Inspection(
        form=form,
        problems=(contents.lack,) if contents.lack else (),
        database=contents.database,
        server_version=contents.server_version,
    )


def _asked(path: Path, said: Inspection, until: float) -> Inspection:
    """Let pg_restore read it, where it is installed; its word counts."""
    result = run_program("pg_restore", ["--list", str(path.absolute())], until)
    if result is None:
        return said
    code, words = result
    if code:
        if "unsupported version" in words:
            return said  # pg_restore is older than the archive
        return replace(said, problems=(*said.problems, words))
    said = replace(said, untold=(), read=said.read or "its contents, by pg_restore")
    if size_of(path) > _RESTORED_BYTES:
        return said
    result = run_program("pg_restore", ["--file=/dev/null", str(path.absolute())], until)
    if result is None:
        return said
    code, words = result
    return (
        replace(said, problems=(words,)) if code else replace(said, read="all of it, by pg_restore")
    )


def _inspect_folder(path: Path, until: float) -> Inspection:
    if (path / _TOC).is_file():
        return _directory(path, until)
    if (path / base.MANIFEST).is_file():
        return _base(path, until)
    if (path / "PG_VERSION").is_file():
        return Inspection(
            form=Form.BASE,
            untold=("it has no backup_manifest, so nobody can tell whether it is whole",),
            cures=("take it with pg_basebackup, which writes one",),
        )
    return Inspection(
        form=Form.UNKNOWN, problems=("it is no dump of PostgreSQL, and no base backup",)
    )


def _directory(path: Path, until: float) -> Inspection:
    said = Inspection(form=Form.DIRECTORY)
    try:
        with (path / _TOC).open("rb") as file:
            contents = read_contents(file)
    except BrokenError as error:
        return replace(said, problems=(f"{_TOC}: {error}",))
    except NewerError as error:
        return _asked(path, replace(said, untold=(str(error),)), until)
    said = _said(Form.DIRECTORY, contents)
    problems, untold, cures = _data_files(path, contents, until)
    found = replace(
        said,
        problems=(*said.problems, *problems),
        untold=tuple(untold),
        cures=tuple(cures),
        read="its contents and each file of data",
    )
    return found if problems or untold else _asked(path, found, until)


def _data_files(
    folder: Path, contents: Contents, until: float
) -> tuple[list[str], list[str], dict[str, None]]:
    problems: list[str] = []
    untold: list[str] = []
    cures: dict[str, None] = {}
    for entry in contents.entries:
        if not entry.has_data or len(problems) >= 3 or time.monotonic() > until:
            continue
        for name, is_table in _files_of(folder, entry):
            try:
                if problem := _data_problem(folder, name, until, is_table=is_table):
                    problems.append(problem)
            except UntoldError as error:
                untold = untold or [str(error)]
                cures |= {error.cure: None} if error.cure else {}
    if time.monotonic() > until and not untold:
        untold = ["there was no time to read all of its files"]
    return problems, untold, cures


def _files_of(folder: Path, entry: Entry) -> list[tuple[str, bool]]:
    """Return the files of an entry, and whether each ends as rows of a table do."""
    files = [(entry.file, entry.description == "TABLE DATA")]
    if entry.description == "BLOBS":
        try:
            lines = (folder / entry.file).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return files
        files += [(line.split(" ", 1)[1], False) for line in lines if " " in line]
    return files


def _data_problem(folder: Path, name: str, until: float, *, is_table: bool) -> str:
    there = next(
        (
            folder / (name + suffix)
            for suffix in _DATA_SUFFIXES
            if (folder / (name + suffix)).exists()
        ),
        None,
    )
    if there is None:
        return f"{name} is missing"
    try:
        ends = ends_of(there, until)
    except DamagedError as error:
        return f"{there.name} is damaged: {error}"
    if is_table and not ends.tail.rstrip(b"\n").endswith(_COPY_END.rstrip(b"\n")):
        return f"{there.name} breaks off"
    return ""


def _tar(path: Path, head: bytes, until: float) -> Inspection:
    first = head[:100].split(b"\0", 1)[0].decode("utf-8", "replace")
    form = Form.TAR if first == _TOC else Form.BASE_TAR
    if form is Form.BASE_TAR and first not in ("backup_label", "PG_VERSION", "base", "./"):
        problem = "it is a tar file, but neither a dump of pg_dump nor a base backup"
        return Inspection(form=Form.UNKNOWN, problems=(problem,))
    said = Inspection(form=form)
    try:
        ends = ends_of(path, until)
        if form is Form.TAR:
            body = head[512:]
            size = int(head[124:135].split(b"\0")[0] or b"0", 8)
            if size <= len(body):
                said = _said(form, read_contents(io.BytesIO(body[:size])))
    except DamagedError as error:
        return replace(said, problems=(f"it is damaged: {error}",))
    except UntoldError as error:
        return _untold(form, error)
    except (BrokenError, NewerError) as error:
        return replace(said, problems=(f"{_TOC}: {error}",))
    if problems := _tar_problems(path, ends):
        return replace(said, problems=problems)
    read = (
        f"all of it, through {ends.compression}" if ends.compression else "the frame of its files"
    )
    return (
        _asked(path, replace(said, read=read), until)
        if form is Form.TAR
        else replace(said, read=read)
    )


def _breaks_off(path: Path) -> bool:
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as file:
            return any(member.offset_data + member.size > size for member in file)
    except tarfile.TarError:
        return True


def _base(path: Path, until: float) -> Inspection:
    in_tar = not (path / "PG_VERSION").exists() and any(path.glob("base.tar*"))
    said = Inspection(form=Form.BASE_TAR if in_tar else Form.BASE)
    try:
        manifest = base.read_manifest(path)
        said = replace(said, system_identifier=base.system_identifier(path, manifest))
        if in_tar:
            return _base_in_tar(path, said, until)
        wrong, complete = base.wrong_files(path, manifest, until)
    except (ValueError, KeyError, TypeError) as error:
        return replace(said, problems=(f"backup_manifest: {error}",))
    if wrong:
        return replace(said, problems=(base.listed(wrong),))
    version = (path / "PG_VERSION").read_text(encoding="utf-8").strip()
    said = replace(said, server_version=version, read="its manifest and the size of each file")
    if not complete:
        return replace(said, untold=("there was no time to look at all of its files",))
    return _verified(path, said, until)


def _verified(path: Path, said: Inspection, until: float) -> Inspection:
    """Let pg_verifybackup read each file, where it is installed."""
    result = run_program("pg_verifybackup", ["--no-parse-wal", "--exit-on-error", str(path)], until)
    if result is None:
        return said
    code, words = result
    if code and "manifest version" in words:
        return said  # pg_verifybackup is older than the backup
    return (
        replace(said, problems=(words,))
        if code
        else replace(said, read="all of it, by pg_verifybackup")
    )


def _base_in_tar(path: Path, said: Inspection, until: float) -> Inspection:
    problems: list[str] = []
    for file in sorted(path.glob("*.tar*")):
        found = _tar_of_base(file, until)
        problems += [f"{file.name}: {problem}" for problem in found.problems]
        if found.untold:
            said = replace(said, untold=found.untold, cures=found.cures)
    read = "its manifest and the frame of each tar file"
    return replace(said, problems=tuple(problems), read=read)


def _tar_of_base(file: Path, until: float) -> Inspection:
    ends = _ends(file, Inspection(form=Form.BASE_TAR), until)
    if isinstance(ends, Inspection):
        return ends
    return Inspection(form=Form.BASE_TAR, problems=_tar_problems(file, ends))


def _ends(path: Path, said: Inspection, until: float) -> Ends | Inspection:
    """Return head and tail of what `path` holds, or `said` with why there are none."""
    try:
        return ends_of(path, until)
    except DamagedError as error:
        return replace(said, problems=(f"it is damaged: {error}",))
    except UntoldError as error:
        return replace(said, untold=(str(error),), cures=(error.cure,) if error.cure else ())


def _tar_problems(path: Path, ends: Ends) -> tuple[str, ...]:
    # Two blocks of zeros end it, https://www.gnu.org/software/tar/manual/html_node/Standard.html
    if ends.tail[-1024:].strip(b"\0") or (not ends.compression and _breaks_off(path)):
        return ("it breaks off: the end of the tar file is missing",)
    return ()
