"""The file of a baseline: JSON, one schema, written whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pgwatch.baseline.codec import DecodeError, decode, encode
from pgwatch.baseline.model import Baseline
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.yamlfile import dotted
from pgwatch.yamlfile import load as load_yaml

SCHEMA = 1  # grows when a field is removed or changes its meaning
_KIND = "pgwatch baseline"
_MODE = 0o600  # it tells of names, settings and statements: of no one else's business


def render(baseline: Baseline) -> str:
    """Return the file's text: the same for equal baselines, keys sorted, a newline at its end."""
    document = {"kind": _KIND, "schema": SCHEMA, **encode(baseline)}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def refuse_existing(path: Path) -> None:
    """Raise InputError if something stands at `path` already: a baseline is made once, before."""
    if path.exists():
        message = "exists already; --force replaces it"
        raise InputError([Problem(file=str(path), message=message)])
    if not path.parent.is_dir():
        message = f"cannot be written: there is no folder {path.parent}"
        raise InputError([Problem(file=str(path), message=message)])


def write(path: Path, baseline: Baseline) -> None:
    """Write the file, readable by its owner only; raises InputError, and leaves what was there."""
    text = render(baseline)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_MODE)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        reason = (error.strerror or type(error).__name__).lower()
        message = f"cannot be written: {reason}"
        raise InputError([Problem(file=str(path), message=message)]) from error


def read(path: Path) -> Baseline:
    """Return the baseline at `path`; raises InputError, with the line, on what is none or is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = unreadable(path, error)
        raise InputError([Problem(file=str(path), message=message)]) from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        message = "is damaged, or no baseline: from here on it is not JSON"
        problem = Problem(file=str(path), line=error.lineno, column=error.colno, message=message)
        raise InputError([problem]) from None
    except RecursionError:
        message = "is no baseline: it is nested too deeply"
        raise InputError([Problem(file=str(path), line=1, message=message)]) from None
    _recognise(path, document)
    try:
        return decode(Baseline, document)
    except DecodeError as error:
        raise InputError([_located(path, text, error)]) from None


def _recognise(path: Path, document: Any) -> None:
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        message = "is no baseline of pgwatch (pgwatch baseline save writes one)"
    elif document.get("schema") != SCHEMA:
        message = (
            f"has schema {document.get('schema')!r}, written by pgwatch {document.get('pgwatch')};"
            f" this one reads schema {SCHEMA}: use that version, or save a new baseline"
        )
    else:
        return
    raise InputError([Problem(file=str(path), line=1, message=message)])


def _located(path: Path, text: str, error: DecodeError) -> Problem:
    message = f"is damaged: {error}"
    try:
        # JSON is YAML; its reader is slow and knows the lines.
        return load_yaml(text, file=str(path)).problem(error.path, message)
    except InputError:
        return Problem(file=str(path), path=dotted(error.path), message=message)
