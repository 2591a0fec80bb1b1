"""The demo from beginning to end: a deploy that goes wrong in silence, the gate, the daemon, the inbox."""

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import yaml

from pgwatch.demo import database
from pgwatch.demo.faults import SCHEDULE, Fault, all_faults, play
from pgwatch.demo.inbox import Inbox
from pgwatch.demo.interrupts import Interrupts
from pgwatch.demo.process import DaemonProcess
from pgwatch.demo.server import LocalServer, embedded_bin, free_port
from pgwatch.demo.workload import Workload
from pgwatch.errors import PgwatchError

_PASSWORD = "demo-only"  # noqa: S105 - of a server on loopback that lives as long as the demo
_PREFERRED_PORT = 9432
_REPLAY_AFTER_SECONDS = 60.0
# Short cadences, so that what takes minutes in production can be watched; the rules are the shipped ones.
_INTERVALS = {
    "core/*": "5s",
    "core/*size*": "1m",
    "statements/*": "10s",
    "app/roofing/*": "5s",
}
_THRESHOLDS = {"PostgresMaterializedViewStale": "60s"}

# Nobody can know from its text what the block makes that EXECUTEs `CREATE TABLE … PARTITION OF …`.
_LOOKED_AT = {
    "check": "migration_structure",
    "labels": {"migration": "20250812_performance_optimization", "problem": "unverifiable"},
    "reason": "the partitions that EXECUTE makes were looked at by hand",
}

Say = Callable[[str], None]


class Demo:
    """Everything that the demo starts; `with Demo(…) as demo` takes it all away again."""

    def __init__(self, say: Say, interrupts: Interrupts) -> None:
        """`say` gets each line that the demo tells."""
        self._say = say
        self._interrupts = interrupts
        self._owned = ExitStack()
        self._migrations: list[Path] = []  # in the order in which they were applied

    def __enter__(self) -> "Demo":
        server = LocalServer(bin=embedded_bin(), settings=database.SERVER_SETTINGS)
        self._say("A PostgreSQL of its own starts, with the database of a roofing company.")
        self._server = self._owned.enter_context(server)
        # Inside the server's folder, so that whatever ends us, nothing of ours is left behind.
        self._folder = self._server.folder / "demo"
        self._folder.mkdir(mode=0o700)
        self._config = self._folder / "pgwatch.yml"
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()

    def deploy(self) -> None:
        """Create the database and apply the migrations as the deployment guide does it."""
        database.create_database(self._server.dsn())
        self._dsn = self._server.dsn(database.NAME)
        database.build(self._dsn)
        database.create_monitoring_role(self._dsn, _PASSWORD)
        self._say("The gate before the deploy:")
        self._configure(inbox=None, port=0)
        self.gate(brief=True)
        self._say(
            "Five migrations, applied as the guide says (psql -f, errors scroll by, exit status 0):"
        )
        failures = database.apply_migrations(self._dsn, _silent)
        for failure in failures:
            self._say(f"    {failure.file}:{failure.line}: ERROR: {failure.message}")
        self._say(f"    {len(failures)} statements failed, and psql said 0 each time.")
        self._migrations = list(database.MIGRATIONS)
        self._configure(inbox=None, port=0)

    def repair(self) -> None:
        """Do what a person does about each finding."""
        database.fix_damage(self._dsn)
        # What was done by hand counts from now on: it is one more migration.
        self._migrations.append(database.CURE)
        self._configure(inbox=None, port=0)

    def gate(self, *, brief: bool) -> int:
        """Run `pgwatch check --once` and return its exit status; `brief` shows the verdict line only."""
        command = [sys.executable, "-m", "pgwatch", "check", "--once", "--config"]
        with ExitStack() as ended:
            with self._interrupts.held():
                gate = subprocess.Popen(  # noqa: S603 - our own arguments
                    [*command, str(self._config)], stdout=subprocess.PIPE if brief else None
                )
                ended.callback(gate.wait)
                ended.callback(gate.kill)
            output, _ = gate.communicate()
        if brief:
            said = output.decode().strip().splitlines()
            if not said:
                raise PgwatchError(f"the gate ended with {gate.returncode} and said nothing")
            self._say("    " + said[-1])
        return gate.returncode

    def use(self) -> None:
        """Start the application's workload."""
        self._workload = Workload(self._dsn)
        self._workload.start()
        self._owned.callback(self._workload.stop)

    def watch(self) -> None:
        """Start the inbox and the daemon, then put faults in and take them out until interrupted.

        Raises PgwatchError if the daemon ends before.
        """
        inbox = self._owned.enter_context(Inbox())
        port = _PREFERRED_PORT if _is_free(_PREFERRED_PORT) else free_port()
        self._configure(inbox=inbox, port=port)
        daemon = self._owned.enter_context(DaemonProcess(self._config, port, self._interrupts))
        self._say(f"Status page  http://127.0.0.1:{port}/")
        self._say(f"Metrics      http://127.0.0.1:{port}/metrics")
        self._say(f"Inbox        {inbox.url}  (what Slack and e-mail would have received)")
        self._say("Things go wrong on a timer now, and are cured again. Ctrl-C ends it all.")
        while not daemon.ended.is_set():
            play(SCHEDULE, all_faults(self._dsn, self._workload), daemon.ended, self._tell)
            daemon.ended.wait(_REPLAY_AFTER_SECONDS)

    def _tell(self, name: str, fault: Fault, is_on: bool) -> None:
        self._say(f"    {'+' if is_on else '-'} {name.replace('_', ' ')}: {fault.summary}")

    def _configure(self, *, inbox: Inbox | None, port: int) -> None:
        password = self._folder / "password"
        password.write_text(_PASSWORD)
        address = f"127.0.0.1:{self._server.port}"
        settings: dict[str, object] = {
            "targets": [
                {
                    "name": "roofing",
                    "dsn": f"postgresql://{database.MONITOR}@{address}/{database.NAME}",
                    "password_file": str(password),
                    "labels": {"env": "demo"},
                    "host": {"source": "local"},
                }
            ],
            "migrations": [str(file) for file in self._migrations],
            "ignore": [_LOOKED_AT] if self._migrations else [],
            "rules": {"set": _THRESHOLDS},
            "intervals": _INTERVALS,
            "evaluation_interval": "5s",
            "state": str(self._folder / "pgwatch.db"),
        }
        if inbox is not None:
            routing = self._folder / "alertmanager.yml"
            routing.write_text(yaml.safe_dump(_alertmanager(inbox), sort_keys=False))
            settings["alertmanager_config"] = str(routing)
            settings["web"] = {"listen": f"127.0.0.1:{port}"}
        self._config.write_text(yaml.safe_dump(settings, sort_keys=False))


