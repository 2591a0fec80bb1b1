"""Short migrations: what is there before, the statements, and how many of them fail."""

# What is applied first, the migration, and how many of its statements fail.
CASES = {
    "a foreign key on columns that the migration adds is validated": (
        "CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE t (id int); INSERT INTO t VALUES (1);"
        "INSERT INTO p VALUES ('a');",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS p_id varchar(255), ADD COLUMN q_id text;"
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p_id) REFERENCES p (id) NOT VALID;"
        "ALTER TABLE t VALIDATE CONSTRAINT f;"
        "UPDATE t SET q_id = 'b';"
        "ALTER TABLE t ADD CONSTRAINT g FOREIGN KEY (q_id) REFERENCES p (id) NOT VALID;"
        "ALTER TABLE t VALIDATE CONSTRAINT g;",
        1,
    ),
    "a foreign key that is there is validated": (
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE t (a int, b int);"
        "INSERT INTO t VALUES (1, NULL); ALTER TABLE t ADD CONSTRAINT simple FOREIGN KEY (a, b)"
        " REFERENCES p NOT VALID, ADD CONSTRAINT whole FOREIGN KEY (a, b) REFERENCES p MATCH FULL"
        " NOT VALID;",
        "ALTER TABLE t VALIDATE CONSTRAINT simple;ALTER TABLE t VALIDATE CONSTRAINT whole;",
        1,
    ),
    "an index cannot be made of what a row has": (
        "CREATE TABLE t (id int, a timestamp, b timestamp, v text, ok bool);"
        "INSERT INTO t VALUES (1, now(), now() - interval '1h', 'x', false);",
        "CREATE INDEX span ON t USING gist (tsrange(a, b));"
        "CREATE INDEX IF NOT EXISTS number ON t ((v::int));"
        "CREATE INDEX part ON t ((v::int)) WHERE ok;"
        "CREATE INDEX late ON t (id) WHERE v::int > 5;"
        "UPDATE t SET v = '5';"
        "CREATE INDEX number ON t ((v::int));",
        3,
    ),
    "a value cannot be computed for a row": (
        "CREATE TABLE t (id int, v text, n int); CREATE SEQUENCE s; CREATE TABLE none (v text, n int);"
        "INSERT INTO t VALUES (1, 'x', 0), (2, '7', 1);",
        "UPDATE t SET n = v::int;UPDATE t SET n = v::int WHERE v ~ '^[0-9]+$';UPDATE none SET n = v::int;"
        "UPDATE t SET n = 10 / n;UPDATE t SET id = nextval('s');UPDATE t SET v = 'y' WHERE id = 1 / (n + 1);",
        2,
    ),
    "a call may mean two functions, or a procedure": (
        "CREATE FUNCTION f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE OR REPLACE FUNCTION f(a text, b text DEFAULT NULL) RETURNS int LANGUAGE sql AS 'SELECT 2';"
        "SELECT f('x');SELECT f('x', 'y');SELECT f(a => 'x', b => 'y');"
        "CREATE PROCEDURE p(n int) LANGUAGE plpgsql AS 'BEGIN COMMIT\\; END';SELECT p(1);CALL p(1);"
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION g(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';SELECT g();SELECT g(2);",
        3,
    ),
    "rows come from a query": (
        "CREATE TABLE t (id int); CREATE TABLE u (id int); CREATE TABLE none (id int); CREATE FUNCTION f()"
        " RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.gone := 1; RETURN NEW; END';"
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER g BEFORE UPDATE ON u FOR EACH ROW EXECUTE FUNCTION f();",
        "INSERT INTO u SELECT id FROM none;UPDATE u SET id = 2;"
        "INSERT INTO t SELECT n FROM generate_series(1, 3) AS n;UPDATE t SET id = 2;"
        "CREATE TABLE made (id int);ALTER TABLE made ADD COLUMN a int NOT NULL;"
        "INSERT INTO made (id, a) SELECT n, n FROM generate_series(1, 3) AS n;"
        "ALTER TABLE made ADD COLUMN b int NOT NULL;",
        2,
    ),
    "a row goes that others refer to": (
        "CREATE TABLE p (id text PRIMARY KEY, old bool);"
        "INSERT INTO p VALUES ('a', true), ('b', true), ('c', false);"
        "CREATE TABLE q (id text PRIMARY KEY); INSERT INTO q SELECT id FROM p;"
        "CREATE TABLE t (p_id text REFERENCES p ON DELETE RESTRICT, q_id text REFERENCES q,"
        " u text REFERENCES q ON DELETE CASCADE); INSERT INTO t VALUES ('a', 'a', 'a'), (NULL, NULL, 'c');",
        "DELETE FROM p WHERE old;DELETE FROM p WHERE id = 'b';DELETE FROM p;"
        "DELETE FROM q WHERE q.id IN ('a', 'b');DELETE FROM q WHERE id = 'c';"
        "COMMENT ON DATABASE nowhere IS 'x';",
        3,
    ),
    "an update makes keys the same, or refers to nothing": (
        "CREATE TABLE p (id text PRIMARY KEY); INSERT INTO p VALUES ('a');"
        "CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE, gone bool, p_id text REFERENCES p);"
        "INSERT INTO t VALUES (1, 'x@a', false, 'a'), (2, 'X@a', false, NULL), (3, 'y', true, 'a');"
        "CREATE UNIQUE INDEX left_over ON t (gone) WHERE gone;",
        "UPDATE t SET email = lower(email);UPDATE t SET email = lower(email) WHERE id = 1;"
        "UPDATE t SET email = email || id;UPDATE t SET email = lower(email);"
        "UPDATE t SET p_id = 'b' WHERE id > 1;UPDATE t SET p_id = 'b' WHERE id > 9;"
        "UPDATE t SET p_id = 'a';UPDATE t SET email = NULL;UPDATE t SET id = 7;UPDATE t SET gone = NOT gone;"
        "INSERT INTO t VALUES (9);",
        4,
    ),
    "an index over what only some call gives the same": (
        "CREATE TABLE t (a text, b text, at timestamp, zoned timestamptz, data jsonb, tags text[]);",
        "CREATE INDEX ON t (concat(a, b));CREATE INDEX ON t (concat_ws(' ', a, b));"
        "CREATE INDEX ON t USING gin (to_tsvector('english', concat_ws(' ', a, b)));"
        "CREATE INDEX ON t (format('%s', a));CREATE INDEX ON t (array_to_string(tags, ','));"
        "CREATE INDEX ON t (date_trunc('day', at));CREATE INDEX ON t (date_trunc('day', zoned));"
        "CREATE INDEX ON t (to_char(at, 'YYYY'));CREATE INDEX ON t ((at::date));"
        "CREATE INDEX ON t ((zoned::date));CREATE INDEX ON t (age(at));"
        "CREATE INDEX ON t (extract(year FROM at));CREATE INDEX ON t (extract(epoch FROM zoned));"
        "CREATE INDEX ON t (regexp_replace(a, 'x', '', 'g'));CREATE INDEX ON t (md5(a || b));"
        "CREATE INDEX ON t (coalesce(lower(a), b));"
        "CREATE INDEX ON t (jsonb_extract_path_text(data, 'x', 'y'));"
        "CREATE INDEX ON t (json_build_array(a, b));CREATE INDEX ON t (((data ->> 'n')::numeric));"
        "CREATE INDEX ON t (((data ->> 'n')::date));CREATE INDEX ON t (greatest(a, b));",
        12,
    ),
    "an exclusion needs an operator class before it looks at rows": (
        "CREATE TABLE t (who text, a timestamp, b timestamp);"
        "INSERT INTO t SELECT 'x', now(), now() - interval '1h' FROM generate_series(1, 2);",
        "ALTER TABLE t ADD EXCLUDE USING gist (who WITH =, tsrange(a, b) WITH &&);"
        "ALTER TABLE t ADD EXCLUDE USING gist (tsrange(a, b) WITH &&);",
        2,
    ),
    "a function is made again with the lengths it had": (
        "CREATE FUNCTION f(p varchar(255), OUT a varchar(9), OUT b numeric(12, 2)[]) LANGUAGE"
        " plpgsql AS 'BEGIN END'; CREATE FUNCTION g(p text) RETURNS TABLE (a varchar(255), b"
        " timestamp(3)) LANGUAGE plpgsql AS 'BEGIN END'; CREATE FUNCTION h() RETURNS varchar(9)[]"
        " LANGUAGE plpgsql AS 'BEGIN END';",
        "CREATE OR REPLACE FUNCTION f(p varchar(255), OUT a varchar(9), OUT b numeric(12, 2)[])"
        " LANGUAGE plpgsql AS 'BEGIN END'; CREATE OR REPLACE FUNCTION g(p text) RETURNS TABLE"
        " (a varchar(255), b timestamp(3)) LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE OR REPLACE FUNCTION h() RETURNS varchar(9)[] LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE OR REPLACE FUNCTION g(p text) RETURNS TABLE (a text, b timestamp) LANGUAGE"
        " plpgsql AS 'BEGIN END';",
        1,
    ),
    "bodies as people write them": (
        "CREATE TYPE message AS (id int, position bigint);",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE a bigint; DECLARE b"
        " timestamp with time zone; DECLARE c double precision; BEGIN NULL; END $$;"
        'CREATE FUNCTION g("position" bigint) RETURNS SETOF message LANGUAGE plpgsql AS $$ BEGIN'
        " position := 1; END $$;"
        "CREATE FUNCTION h(anyarray) RETURNS boolean LANGUAGE sql AS"
        " 'SELECT cardinality($1) < 1 OR $1 IS NULL FROM absent';"
        "CREATE FUNCTION i() RETURNS void LANGUAGE plpgsql AS $$ DECLARE a int; DECLARE b absent;"
        " BEGIN NULL; END $$;"
        "CREATE FUNCTION j() RETURNS SETOF message LANGUAGE plpgsql AS $$ BEGIN SELECT FROM :x; END $$;",
        2,
    ),
    "one of several functions of a name is called": (
        "SELECT 1;",
        "CREATE FUNCTION f(char[], name) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE FUNCTION f(char, name) RETURNS boolean LANGUAGE sql AS 'SELECT f(ARRAY[$1], $2)';"
        "CREATE FUNCTION g(name) RETURNS boolean LANGUAGE sql AS $$ SELECT f('v', $1) $$;"
        "CREATE FUNCTION h(a jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT CASE WHEN a IS NULL"
        " THEN a ELSE (SELECT jsonb_agg(m) FROM (SELECT h(jsonb_array_elements(a)) AS m) l) END $$;"
        "CREATE FUNCTION i() RETURNS boolean LANGUAGE sql AS $$ SELECT f('v') $$;",
        1,
    ),
    "aggregates": (
        "CREATE TABLE t (a int, b text);",
        "CREATE FUNCTION joined(text, text) RETURNS text LANGUAGE sql AS $$ SELECT $1 || $2 $$;"
        "CREATE AGGREGATE joined (BASETYPE = text, STYPE = text, SFUNC = joined);"
        "COMMENT ON AGGREGATE joined(text) IS 'all texts';"
        "CREATE AGGREGATE wrong (text) (sfunc = absent, stype = text);"
        "CREATE VIEW v AS SELECT a, joined(b) FROM t GROUP BY a;"
        "CREATE VIEW w AS SELECT a, joined(b) FILTER (WHERE a > 1) OVER (PARTITION BY a) FROM t;"
        "CREATE VIEW x AS SELECT a, joined(b) FROM t;"
        "CREATE AGGREGATE joined (text) (sfunc = joined, stype = text);"
        "CREATE OR REPLACE AGGREGATE joined (text) (sfunc = joined, stype = text);"
        "DROP AGGREGATE joined(text);"
        "DROP VIEW v, w;"
        "DROP AGGREGATE joined(text);"
        "DROP AGGREGATE joined(text);",
        5,
    ),
    "what old dumps begin with": (
        "SELECT 1;",
        "SET default_with_oids = false;SET default_with_oids = true;SET seed = 0.5;"
        "CREATE LANGUAGE plpgsql;CREATE OR REPLACE PROCEDURAL LANGUAGE plpgsql;",
        2,
    ),
    "a sequence that another table's default reads": (
        "CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT nextval('s'));",
        "DROP SEQUENCE s;CREATE SEQUENCE r;CREATE TABLE u (id int DEFAULT nextval('r'::regclass));"
        "CREATE TABLE w (id int);ALTER TABLE w ALTER id SET DEFAULT nextval('public.r');"
        "DROP TABLE u;DROP SEQUENCE r;DROP SEQUENCE r CASCADE;",
        2,
    ),
    "keys of several types of text": (
        "CREATE TABLE l (a varchar(6) PRIMARY KEY, b char(3) UNIQUE, c text UNIQUE, d name UNIQUE);",
        "CREATE TABLE t (x char(6) REFERENCES l, y varchar REFERENCES l (b), z char(2) REFERENCES l"
        " (c));CREATE TABLE u (x text REFERENCES l (d));CREATE TABLE v (x name REFERENCES l (b));",
        1,
    ),
    "parts of what a function gives": (
        "CREATE SCHEMA app; CREATE TYPE app.item AS (id int);",
        "CREATE FUNCTION two(int, OUT x int, OUT y text[]) LANGUAGE sql AS $$ SELECT 1, '{}'::text[] $$;"
        'CREATE FUNCTION many("position" int) RETURNS SETOF app.item LANGUAGE plpgsql AS'
        " 'BEGIN position := 1; END';"
        "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
        "CREATE VIEW v AS SELECT (two(1)).x + 1 AS n, (many(1)).id FROM pg_partition_tree('p');"
        "CREATE VIEW w AS SELECT (two(1)).x || NULL::int[] FROM pg_partition_tree('absent');"
        "GRANT EXECUTE ON FUNCTION gen_random_uuid() TO public;"
        "COMMENT ON FUNCTION lower(text) IS NULL;"
        "GRANT EXECUTE ON FUNCTION gen_random_uuid(int) TO public;",
        2,
    ),
    "indexes of texts of a fixed length": (
        "CREATE TABLE t (a char(3), b bit(3), c bpchar, d json);",
        "CREATE INDEX ON t (a, b, c);CREATE UNIQUE INDEX ON t (a);CREATE INDEX ON t (d);"
        "CREATE FUNCTION f(character, bit) RETURNS char LANGUAGE sql AS 'SELECT $1';"
        "CREATE VIEW v AS SELECT f(a, b), f('a', '1') FROM t;",
        2,
    ),
    "publications and event triggers": (
        "CREATE TABLE t (id int); CREATE VIEW v AS SELECT 1;",
        "CREATE PUBLICATION p FOR TABLE t;CREATE PUBLICATION p FOR TABLE t;"
        "CREATE PUBLICATION q FOR TABLE absent;CREATE PUBLICATION q FOR TABLE v;"
        "ALTER PUBLICATION p ADD TABLE absent;ALTER PUBLICATION q ADD TABLE t;"
        "DROP PUBLICATION p;DROP PUBLICATION p;DROP PUBLICATION IF EXISTS p;"
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE FUNCTION n() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER preflight_x ON ddl_command_end EXECUTE FUNCTION e();"
        "CREATE EVENT TRIGGER preflight_y ON ddl_command_end EXECUTE FUNCTION n();"
        "CREATE EVENT TRIGGER preflight_z ON ddl_command_end EXECUTE FUNCTION absent();"
        "DROP EVENT TRIGGER preflight_x;",
        8,
    ),
    "settings of roles and databases": (
        "SELECT 1;",
        "ALTER ROLE preflight_absent SET search_path TO public;"
        "ALTER ROLE preflight_absent NOLOGIN;"
        "ALTER ROLE CURRENT_USER SET search_path TO public;ALTER ROLE CURRENT_USER RESET search_path;"
        "ALTER DATABASE preflight_absent SET search_path TO public;"
        "ALTER ROLE preflight_absent RENAME TO preflight_other;",
        4,
    ),
    "polymorphic results": (
        "CREATE TABLE t (a int, b int[], c text, d date);",
        "CREATE FUNCTION first_of(anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1[1]';"
        "CREATE FUNCTION same(anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';"
        "CREATE FUNCTION pair(anyelement) RETURNS anyarray LANGUAGE sql AS 'SELECT ARRAY[$1, $1]';"
        "CREATE AGGREGATE wrong (anyelement) (sfunc = array_append, stype = anyarray);"
        "CREATE AGGREGATE all_of (anycompatible) (sfunc = array_append, stype = anycompatiblearray);"
        "CREATE VIEW v AS SELECT first_of(b) + 1 AS n, same(d) - 3 AS m, pair(c) || 'x'::text AS o,"
        " all_of(a) || 1 AS p FROM t GROUP BY b, c, d;"
        "CREATE VIEW w AS SELECT all_of(a) OVER (PARTITION BY c) FROM t;"
        "CREATE VIEW x AS SELECT same(d) + first_of(b) + same(c) FROM t;",
        2,
    ),
    "a table for one statement": (
        "SELECT 1;",
        "CREATE TEMP TABLE r ON COMMIT DROP AS SELECT 1 AS id;SELECT * FROM r;"
        "CREATE TEMP TABLE q (id int PRIMARY KEY) ON COMMIT DROP;INSERT INTO q VALUES (1);"
        "BEGIN;CREATE TEMP TABLE q (id int) ON COMMIT DROP;INSERT INTO q VALUES (1);COMMIT;",
        2,
    ),
    "a label that an earlier statement of the migration adds": (
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (m mood, n int); INSERT INTO t VALUES ('sad');"
        " CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g();",
        "ALTER TYPE mood ADD VALUE 'ok';UPDATE t SET n = 1 WHERE m = 'ok';"
        "CREATE INDEX ON t (n) WHERE m = 'ok';CREATE INDEX ON t ((m = 'ok'));"
        "UPDATE t SET n = 1 WHERE m = 'absent';",
        1,
    ),
    "a function that makes what it fills": (
        "SELECT 1;",
        "CREATE FUNCTION install() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM pg_class"
        " WHERE relname = 'made'; IF NOT FOUND THEN CREATE TABLE made (id int); END IF;"
        " INSERT INTO made VALUES (1); RETURN 1; END $$;SELECT install();"
        "CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO absent VALUES (1);"
        " END $$;SELECT fill();",
        1,
    ),
}
