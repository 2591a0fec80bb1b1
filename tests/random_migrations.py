"""Random sequences of DDL over a few names, so that many statements fail, and of every kind."""

# ruff: noqa: E501 - a statement is read in one line

from collections.abc import Callable

from tests.random_tables import Tables
from tests.random_words import VALUES


class Generator(Tables):
    """Writes statements; the same seed writes the same ones. `rows`: also such as change rows."""

    def __init__(self, seed: int, *, rows: bool = False) -> None:
        super().__init__(seed)
        self._kinds = (*_KINDS, *(Generator.constants,) * 5 * rows)

    def statements(self, count: int) -> list[str]:
        return [self.one() for _ in range(count)]

    def base(self, count: int) -> list[str]:
        """Statements that mostly work, to begin with."""
        start = [
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE DOMAIN posint AS int CHECK (VALUE > 0)",
            "CREATE TABLE t1 (a int PRIMARY KEY, b text, c varchar(10), d boolean DEFAULT true)",
            "CREATE TABLE t2 (a int REFERENCES t1, b int NOT NULL, c mood DEFAULT 'sad')",
            "INSERT INTO t1 VALUES (1, 'x', 'abc', true), (2, '7', 'abc', false), (3, NULL, '12', NULL)",
            "INSERT INTO t2 VALUES (1, 5, 'ok'), (2, 5, 'sad')",
            "CREATE VIEW v1 AS SELECT a, b FROM t1",
            "CREATE FUNCTION f1(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x + 1'",
            "CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        ]
        return start[: self._random.randint(0, len(start))] + self.statements(count)

    def one(self) -> str:
        return self._random.choice(self._kinds)(self)

    def view(self) -> str:
        name = self.pick("v1", "v2")
        return f"CREATE {self.maybe('OR REPLACE ', 0.6)}VIEW {name} AS {self.query()}"

    def matview(self) -> str:
        return self.pick(
            f"CREATE MATERIALIZED VIEW {self.maybe('IF NOT EXISTS ')}m1 AS {self.query()}{self.maybe(' WITH NO DATA')}",
            f"REFRESH MATERIALIZED VIEW {self.maybe('CONCURRENTLY ')}m1",
        )

    def query(self) -> str:
        r, c = self.relation(), self.column()
        return self.pick(
            f"SELECT * FROM {r}",
            f"SELECT a, {c} FROM {r}",
            f"SELECT a, {self.expression()} AS b FROM {r} WHERE {self.predicate()}",
            f"SELECT x.a, y.b FROM {r} x JOIN {self.relation()} y ON x.a = y.{c}",
            f"SELECT {c}, count(*) AS n FROM {r} GROUP BY {c}",
            f"SELECT x.a, x.{c}, count(*) AS n FROM {r} x GROUP BY x.a",
            f"WITH q AS (SELECT {c} FROM {r}) SELECT * FROM q",
            f"SELECT a FROM {r} WHERE {c} IN (SELECT b FROM {self.relation()})",
            f"SELECT * FROM f3({self.pick('1', chr(39) + 'x' + chr(39))}) AS z",
        )

    def function(self) -> str:
        replace = self.maybe("OR REPLACE ", 0.7)
        return self.pick(
            f"CREATE {replace}FUNCTION f1(x {self.pick('int', 'int', 'text')}) RETURNS {self.pick('int', 'int', 'text')} LANGUAGE sql IMMUTABLE AS 'SELECT x + 1'",
            f"CREATE {replace}FUNCTION f1({self.pick('x', 'y')} int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END'",
            f"CREATE {replace}FUNCTION f2(x int, y int DEFAULT 1) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM {self.table()} WHERE {self.column()} = x'",
            f"CREATE {replace}FUNCTION f3(k {self.pick('int', 'text')}) RETURNS TABLE (a int, b text) LANGUAGE sql AS 'SELECT a, b FROM {self.table()} WHERE a = k'",
            f"CREATE {replace}FUNCTION f4() RETURNS {self.type()} LANGUAGE sql AS 'SELECT {self.column()} FROM {self.relation()}'",
            f"CREATE {replace}FUNCTION f5() RETURNS void LANGUAGE sql AS 'INSERT INTO {self.table()} ({self.column()}) VALUES (1)'",
            f"CREATE {replace}FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            f"CREATE {replace}FUNCTION bad() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETRUN 1; END'",
            f"CREATE {replace}FUNCTION dec() RETURNS int LANGUAGE plpgsql AS 'DECLARE v {self.pick('mood', 'colour', 't3%ROWTYPE', 't2.c%TYPE', 'nope')}; BEGIN RETURN 1; END'",
            f"DROP FUNCTION {self.maybe('IF EXISTS ')}{self.pick('f1(int)', 'f1', 'f2(int, int)', 'trg()', 'f3(int)', 'f4()')}{self.maybe(' CASCADE')}",
        )

    def create_trigger(self) -> str:
        events = self.pick(
            "INSERT", "UPDATE", f"UPDATE OF {self.column()}", "INSERT OR UPDATE", "DELETE"
        )
        when = self.maybe(f"WHEN ({self.pick('NEW', 'OLD')}.{self.column()} IS NOT NULL) ")
        return self.pick(
            f"CREATE {self.maybe('OR REPLACE ')}TRIGGER {self.trigger()} {self.pick('BEFORE', 'AFTER')} {events}"
            f" ON {self.relation()} FOR EACH ROW {when}EXECUTE FUNCTION {self.pick('trg()', 'trg()', 'f4()', 'nope()')}",
            f"DROP TRIGGER {self.maybe('IF EXISTS ')}{self.trigger()} ON {self.table()}",
        )

    def drop(self) -> str:
        cascade = self.maybe(" CASCADE")
        exists = self.maybe("IF EXISTS ")
        return self.pick(
            f"DROP TABLE {exists}{self.relation()}{cascade}",
            f"DROP VIEW {exists}{self.pick('v1', 'v2', 't1')}{cascade}",
            f"DROP INDEX {self.maybe('CONCURRENTLY ', 0.1)}{exists}{self.pick('i1', 'i2', 't1_pkey')}{self.maybe(cascade, 0.5)}",
            f"DROP TYPE {exists}{self.pick('mood', 'colour')}{cascade}",
            f"DROP MATERIALIZED VIEW {exists}m1{cascade}",
            f"DROP DOMAIN {exists}posint{cascade}",
            f"DROP SEQUENCE {exists}s1{cascade}",
        )

    def types(self) -> str:
        return self.pick(
            "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE TYPE colour AS ENUM ('red')",
            f"ALTER TYPE mood ADD VALUE {self.maybe('IF NOT EXISTS ')}'{self.pick('happy', 'ok')}'",
            "ALTER TYPE colour ADD VALUE 'blue' BEFORE 'red'",
            "CREATE DOMAIN posint AS int CHECK (VALUE > 0)",
            "CREATE SEQUENCE IF NOT EXISTS s1",
            f"CREATE SEQUENCE s1 OWNED BY {self.table()}.{self.column()}",
            "CREATE SCHEMA IF NOT EXISTS other",
            "CREATE TABLE other.t1 (a int)",
            "CREATE EXTENSION nope_ext",
        )

    def comment(self) -> str:
        return self.pick(
            f"COMMENT ON TABLE {self.relation()} IS 'x'",
            f"COMMENT ON COLUMN {self.table()}.{self.column()} IS 'x'",
            f"COMMENT ON CONSTRAINT {self.constraint()} ON {self.table()} IS 'x'",
            "COMMENT ON FUNCTION f1(int) IS 'x'",
            f"COMMENT ON INDEX {self.index()} IS 'x'",
            f"GRANT SELECT ON {self.relation()} TO {self.pick('postgres', 'nobody_there', 'PUBLIC')}",
            f"GRANT EXECUTE ON FUNCTION {self.pick('f1(int)', 'f2(int, int)')} TO PUBLIC",
            f"CREATE POLICY pol ON {self.table()} USING ({self.predicate()})",
            f"DROP POLICY {self.maybe('IF EXISTS ')}pol ON {self.table()}",
        )

    def rows(self) -> str:
        t, c = self.table(), self.column()
        return self.pick(
            f"SELECT {self.expression()} FROM {self.relation()} LIMIT 0",
            f"DELETE FROM {t} WHERE {c} = {self.pick('1', chr(39) + 'zz' + chr(39))} AND false",
            f"UPDATE {t} SET {c} = {self.pick(*VALUES)} WHERE false",
            f"UPDATE {t} SET {c} = {self.expression()} WHERE false",
            f"INSERT INTO {t} ({c}) SELECT {self.expression()} FROM {self.relation()} WHERE false",
            f"INSERT INTO {t} ({c}, {self.column()}) SELECT {self.pick(*VALUES[:-1])}, {self.pick(*VALUES[:-1])} WHERE false",
            f"INSERT INTO {t} ({c}) SELECT 1 WHERE false ON CONFLICT ({self.column()}) DO NOTHING",
            f"ANALYZE {self.relation()}",
            f"ANALYZE {t} ({c})",
        )

    def search(self) -> str:
        """Full text: a generated tsvector and its GIN index."""
        t, c = self.table(), self.column()
        return self.pick(
            f"ALTER TABLE {t} ADD COLUMN {self.maybe('IF NOT EXISTS ')}ts tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce({c}, ''))) STORED",
            f"ALTER TABLE {t} ADD COLUMN ts tsvector GENERATED ALWAYS AS (to_tsvector({c})) STORED",
            f"ALTER TABLE {t} ADD COLUMN g numeric GENERATED ALWAYS AS ({c} * 2) STORED",
            f"CREATE INDEX {self.maybe('IF NOT EXISTS ')}{self.index()} ON {t} USING gin (ts)",
            f"CREATE INDEX {self.index()} ON {t} USING gin (to_tsvector('english', {c}))",
            f"CREATE INDEX {self.index()} ON {self.relation()} USING gin ({c} jsonb_path_ops)",
            f"CREATE INDEX {self.index()} ON {t} ({c} DESC NULLS LAST) INCLUDE ({self.column()}) WHERE {self.predicate()}",
            f"CREATE INDEX {self.index()} ON {t} USING brin ({c})",
            f"SELECT a FROM {t} WHERE ts @@ plainto_tsquery('x') LIMIT 0",
            f"ALTER TABLE {t} DROP COLUMN {self.maybe('IF EXISTS ')}ts",
        )

    def settings(self) -> str:
        """What changes no column: storage, row security, defaults of others, statistics."""
        t, c = self.table(), self.column()
        return self.pick(
            f"ALTER TABLE {self.relation()} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {t} SET (fillfactor = 80)",
            f"ALTER TABLE {t} REPLICA IDENTITY FULL",
            f"ALTER TABLE {t} REPLICA IDENTITY USING INDEX {self.index()}",
            f"ALTER TABLE {t} CLUSTER ON {self.index()}",
            f"ALTER TABLE {t} ALTER COLUMN {c} SET STATISTICS 200",
            f"ALTER TABLE {t} ALTER COLUMN {c} SET STORAGE EXTERNAL",
            f"ALTER TABLE {t} SET UNLOGGED",
            f"ALTER TABLE {t} ADD CONSTRAINT {self.constraint()} UNIQUE USING INDEX {self.index()}",
            f"ALTER TABLE {t} ADD CONSTRAINT x1 EXCLUDE USING gist ({c} WITH &&)",
            f"ALTER TABLE {t} ADD CONSTRAINT x2 EXCLUDE ({c} WITH =)",
            f"CREATE STATISTICS st1 ON a, {c} FROM {t}",
            "DROP STATISTICS IF EXISTS st1",
            f"ALTER TABLE {t} INHERIT {self.table()}",
            f"ALTER TABLE {t} NO INHERIT {self.table()}",
            f"CREATE TABLE c1 (e int) INHERITS ({self.table()})",
            f"ALTER TABLE {t} SET SCHEMA other",
            f"ALTER TABLE {t} ALTER COLUMN {c} DROP EXPRESSION{self.maybe(' IF EXISTS')}",
            f"ALTER TABLE {t} ALTER COLUMN {c} DROP IDENTITY{self.maybe(' IF EXISTS')}",
            f"ALTER SEQUENCE {self.pick('s1', f'{t}_a_seq')} RESTART WITH 5",
            f"ALTER SEQUENCE s1 OWNED BY {t}.{c}",
            f"ALTER TABLE {t} DISABLE TRIGGER {self.trigger()}",
            f"ALTER TABLE {t} ALTER CONSTRAINT fk1 DEFERRABLE",
            f"ALTER INDEX {self.index()} SET (fillfactor = 70)",
            f"REINDEX INDEX {self.index()}",
            f"REINDEX TABLE {self.relation()}",
            f"CREATE RULE ru AS ON INSERT TO {self.relation()} DO INSTEAD NOTHING",
        )

    def privileges(self) -> str:
        role = self.pick("postgres", "PUBLIC", "postgres", "nobody_there")
        return self.pick(
            f"GRANT SELECT, INSERT ON {self.relation()}, {self.relation()} TO {role}",
            f"GRANT ALL ON ALL TABLES IN SCHEMA {self.pick('public', 'other')} TO {role}",
            f"GRANT USAGE ON SCHEMA {self.pick('public', 'other')} TO {role}",
            f"GRANT USAGE, SELECT ON SEQUENCE s1 TO {role}",
            f"GRANT USAGE ON TYPE {self.pick('mood', 'posint', 'colour')} TO {role}",
            f"GRANT SELECT ({self.column()}) ON {self.table()} TO {role}",
            f"REVOKE ALL ON {self.relation()} FROM {role}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
            f"ALTER FUNCTION {self.pick('f1(int)', 'trg()')} OWNER TO {self.pick('postgres', 'nobody_there')}",
            f"COMMENT ON VIEW {self.pick('v1', 't1')} IS 'x'",
            "COMMENT ON MATERIALIZED VIEW m1 IS 'x'",
            f"COMMENT ON TYPE {self.pick('mood', 'colour')} IS 'x'",
            f"COMMENT ON TRIGGER {self.trigger()} ON {self.table()} IS 'x'",
            f"COMMENT ON POLICY pol ON {self.table()} IS 'x'",
            f"COMMENT ON COLUMN {self.relation()}.{self.column()} IS NULL",
            f"COMMENT ON SCHEMA {self.pick('public', 'other')} IS 'x'",
            f"COMMENT ON DOMAIN {self.pick('posint', 'mood')} IS 'x'",
        )

    def partitions(self) -> str:
        """A table in parts by list, and its keys."""
        c = self.column()
        return self.pick(
            "CREATE TABLE p2 (a int NOT NULL, b text NOT NULL, c int) PARTITION BY LIST (b)",
            "CREATE TABLE p2 (a int, b text, PRIMARY KEY (a, b)) PARTITION BY HASH (a)",
            f"CREATE TABLE p2_x PARTITION OF p2 FOR VALUES IN ('{self.pick('x', 'y')}')",
            f"CREATE TABLE p2_y PARTITION OF p2 FOR VALUES IN ('{self.pick('x', 'y')}', 'z')",
            f"CREATE TABLE p2_h PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER {self.pick('0', '1', '2')})",
            f"ALTER TABLE p2 ADD COLUMN {self.definition()}",
            f"ALTER TABLE {self.pick('p1', 'p2')} ALTER COLUMN {c} TYPE {self.type()}",
            f"ALTER TABLE {self.pick('p1', 'p2')} DROP COLUMN {c}",
            f"ALTER TABLE p2 ADD CONSTRAINT pk FOREIGN KEY ({c}) REFERENCES {self.table()}",
            f"ALTER TABLE p2 ADD PRIMARY KEY ({c})",
            "ALTER TABLE p2_x ALTER COLUMN a DROP NOT NULL",
            f"ALTER TABLE p2_x DROP COLUMN {c}",
            f"CREATE {self.maybe('UNIQUE ')}INDEX {self.index()} ON p2 ({c}, b)",
            f"CREATE INDEX CONCURRENTLY ON {self.pick('p2', 'p2_x')} ({c})",
            "ALTER TABLE p2 DETACH PARTITION p2_x",
            f"ALTER TABLE p2 ATTACH PARTITION {self.pick('p2_x', 't3', 't4')} FOR VALUES IN ('w')",
            "CREATE TRIGGER tr1 BEFORE INSERT ON p2 FOR EACH ROW EXECUTE FUNCTION trg()",
            f"DROP TABLE {self.pick('p2', 'p2_x')}",
        )

    def more_types(self) -> str:
        t, c = self.table(), self.column()
        return self.pick(
            "CREATE TYPE pair AS (x int, y text)",
            f"ALTER TYPE pair {self.pick('ADD ATTRIBUTE z int', 'DROP ATTRIBUTE y', 'ALTER ATTRIBUTE x TYPE bigint', 'RENAME ATTRIBUTE x TO w')}{self.maybe(' CASCADE')}",
            f"ALTER TABLE {t} ADD COLUMN e pair",
            "CREATE TABLE t5 OF pair",
            f"ALTER TABLE {t} ALTER COLUMN {c} DROP DEFAULT, ALTER COLUMN {c} TYPE mood USING {c}::text::mood",
            f"ALTER TABLE {t} ALTER COLUMN {c} TYPE mood USING CASE WHEN {c} IS NULL THEN 'sad'::mood ELSE '{self.pick('ok', 'nope')}'::mood END",
            f"ALTER TABLE {t} ALTER COLUMN {c} TYPE bigint, ALTER COLUMN {self.column()} TYPE text",
            "ALTER DOMAIN posint ADD CONSTRAINT low CHECK (VALUE < 1000)",
            f"ALTER DOMAIN posint {self.pick('DROP CONSTRAINT low', 'DROP CONSTRAINT IF EXISTS low', 'SET NOT NULL', 'SET DEFAULT 4')}",
            f"SELECT '{self.pick('sad', 'glum')}'::mood",
            f"SELECT a FROM {t} WHERE {c} = coalesce(NULL, '{self.pick('sad', 'glum')}') LIMIT 0",
            f"SELECT CASE WHEN true THEN {c} ELSE '{self.pick('sad', 'glum', '1')}' END FROM {t} LIMIT 0",
            f"INSERT INTO {t} ({c}) SELECT CASE WHEN true THEN '{self.pick('sad', 'glum')}'::mood END WHERE false",
            f"SELECT f1({self.pick('1', '1::bigint', 'count(*)', '2.5', chr(39) + 'x' + chr(39))}) FROM {t} LIMIT 0",
            f"CREATE TABLE t6 AS {self.query()} WITH NO DATA",
            f"CREATE TEMP TABLE tmp1 AS SELECT a FROM {t} LIMIT 0",
            f"TRUNCATE {t}{self.maybe(' CASCADE')}",
            f"CREATE VIEW v2 AS SELECT {c}, row_number() OVER (ORDER BY a) AS n FROM {self.relation()}",
            f"CREATE OR REPLACE VIEW v1 AS SELECT a, b, {c} AS e FROM {self.relation()}",
            "ALTER TABLE v1 ALTER COLUMN a SET DEFAULT 1",
            f"ALTER MATERIALIZED VIEW m1 RENAME TO {self.pick('m2', 'v1')}",
            f"CREATE {self.maybe('UNIQUE ')}INDEX {self.index()} ON m1 ({c})",
        )

    def routines(self) -> str:
        t, c = self.table(), self.column()
        return self.pick(
            "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.d = now(); RETURN NEW; END'",
            f"CREATE TRIGGER tr2 BEFORE UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION touch()",
            f"CREATE TRIGGER tr2 AFTER INSERT ON {self.relation()} REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION trg()",
            f"CREATE CONSTRAINT TRIGGER tr1 AFTER INSERT ON {t} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trg()",
            f"CREATE TRIGGER tr1 INSTEAD OF INSERT ON {self.relation()} FOR EACH ROW EXECUTE FUNCTION trg()",
            "CREATE OR REPLACE PROCEDURE pr1(x int) LANGUAGE sql AS 'SELECT 1'",
            f"DROP PROCEDURE {self.maybe('IF EXISTS ')}pr1(int)",
            f"DROP FUNCTION {self.maybe('IF EXISTS ')}touch(){self.maybe(' CASCADE')}",
            f"CREATE OR REPLACE FUNCTION f6(m mood) RETURNS SETOF {self.table()} LANGUAGE sql STABLE AS 'SELECT * FROM {t}'",
            f"CREATE OR REPLACE FUNCTION f7(r {t}) RETURNS text LANGUAGE sql AS 'SELECT r.{c}::text'",
            "CREATE OR REPLACE FUNCTION f8(VARIADIC x int[]) RETURNS int LANGUAGE sql AS 'SELECT $1[1]'",
            f"SELECT * FROM f6('{self.pick('sad', 'glum')}') LIMIT 0",
            f"ALTER FUNCTION f1(int) {self.pick('RENAME TO f9', 'STABLE', 'SET SCHEMA other')}",
            f"DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS z{self.pick('1', '2')} int', r.tablename); END LOOP; END $$",
            f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_indexes WHERE indexname = '{self.index()}') THEN CREATE INDEX i1 ON {t} ({c}); END IF; END $$",
            f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = 'tr1') THEN CREATE TRIGGER tr1 BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION trg(); END IF; END $$",
            f"DO $$ BEGIN ALTER TABLE {t} ADD CONSTRAINT {self.constraint()} CHECK ({self.predicate()}); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            "DO $$ BEGIN ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ok'; EXCEPTION WHEN undefined_object THEN CREATE TYPE mood AS ENUM ('sad', 'ok'); END $$",
        )

    def constants(self) -> str:
        """Rows of constants, and what changes or deletes them."""
        t, c = self.table(), self.column()
        value = self.pick("1", "2", "7", "'x'", "NULL", "'sad'", "true")
        return self.pick(
            f"INSERT INTO {t} ({c}) VALUES ({value})",
            f"INSERT INTO {t} (a, {self.pick('b', 'c', 'd')}) VALUES ({self.pick('1', '2', '5')}, {value})",
            f"INSERT INTO {t} (a, b) VALUES (8, {value}), (9, {value}) ON CONFLICT DO NOTHING",
            f"INSERT INTO {t} DEFAULT VALUES",
            f"DELETE FROM {t}",
            f"DELETE FROM {t} WHERE {c} = {value}",
            f"UPDATE {t} SET {c} = {value}",
            f"UPDATE {t} SET {c} = {value} WHERE {self.predicate()}",
        )

    def block(self) -> str:
        inner = self.pick(*(self.one_static() for _ in range(1)))
        quoted = inner
        guard = self.pick(
            f"IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = '{self.pick('mood', 'colour')}') THEN {quoted}; END IF;",
            f"IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = '{self.table()}' AND column_name = '{self.column()}') THEN {quoted}; END IF;",
            f"IF EXISTS (SELECT 1 FROM pg_constraint WHERE conname = '{self.constraint()}') THEN {quoted}; ELSE NULL; END IF;",
            f"IF to_regclass('{self.relation()}') IS NOT NULL THEN {quoted}; END IF;",
            f"IF EXISTS (SELECT FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid WHERE t.relname = '{self.table()}' AND c.contype = 'p') THEN {quoted}; END IF;",
            f"BEGIN {quoted}; EXCEPTION WHEN duplicate_object OR undefined_table THEN NULL; END;",
            f"BEGIN {quoted}; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'no'; END;",
            f"{quoted};",
            f"EXECUTE '{quoted.replace(chr(39), chr(39) * 2)}';",
            f"FOR i IN 1..2 LOOP EXECUTE format('CREATE TABLE IF NOT EXISTS l%s (a int)', i); END LOOP; {quoted};",
        )
        return f"DO $$ BEGIN {guard} END $$"

    def one_static(self) -> str:
        return self.pick(
            self.types(),
            self.alter(),
            self.create_table(),
            self.drop(),
            self.create_index(),
            self.rename(),
        )

    def transaction(self) -> str:
        return self.pick("BEGIN", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s")


_Kind = Callable[[Generator], str]
_KINDS: tuple[_Kind, ...] = (
    *(Generator.create_table,) * 4,
    *(Generator.alter,) * 12,
    *(Generator.rename,) * 3,
    *(Generator.create_index,) * 4,
    *(Generator.view,) * 4,
    *(Generator.matview,) * 2,
    *(Generator.function,) * 4,
    *(Generator.create_trigger,) * 2,
    *(Generator.drop,) * 3,
    *(Generator.types,) * 3,
    *(Generator.comment,) * 2,
    *(Generator.rows,) * 5,
    *(Generator.block,) * 3,
    *(Generator.partitioned,) * 3,
    *(Generator.transaction,) * 2,
    *(Generator.search,) * 2,
    *(Generator.settings,) * 3,
    *(Generator.privileges,) * 2,
    *(Generator.partitions,) * 3,
    *(Generator.more_types,) * 4,
    *(Generator.routines,) * 3,
)
