"""Series and random PromQL over them that Prometheus 2.42 and 3.x read alike.

2.42 differs at the edges of windows (they were closed on the left). So samples lie on half seconds, and
evaluation times on whole seconds that are no multiple of a subquery's step: then no sample lies on an edge.
What else changed since is kept out of the queries.
"""

import random
from collections.abc import Iterator
from typing import Any

from tests.series import Point, TestSeries

START = 1_700_000_000  # seconds; divisible by 10
ROWS = 240
STEP_MS = 15_000
STEPS = ("10s", "30s", "1m")  # of subqueries; evaluation times end in 7
WINDOWS = ("1m", "2m", "5m", "10m")

OVER_TIME = ("avg", "sum", "min", "max", "count", "last", "stddev", "stdvar", "present")
FUNCTIONS = (
    "abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "round", "deg", "rad", "atan",
    "asinh", "tanh", "timestamp", "sort", "sort_desc",
)  # fmt: skip
DATES = (
    "minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year",
)  # fmt: skip


def _gauges(dice: random.Random) -> Iterator[TestSeries]:
    for name in ("g", "h"):
        for job in ("a", "b"):
            for instance in ("0", "1", "2"):
                if (name, job, instance) == ("h", "b", "2"):
                    continue  # a series without a partner
                gaps = 0.3 if instance == "2" else 0.0
                points: list[Point] = [
                    None if dice.random() < gaps else round(dice.uniform(-100, 100), 3)
                    for _ in range(ROWS)
                ]
                yield _series({"__name__": name, "job": job, "instance": instance}, points)
    yield _series({"__name__": "only", "job": "a"}, [round(dice.uniform(1, 9), 2)] * ROWS)
    yield _series({"__name__": "late", "job": "a"}, [None] * 150 + [4.25] * 40)
    for version, job in (("v1", "a"), ("v2", "b")):
        yield _series({"__name__": "build", "job": job, "version": version}, [1.0] * ROWS)


def _counters(dice: random.Random) -> Iterator[TestSeries]:
    for job in ("a", "b"):
        for code in ("200", "404", "500"):
            value, points = dice.uniform(0, 1000), []
            for _ in range(ROWS):
                value = 0.0 if dice.random() < 0.03 else value + dice.choice((0, 1, 5, 20))
                points.append(round(value, 3))
            yield _series({"__name__": "c_total", "job": job, "code": code}, points)


def _histograms(dice: random.Random) -> Iterator[TestSeries]:
    for job in ("a", "b"):
        rows = [[dice.randint(0, 9) for _ in range(5)] for _ in range(ROWS)]
        for place, bound in enumerate(("0.1", "0.5", "1", "5", "+Inf")):
            total, points = 0, []
            for row in rows:
                total += sum(row[: place + 1])
                points.append(float(total))
            yield _series({"__name__": "d_bucket", "job": job, "le": bound}, points)


def _series(labels: dict[str, str], points: list[Any]) -> TestSeries:
    return TestSeries(labels=labels, points=points, step_ms=STEP_MS, start_ms=START * 1000 + 500)


def all_series() -> list[TestSeries]:
    dice = random.Random(7)
    return [*_gauges(dice), *_counters(dice), *_histograms(dice)]


