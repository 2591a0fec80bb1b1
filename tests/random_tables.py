"""Statements about tables, their constraints and their indexes, at random."""

# ruff: noqa: E501 - a statement is read in one line

from tests.random_words import TABLES, Words


class Tables(Words):
    """Writes them."""

    def create_table(self) -> str:
        columns = ", ".join(self.definition() for _ in range(self._random.randint(1, 4)))
        more = self.pick(
            "",
            "",
            f", PRIMARY KEY ({self.column()})",
            f", CONSTRAINT k1 UNIQUE ({self.column()}, {self.column()})",
            f", LIKE {self.table()} INCLUDING ALL",
            f", CONSTRAINT fk1 FOREIGN KEY ({self.column()}) REFERENCES {self.table()}",
        )
        name = self.pick(*TABLES, "t5", "t6")
        return f"CREATE TABLE {self.maybe('IF NOT EXISTS ')}{name} ({columns}{more})"

    def partitioned(self) -> str:
        return self.pick(
            f"CREATE TABLE p1 (a int, b date, c text{self.maybe(', PRIMARY KEY (a)')}) PARTITION BY RANGE (b)",
            "CREATE TABLE p1 (a int, b date, c text, PRIMARY KEY (a, b)) PARTITION BY RANGE (b)",
            f"CREATE TABLE p1 (LIKE {self.table()} INCLUDING ALL) PARTITION BY LIST ({self.column()})",
            f"CREATE TABLE p1_{self.column()} PARTITION OF p1 FOR VALUES FROM ('2020-0{self.pick('1', '2', '3')}-01') TO ('2020-0{self.pick('2', '3', '4')}-01')",
            f"CREATE TABLE p1_{self.column()} PARTITION OF p1 DEFAULT",
            f"ALTER TABLE p1 ATTACH PARTITION {self.table()} FOR VALUES FROM ('2021-01-01') TO ('2021-02-01')",
            f"ALTER TABLE p1 DETACH PARTITION p1_{self.column()}",
            f"CREATE {self.maybe('UNIQUE ')}INDEX ON p1 ({self.column()})",
            "DROP TABLE p1",
        )

    def alter(self) -> str:
        commands = ", ".join(self.command() for _ in range(1 if self._random.random() < 0.8 else 2))
        return f"ALTER TABLE {self.maybe('IF EXISTS ', 0.1)}{self.pick(self.table(), self.table(), self.relation())} {commands}"

    def command(self) -> str:
        c = self.column()
        return self.pick(
            f"ADD COLUMN {self.maybe('IF NOT EXISTS ')}{self.definition()}",
            f"ADD COLUMN {self.maybe('IF NOT EXISTS ')}{self.definition()}",
            f"DROP COLUMN {self.maybe('IF EXISTS ')}{c}{self.maybe(' CASCADE')}",
            f"ALTER COLUMN {c} TYPE {self.type()}",
            f"ALTER COLUMN {c} TYPE {self.type()} USING {c}::text::{self.type()}",
            f"ALTER COLUMN {c} TYPE {self.type()} USING {self.expression()}",
            f"ALTER COLUMN {c} SET NOT NULL",
            f"ALTER COLUMN {c} DROP NOT NULL",
            f"ALTER COLUMN {c} SET DEFAULT {self.pick('1', chr(39) + 'sad' + chr(39), 'now()', 'a', 'true')}",
            f"ALTER COLUMN {c} DROP DEFAULT",
            f"ADD CONSTRAINT {self.constraint()} CHECK ({self.predicate()}){self.maybe(' NOT VALID')}",
            f"ADD CHECK ({self.predicate()})",
            f"ADD CONSTRAINT {self.constraint()} UNIQUE ({c}{self.maybe(', ' + self.column())})",
            f"ADD PRIMARY KEY ({c})",
            f"ADD CONSTRAINT {self.constraint()} FOREIGN KEY ({c}) REFERENCES {self.table()}{self.maybe(f' ({self.column()})')}{self.maybe(' NOT VALID')}",
            f"DROP CONSTRAINT {self.maybe('IF EXISTS ')}{self.constraint()}{self.maybe(' CASCADE')}",
            f"DROP CONSTRAINT {self.table()}_pkey",
            f"VALIDATE CONSTRAINT {self.constraint()}",
            "OWNER TO nobody_there",
            f"ENABLE TRIGGER {self.trigger()}",
            f"ALTER COLUMN {c} ADD GENERATED ALWAYS AS IDENTITY",
        )

    def constraint(self) -> str:
        return self.pick("k1", "k2", "fk1", "ck1", "t1_b_check")

    def trigger(self) -> str:
        return self.pick("tr1", "tr2")

    def rename(self) -> str:
        return self.pick(
            f"ALTER TABLE {self.table()} RENAME TO {self.table()}",
            f"ALTER TABLE {self.table()} RENAME COLUMN {self.column()} TO {self.column()}",
            f"ALTER TABLE {self.table()} RENAME COLUMN {self.column()} TO e",
            f"ALTER TABLE {self.table()} RENAME CONSTRAINT {self.constraint()} TO {self.constraint()}",
            f"ALTER INDEX {self.index()} RENAME TO {self.index()}",
            f"ALTER VIEW v1 RENAME TO {self.relation()}",
            "ALTER TYPE mood RENAME TO colour",
            f"ALTER TYPE mood RENAME VALUE 'sad' TO '{self.pick('ok', 'glum')}'",
            f"ALTER TRIGGER tr1 ON {self.table()} RENAME TO tr2",
        )

    def index(self) -> str:
        return self.pick("i1", "i2", "i3")

    def create_index(self) -> str:
        keys = self.pick(
            self.column(),
            f"{self.column()}, {self.column()}",
            f"({self.expression()})",
            f"lower({self.column()})",
        )
        where = self.maybe(f" WHERE {self.predicate()}")
        using = self.pick("", "", "", "USING gin ", "USING hash ", "USING gist ")
        return (
            f"CREATE {self.maybe('UNIQUE ')}INDEX {self.maybe('CONCURRENTLY ')}"
            f"{self.maybe('IF NOT EXISTS ')}{self.index()} ON {self.relation()} {using}({keys}){where}"
        )