def run(say: Say, interrupts: Interrupts, *, once: bool) -> None:
    """Tell the whole story; with `once` only up to the verdicts. Ends on KeyboardInterrupt, cleanly."""
    with Demo(say, interrupts) as demo:
        demo.deploy()
        demo.use()
        say("The gate after the deploy:\n")
        status = demo.gate(brief=False)
        say(f"\n`pgwatch check --once` ended with {status}: a deploy pipeline would stop here.")
        say("Each finding is cured as the report says, and the gate is asked again:")
        demo.repair()
        demo.gate(brief=True)
        if not once:
            demo.watch()


def _alertmanager(inbox: Inbox) -> dict[str, object]:
    """Return an ordinary alertmanager.yml, with waits short enough to watch."""
    return {
        "global": {
            "smtp_smarthost": inbox.smarthost,
            "smtp_from": "pgwatch@roofing.example",
            "smtp_require_tls": False,
        },
        "route": {
            "receiver": "team",
            "group_by": ["alertname", "target"],
            "group_wait": "2s",
            "group_interval": "5s",
            "repeat_interval": "1h",
            "routes": [
                {"receiver": "on-call", "matchers": ['severity="critical"'], "continue": True},
                {"receiver": "team"},
            ],
        },
        "receivers": [
            {
                "name": "team",
                "slack_configs": [
                    {"api_url": inbox.slack_url, "channel": "#database", "send_resolved": True}
                ],
            },
            {
                "name": "on-call",
                "email_configs": [{"to": "oncall@roofing.example", "send_resolved": True}],
            },
        ],
    }


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _silent(_: str) -> None:
    """Take a line that psql prints and show nothing: hundreds of them scroll by."""