class Generator:
    """Random expressions that both versions should read alike."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.selector()
        return self.dice.choice(
            (
                self.selector, self.over_time, self.over_time, self.rate, self.aggregate, self.aggregate,
                self.arithmetic, self.arithmetic, self.matching, self.set_operation, self.function,
                self.subquery, self.histogram, self.filter, self.extremes, self.absent, self.labelled,
            )
        )(depth - 1)  # fmt: skip

    def selector(self, _: int = 0, *, name: str = "") -> str:
        pick = self.dice.choice
        name = name or pick(("g", "h", "g", "h", "c_total", "only", "late"))
        matchers = pick(
            (
                "",
                "",
                "",
                '{job="a"}',
                '{job=~"a|b",instance!="1"}',
                '{instance=~"[01]"}',
                '{job!~"b.*"}',
            )
        )
        return f"{name}{matchers}{self.moved()}"

    def moved(self) -> str:
        return self.dice.choice(
            ("",) * 8
            + (
                " offset 1m",
                " offset -30s",
                f" @ {START + 1807}",
                " @ end()",
                " @ start() offset 20s",
            )
        )

    def range_vector(self, name: str) -> str:
        matchers = self.dice.choice(("", "", '{job="a"}', '{job=~".+"}'))
        return f"{name}{matchers}[{self.dice.choice(WINDOWS)}]{self.moved()}"

    def over_time(self, _: int) -> str:
        function = self.dice.choice(OVER_TIME)
        name = self.dice.choice(("g", "h", "late"))
        extra = self.dice.choice(
            (
                f"{function}_over_time({self.range_vector(name)})",
                f"quantile_over_time({self.dice.choice((0, 0.3, 0.9, 1))}, {self.range_vector(name)})",
                # 2.42 moved a pinned window with the step here.
                f"predict_linear(g[{self.dice.choice(WINDOWS)}], {self.dice.choice((60, 3600))})",
                f"deriv({self.range_vector('g')})",
                f"changes({self.range_vector('c_total')})",
                f"resets({self.range_vector('c_total')})",
                f"delta({self.range_vector('h')})",
                f"idelta({self.range_vector('h')})",
            )
        )
        return self.dice.choice((f"{function}_over_time({self.range_vector(name)})", extra))

    def rate(self, _: int) -> str:
        return f"{self.dice.choice(('rate', 'increase', 'irate'))}({self.range_vector('c_total')})"

    def subquery(self, depth: int) -> str:
        function = self.dice.choice(["avg", "sum", "min", "max", "count", "last", "stddev"])
        step = self.dice.choice((*STEPS, ""))
        # None inside another: its windows would have samples on their edges.
        inner = self.vector(0) if depth else self.rate(0)
        return f"{function}_over_time(({inner})[{self.dice.choice(WINDOWS)}:{step}]{self.moved()})"

    def grouping(self) -> str:
        names = ", ".join(self.dice.sample(("job", "instance", "code"), self.dice.randint(0, 2)))
        return self.dice.choice(("", f" by ({names})", f" without ({names})"))

    def aggregate(self, depth: int) -> str:
        if self.dice.random() < 0.2:  # of finite values: 3.0 changed it for others
            return f"{self.dice.choice(('stddev', 'stdvar'))}{self.grouping()} ({self.selector()})"
        operator = self.dice.choice(("sum", "avg", "min", "max", "count", "group"))
        inner = self.vector(depth)
        if self.dice.random() < 0.1:
            return f"quantile{self.grouping()} ({self.dice.choice((0.1, 0.5, 0.99))}, {inner})"
        return f"{operator}{self.grouping()} ({inner})"

    def extremes(self, _: int) -> str:
        operator = self.dice.choice(("topk", "bottomk"))
        return f"{operator}{self.grouping()} ({self.dice.randint(0, 3)}, {self.dice.choice('gh')})"

    def arithmetic(self, depth: int) -> str:
        operator = self.dice.choice(["+", "-", "*", "/", "^", "%"])
        number = self.dice.choice(("2", "0.37", "-1.5", "time()", "scalar(only)"))
        # A remainder makes the last digit of a computed value the first one: only of what was observed.
        sides = [f"({self.vector(0 if operator == '%' else depth)})", number]
        self.dice.shuffle(sides)
        return f"{sides[0]} {operator} {sides[1]}"

    def filter(self, depth: int) -> str:
        operator = self.dice.choice(["==", "!=", ">", "<", ">=", "<="])
        boolean = self.dice.choice(("", " bool"))
        sides = [f"({self.vector(depth)})", self.dice.choice(("0.123", "20.77", "-3.1", "1", "0"))]
        self.dice.shuffle(sides)
        return f"{sides[0]} {operator}{boolean} {sides[1]}"

    def matching(self, _: int) -> str:
        """Operators between vectors; not `atan2`, which kept the name in 2.42."""
        operator = self.dice.choice(("+", "-", "*", "/", "> bool", "<", "!="))
        # A filter that leaves one of many was an answer before 3.9, and is an error since.
        calculation = self.dice.choice(("+", "*", ">= bool"))
        return self.dice.choice(
            (
                f"{self.selector(name='g')} {operator} {self.selector(name='h')}",
                f"g {operator} on(job, instance) h",
                f"g {operator} ignoring(instance) h",
                f"c_total {operator} ignoring(code) group_left sum by (job) (c_total)",
                f"sum by (job) (g) {operator} on(job) group_right c_total",
                f"g {operator} on(job) group_left(version) build",
                f"g {calculation} on(job) build",
                f"g {calculation} on() only",
                f"g {operator} on(job) group_left bottomk by (job) (1, h)",
                f"topk(1, h) {operator} on() group_right c_total",
                f"g {operator} on(job, instance) (h > 20)",
                f"(g < 0) {operator} on(job, instance) h",
                '-{__name__=~"g|late"}',
                'rate({__name__=~"[gh]",instance="1"}[1m])',
                '{__name__=~"g|h"} > -10',
            )
        )

    def set_operation(self, depth: int) -> str:
        operator = self.dice.choice(("and", "or", "unless"))
        how = self.dice.choice(
            ("", " on(job)", " ignoring(instance)", " on()", " on(job, instance)")
        )
        return f"({self.vector(depth)}) {operator}{how} ({self.vector(depth)})"

    def function(self, depth: int) -> str:
        name = self.dice.choice(FUNCTIONS)
        inner = self.vector(depth)
        return self.dice.choice(
            (
                f"{name}({inner})",
                f"{name}({inner})",
                f"round({inner}, {self.dice.choice((0.1, 5, 0.25))})",
                f"clamp({inner}, {self.dice.choice((-5, 0))}, {self.dice.choice((-1, 10))})",
                f"clamp_min({inner}, 3)",
                f"clamp_max({inner}, 3)",
                f"vector(scalar({inner}))",
                f"{self.dice.choice(DATES)}({self.selector()} * 1e7)",
                f"{self.dice.choice(DATES)}()",
                # Of small numbers: what a period leaves of a huge one is chance.
                f"{self.dice.choice(('sin', 'cos', 'tan', 'sinh', 'acos'))}({self.selector()})",
                f"-({inner})",
            )
        )

    def histogram(self, _: int) -> str:
        q = self.dice.choice((0, 0.2, 0.5, 0.9, 1, 1.2, -1))
        window = self.dice.choice(WINDOWS)
        inner = self.dice.choice(
            ("d_bucket", f"rate(d_bucket[{window}])", f"sum by (le) (rate(d_bucket[{window}]))")
        )
        return f"histogram_quantile({q}, {inner})"

    def absent(self, _: int) -> str:
        return self.dice.choice(
            (
                'absent(late{job="a"})',
                'absent(none{job="a",x="y",job="b"})',
                'absent_over_time(late{job="a"}[2m])',
                "absent(sum(late))",
                'absent(g{job=~"a"})',
            )
        )

    def labelled(self, depth: int) -> str:
        inner = self.vector(depth)
        return self.dice.choice(
            (
                f'label_replace({inner}, "x", "$1-${{2}}", "job", "(.)(.*)")',
                f'label_replace({inner}, "job", "", "job", "a")',
                f'label_replace({inner}, "job", "z", "instance", "1")',
                f'label_join({inner}, "x", "/", "job", "instance", "none")',
                f'count_values by (job) ("v", round({self.selector()}, 50))',
            )
        )
