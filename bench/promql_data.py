"""The samples of the PromQL figures: six minutes of what a server's statistics look like."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

START = 1_700_000_000
STEP = 15
ROWS = 24
END = START + ROWS * STEP  # when everything is evaluated
TARGETS = 10
METRICS = (
    "seq_scan", "seq_tup_read", "idx_scan", "idx_tup_fetch", "n_tup_ins", "n_tup_upd",
    "n_tup_del", "n_live_tup", "n_dead_tup", "n_mod_since_analyze",
)  # fmt: skip
STATEMENTS = 500
NEW_STATEMENTS_PER_HOUR = 5_000


@dataclass(frozen=True, slots=True)
class Answers:
    """What one source answered: at each time, its series and their values."""

    source: Source
    times: Sequence[int]  # Unix seconds
    labels: Sequence[Sequence[Labels]]  # at each time; the same object while nothing changed
    values: Sequence[NDArray[np.float64]]

    def collected(self, number: int) -> Collected:
        """Return one of the answers."""
        return Collected(
            source=self.source,
            time_ms=self.times[number] * 1000,
            families=(),
            labels=self.labels[number],
            values=self.values[number].tolist(),
        )


def counters(size: int) -> list[Answers]:
    """Return `size` series of one counter, from ten targets."""
    name = f"bench_{size}_total"
    return [
        _steady(
            target,
            [
                {METRIC_NAME: name, "datname": f"db{place % 20}", "relname": f"table_{place}"}
                for place in range(size // TARGETS)
            ],
        )
        for target in range(TARGETS)
    ]


def tables() -> list[Answers]:
    """Return 10,000 series: ten metrics of 100 tables of ten targets."""
    return [
        _steady(
            target,
            [
                {METRIC_NAME: f"pg_{metric}", "datname": f"db{table % 5}", "relname": f"t_{table}"}
                for metric in METRICS
                for table in range(100)
            ],
        )
        for target in range(TARGETS)
    ]


def churning() -> list[Answers]:
    """Return an hour of a top list of statements, asked each minute, in which ever new ones stand."""
    dice = random.Random(4)
    ids = list(range(STATEMENTS))
    labels, values = [], []
    counts = dict.fromkeys(ids, 0.0)
    for minute in range(60):
        fresh = range(
            STATEMENTS + minute * NEW_STATEMENTS_PER_HOUR // 60,
            STATEMENTS + (minute + 1) * NEW_STATEMENTS_PER_HOUR // 60,
        )
        for place, queryid in zip(dice.sample(range(STATEMENTS), len(fresh)), fresh, strict=True):
            ids[place], counts[queryid] = queryid, 0.0
        for queryid in ids:
            counts[queryid] += dice.randrange(100)
        labels.append(
            [
                Labels({METRIC_NAME: "calls_total", "target": "t0", "queryid": str(queryid)})
                for queryid in ids
            ]
        )
        values.append(np.array([counts[queryid] for queryid in ids]))
    times = [END - (59 - minute) * 60 for minute in range(60)]
    return [Answers(Source("t0", "statements"), times, labels, values)]


def _steady(target: int, series: list[dict[str, str]]) -> Answers:
    dice = np.random.default_rng(target)
    labels = [Labels({**each, "target": f"t{target}"}) for each in series]
    growth = dice.integers(0, 50, size=(ROWS, len(labels))).astype(np.float64)
    values = list(np.cumsum(growth, axis=0) + dice.integers(0, 10_000, size=len(labels)))
    times = [START + row * STEP + STEP // 2 for row in range(ROWS)]
    source = Source(f"t{target}", f"bench/{len(labels)}")
    return Answers(source, times, [labels] * ROWS, values)


def longer(answers: Answers, rows: int) -> Answers:
    """Return the answers with the first one before them until there are `rows`."""
    more = rows - len(answers.times)
    first = answers.times[0]
    return Answers(
        answers.source,
        [first - (more - row) * STEP for row in range(more)] + list(answers.times),
        [answers.labels[0]] * rows,
        [answers.values[0]] * more + list(answers.values),
    )


def filled(answers: Sequence[Answers]) -> Store:
    """Return a store that has taken all the answers."""
    store = Store()
    for each in answers:
        for number in range(len(each.times)):
            store.append(each.collected(number))
    return store


def openmetrics(sets: Sequence[Sequence[Answers]]) -> Iterator[str]:
    """Yield the lines that promtool backfills."""
    for answers in sets:
        for each in answers:
            known: dict[int, list[str]] = {}
            for time, labels, values in zip(each.times, each.labels, each.values, strict=True):
                texts = known.get(id(labels))
                if texts is None:
                    texts = known[id(labels)] = [repr(one).replace(", ", ",") for one in labels]
                for text, value in zip(texts, values.tolist(), strict=True):
                    yield f"{text} {value} {time}\n"


def page(answers: Sequence[Answers]) -> bytes:
    """Return the newest answers as a page for a scrape."""
    return "".join(
        f"{labels!r} {value}\n".replace(", ", ",")
        for each in answers
        for labels, value in zip(each.labels[-1], each.values[-1].tolist(), strict=True)
    ).encode()


def rules() -> list[str]:
    """Return 200 expressions as PostgreSQL's alert rules have them: 20 forms over ten metrics."""
    return [
        form.format(m=f"pg_{metric}", n=f"pg_{METRICS[(place + 1) % len(METRICS)]}")
        for form in _FORMS
        for place, metric in enumerate(METRICS)
    ]


_FORMS = (
    "{m} > 1e9",
    "rate({m}[5m]) > 1e6",
    "increase({m}[5m]) > 1e7",
    "delta({m}[5m]) < 0",
    "max_over_time({m}[5m]) > 1e9",
    "avg_over_time({m}[5m]) > 1e9",
    "changes({m}[5m]) > 1e3",
    "predict_linear({m}[5m], 3600) < 0",
    "sum by (datname) (rate({m}[5m])) > 1e6",
    "sum by (target, datname) ({m}) > 1e9",
    "avg without (relname) ({m}) > 1e9",
    "max by (relname) ({m}) > 1e9",
    "topk(5, {m}) > 1e9",
    "count by (target) ({m} > 1e9) > 3",
    "{m} / {n} > 1e6",
    "{m} / on (target) group_left sum by (target) ({m}) > 0.9",
    "({m} - {m} offset 2m) > 1e7",
    "{m} > 1e9 and on (target) sum by (target) ({n}) == 0",
    "rate({m}[5m]) > 1e6 unless {n} > 1e12",
    'absent({m}{{target="t0"}})',
)
