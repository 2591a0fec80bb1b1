"""Trigger functions made at random: guards over what a trigger knows, and fields that are not there."""

import random

_EVENTS = ("INSERT", "UPDATE", "DELETE")


class Bodies:
    """Makes bodies; the same seed makes the same ones."""

    def __init__(self, seed: int, table: str) -> None:
        self._random = random.Random(seed)
        self._table = table

    def body(self) -> str:
        """One body, whose last statement returns."""
        declared = "DECLARE op text := TG_OP; n int := 0; " if self._random.random() < 0.5 else ""
        self._declared = bool(declared)
        return f"{declared}BEGIN {self._block(3)} RETURN coalesce(NEW, OLD); END"

    def _block(self, depth: int) -> str:
        return " ".join(self._statement(depth) for _ in range(self._random.randint(1, 2)))

    def _statement(self, depth: int) -> str:
        kind = self._random.choice(
            ("if", "if", "case", "searched", "plain", "plain", "block", "return", "loop")
            if depth
            else ("plain", "return")
        )
        if kind == "if":
            elsif = f"ELSIF {self._guard()} THEN {self._block(depth - 1)} " if self._coin() else ""
            other = f"ELSE {self._block(depth - 1)} " if self._coin() else ""
            return f"IF {self._guard()} THEN {self._block(depth - 1)} {elsif}{other}END IF;"
        if kind == "case":
            first, second = self._random.sample(_EVENTS, 2)
            return (
                f"CASE TG_OP WHEN '{first}' THEN {self._block(depth - 1)}"
                f" WHEN '{second}', 'TRUNCATE' THEN {self._block(depth - 1)}"
                f" ELSE {self._block(depth - 1)} END CASE;"
            )
        if kind == "searched":
            return f"CASE WHEN {self._guard()} THEN {self._block(depth - 1)} ELSE NULL; END CASE;"
        if kind == "loop":
            return f"FOR i IN 1..2 LOOP {self._block(depth - 1)} END LOOP;"
        if kind == "block":
            caught = self._random.choice(("undefined_column", "OTHERS", "unique_violation"))
            handler = self._random.choice(("NULL;", "RAISE;", "RETURN NULL;"))
            return f"BEGIN {self._block(depth - 1)} EXCEPTION WHEN {caught} THEN {handler} END;"
        if kind == "return":
            return f"IF {self._guard()} THEN RETURN coalesce(NEW, OLD); END IF;"
        return self._plain()

    def _plain(self) -> str:
        row = self._random.choice(("NEW", "OLD"))
        name = self._random.choice(("id", "name", "name", "absent"))
        return self._random.choice(
            (
                f"PERFORM {row}.{name};",
                f"PERFORM 1 FROM {self._table} AS t WHERE t.name = {row}.{name}::text;",
                f"IF {row}.{name} IS NULL THEN NULL; END IF;",
                "NULL;",
            )
        )

    def _guard(self, depth: int = 2) -> str:
        if depth and self._random.random() < 0.35:
            operator = self._random.choice(("AND", "OR"))
            return f"({self._guard(depth - 1)} {operator} {self._guard(depth - 1)})"
        if depth and self._random.random() < 0.2:
            return f"NOT {self._guard(depth - 1)}"
        event, other = self._random.sample(_EVENTS, 2)
        choices = [
            f"TG_OP = '{event}'",
            f"TG_OP <> '{event}'",
            f"TG_OP IN ('{event}', '{other}')",
            f"TG_OP NOT IN ('{event}', 'TRUNCATE')",
            f"TG_TABLE_NAME = '{self._table}'",
            "TG_TABLE_NAME = 'elsewhere'",
            f"TG_RELNAME::text = ANY (ARRAY['{self._table}', 'x'])",
            "TG_WHEN = 'BEFORE'",
            "TG_LEVEL = 'STATEMENT'",
            "TG_NARGS > 1",
            "TG_ARGV[0] = 'argument'",
            "TG_ARGV[1] IS NULL",
            f"lower(TG_OP) = '{event.lower()}'",
            f"coalesce(TG_ARGV[1], 'none') = '{event}'",
            f"(TG_OP = '{event}') IS NOT TRUE",
            f"TG_OP IS DISTINCT FROM '{event}'",
        ]
        if self._declared:
            choices += [f"op = '{event}'", f"op <> '{event}'"]
        return self._random.choice(choices)

    def _coin(self) -> bool:
        return self._random.random() < 0.5
