"""A shell that outlives us: ends the processes of a folder and removes it, also when we were killed."""

import subprocess
from pathlib import Path

# A process belongs to the folder if a `*.pid` file one level below names it, and its command line names
# the folder (/proc/PID/cwd would need CAP_SYS_PTRACE). SIGQUIT is PostgreSQL's immediate shutdown; it
# takes up to 5 s to end a backend that does not answer.
_SCRIPT = """
read -r _
tries=0
while [ -e "$1" ] && [ "$tries" -lt 150 ]; do
    if [ "$tries" -lt 100 ]; then signal=QUIT; else signal=KILL; fi
    running=
    for file in "$1"/*/*.pid; do
        pid=
        read -r pid < "$file" || [ -n "$pid" ] || continue
        grep -qsF "$1/" "/proc/$pid/cmdline" || continue
        running=yes
        kill -CONT "$pid"
        kill -"$signal" "$pid"
    done
    if [ -z "$running" ]; then rm -rf "$1"; fi
    tries=$((tries + 1))
    if [ -e "$1" ]; then sleep 0.05; fi
done
"""


class Guard:
    """Stands by `folder` until `end()`, or until this process is no more, whatever ended it."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists; processes that are to end with it write `<folder>/<any>/<name>.pid`."""
        self._shell = subprocess.Popen(  # noqa: S603 - our own arguments
            ["/bin/sh", "-c", _SCRIPT, "pgwatch-guard", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal goes to the whole process group
        )

    def end(self) -> None:
        """End the processes and remove the folder; returns when both are gone."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()
