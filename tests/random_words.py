"""Names, types, values and expressions, picked at random, for statements that are."""

import random

TABLES = ("t1", "t2", "t3", "t4")
COLUMNS = ("a", "b", "c", "d")
TYPES = (
    "int",
    "bigint",
    "text",
    "varchar(10)",
    "numeric(8,2)",
    "boolean",
    "date",
    "timestamptz",
    "mood",
    "colour",
    "posint",
    "jsonb",
    "text[]",
)
VALUES = ("1", "'x'", "'2020-01-01'", "NULL", "true", "2.5", "'sad'", "now()", "'red'", "DEFAULT")


class Words:
    """Picks what statements are made of; the same seed picks the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, *options: str) -> str:
        return self._random.choice(options)

    def table(self) -> str:
        return self.pick(*TABLES, "t1", "t2")

    def relation(self) -> str:
        return self.pick(*TABLES, "v1", "v2", "m1", "p1", "t1", "t2")

    def column(self) -> str:
        return self.pick(*COLUMNS)

    def type(self) -> str:
        return self.pick(*TYPES, "int", "text")

    def maybe(self, text: str, chance: float = 0.3) -> str:
        return text if self._random.random() < chance else ""

    def predicate(self) -> str:
        c = self.column()
        return self.pick(
            f"{c} IS NOT NULL",
            f"{c} > 0",
            f"{c} <> ''",
            f"length({c}) < 10",
            f"{c} IN ('sad', 'ok')",
            f"{c} = {self.column()}",
            f"{c}::text <> 'q'",
            f"f1({c}) > 1",
            f"NOT {c}",
        )

    def expression(self) -> str:
        c = self.column()
        return self.pick(
            c,
            f"lower({c})",
            f"{c} + 1",
            f"{c} || 'x'",
            f"f1({c})",
            f"coalesce({c}, '1')",
            f"{c}::text",
            f"date({c})",
            f"f2({c}, {self.column()})",
            f"max({c})",
        )

    def definition(self) -> str:
        name = self.column()
        extra = self.pick(
            "",
            "",
            "",
            " NOT NULL",
            " PRIMARY KEY",
            " UNIQUE",
            f" DEFAULT {self.pick('1', chr(39) + 'x' + chr(39), 'now()', 'true', 'NULL')}",
            f" CHECK ({self.predicate()})",
            f" REFERENCES {self.table()}",
            f" REFERENCES {self.table()} ({self.column()})",
            " GENERATED ALWAYS AS IDENTITY",
        )
        return f"{name} {self.type()}{extra}"
