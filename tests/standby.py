"""A real standby of a LocalServer, by streaming replication with a slot of its own."""

from dataclasses import dataclass

import psycopg

from pgwatch.demo.server import LocalServer

SLOT = "standby_1"


@dataclass(kw_only=True)
class Standby(LocalServer):
    """A copy of `primary` that follows it; started and stopped like any LocalServer."""

    primary: LocalServer

    def _initdb(self) -> None:
        self._run(
            "pg_basebackup",
            *("-D", str(self.data), "-d", self.primary.dsn() + "?application_name=standby_1"),
            *("--write-recovery-conf", "--create-slot", f"--slot={SLOT}", "--checkpoint=fast"),
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
            # By default a standby whose link was cut waits 5 s before it tries again.
            file.write("wal_retrieve_retry_interval = '100ms'\n")

    def catch_up(self) -> None:
        """Return when all that the primary has written so far is replayed here."""
        with (
            psycopg.connect(self.primary.dsn(), autocommit=True) as primary,
            psycopg.connect(self.dsn(), autocommit=True) as standby,
        ):
            written = primary.execute("SELECT pg_current_wal_lsn()::text").fetchone()
            assert written is not None
            for _ in range(1000):
                done = standby.execute(
                    "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_sleep(0.01)", written
                ).fetchone()
                if done and done[0]:
                    return
        raise AssertionError("the standby has not caught up within 10 s")
