"""What stands at a path of this machine's disk, and in our words why it cannot be used.

A folder that may not be entered makes `Path.is_file` and `Path.is_dir` raise and `Path.glob` find
nothing; here it is a reason like any other.
"""

import os
import re
import stat
from collections.abc import Iterator
from glob import glob
from pathlib import Path

_WILDCARD = re.compile(r"[*?\[]")


def not_a_file(path: Path) -> str:
    """Return why `path` is no file that can be read, the empty string if it is one."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no file {path}"
    except OSError as error:
        return unreadable(path, error)
    if stat.S_ISDIR(mode):
        return f"{path} is a folder, not a file"
    return "" if stat.S_ISREG(mode) else f"{path} is not a regular file"


def not_a_folder(path: Path) -> str:
    """Return why `path` is no folder that can be read, the empty string if it is one."""
    try:
        with os.scandir(path):
            return ""
    except FileNotFoundError:
        return f"there is no folder {path}"
    except NotADirectoryError:
        return f"{path} is a file, not a folder" if path.exists() else f"there is no folder {path}"
    except OSError as error:
        return unreadable(path, error)


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    """Return why reading `path` raised `error`; names the folder on the way that may not be entered."""
    if isinstance(error, UnicodeDecodeError):
        return "cannot be read: it is not UTF-8 text"
    if isinstance(error, PermissionError) and (folder := locked_folder(path)):
        return f"the folder {folder} may not be read: permission denied"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


def locked_folder(pattern: Path) -> Path | None:
    """Return the first folder on the way to `pattern` that may not be entered, or searched by a wildcard.

    `pattern` may be a folder itself. What stands behind the first wildcard is not looked at.
    """
    way = [*reversed(pattern.absolute().parents), pattern.absolute()]
    for folder, inside in zip(way, [*way[1:], None], strict=True):
        try:
            if inside is None or _WILDCARD.search(inside.name):
                with os.scandir(folder):
                    return None
            os.stat(f"{folder}/.")  # noqa: PTH116  # pathlib drops the dot, which needs the right to enter
        except PermissionError:
            return folder if folder.is_dir() else None
        except OSError:
            return None
    return None


def matching(pattern: str, *, deep: bool = False) -> list[Path]:
    """Return what a pattern of shells stands for, sorted by name; `deep`: `**` is any number of folders.

    Unlike pathlib's, it may be absolute, and a wildcard is not for names that begin with a dot.
    """
    return sorted(map(Path, glob(pattern, recursive=deep)))  # noqa: PTH207 - as said


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    """Iterate over the files below `folder` whose names end in `suffix`.

    Leaves out folders that cannot be read; `locked_below` gives them.
    """
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(suffix))


def locked_below(folder: Path) -> list[Path]:
    """Return `folder` and those below it that cannot be read, as far as they can be seen."""
    locked: list[Path] = []

    def note(error: OSError) -> None:
        if isinstance(error, PermissionError):  # and not that `folder` is none
            locked.append(Path(error.filename))

    for _ in os.walk(folder, onerror=note):
        pass
    return locked


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path` at once, so that a reader sees the old file or the new one, never a part.

    What cannot be replaced is written in place: a device, a pipe, a file in a folder that may not be changed.
    Raises OSError.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        if path.exists():
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        if not path.exists():
            raise
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def not_writable(path: Path) -> str:
    """Return why `replace_text` would fail, "" if it would not; leaves nothing behind."""
    try:
        if path.exists():
            with path.open("ab"):
                return ""
        path.touch(exist_ok=False)
        path.unlink()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
