"""Random PromQL without mercy: every construct, extreme numbers, odd names, and text that is nearly right."""

import random
from collections.abc import Iterator

from pgwatch.promql.signature import AGGREGATIONS, FUNCTIONS, REFUSED, Signature, ValueType
from tests.series import STALE, Point, TestSeries

NUMBERS = (
    "0", "-0", "1", "2", "-1", "0.5", "3.7", "1e308", "-1e308", "5e-324", "NaN", "Inf", "-Inf",
    "9223372036854775808", "0x1F", "0755", "1_000", "1e-7", "1e21", "5m", "1h30m", "1e400", ".5",
    "4611686018427387904",
)  # fmt: skip
DURATIONS = (
    "1ms", "1s", "7s", "15s", "1m", "5m", "1h", "1d", "1w", "1y", "292y", "300y", "0s", "1h30m15s20ms", "90",
    "0.5", "1e3", "1e9",
)  # fmt: skip
METRICS = (
    "g",
    "h",
    "c_total",
    "d_bucket",
    "odd",
    "none",
    "up:rule",
    "sum",
    "by",
    "inf",
    "offset",
    "bool",
)
LABELS = ("job", "instance", "le", "__name__", "by", "on", "none", '"a b"', '"é"', "le_")
STRINGS = (
    "a", "b", "", ".*", ".+", "a|b", "(", "(a", "[a-", "(?i)A", "a{1000}", "(a*)*b", "(?P<x>.)", "$1", "$$",
    "${x}", "\\\\d+", "é", "\\n", "\\xff", "\\u00e9", "x" * 300, "+Inf", "0.5", "(a|aa)+$", "[[:alpha:]]",
    "\\\\pL", "^$",
)  # fmt: skip
TIMES = (
    "0",
    "300",
    "-1",
    "1e9",
    "9e11",
    "1e30",
    "NaN",
    "Inf",
    "start()",
    "end()",
    "-9223372036854775",
)
OPERATORS = (
    "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless",
)  # fmt: skip
TOKENS = (
    *NUMBERS, *DURATIONS, *METRICS, *LABELS, *OPERATORS, *FUNCTIONS, *AGGREGATIONS, *REFUSED,
    *"(){}[],:@=\"'`\\#;$?~!.", "\n", "\x00", "=~", "!~", "by", "without", "on", "ignoring", "group_left",
    "group_right", "bool", "offset", "@", "start", "end", "fill", "anchored", '"a"', "'b'", "`c`", "g[5m]",
    "é", "∞",
)  # fmt: skip


def all_series() -> list[TestSeries]:
    """Return series with gaps, ends, extremes and histograms that are none."""
    dice = random.Random(3)
    values: tuple[Point, ...] = (
        0.0, -0.0, 1.0, -1.0, 0.1, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 2.0**63,
        None, STALE,
    )  # fmt: skip
    found = []
    for name in ("g", "h", "c_total"):
        for job in ("a", "b", ""):
            for instance in ("0", "1"):
                points = [dice.choice(values) for _ in range(40)]
                if name == "c_total":
                    points = [float(place % 13) for place in range(40)]
                labels = {"__name__": name, "job": job, "instance": instance}
                found.append(TestSeries(labels=labels, points=points))
    for bound in ("0.1", "1", "1.0", "+Inf", "Inf", "NaN", "-1", "x", "", "1e400"):
        labels = {"__name__": "d_bucket", "le": bound}
        found.append(TestSeries(labels=labels, points=[dice.choice(values) for _ in range(40)]))
    odd = {"__name__": "odd", "a b": "\n", "é": '"', "job": "\\"}
    found.append(TestSeries(labels=odd, points=[1.5] * 40))
    return found


