"""What a store keeps outlives it, and nothing that stands in the file can hurt."""

import logging
import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pgwatch.daemon.history import read_history, write_history
from pgwatch.promql.engine import Engine
from pgwatch.samples.history import MAGIC, HistoryError, decode, encode
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

START = 1_700_000_000_000
STEP = 15_000
HOUR = timedelta(hours=1)
TABLES = Source("db", "core/tables", "app")


def series(name: str, **labels: str) -> Labels:
    return Labels({METRIC_NAME: name, "target": "db", **labels})


def answer(
    row: int, labels: Sequence[Labels], values: Sequence[float], source: Source = TABLES
) -> Collected:
    return Collected(
        source=source,
        time_ms=START + row * STEP,
        families=(Family("seq_scan", MetricType.COUNTER, ""),),
        labels=labels,
        values=values,
        instance="h:5432" if source is TABLES else "",
    )


def filled(rows: int = 60) -> Store:
    """Series that stay, series that come and go (some return), and a recorded one."""
    store = Store()
    steady = [series("seq_scan", relname=f"t{number}") for number in range(5)]
    for row in range(rows):
        passing = [series("calls", queryid=str(row * 20 + one)) for one in range(20)]
        returning = [series("calls", queryid="r")] if row % 30 < 3 else []
        labels = [*steady, *passing, *returning]
        values = [float(row + place) for place in range(len(labels))]
        values[0] = float("nan") if row == 7 else values[0]
        store.append(answer(row, labels, values))
        store.append(answer(row, [series("job:x")], [row], Source("", "rule/x")))
    return store


def again(store: Store, now_ms: int, *, since_ms: int = 0) -> Store:
    data = b"".join(encode(store.kept()))
    other = Store()
    other.restore(decode(memoryview(data), since_ms=since_ms, now_ms=now_ms))
    return other


QUERIES = (
    "seq_scan",
    'sum_over_time({__name__=~".+"}[15m])',
    "count_over_time(calls[20m])",
    'calls{queryid="r"}',
    "rate(seq_scan[5m])",
    "job:x",
    "timestamp(seq_scan)",
)


@pytest.mark.parametrize("expr", QUERIES)
def test_nothing_is_lost(expr: str) -> None:
    store, end = filled(), START + 59 * STEP
    before, after = (
        Engine(one).range(expr, START, end + 400_000, STEP).series
        for one in (store, again(store, end))
    )
    assert [one.labels for one in before] == [one.labels for one in after]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.values, other.values)
    assert before


def test_answers_go_on_in_the_series_they_had() -> None:
    store = again(filled(), START + 60 * STEP)
    count = store.series_count
    labels = [series("seq_scan", relname=f"t{number}") for number in range(5)]
    returned = series("calls", queryid="r")
    assert store.append(answer(61, [*labels, returned], [1.0] * 6))
    assert store.series_count == count
    (found,) = Engine(store).instant('calls{queryid="r"}[1h]', START + 61 * STEP).matrix
    assert len(found.times) == 7  # of both lives before, and now
    assert found.labels.label("instance") == "h:5432"
    assert not Engine(store).instant('calls{queryid!="r"}', START + 61 * STEP).vector


def test_time_without_us_is_a_gap() -> None:
    """As in Prometheus after a crash: samples count as long as the lookback, then there is none."""
    store = again(filled(), START + 60 * STEP)
    last = START + 59 * STEP
    engine = Engine(store)
    assert len(engine.instant("seq_scan", last + 299_999).vector) == 5
    assert not engine.instant("seq_scan", last + 300_000).vector
    store.mark_stale(TABLES, last + 60_000)  # as an answer that fails does
    assert not engine.instant("seq_scan", last + 60_000).vector


def test_what_is_older_than_the_retention_stays_behind() -> None:
    store = again(filled(), START + 59 * STEP, since_ms=START + 50 * STEP)
    assert len(Engine(store).instant('seq_scan{relname="t1"}[1h]', START + 59 * STEP).matrix) == 1
    (found,) = Engine(store).instant('seq_scan{relname="t1"}[1h]', START + 59 * STEP).matrix
    assert found.times[0] == START + 50 * STEP
    assert store.series_count < filled().series_count
    assert again(filled(), START + 500 * STEP, since_ms=START + 400 * STEP).series_count == 0


def test_damage_is_noticed_wherever_it_is() -> None:
    data = b"".join(encode(filled(5).kept()))
    now_ms = START + 5 * STEP
    assert decode(memoryview(data), since_ms=0, now_ms=now_ms)
    for place in [*range(0, len(data), 31), *range(len(data) - 20, len(data))]:
        bad = bytearray(data)
        bad[place] ^= 0x10
        with pytest.raises(HistoryError):
            decode(memoryview(bytes(bad)), since_ms=0, now_ms=now_ms)
    for size in [*range(0, len(data), 31), len(data) - 1]:
        with pytest.raises(HistoryError):
            decode(memoryview(data[:size]), since_ms=0, now_ms=now_ms)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a history"),
        (b"SQLite format 3\0" * 100, "not a history"),
        (MAGIC.replace(b"1", b"2") + b"x" * 100, "not a history"),
        (MAGIC, "ends too early"),
        (MAGIC + b"\xff" * 64, "damaged"),
    ],
    ids=["empty", "foreign", "newer", "cut", "noise"],
)
def test_a_bad_file_is_one_warning_and_a_fresh_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    file = tmp_path / "pgwatch.db.history"
    file.write_bytes(content)
    assert read_history(file, HOUR, START) == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in vars(record)["reason"]


def test_samples_of_the_future_are_not_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "history"
    write_history(file, filled().kept())
    assert read_history(file, HOUR, START) == []
    assert "clock was set back" in vars(caplog.records[0])["reason"]


def test_a_file_is_replaced_as_a_whole_and_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "history"
    assert read_history(file, HOUR, START) == []  # there was none yet, which is no news
    write_history(file, filled(3).kept())
    write_history(file, filled(30).kept())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["history"]
    store = Store()
    store.restore(read_history(file, HOUR, START + 30 * STEP))
    assert store.series_count == filled(30).series_count
    assert not caplog.records
    (tmp_path / "history.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_history(file, filled(3).kept())
    assert read_history(file, HOUR, START + 30 * STEP)


def test_writing_goes_on_while_the_store_does() -> None:
    store = filled(30)
    kept = store.kept()
    for row in range(30, 90):
        store.append(answer(row, [series("seq_scan", relname="other")], [1.0]))
    other = Store()
    data = b"".join(encode(kept))
    other.restore(decode(memoryview(data), since_ms=0, now_ms=START + 90 * STEP))
    end = START + 29 * STEP
    assert (
        Engine(other).instant("sum(calls)", end).vector
        == Engine(filled(30)).instant("sum(calls)", end).vector
    )
    assert other.series_count == filled(30).series_count
