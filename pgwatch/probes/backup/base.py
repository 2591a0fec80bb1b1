"""Base backups: the manifest's own checksum, and that each file is there in its size.

https://www.postgresql.org/docs/current/backup-manifest-format.html
"""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

MANIFEST = "backup_manifest"
_LAST_LINE = b'"Manifest-Checksum"'
_SHOWN = 3
_MOST = 1024 * 1024 * 1024  # bytes of a manifest: some millions of files


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest; raises ValueError where it is damaged, and OSError."""
    path = folder / MANIFEST
    if path.stat().st_size > _MOST:
        raise ValueError("the manifest is too large to be one")
    text = path.read_bytes()
    # "The checksum is calculated over all bytes up to and including the newline of the line before."
    start = text.rfind(_LAST_LINE)
    if start < 0:
        raise ValueError("the manifest breaks off")
    manifest: dict[str, Any] = json.loads(text)
    if hashlib.sha256(text[:start]).hexdigest() != manifest["Manifest-Checksum"]:
        raise ValueError("the manifest's own checksum does not hold")
    return manifest


def system_identifier(folder: Path, manifest: dict[str, Any]) -> int | None:
    """Return of which cluster it is a backup: the manifest says so since 17, pg_control always has."""
    if (number := manifest.get("System-Identifier")) is not None:
        return int(number)
    control = folder / "global" / "pg_control"
    try:
        with control.open("rb") as file:
            return int.from_bytes(file.read(8), "little")
    except OSError:
        return None


def wrong_files(folder: Path, manifest: dict[str, Any], until: float) -> tuple[list[str], bool]:
    """Return what is missing or of another size, and whether there was time for all of it."""
    wrong: list[str] = []
    for entry in manifest["Files"]:
        if time.monotonic() > until:
            return wrong, False
        name = entry.get("Path") or bytes.fromhex(entry["Encoded-Path"]).decode("utf-8", "replace")
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if size != entry["Size"]:
            wrong.append(f"{name} has {size:,} bytes instead of {entry['Size']:,}")
    return wrong, True


def listed(wrong: list[str]) -> str:
    """Return the first of them, and how many more there are."""
    more = f" and {len(wrong) - _SHOWN} more files" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more