class Grammar:
    """Expressions that mostly parse: typed like PromQL's own, with a wrong turn now and then."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._pick = dice.choice

    def text(self) -> str:
        """Return one expression, in one of ten cases damaged afterwards."""
        text = self.expression(self._dice.randint(0, 5))
        if self._dice.random() < 0.03:
            text = self.tower(text)
        return self.damaged(text) if self._dice.random() < 0.1 else text

    def expression(self, depth: int) -> str:
        make = self._pick((self.vector,) * 7 + (self.scalar, self.matrix, self.string))
        return make(depth)

    def of_type(self, kind: ValueType, depth: int) -> str:
        if self._dice.random() < 0.01:
            return self.expression(depth)
        makers = {
            ValueType.SCALAR: self.scalar,
            ValueType.VECTOR: self.vector,
            ValueType.MATRIX: self.matrix,
            ValueType.STRING: self.string,
        }
        return makers[kind](depth)

    def scalar(self, depth: int) -> str:
        if depth <= 0:
            return self._pick((*NUMBERS, "time()", "pi()"))
        return self._pick(
            (
                lambda: f"scalar({self.vector(depth - 1)})",
                lambda: (
                    f"{self.scalar(depth - 1)} {self._pick(OPERATORS)} {self.scalar(depth - 1)}"
                ),
                lambda: f"{self.scalar(depth - 1)} > bool {self.scalar(depth - 1)}",
                lambda: f"-({self.scalar(depth - 1)})",
                lambda: self._pick(NUMBERS),
            )
        )()

    def string(self, _: int) -> str:
        return f'"{self._pick(STRINGS)}"'

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.selector()
        return self._pick(
            (
                self.selector_at, self.call, self.call, self.call, self.aggregation, self.aggregation,
                self.binary, self.binary, self.signed,
            )
        )(depth - 1)  # fmt: skip

    def selector(self) -> str:
        matchers = ",".join(
            f'{self._pick(LABELS)}{self._pick(("=", "!=", "=~", "!~"))}"{self._pick(STRINGS)}"'
            for _ in range(self._pick((0, 0, 0, 1, 1, 2)))
        )
        name = self._pick((*METRICS, "g", "h", "g", "h", "c_total", "d_bucket"))
        return f"{name}{{{matchers}}}" if matchers else name

    def selector_at(self, _: int) -> str:
        return self.selector() + self.moved()

    def moved(self) -> str:
        text = ""
        if self._dice.random() < 0.3:
            text += f" offset {self._pick(('', '-', '+'))}{self._pick(DURATIONS)}"
        if self._dice.random() < 0.3:
            text += f" @ {self._pick(TIMES)}"
        return text

    def matrix(self, depth: int) -> str:
        window = self._pick(DURATIONS)
        if depth > 0 and self._dice.random() < 0.3:
            step = self._pick(("", *DURATIONS))
            return f"({self.vector(depth - 1)})[{window}:{step}]{self.moved()}"
        return f"{self.selector()}[{window}]{self.moved()}"

    def call(self, depth: int) -> str:
        name, signature = self._pick(tuple(FUNCTIONS.items()))
        kinds = self.arguments(signature)
        return f"{name}({', '.join(self.of_type(kind, depth) for kind in kinds)})"

    def arguments(self, signature: Signature) -> list[ValueType]:
        kinds = list(signature.args)
        if signature.optional and self._dice.random() < 0.5:
            kinds = kinds[: -signature.optional]
        if signature.repeats:
            kinds += kinds[-1:] * self._dice.randint(0, 2)
        return kinds if self._dice.random() < 0.98 else kinds[1:]

    def aggregation(self, depth: int) -> str:
        op, kind = self._pick(tuple(AGGREGATIONS.items()))
        parameter = f"{self.of_type(kind, depth)}, " if kind is not None else ""
        by = self._pick(("", "by", "without"))
        grouping = f" {by} ({self.labels()}) " if by else ""
        return f"{op}{grouping}({parameter}{self.vector(depth)})"

    def labels(self) -> str:
        return ", ".join(self._pick(LABELS) for _ in range(self._pick((0, 1, 1, 2))))

    def binary(self, depth: int) -> str:
        sides = [self.vector(depth), self._pick((self.vector, self.vector, self.scalar))(depth)]
        self._dice.shuffle(sides)
        modifier = self._pick(("", "", "", " bool"))
        if self._dice.random() < 0.5:
            modifier += f" {self._pick(('on', 'ignoring'))} ({self.labels()})"
            if self._dice.random() < 0.5:
                modifier += f" {self._pick(('group_left', 'group_right'))} ({self.labels()})"
        return f"({sides[0]}) {self._pick(OPERATORS)}{modifier} ({sides[1]})"

    def signed(self, depth: int) -> str:
        return f"{self._pick('+-')}{self.vector(depth)}"

    def tower(self, text: str) -> str:
        """Return something as deep or long as anyone could make it of `text`."""
        times = self._pick((50, 99, 101, 2000, 20000))
        return self._pick(
            (
                lambda: "(" * times + text + ")" * times,
                lambda: "-" * times + text,
                lambda: f"{text} + " * times + text,
                lambda: "2^" * times + "2",
                lambda: "sum(" * times + text + ")" * times,
                lambda: text + "[5m:1m]" * times,
                lambda: "g{" + 'a="b",' * times + "}",
                lambda: f'g{{a=~"{"(" * times}a{")" * times}"}}',
                lambda: f'g{{a=~"{"a|" * times}b"}}',
                lambda: f"({text}) or " * times + "vector(1)",
            )
        )()

    def damaged(self, text: str) -> str:
        """Return `text` with a few places cut, doubled, swapped or replaced."""
        for _ in range(self._dice.randint(1, 3)):
            at = self._dice.randint(0, len(text))
            end = min(len(text), at + self._dice.randint(0, 8))
            letter = chr(self._dice.randrange(0x2FF))
            insert = self._pick(("", "", text[at:end] * 2, self._pick(TOKENS), letter))
            text = text[:at] + insert + text[end:]
        return text


def expressions(seed: int, count: int) -> Iterator[str]:
    """Yield `count` random texts: from the grammar, and one in ten a heap of tokens."""
    dice = random.Random(seed)
    grammar = Grammar(dice)
    for _ in range(count):
        if dice.random() < 0.1:
            yield dice.choice(("", " ")).join(dice.choices(TOKENS, k=dice.randint(1, 12)))
        else:
            yield grammar.text()
