"""Probes on threads: how each run ends, and that one that hangs harms no other."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from pgwatch.collect import probing
from pgwatch.collect.outcome import OutcomeKind, QueryRun
from pgwatch.collect.probing import Prober, run_probe
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.sample import Collected, Source


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is given up at its own timeout."""
    monkeypatch.setattr(probing, "_GRACE", timedelta(0))


def nothing() -> None:
    """Do nothing before the answer."""


@dataclass
class Observer:
    """A probe whose one step the test chooses."""

    name: str = "web"
    step: Callable[[], object] = nothing
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    runs: int = field(default=0, init=False)

    @property
    def source(self) -> Source:
        return Source(self.name, f"probe/{self.name}")

    def run(self, now_ms: int) -> Collected:
        self.runs += 1
        self.step()
        return Collected(source=self.source, time_ms=now_ms, families=(), labels=(), values=())


def fail(error: Exception) -> Callable[[], object]:
    def step() -> object:
        raise error

    return step


@pytest.mark.parametrize(
    ("step", "kind", "reason"),
    [
        pytest.param(nothing, OutcomeKind.ANSWERED, "", id="answer"),
        pytest.param(fail(ProbeError("no /proc here")), OutcomeKind.FAILED, "no /proc here", id="told"),
        pytest.param(fail(KeyError("zebra")), OutcomeKind.FAILED, "a bug in pgwatch: KeyError", id="bug"),
    ],
)  # fmt: skip
def test_how_a_run_ends(step: Callable[[], object], kind: OutcomeKind, reason: str) -> None:
    run = asyncio.run(run_probe(Observer(step=step)))
    assert run.outcome.kind is kind
    assert getattr(run.outcome, "reason", "") == reason
    assert (run.collected is not None) is (kind is OutcomeKind.ANSWERED)


def test_one_that_hangs_times_out_and_holds_only_its_own_thread() -> None:
    release = threading.Event()
    stuck = Observer(name="stuck", step=release.wait, timeout=timedelta(milliseconds=20))
    fine = Observer(name="fine")
    runs: list[QueryRun] = []
    news = asyncio.Event()

    def sink(run: QueryRun) -> None:
        runs.append(run)
        news.set()

    def ended(probe: Observer) -> list[OutcomeKind]:
        return [run.outcome.kind for run in runs if run.source == probe.source]

    async def until(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                news.clear()
                await news.wait()

    async def another(prober: Prober) -> None:
        """Let the healthy probe run once more."""
        before = len(ended(fine))
        prober.offer(fine)
        await until(lambda: len(ended(fine)) > before)

    async def scenario() -> None:
        prober = Prober((stuck, fine), sink)
        work = asyncio.create_task(prober.run())
        try:
            await until(lambda: ended(stuck) == [OutcomeKind.TIMED_OUT] and ended(fine))
            for _ in range(3):
                prober.offer(stuck)
                await another(prober)
            assert (stuck.runs, prober.overruns) == (1, {stuck.source: 3})
            release.set()
            async with asyncio.timeout(10):
                while stuck.runs == 1:
                    prober.offer(stuck)
                    await another(prober)
            await until(lambda: len(ended(stuck)) == 2)
            assert ended(stuck)[-1] is OutcomeKind.ANSWERED
        finally:
            release.set()
            work.cancel()
            await asyncio.wait({work})

    asyncio.run(scenario())
