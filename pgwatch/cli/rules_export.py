"""`pgwatch rules export`: the rules in force, for a Prometheus."""

import argparse
from pathlib import Path

from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import PgwatchError
from pgwatch.rules.export import HEADER, rule_files
from pgwatch.wiring import rule_groups


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="where to; files of an earlier export are replaced, no others",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files."""
    folder: Path = arguments.folder
    files = rule_files(rule_groups(settings_inputs(arguments)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            _refuse_others(folder / name)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            print(f"{folder / name}: written")
    except OSError as error:
        raise PgwatchError(f"cannot write {error.filename}: {error.strerror}") from error
    return 0


def _refuse_others(file: Path) -> None:
    if file.exists() and not file.read_bytes().startswith(HEADER.encode()):
        raise PgwatchError(f"{file} was not written by pgwatch; choose another folder")
