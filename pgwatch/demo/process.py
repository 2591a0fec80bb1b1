"""The demo's daemon: `pgwatch run` in a process of its own, watched from its start to its end."""

import http.client
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from pgwatch.demo.interrupts import Interrupts
from pgwatch.errors import PgwatchError

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0  # more than the daemon gives itself
_LAST_WORDS = 2000  # characters of its log


class DaemonProcess:
    """`with DaemonProcess(…) as daemon`: it is ready inside, and has ended after.

    Log and pid file lie beside `config`; the pid file is for the guard of the folder above.
    """

    def __init__(self, config: Path, port: int, interrupts: Interrupts) -> None:
        """`port` is the one on loopback that `config` tells the daemon to listen on."""
        self._config = config
        self._port = port
        self._interrupts = interrupts
        self._log = config.with_name("daemon.log")
        self.ended = threading.Event()  # also set when it ends by itself

    def __enter__(self) -> "DaemonProcess":
        command = [sys.executable, "-m", "pgwatch", "run", "--config", str(self._config)]
        with self._log.open("wb") as log, self._interrupts.held():
            # A session of its own: Ctrl-C is for us, and we end it after the faults are out.
            self._process = subprocess.Popen(command, stderr=log, start_new_session=True)  # noqa: S603
            self._config.with_name("daemon.pid").write_text(f"{self._process.pid}\n")
        try:
            threading.Thread(target=self._wait_for_end, name="demo-daemon", daemon=True).start()
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._complain_if_ended()
        self._stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            self._complain_if_ended()
            if time.monotonic() > deadline:
                raise PgwatchError(f"the daemon does not become ready:\n{self._last_words()}")
            self.ended.wait(0.1)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _wait_for_end(self) -> None:
        self._process.wait()
        self.ended.set()

    def _complain_if_ended(self) -> None:
        if self.ended.is_set():
            status = self._process.returncode
            raise PgwatchError(f"the daemon ended with {status}:\n{self._last_words()}")

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-_LAST_WORDS:].strip()

    def _stop(self) -> None:
        self._process.terminate()
        if not self.ended.wait(_STOP_SECONDS):
            self._process.kill()
            self._process.wait()
