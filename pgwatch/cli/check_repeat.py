"""The gate more than once: until it passes (--wait), or on the screen until somebody has seen enough."""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgwatch.check.report.live import picture
from pgwatch.check.report.plain import counted
from pgwatch.check.verdict import EXIT_PASS, Report
from pgwatch.units import format_duration

Run = Callable[[], Coroutine[None, None, Report]]

_PAUSE = (
    5.0  # seconds at least; and four times as long as a run took, so that a server has its rest
)
_SHARE = 4.0
_TICK = timedelta(seconds=1)


async def until_passed(run: Run, *, wait: timedelta) -> Report:
    """Run until the exit status is 0 or `wait` is over; returns the last report, and says how it went.

    The last run begins within `wait` and is not cut short.
    """
    begun = time.monotonic()
    runs = 0
    while True:
        started = time.monotonic()
        report = await run()
        runs += 1
        now = time.monotonic()
        left = wait.total_seconds() - (now - begun)
        if report.exit_code == EXIT_PASS or left <= 0:
            break
        pause = min(_pause(now - started), left)
        await _wait(pause, f"{report.verdict} ({counted(report)}); run {runs + 1} in")
    took = format_duration(timedelta(seconds=round(time.monotonic() - begun)))
    times = "1 run" if runs == 1 else f"{runs} runs"
    if report.exit_code == EXIT_PASS:
        print(f"passed after {took}, {times}", file=sys.stderr)
    else:
        print(f"not passed within {format_duration(wait)}, {times}", file=sys.stderr)
    return report


@dataclass(slots=True)
class Live:
    """The report on the terminal, drawn anew after each run."""

    run: Run
    colour: bool
    last: Report | None = None

    async def show(self) -> None:
        """Run and draw, until interrupted; the terminal is left as it was, without the picture."""
        print(
            "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", end="", flush=True
        )  # xterm's second screen, no cursor
        try:
            self._draw(["looking …"])
            while True:
                started = time.monotonic()
                self.last = report = await self.run()
                pause = _pause(time.monotonic() - started)
                columns, lines = shutil.get_terminal_size((100, 24))
                headline = (
                    f"pgwatch check · {datetime.now().astimezone():%H:%M:%S}"
                    f" · again in {pause:.0f}s · Ctrl-C ends"
                )
                drawn = picture(
                    report,
                    headline=headline[:columns],
                    colour=self.colour,
                    width=min(columns - 1, 120),
                    height=lines,
                )
                self._draw(drawn)
                await asyncio.sleep(pause)
        finally:
            print("\x1b[?25h\x1b[?1049l", end="", flush=True)

    @staticmethod
    def _draw(lines: list[str] | tuple[str, ...]) -> None:
        """Write over what is there, line by line: clearing first would flicker."""
        text = "\r\n".join(f"{line}\x1b[K" for line in lines)
        print(f"\x1b[H{text}\x1b[J", end="", flush=True)


def _pause(took: float) -> float:
    return max(_PAUSE, _SHARE * took)


async def _wait(seconds: float, what: str) -> None:
    """Sleep; on a terminal, say what for."""
    if not sys.stderr.isatty():
        await asyncio.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        print(f"\r\x1b[K{what} {left:.0f}s", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(min(left, _TICK.total_seconds()))
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
